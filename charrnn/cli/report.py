"""`charrnn report`: draws the course of training runs."""

from __future__ import annotations

import click

from charrnn.cli.options import Command, option

EXAMPLES = """
charrnn report
charrnn report checkpoints/novel
charrnn report checkpoints/lstm checkpoints/gru --out comparison.html
"""


@click.command("report", cls=Command, examples=EXAMPLES)
@click.argument("run", nargs=-1, metavar="[RUN]...", type=click.Path())
@option("Output", "--out", type=click.Path(), metavar="FILE", help="The page to write.",
        show_default="report.html, in the folder of a single run")
def command(run: tuple[str, ...], out: str | None) -> int:
    """Draw the course of training runs on a page: one file of HTML, which needs no network.

    RUN is a run folder, or a checkpoint in it; without it, the newest run under checkpoints/. The curves of several
    lie over one another. While a run trains, the report in its folder is kept up to date anyway.
    """
    from charrnn.console.stdio import say
    from charrnn.console.text import size
    from charrnn.reporting import write_report
    from charrnn.storage import printable

    path, written = write_report(run, out)
    say(f"report: {printable(path)} ({size(written)})")
    return 0
