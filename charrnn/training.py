"""The training loop: windows in order, one update each, with evaluations, checkpoints and samples along the way.

Whoever starts a run iterates over `Trainer.run`, which yields events and prints nothing. `charrnn.learner` makes the
updates, `charrnn.timetable` says when what is due, `charrnn.training_state` holds what decides a run's course and is
saved.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from charrnn.checkpoint import Checkpoint, load_checkpoint, read_description, save_checkpoint, thinned
from charrnn.compiling import backward_compiled_beside
from charrnn.config import ModelConfig, TrainConfig
from charrnn.corpus import Corpus
from charrnn.errors import CheckpointError, ConfigError, TrainingError
from charrnn.events import (
    CheckpointEvent,
    CompileEvent,
    DoneEvent,
    EvalEvent,
    Event,
    PlanEvent,
    SampleEvent,
    StepEvent,
    WarningEvent,
)
from charrnn.kernels.jit import is_compiled, mark_compiled
from charrnn.learner import Learner
from charrnn.model import initial_parameters, parameter_count
from charrnn.network import (
    choose_precision,
    memory_needed,
    step_operations,
    training_rate,
    useful_threads,
)
from charrnn.optimizers import learning_rate
from charrnn.run_folder import RunFolder
from charrnn.storage import printable
from charrnn.streams import split_text
from charrnn.threads import physical_memory, thread_count
from charrnn.timetable import Timetable
from charrnn.training_state import Progress, stored_progress

#: The seconds that a step takes however small it is, in a plan's estimate of time.
STEP_SECONDS = 1e-4

#: Events that are kept while they cannot be written; an hour has some 7,000.
MOST_UNWRITTEN = 50_000

#: Seconds between step events.
REPORT_SECONDS = 0.5

#: Characters of the samples that show how the model is getting on.
SAMPLE_LENGTH = 200

_FINISHED = {
    "epochs": "all epochs are done; go on with a larger --epochs",
    "max_steps": "all steps are done; go on with a larger --max-steps",
    "max_time": "the time is up; go on with a longer --max-time",
    "patience": "the validation loss had stopped falling; go on with a larger --patience",
}


def changed_text(run: RunFolder) -> CheckpointError:
    """Return the refusal to resume a run on a text that is not the one it was trained on."""
    folder = printable(run.path)
    return CheckpointError(f"the text is not the one that the run in {folder} was trained on: give that text, or start "
                           f"a new run on this one, with --init-from {folder} if it has the same characters")


class Trainer:
    """One training run.

    Parameters
    ----------
    corpus : the text, with the vocabulary that `model` is made for.
    model, config : what is trained, and how.
    run : where checkpoints and metrics go; already created, or holding the run to resume.
    init_from : a checkpoint whose weights the run starts from.
    resume : go on with the run in `run`.
    reason : why the settings are what they are, for the plan.

    Raises
    ------
    CorpusError : the text is too short.
    ConfigError : the settings do not work here, or do not fit the checkpoint.
    CheckpointError : the run to resume cannot be read, or was trained on another text.
    TrainingError : the machine has too little memory.
    """

    def __init__(self, corpus: Corpus, model: ModelConfig, config: TrainConfig, run: RunFolder, *,
                 init_from: Checkpoint | None = None, resume: bool = False, reason: str = "") -> None:
        self._precision = choose_precision(config.precision)
        # What was chosen is stored, so that a run goes on with it wherever and by whatever version it is resumed.
        config = config.replace(lr=config.peak_lr, beta1=config.momentum, precision=self._precision)
        self.corpus, self.model, self.config, self.run_folder = corpus, model, config, run
        self._split = split_text(corpus.ids, config)
        self._threads = useful_threads(model, self._split.batch_size, self._split.seq_len,
                                       thread_count(config.threads))
        self._start = load_checkpoint(run.last, training_state=True) if resume else init_from
        self._resume = resume
        if self._start is not None:
            self._check_start(self._start)
        self._history: list[dict[str, Any]] = list(self._start.history) if resume and self._start else []
        self._progress = stored_progress(self._start, self._split.windows) if resume and self._start else Progress()
        self._timetable = Timetable(config, self._progress, self._split.windows)
        memory = memory_needed(model, self._split.batch_size, self._split.seq_len) + corpus.ids.nbytes
        if memory > physical_memory():
            raise TrainingError(f"training would take {memory / 2**30:.1f} GiB of memory, and this machine has "
                                f"{physical_memory() / 2**30:.1f}: use a smaller --hidden-size, --num-layers, "
                                "--batch-size or --seq-len")
        self.plan = PlanEvent(
            characters=len(corpus), train_characters=self._split.train_characters, val_characters=self._split.val.size,
            test_characters=self._split.test.size, vocab_size=model.vocab_size, parameters=parameter_count(model),
            steps=self._timetable.step_limit, threads=self._threads, memory=memory, split=config.split,
            estimated_seconds=self._estimated_seconds(), reason=reason,
            config=model.to_json() | config.to_json() | corpus.text_config.to_json())
        self._stop = self._save = False

    def stop(self) -> None:
        """Ask the run to finish its step, save and end; safe to call from a signal handler."""
        self._stop = True

    def save(self) -> None:
        """Ask the run to save after its step and go on; safe to call from a signal handler."""
        self._save = True

    def run(self) -> Iterator[Event]:
        """Train, yielding what happens.

        Raises
        ------
        CheckpointError : the last checkpoint cannot be written, or another process is training in the folder.
        TrainingError : the loss is no longer a number.
        """
        self._timetable.start()
        first_step, compiling = self._progress.step, False
        unwritten: list[dict[str, Any]] = []
        warned = False
        with self.run_folder.lock():
            if self._resume and self._start:
                if read_description(self.run_folder.last).progress != self._start.progress:
                    raise CheckpointError(f"the run in {printable(self.run_folder.path)} has gone on meanwhile; resume "
                                          "it anew")
                self.run_folder.truncate_events(self._progress.step)
            for event in self._events():
                if not isinstance(event, SampleEvent):
                    unwritten.append(event.to_json())
                    self._history = thinned([*self._history, event.to_json()])
                if isinstance(event, CompileEvent):
                    compiling = event.seconds is None
                # A run that is stopped before its first step, or while it compiles, leaves no trace, so the same
                # command starts it again.
                ended = isinstance(event, DoneEvent) and event.reason != "interrupted"
                if (self._progress.step > first_step and not compiling) or ended:
                    try:
                        self.run_folder.append_metrics(*unwritten)
                        unwritten, warned = [], False
                    except CheckpointError as error:
                        if not warned:
                            yield WarningEvent(message=f"{error}; training goes on, and what is missing there is added "
                                                       "once it can be")
                        warned = True
                        del unwritten[:-MOST_UNWRITTEN]
                yield event

    def _check_start(self, start: Checkpoint) -> None:
        if self._resume and start.corpus.get("sha256") != self.corpus.sha256:
            raise changed_text(self.run_folder)
        shape = ("vocab_size", "cell", "hidden_size", "num_layers", "embedding_size")
        if any(getattr(start.model, name) != getattr(self.model, name) for name in shape):
            raise ConfigError("the model's shape differs from that of the checkpoint to start from: leave out --cell, "
                              "--hidden-size, --num-layers and --embedding-size")
        if start.vocabulary != self.corpus.vocabulary:
            raise ConfigError("the text's vocabulary differs from that of the checkpoint to start from: "
                              "train a new model on this text")

    def _estimated_seconds(self) -> float | None:
        """Return about how long the steps that are left will take, from how fast this machine multiplies."""
        limit = self._timetable.step_limit
        if limit is None:
            return None
        steps = max(0, limit - self._progress.step)
        operations = step_operations(self.model, self._split.batch_size, self._split.seq_len)
        return steps * (operations / training_rate(self._precision, self._threads) + STEP_SECONDS)

    def _events(self) -> Iterator[Event]:
        yield self.plan
        reason = self._over()
        if reason in _FINISHED and self._resume:
            yield WarningEvent(message=f"nothing is left to train: {_FINISHED[reason]}")
        if reason == "interrupted" or (reason and self._resume):
            yield self._done(reason)
            return
        split, timetable = self._split, self._timetable
        if (split.batch_size, split.seq_len) != (self.config.batch_size, self.config.seq_len):
            yield WarningEvent(message=f"the text is short: training with {split.batch_size} streams and windows of "
                                       f"{split.seq_len} characters")
        task = f"train-{self.model.cell}-{self.config.optimizer}-{self._precision}-{self.corpus.ids.dtype}"
        compiling = not is_compiled(task)
        if compiling:
            yield CompileEvent(seconds=None)
        started = going_on = time.monotonic()
        if compiling:  # is no training: a short first run would have little time left for that, or none
            with backward_compiled_beside(self.model.cell, self._precision, self.corpus.ids.dtype):
                self._set_up()
                self._learner.rehearse()
            timetable.leave_out(started)
            going_on = time.monotonic()
        else:
            self._set_up()
        first, self._reported = True, time.monotonic()
        self._evaluated = self._progress.step
        self._last_characters = self._progress.characters
        reason = self._over()
        if reason == "interrupted":  # before the first step: all is as it was
            yield self._done(reason)
            return
        while not reason:
            lr = self._learner.rate * learning_rate(self.config, timetable.share_done())
            norm, diverged = self._learner.step(lr)
            if diverged:
                yield WarningEvent(message=self._learner.go_back(diverged))
            if first:
                if compiling:
                    timetable.leave_out(going_on)
                yield self._step_event(lr, norm)
                if compiling:
                    going_on = time.monotonic()
                    self._sample()  # compiles what evaluates and writes
                    mark_compiled(task)
                    timetable.leave_out(going_on)
                    self._reported = time.monotonic()
                    yield CompileEvent(seconds=time.monotonic() - started)
                if self.config.max_time is not None and split.val.size:  # before there is a first evaluation to time
                    timetable.reserve_for(self._learner.reader.seconds())
            reason = self._over()
            due = timetable.occasion()
            evaluate = due and bool(split.val.size) and timetable.worth_evaluating()
            if due and not evaluate:
                self._learner.keep()
                timetable.kept()
            if not first and (reason or evaluate or time.monotonic() - self._reported >= REPORT_SECONDS):
                yield self._step_event(lr, norm)
            first = False
            if evaluate:
                yield from self._evaluate()
                reason = reason or self._over()
            elif self._save or timetable.save_due():
                yield from self._save_last()
            if timetable.due(self.config.sample_every):
                yield self._sample()
        if split.val.size and self._evaluated != self._progress.step and reason != "interrupted":
            yield from self._evaluate()
        elif self._saved != self._progress.step:
            yield from self._save_last()
        if not split.val.size:
            yield from self._checkpoint("best")
        for error in self._unwritten.values():
            left = f"can be resumed after step {self._stored}" if self._stored >= 0 else "cannot be resumed"
            raise CheckpointError(f"{error}; the run is over at step {self._progress.step}, and {left}")
        yield self._done(reason)

    def _done(self, reason: str) -> DoneEvent:
        progress, seconds = self._progress, self._timetable.elapsed()
        return DoneEvent(reason=reason, step=progress.step, best_val_loss=progress.best_val_loss, seconds=seconds,
                         chars_per_second=progress.characters / max(seconds, 1e-9), path=str(self.run_folder.path))

    def _set_up(self) -> None:
        start = self._start
        parameters = start.weights if start else initial_parameters(self.model, self.config.seed)
        self._learner = Learner(self.model, self.config, parameters, self._split, self._progress,
                                threads=self._threads, precision=self._precision)
        self._saved = self._stored = -1  # when it was last tried, and when that succeeded
        self._unwritten: dict[str, CheckpointError] = {}
        if self._resume and start:
            self._saved = self._stored = self._progress.step
            self._learner.go_on_from(start)
        self._start = None  # as large as several times the parameters

    def _over(self) -> str:
        """Return why the run ends now, or ''."""
        return "interrupted" if self._stop else self._timetable.over()

    def _epoch(self) -> float:
        return self._progress.epoch + self._progress.window / self._split.windows

    def _step_event(self, lr: float, norm: float) -> StepEvent:
        progress, seconds = self._progress, self._timetable.elapsed()
        # By the clock, compiling included: of a step whose time counts as none there would be no speed.
        speed = (progress.characters - self._last_characters) / max(time.monotonic() - self._reported, 1e-9)
        loss = progress.loss_sum / progress.loss_steps if progress.loss_steps else math.nan
        event = StepEvent(step=progress.step, epoch=self._epoch(), loss=loss, lr=lr, grad_norm=norm,
                          chars_per_second=speed, seconds=seconds, progress=self._timetable.share_done())
        progress.loss_sum, progress.loss_steps = 0.0, 0
        self._last_characters = progress.characters
        self._reported = time.monotonic()
        return event

    def _evaluate(self) -> Iterator[Event]:
        progress = self._progress
        reader, started = self._learner.reader, time.monotonic()
        val_loss = reader.loss()
        while not math.isfinite(val_loss):
            yield WarningEvent(message=self._learner.go_back("the validation loss is not a number"))
            val_loss = reader.loss()
        self._learner.keep()
        best = progress.best_val_loss is None or val_loss < progress.best_val_loss
        best_before = progress.best_val_loss
        if best:
            progress.best_val_loss, progress.worse = val_loss, 0
        else:
            progress.worse += 1
        self._evaluated = progress.step
        yield EvalEvent(step=progress.step, epoch=self._epoch(), val_loss=val_loss, bpc=val_loss / math.log(2),
                        best=best, seconds=self._timetable.elapsed())
        if best:
            yield from self._checkpoint("best")
            if "best" in self._unwritten:
                progress.best_val_loss = best_before  # so that the next to be better than what is stored is written
        yield from self._save_last()
        self._timetable.reserve_for(time.monotonic() - started)
        if self.config.sample_every is None:
            yield self._sample()
        self._timetable.evaluated()

    def _sample(self) -> SampleEvent:
        ids = self._learner.reader.write(self.corpus.start_id, SAMPLE_LENGTH, self.config.seed + self._progress.step)
        return SampleEvent(step=self._progress.step, text=self.corpus.vocabulary.decode(ids))

    def _save_last(self) -> Iterator[Event]:
        self._save = False
        self._saved = self._progress.step
        self._timetable.saved()
        yield from self._checkpoint("last")

    def _checkpoint(self, kind: str) -> Iterator[Event]:
        """Write a checkpoint; a failure is a warning, and the next occasion tries again, but for the last of all."""
        path = self.run_folder.best if kind == "best" else self.run_folder.last
        progress = asdict(self._progress) | {"seconds": self._timetable.elapsed()}
        state = self._learner.state() if kind == "last" else {}
        corpus = self.corpus.to_json() | {"most_frequent": self.corpus.start_id}
        try:
            save_checkpoint(path, Checkpoint(
                model=self.model, vocabulary=self.corpus.vocabulary, text=self.corpus.text_config, train=self.config,
                progress=progress, history=self._history, corpus=corpus,
                weights=self._learner.weights(), training_state=state))
        except CheckpointError as error:
            self._unwritten[kind] = error
            if not self._over():
                yield WarningEvent(message=f"{error}; training goes on, and the next save tries again")
            return
        self._unwritten.pop(kind, None)
        if kind == "last":
            self._stored = self._progress.step
        yield CheckpointEvent(path=str(path), step=self._progress.step, kind=kind)
