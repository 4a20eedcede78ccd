"""A training run from names and settings: which text, which model, which folder, and what an earlier run decides.

`charrnn.train` and the command of that name are this function; the training itself is `charrnn.training`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from charrnn.checkpoint import Description, load_checkpoint, read_description
from charrnn.config import ModelConfig, TextConfig, TrainConfig, option
from charrnn.corpus import Corpus, read_corpus, recorded_text
from charrnn.errors import ConfigError, TrainingError, UnknownCharacterError
from charrnn.events import Event, PlanEvent
from charrnn.exchange.event_files import EventFiles
from charrnn.presets import PRESETS
from charrnn.recording import Recorder
from charrnn.run_folder import RunFolder, default_run_folder, find_checkpoint
from charrnn.sizing import Choice, choose, task_of
from charrnn.training import Trainer, changed_text

_Config = TypeVar("_Config", ModelConfig, TrainConfig, TextConfig)

#: What may differ when a run is resumed: when it stops, and with that the course of the learning rate, what it reports
#: and what it runs on.
CHANGEABLE = frozenset({"epochs", "max_steps", "max_time", "patience", "eval_every", "save_every", "sample_every",
                        "threads"})

_SETTINGS = frozenset(field.name for configuration in (TextConfig, ModelConfig, TrainConfig)
                      for field in fields(configuration)) - {"vocab_size"}


class TrainingRun:
    """A run that is ready to start: iterating over it trains and yields events (`charrnn.events`).

    Attributes
    ----------
    corpus : the text.
    command : words that the run's report names as those that started it.
    """

    def __init__(self, corpus: Corpus, trainer: Trainer, *, resume: bool, overwrite: bool, tensorboard: bool) -> None:
        self.corpus = corpus
        self._event_files = [EventFiles(trainer.run_folder.tensorboard)] if tensorboard else []
        self.command: tuple[str, ...] = ()
        self._trainer, self._resume, self._overwrite = trainer, resume, overwrite
        self._begun = False

    def __repr__(self) -> str:
        return f"<TrainingRun in {self.path}>"

    @property
    def plan(self) -> PlanEvent:
        """What is going to happen."""
        return self._trainer.plan

    @property
    def path(self) -> Path:
        """The run folder, which `charrnn.load` takes."""
        return self._trainer.run_folder.path

    def __iter__(self) -> Iterator[Event]:
        """Train, yielding what happens, and keep the report in the run folder up to date.

        Raises
        ------
        CheckpointError : the folder holds another run, is in use, or cannot be written to.
        TrainingError : the loss is no longer a number; or the run was iterated over before.
        """
        if self._begun:
            raise TrainingError("this run has been iterated over before; prepare it anew, with resume=True to go on")
        self._begun = True
        if not self._resume:
            self._trainer.run_folder.create(overwrite=self._overwrite)
        report = Recorder(self._trainer.run_folder, self.corpus.sources, self.command, resumed=self._resume)
        recorders: list[Recorder | EventFiles] = [report, *self._event_files]
        try:
            for event in self._trainer.run():
                for recorder in recorders:
                    yield from recorder.take(event)
                yield event
        finally:
            for recorder in recorders:
                recorder.close()

    def stop(self) -> None:
        """Ask the run to finish its step, save and end; safe to call from a signal handler."""
        self._trainer.stop()

    def save(self) -> None:
        """Ask the run to save after its step and go on; safe to call from a signal handler."""
        self._trainer.save()


def train(corpus: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (), config: TrainConfig | None = None, *,
          text: str | None = None, glob: str | None = None, out: str | os.PathLike[str] | None = None,
          preset: str | None = None, init_from: str | os.PathLike[str] | None = None, resume: bool = False,
          overwrite: bool = False, tensorboard: bool = False, **settings: Any) -> TrainingRun:
    """Prepare a training run, which iterating over starts: the Python side of `charrnn train`.

    Parameters
    ----------
    corpus : a file or folder, several of them, "-" for standard input, or the name of a built-in corpus; none: the
        default built-in one.
    config : how to train; `settings` win over it. All of it counts as given by hand, but what is None.
    text : the text itself, in place of `corpus`.
    glob : which files of a folder to read.
    out : the run folder (None: one under checkpoints/, named after the text).
    preset : name of settings to start from (`charrnn.presets`); `config` and `settings` win over them.
    init_from : a checkpoint or run folder whose weights the run starts from.
    resume : go on with the run in `out`, exactly where it stopped; without `corpus` and `text`, on the text that the
        run read.
    overwrite : replace the run that is in `out`.
    tensorboard : write TensorBoard's event files into the run folder, too.
    settings : fields of `TextConfig`, `ModelConfig` (but `vocab_size`) and `TrainConfig`. Those of `CHOSEN` that are
        left out are chosen for the text and the time (`charrnn.sizing`), unless there is a preset.

    Raises
    ------
    ConfigError : a setting cannot work, or contradicts another or the run to go on with.
    CorpusError : the text cannot be read, or is too short.
    CheckpointError : the run or the checkpoint to start from cannot be read, or does not fit the text.
    TrainingError : the machine has too little memory.
    MissingLibraryError : `tensorboard` needs tensorboardX.
    """
    paths: Sequence[str | os.PathLike[str]] = [corpus] if isinstance(corpus, (str, os.PathLike)) else tuple(corpus)
    _refuse_contradictions(paths, text, out, preset, init_from, resume, overwrite)
    given = dict(PRESETS[preset] if preset else {}) | _without_none(config.to_json() if config else {})
    given |= settings if resume else _without_none(settings)
    if resume and given.get("precision") == "auto":
        del given["precision"]  # the run has chosen
    _refuse_unknown(given)
    names = ["text"] if text is not None else [os.fspath(path) for path in paths]
    folder = RunFolder(default_run_folder(names) if out is None else out)
    start = load_checkpoint(find_checkpoint(os.fspath(init_from))) if init_from is not None else None
    earlier = read_description(folder.last_saved()) if resume else start
    if resume and earlier and not paths and text is None:
        paths, glob = recorded_text(earlier.corpus)
    text_config = _text_config(given, earlier, resume)
    _configurations(given, 1, earlier, resume)  # refuses what cannot work before a long text is read for nothing
    try:
        read = read_corpus(paths, text_config, text=text, glob=glob, vocabulary=earlier.vocabulary if earlier else None)
    except UnknownCharacterError:
        if not resume:
            raise
        raise changed_text(folder) from None
    choice = Choice() if preset or resume else _choice(read, given, start)
    model_config, train_config = _configurations(choice.settings | given, len(read.vocabulary), earlier, resume)
    trainer = Trainer(read, model_config, train_config, folder, init_from=start, resume=resume, reason=choice.reason)
    return TrainingRun(read, trainer, resume=resume, overwrite=overwrite, tensorboard=tensorboard)


def _without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _choice(corpus: Corpus, given: dict[str, Any], start: Description | None) -> Choice:
    """Return what the run takes for the settings that were left out.

    A model to start from has its shape already, and more weight decay than usual would have it forget what it knows.
    """
    settled = {"weight_decay": TrainConfig.weight_decay} | given | start.model.to_json() if start else given
    return choose(task_of(len(corpus), len(corpus.vocabulary), settled), settled)


_WHY = {True: "the run that is resumed", False: "the checkpoint of --init-from"}


def _text_config(given: Mapping[str, Any], earlier: Description | None, resume: bool) -> TextConfig:
    return _settled(earlier.text, given, _WHY[resume]) if earlier else _configured(TextConfig, given)


def _configurations(given: Mapping[str, Any], vocab_size: int, earlier: Description | None,
                    resume: bool) -> tuple[ModelConfig, TrainConfig]:
    """Return the settings of a run: those given, and those that the run or checkpoint it goes on from has settled."""
    if earlier is None:
        return _configured(ModelConfig, given, vocab_size=vocab_size), _configured(TrainConfig, given)
    return (_settled(earlier.model, given, _WHY[resume]),
            _settled(earlier.train, given, _WHY[resume]) if resume else _configured(TrainConfig, given))


def _configured(configuration: type[_Config], given: Mapping[str, Any], **more: Any) -> _Config:
    names = {field.name for field in fields(configuration)}
    return configuration(**{name: value for name, value in given.items() if name in names}, **more)


def _settled(configuration: _Config, given: Mapping[str, Any], why: str) -> _Config:
    """Return a configuration that is settled already, with the changes that may still be made to it.

    Raises
    ------
    ConfigError : a setting contradicts it; `why` tells the person where it comes from.
    """
    changes: dict[str, Any] = {}
    for field in fields(configuration):
        if field.name not in given:
            continue
        value, settled = given[field.name], getattr(configuration, field.name)
        if field.name in CHANGEABLE:
            changes[field.name] = value
        elif value != settled:
            raise ConfigError(f"{_shown(field.name, value)} contradicts {why}: {_shown(field.name, settled)}; "
                              "leave it out")
    return configuration.replace(**changes)


def _shown(name: str, value: Any) -> str:
    """Return an option as it is given to set a value."""
    if isinstance(value, bool):
        return option(name) if value else f"--no-{option(name)[2:]}"
    return f"no {option(name)}" if value is None else f"{option(name)} {value}"


def _refuse_contradictions(paths: Sequence[object], text: str | None, out: object, preset: str | None,
                           init_from: object, resume: bool, overwrite: bool) -> None:
    """Raise `ConfigError` for arguments that say two things at once."""
    if resume and out is None:
        raise ConfigError("--resume needs --out DIR, the folder of the run to go on with")
    for name, given in (("overwrite", overwrite), ("init_from", init_from), ("preset", preset)):
        if resume and given:
            raise ConfigError(f"--resume goes on with a run as it is: leave out {option(name)}")
    if preset and preset not in PRESETS:
        raise ConfigError(f"--preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    if paths and text is not None:
        raise ConfigError("give a corpus or a text, not both")


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    for name in settings:
        if name not in _SETTINGS:
            close = difflib.get_close_matches(name, _SETTINGS, 1)
            raise ConfigError(f"there is no setting {name!r}; " + (f"did you mean {close[0]!r}?" if close else
                                                                  f"there are {', '.join(sorted(_SETTINGS))}"))
