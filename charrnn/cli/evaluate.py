"""`charrnn eval`: measures the loss of a text under a model."""

from __future__ import annotations

import contextlib
import json
import sys

import click

from charrnn.cli.options import Command, option, threads_option
from charrnn.config import HELD_OUT

EXAMPLES = """
charrnn eval checkpoints/novel other-novel.txt
charrnn eval checkpoints/novel other-novel.txt --worst 10
charrnn eval checkpoints/novel --part val
charrnn eval checkpoints/novel --part val --dynamic
charrnn eval checkpoints/code src/ --glob '*.py' --per-char losses.jsonl
head -n 100 novel.txt | charrnn eval checkpoints/novel --json
"""


@click.command("eval", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", type=click.Path())
@click.argument("text", nargs=-1, type=click.Path())
@option("Text", "--glob", metavar="PATTERN", help="Which files of a folder to read, such as '*.py'.")
@option("Text", "--encoding", metavar="NAME", show_default="that of the model's own text",
        help="Encoding of the texts, such as utf-8 or cp1251.")
@option("Text", "--part", type=click.Choice(HELD_OUT),
        help="Evaluate what the run held out of its own text, as its val loss was measured. TEXT is that text, by "
             "default where it was in training.")
@option("Text", "--dynamic", is_flag=True,
        help="Dynamic evaluation: once a window is predicted, learn from it, so that what recurs in the text is "
             "expected. The checkpoint is left as it is.")
@option("Output", "--worst", type=click.IntRange(1, 1000), metavar="N",
        help="Show the N lines that surprised the model most.")
@option("Output", "--per-char", type=click.Path(), metavar="FILE",
        help="Write each character and its loss to a file, as JSON lines.")
@threads_option("Output")
@option("Output", "--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(context: click.Context, checkpoint: str, text: tuple[str, ...], glob: str | None, encoding: str | None,
            part: str | None, dynamic: bool, worst: int | None, per_char: str | None, threads: int | None,
            as_json: bool) -> int:
    """Measure the loss of a text under a model.

    CHECKPOINT is a checkpoint file or a run folder. TEXT is one or more files or folders, or - for standard input,
    which is also read when no TEXT is named and something is piped in. All are read as the model's own text was, one
    after the other. Characters that the model does not know are left out and counted: it neither reads nor predicts
    them, and the loss is the mean over the others.
    """
    from charrnn.console.stdio import is_terminal

    if not text and part is None and is_terminal(sys.stdin):
        raise click.UsageError("name a text to evaluate, or pipe one in, or take what the run held out with --part val",
                               context)
    if encoding is not None and part is not None:
        raise click.UsageError("--encoding and --part exclude each other: a run's own text is read as it was", context)
    from charrnn.cli.models import loaded
    from charrnn.console.evaluations import Progress, evaluation_page
    from charrnn.console.stdio import write
    from charrnn.console.terminal import render
    from charrnn.storage import check_output
    from charrnn.surprise import LOG_MARKS, WorstLines, character_log

    if per_char is not None:
        check_output(per_char, *LOG_MARKS)
    with loaded(checkpoint, threads) as (_, model), Progress() as progress, contextlib.ExitStack() as files:
        lines = WorstLines(worst) if worst else None
        watchers = [progress.add, lines.add] if lines else [progress.add]
        if per_char is not None:
            watchers.append(files.enter_context(character_log(per_char, as_bytes=model.vocabulary.bytes)).add)
        if part is None:
            result = model.evaluate(text or ("-",), *watchers, glob=glob, encoding=encoding, dynamic=dynamic)
        else:
            result = model.evaluate_held_out(part, text, *watchers, glob=glob, dynamic=dynamic)
    found = lines.lines() if lines else []
    if as_json:
        more = {"worst": [line.to_json(as_bytes=model.vocabulary.bytes) for line in found]} if lines else {}
        write(json.dumps(result.to_json() | more) + "\n")
    else:
        write(render(evaluation_page(result, found, as_bytes=model.vocabulary.bytes)))
    return 0
