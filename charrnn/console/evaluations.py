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
from charrnn.console.text import count, escaped_character, rate, visible
from charrnn.storage import printable

if TYPE_CHECKING:
    from charrnn.evaluation import Evaluation, Scored
    from charrnn.surprise import Line

#: Styles of a character that the model gave less than a probability, the smallest first; colours that both light and
#: dark terminals show.
SURPRISE = ((0.001, "bold white on red"), (0.01, "red"), (0.1, "yellow"))

_WHOLE_LINE = "\r\x1b[K"

_PARTS = {"val": "validation part", "test": "test part"}
_SPLITS = {"tail": "the end of the run's text", "stream": "the end of each parallel stream of the run's text"}


def evaluation_page(result: Evaluation, worst: Sequence[Line] = (), *, as_bytes: bool = False) -> RenderableType:
    """Return an evaluation as a table, with the worst lines below it."""
    parts: list[RenderableType] = [_measures(result)]
    if worst:
        parts += [Text("\nMost surprising lines", style="bold"), _lines(worst, as_bytes), _legend()]
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


def surprise_style(loss: float) -> str:
    """Return the style of a character that cost so many nats; NaN: it was not predicted."""
    return next((style for limit, style in SURPRISE if loss > -math.log(limit)), "dim" if math.isnan(loss) else "")


def _measures(result: Evaluation) -> Table:
    rows = [("loss", f"{result.loss:.4f} nats per character"), ("bpc", f"{result.bpc:.4f} bits per character"),
            ("perplexity", f"{result.perplexity:.4g}"), ("characters", count(result.characters)),
            ("unknown", _unknown(result)), ("speed", f"{rate(result.chars_per_second)} characters/s")]
    if result.part and result.split:
        rows.insert(0, ("text", f"{_PARTS[result.part]}: {_SPLITS[result.split]} (--split {result.split})"))
    return facts(rows)


def _unknown(result: Evaluation) -> str:
    if not result.unknown:
        return "none"
    share = result.unknown / (result.unknown + result.characters)
    return f"{count(result.unknown)} ({share:.2%}) left out: not read, not predicted, not in the loss"


def _lines(worst: Sequence[Line], as_bytes: bool) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="cyan", no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for line in worst:
        table.add_row(f"{line.loss:.2f}", Text(f"{printable(line.source)}, line {count(line.number)}", style="dim"))
        table.add_row("", _coloured(line, as_bytes))
    return table


def _coloured(line: Line, as_bytes: bool) -> Text:
    text = Text()
    for code, loss in zip(line.code_points.tolist(), line.losses.tolist()):
        if code != 0x0A:
            char = escaped_character(code, True) if as_bytes and code > 0x7E else visible(chr(code))
            text.append(char, surprise_style(loss))
    return text


def _legend() -> Text:
    legend = Text("nats per character")
    if allows_colour(sys.stdout):
        legend.append("; coloured where the model gave less than ")
        for limit, style in reversed(SURPRISE):
            legend.append(f"{100 * limit:g}%", style).append("" if limit == SURPRISE[0][0] else ", ")
    return legend
