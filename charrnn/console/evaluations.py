"""An evaluation as a table, and the lines that surprised the model most."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from charrnn.console.stdio import Messages, allows_colour, can_redraw
from charrnn.console.terminal import facts
from charrnn.console.text import count, escaped_character, rate
from charrnn.console.tint import Tint
from charrnn.storage import printable
from charrnn.vocabulary import SURROGATES

if TYPE_CHECKING:
    from charrnn.evaluation import Evaluation, Scored
    from charrnn.surprise import Line

_WHOLE_LINE = "\r\x1b[K"

_PARTS = {"val": "validation part", "test": "test part"}
_SPLITS = {"tail": "the end of the run's text", "stream": "the end of each parallel stream of the run's text"}


def evaluation_page(result: Evaluation, worst: Sequence[Line] = (), *, as_bytes: bool = False) -> RenderableType:
    """Return an evaluation as a table, with the worst lines below it."""
    parts: list[RenderableType] = [_measures(result)]
    if worst:
        parts += [Text("\nMost surprising lines, with their nats per character", style="bold"), _lines(worst, as_bytes)]
    return Group(*parts)


class Progress:
    """Says on a terminal how far the reading of a text is, in a line that is gone afterwards."""

    def __init__(self) -> None:
        self._shown = can_redraw(sys.stderr)
        self._characters = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._characters and self._shown:
            Messages().write(_WHOLE_LINE)

    def add(self, piece: Scored) -> None:
        """Take note of a further piece."""
        self._characters += len(piece.code_points)
        if self._shown:
            Messages().write(f"{_WHOLE_LINE}{count(self._characters)} characters read")
            Messages().flush()


def _measures(result: Evaluation) -> Table:
    rows = [("loss", f"{result.loss:.4f} nats per character"), ("bpc", f"{result.bpc:.4f} bits per character"),
            ("perplexity", f"{result.perplexity:.4g}"), ("characters", count(result.characters)),
            ("unknown", _unknown(result)), ("speed", f"{rate(result.chars_per_second)} characters/s")]
    if result.dynamic:
        rows[0] = ("loss", f"{result.loss:.4f} nats per character, learning from the text (--dynamic)")
    if result.part and result.split:
        rows.insert(0, ("text", f"{_PARTS[result.part]}: {_SPLITS[result.split]} (--split {result.split})"))
    return facts(rows)


def _unknown(result: Evaluation) -> str:
    if not result.unknown:
        return "none"
    share = result.unknown / (result.unknown + result.characters)
    return f"{count(result.unknown)} ({share:.2%}) left out: not read, not predicted, not in the loss"


def _lines(worst: Sequence[Line], as_bytes: bool) -> RenderableType:
    tint = Tint(sys.stdout)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for line in worst:
        table.add_row(f"{line.loss:.2f}", Text(f"{printable(line.source)}, line {count(line.number)}", style="dim"))
        table.add_row("", _tinted(line, tint, as_bytes))
    legend = [Text.from_ansi(tint.legend())] if allows_colour(sys.stdout) else []
    return Group(table, *legend)


def _tinted(line: Line, tint: Tint, as_bytes: bool) -> Text:
    shown, logprobs = "", []
    for char, loss in zip(*line.characters(as_bytes=as_bytes)):
        if char != "\n":
            word = escaped_character(ord(char) & 0xFF, True) if ord(char) in SURROGATES else char
            shown += word
            # What was not predicted cannot surprise: it looks like what was expected.
            logprobs += [0.0 if math.isnan(loss) else -loss] * len(word)
    return Text.from_ansi(tint.text(shown, logprobs))
