"""`charrnn train`: learns a model from text files."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from charrnn.cli import settings, signals
from charrnn.cli.config_file import config_option
from charrnn.cli.options import Command, given, option, settings_of
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.presets import PRESETS

if TYPE_CHECKING:
    from charrnn.console.reports import Report, Run
    from charrnn.events import PlanEvent
    from charrnn.training_run import TrainingRun

_UNREAD = 141  # what a shell reports of a program that a closed pipe has ended

EXAMPLES = """
charrnn train novel.txt --max-time 15m
charrnn train src/ --glob '*.py' --num-layers 3 --hidden-size 512
zcat logs.gz | charrnn train - --bytes
charrnn train novel.txt --dropout 0.3 --recurrent-dropout 0.2 --average 0.1
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
@option("Output", "--tensorboard", is_flag=True,
        help="Write event files for TensorBoard into the run folder, with tensorboardX.")
@option("Output", "--json", "as_json", is_flag=True, help="Print events to standard output, one JSON object a line.")
@click.pass_context
def command(context: click.Context, corpus: tuple[str, ...], glob: str | None, preset: str | None,
            init_from: str | None, out: str | None, resume: bool, overwrite: bool, dry_run: bool, quiet: bool,
            as_json: bool, tensorboard: bool, **_: Any) -> int:
    """Learn a model from text files.

    CORPUS is one or more text files (plain or gzip) or folders, which are read recursively, or - for standard input;
    without it, a built-in text is learned. The model goes into a run folder, from which `charrnn sample` reads it.
    Ctrl-C saves the run and ends it; SIGUSR1 saves it and goes on. Options may
    also come from a file (--config) or the environment: CHARRNN_HIDDEN_SIZE=512 is --hidden-size 512.
    """
    from charrnn.console.reports import Run, report_for
    from charrnn.console.stdio import is_terminal, say
    from charrnn.training_run import train

    if "-" in corpus and is_terminal(sys.stdin):
        say("type or paste the text, and end it with Ctrl-D")
    run = train(corpus, glob=glob, out=out, preset=preset, init_from=init_from, resume=resume, overwrite=overwrite,
                tensorboard=tensorboard, **given(context, TextConfig, ModelConfig, TrainConfig))
    run.command = ("charrnn", *sys.argv[1:])
    for notice in run.corpus.notices:
        say(notice, "note: ", "36")
    which = ("--glob", glob) if glob else ()
    shown = Run(sources=run.corpus.sources, folder=str(run.path),
                resume=("charrnn", "train", *corpus, *which, "--resume", "--out", str(run.path)))
    if dry_run:
        _print_plan(run.plan, shown, as_json)
        return 0
    # A display and a stream of objects would mix on one terminal.
    return _follow(run, report_for(shown, quiet=quiet or (as_json and is_terminal(sys.stdout))), as_json)


def _print_plan(plan: PlanEvent, run: Run, as_json: bool) -> None:
    from charrnn.console.plan import plan_rows
    from charrnn.console.stdio import write
    from charrnn.console.terminal import facts, render

    if as_json:
        write(json.dumps(plan.to_json()) + "\n")
    else:
        write(render(facts(plan_rows(plan, run.sources, run.folder))))


def _follow(run: TrainingRun, report: Report, as_json: bool) -> int:
    """Train, showing what happens, and return the exit code."""
    from charrnn.console.stdio import OutputError, write
    from charrnn.events import CompileEvent, DoneEvent, SampleEvent
    from charrnn.strict_json import finite

    failure: Exception | None = None
    interrupted = False
    with report, signals.handled(stop=run.stop, save=run.save, stopping=report.stopping,
                                 abandon=report.abandon) as stop:
        for event in run:
            if isinstance(event, CompileEvent):
                stop.at_once = event.seconds is None
            if as_json and failure is None and not isinstance(event, SampleEvent):  # just what goes to metrics.jsonl
                try:
                    write(json.dumps(finite(event.to_json())) + "\n", flush=True)
                except (BrokenPipeError, OutputError) as error:
                    failure = error
                    run.stop()
            report.show(event)
            interrupted = isinstance(event, DoneEvent) and event.reason == "interrupted"
    if isinstance(failure, BrokenPipeError) and interrupted:
        return _UNREAD
    if failure:
        raise failure
    return stop.exit_code if interrupted else 0
