"""`charrnn train`: learns a model from text files."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import settings, signals
from charrnn.cli.config_file import config_option
from charrnn.cli.options import Command, configured, option, settings_of
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.config import option as spelled
from charrnn.presets import PRESETS

if TYPE_CHECKING:
    from charrnn.console.reports import Report, Run
    from charrnn.run_folder import RunFolder
    from charrnn.training import Trainer

_UNREAD = 141  # what a shell reports of a program that a closed pipe has ended

EXAMPLES = """
charrnn train novel.txt --max-time 15m
charrnn train src/ --glob '*.py' --num-layers 3 --hidden-size 512
zcat logs.gz | charrnn train - --bytes
charrnn train novel.txt --preset min-char-rnn --max-steps 10000
charrnn train novel.txt --resume --out checkpoints/novel --epochs 20
charrnn train novel.txt --config large.toml --seed 2
CHARRNN_THREADS=2 charrnn train novel.txt --dry-run
"""


@click.command("train", cls=Command, examples=EXAMPLES)
@click.argument("corpus", nargs=-1, metavar="[CORPUS]...", type=click.Path())
@config_option("Settings")
@option("Text", "--glob", metavar="PATTERN", help="Which files of a folder to read, such as '*.py'.")
@settings_of(TextConfig, "Text", settings.TEXT)
@settings_of(TrainConfig, "Text", settings.HELD_OUT)
@settings_of(ModelConfig, "Model", settings.MODEL)
@option("Model", "--preset", type=click.Choice(list(PRESETS)),
        help="Start from these settings; options given by hand win over them.")
@option("Model", "--init-from", type=click.Path(), metavar="CHECKPOINT",
        help="Start from the weights of this checkpoint.")
@settings_of(TrainConfig, "Optimization", settings.OPTIMIZATION)
@settings_of(TrainConfig, "Length", settings.LENGTH)
@option("Run", "--out", type=click.Path(), metavar="DIR", help="The run folder.",
        show_default="checkpoints/NAME, after the text")
@option("Run", "--resume", is_flag=True, help="Go on with the run in --out, exactly where it stopped.")
@option("Run", "--overwrite", is_flag=True, help="Replace the run that is in --out.")
@settings_of(TrainConfig, "Run", settings.INTERVALS)
@settings_of(TrainConfig, "Run", settings.MACHINE)
@option("Output", "--dry-run", is_flag=True, help="Print the plan and train nothing.")
@option("Output", "--quiet", "-q", is_flag=True, help="Print warnings and errors alone.")
@option("Output", "--json", "as_json", is_flag=True, help="Print events to standard output, one JSON object a line.")
@click.pass_context
def command(context: click.Context, corpus: tuple[str, ...], glob: str | None, preset: str | None,
            init_from: str | None, out: str | None, resume: bool, overwrite: bool, dry_run: bool, quiet: bool,
            as_json: bool, **_: Any) -> int:
    """Learn a model from text files.

    CORPUS is one or more text files (plain or gzip) or folders, which are read recursively, or - for standard input;
    without it, a built-in text is learned. The model goes into a run folder, from which `charrnn sample` reads it.
    Ctrl-C saves the run and ends it; SIGUSR1 saves it and goes on. Options may
    also come from a file (--config) or the environment: CHARRNN_HIDDEN_SIZE=512 is --hidden-size 512.
    """
    _refuse_contradictions(context)
    from charrnn.console.reports import Run, report_for
    from charrnn.console.stdio import is_terminal
    from charrnn.run_folder import RunFolder, default_run_folder

    settings.apply_preset(context, preset)
    folder = RunFolder(out if out is not None else default_run_folder(corpus))
    trainer, sources = _trainer(context, corpus, glob, folder, init_from, resume)
    which = ("--glob", glob) if glob else ()
    run = Run(sources=sources, folder=str(folder.path),
              resume=("charrnn", "train", *corpus, *which, "--resume", "--out", str(folder.path)))
    if dry_run:
        _print_plan(trainer, run, as_json)
        return 0
    if not resume:
        folder.create(overwrite=overwrite)
    # A display and a stream of objects would mix on one terminal.
    return _follow(trainer, report_for(run, quiet=quiet or (as_json and is_terminal(sys.stdout))), as_json)


def _refuse_contradictions(context: click.Context) -> None:
    """Raise `click.UsageError` for options that say two things at once."""
    given = context.params
    if given["resume"] and given["out"] is None:
        raise click.UsageError("--resume needs --out DIR, the folder of the run to go on with", context)
    for name in ("overwrite", "init_from", "preset"):
        if given["resume"] and given[name]:
            raise click.UsageError(f"--resume goes on with a run as it is: leave out {spelled(name)}", context)


def _trainer(context: click.Context, corpus: tuple[str, ...], glob: str | None, folder: RunFolder,
             init_from: str | None, resume: bool) -> tuple[Trainer, tuple[str, ...]]:
    """Return the trainer that the options describe, and the names of its texts."""
    from charrnn.checkpoint import load_checkpoint, read_description
    from charrnn.console.stdio import is_terminal, say
    from charrnn.corpus import read_corpus, recorded_text
    from charrnn.errors import UnknownCharacterError
    from charrnn.run_folder import find_checkpoint
    from charrnn.training import Trainer, changed_text

    start = load_checkpoint(find_checkpoint(init_from)) if init_from is not None else None
    earlier = read_description(folder.last_saved()) if resume else start
    if resume and earlier and not corpus:
        corpus, glob = recorded_text(earlier.corpus)
    why = "the run that is resumed" if resume else "the checkpoint of --init-from"
    text_config = settings.settled(context, earlier.text, why) if earlier else configured(context, TextConfig)
    train_config = settings.settled(context, earlier.train, why) if resume and earlier else \
        configured(context, TrainConfig)
    if earlier:
        model_config = settings.settled(context, earlier.model, why)
    else:  # before a long text is read, so that a wrong option is known at once
        model_config = configured(context, ModelConfig, vocab_size=1)

    if "-" in corpus and is_terminal(sys.stdin):
        say("type or paste the text, and end it with Ctrl-D")
    try:
        text = read_corpus(corpus, text_config, glob=glob, vocabulary=earlier.vocabulary if earlier else None)
    except UnknownCharacterError:
        if not resume:
            raise
        raise changed_text(folder) from None
    for notice in text.notices:
        say(notice, "note: ", "36")
    model_config = model_config.replace(vocab_size=len(text.vocabulary))
    return Trainer(text, model_config, train_config, folder, init_from=start, resume=resume), text.sources


def _print_plan(trainer: Trainer, run: Run, as_json: bool) -> None:
    from charrnn.console.plan import plan_rows
    from charrnn.console.stdio import write
    from charrnn.console.terminal import facts, render

    if as_json:
        write(json.dumps(trainer.plan.to_json()) + "\n")
    else:
        write(render(facts(plan_rows(trainer.plan, run.sources, run.folder))))


def _follow(trainer: Trainer, report: Report, as_json: bool) -> int:
    """Train, showing what happens, and return the exit code."""
    from charrnn.console.stdio import OutputError, write
    from charrnn.events import CompileEvent, DoneEvent, SampleEvent
    from charrnn.strict_json import finite

    failure: Exception | None = None
    interrupted = False
    with report, signals.handled(stop=trainer.stop, save=trainer.save, stopping=report.stopping,
                                 abandon=report.abandon) as stop:
        for event in trainer.run():
            stop.at_once = isinstance(event, CompileEvent) and event.seconds is None
            if as_json and failure is None and not isinstance(event, SampleEvent):  # just what goes to metrics.jsonl
                try:
                    write(json.dumps(finite(event.to_json())) + "\n", flush=True)
                except (BrokenPipeError, OutputError) as error:
                    failure = error
                    trainer.stop()
            report.show(event)
            interrupted = isinstance(event, DoneEvent) and event.reason == "interrupted"
    if isinstance(failure, BrokenPipeError) and interrupted:
        return _UNREAD
    if failure:
        raise failure
    return stop.exit_code if interrupted else 0
