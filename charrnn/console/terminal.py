"""Rich, set up so that it styles only where that is welcome and takes every text as it is."""

from __future__ import annotations

import io
import sys
from typing import IO, Any, cast

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from charrnn.console.stdio import Messages, allows_colour, can_redraw, is_terminal

_LOG_WIDTH = 400  # of what is no terminal: wide enough that nothing is wrapped


def console_for(stream: Any) -> Console:
    """Return a console that writes to a stream, plain where colours or cursor movements have no place."""
    redraws = can_redraw(stream)
    # Without a colour system rich leaves out bold and italics as well, which its own no_color keeps.
    return Console(file=cast(IO[str], stream), force_terminal=redraws, force_interactive=redraws,
                   color_system="auto" if allows_colour(stream) else None, markup=False, emoji=False, highlight=False,
                   width=None if is_terminal(stream) else _LOG_WIDTH)


def message_console() -> Console:
    """Return the console of messages, on standard error."""
    return console_for(Messages())


def render(renderable: RenderableType) -> str:
    """Return something as lines for standard output, without blanks at their ends."""
    console = console_for(sys.stdout)
    console.file = page = io.StringIO()
    console.print(renderable)
    return "".join(line.rstrip() + "\n" for line in page.getvalue().split("\n")[:-1])


def output_width() -> int:
    """Return how many columns standard output has."""
    return console_for(sys.stdout).width


def facts(rows: list[tuple[str, str]]) -> Table:
    """Return a table of names and what is to be said about them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    return table
