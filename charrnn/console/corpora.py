"""The catalogue of corpora as a page, and a download as it goes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from charrnn.catalogue import Entry
from charrnn.console.stdio import can_redraw, say
from charrnn.console.terminal import message_console
from charrnn.console.text import size
from charrnn.download import Progress


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return a corpus as a JSON object."""
    return {**asdict(entry), "verified": entry.sha256 is not None}


def catalogue_page(entries: list[Entry]) -> Group:
    """Return the catalogue as a table, and what its marks mean."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for entry in entries:
        known = size(entry.bytes) if entry.bytes else ""
        details = Text(f"{entry.licence} · {entry.source}", "dim")
        table.add_row(entry.name, known if entry.sha256 else f"~ {known}", Text.assemble(entry.about, "\n", details))
    return Group(table, Text("\n~ a rough size, and not verified: no SHA-256 is known, or it depends on this Python",
                             "dim"))


def follow(entry: Entry, steps: Iterable[Progress]) -> None:
    """Show how far a corpus has come: a bar on a terminal, else a line when it begins."""
    kept = "" if entry.sha256 or entry.made else "; its SHA-256 is not known, so look at the text before you rely on it"
    doing = "making" if entry.made else "fetching"
    say(f"{doing} {entry.name} from {entry.url or entry.source}; {entry.licence}{kept}")
    if not can_redraw(sys.stderr):
        for _ in steps:
            pass
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
               TimeRemainingColumn())
    with Bar(*columns, console=message_console(), transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task(entry.name, total=None)
        for step in steps:
            bar.update(task, completed=step.done, total=step.total)
