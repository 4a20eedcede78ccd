"""A terminal that is recorded: what commands of charrnn write to it, as SVG."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from charrnn.__main__ import main
from charrnn.run_folder import SHIPPED


class Terminal(io.StringIO):
    """Standard output that says it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def output_of(words: Sequence[str], columns: int) -> Text:
    """Return what a command writes to a terminal of so many columns."""
    os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(columns)}
    os.environ.pop("NO_COLOR", None)
    shell, sys.stdout = sys.stdout, Terminal()
    try:
        assert main(list(words)) == 0
        shown = sys.stdout.getvalue()
    finally:
        sys.stdout = shell
    return Text.from_ansi(shown.replace(f"{SHIPPED}{os.sep}", "").rstrip("\n"))  # where the package lies here


def as_svg(parts: Sequence[Text], columns: int, title: str) -> str:
    """Return a picture of a terminal that shows some texts, one below the other."""
    console = Console(record=True, width=columns, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    for part in parts:
        console.print(part, soft_wrap=True)
    picture = console.export_svg(title=title)
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # fonts from the network


def session(commands: Sequence[str], columns: int = 100) -> str:
    """Return a picture of a terminal in which commands were given one after the other."""
    parts = []
    for number, command in enumerate(commands):
        parts.append(Text.assemble("\n" if number else "", ("$ ", "bold green"), (command, "bold")))
        parts.append(output_of(shlex.split(command)[1:], columns))
    return as_svg(parts, columns, "charrnn")
