"""`charrnn eval`: measures the loss of a text under a model."""

from __future__ import annotations

import json
import sys

import click

from charrnn.cli.options import Command, option, threads_option

EXAMPLES = """
charrnn eval checkpoints/novel other-novel.txt
charrnn eval checkpoints/code src/ --glob '*.py'
head -n 100 novel.txt | charrnn eval checkpoints/novel --json
"""


@click.command("eval", cls=Command, examples=EXAMPLES)
@click.argument("checkpoint", type=click.Path())
@click.argument("text", nargs=-1, type=click.Path())
@option("Text", "--glob", metavar="PATTERN", help="Which files of a folder to read, such as '*.py'.")
@threads_option("Output")
@option("Output", "--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(context: click.Context, checkpoint: str, text: tuple[str, ...], glob: str | None, threads: int | None,
            as_json: bool) -> int:
    """Measure the loss of a text under a model.

    CHECKPOINT is a checkpoint file or a run folder. TEXT is one or more files or folders, or - for standard input,
    which is also read when no TEXT is named and something is piped in. All are read as the model's own text was.
    Unknown characters are left out and counted.
    """
    from charrnn.console.stdio import is_terminal

    if not text and is_terminal(sys.stdin):
        raise click.UsageError("name a text to evaluate, or pipe one in", context)
    from charrnn.cli.models import loaded
    from charrnn.console.results import evaluation_table
    from charrnn.console.stdio import write
    from charrnn.console.terminal import render
    from charrnn.corpus import read_text

    with loaded(checkpoint, threads, "eval") as (_, model):
        result = model.evaluate(read_text(text or ("-",), model.vocabulary, model.checkpoint.text, glob=glob))
    write(json.dumps(result.to_json()) + "\n" if as_json else render(evaluation_table(result)))
    return 0
