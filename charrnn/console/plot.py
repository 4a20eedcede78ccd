"""Curves on a terminal, over a logarithmic scale: dots of Braille in colours, or letters where these cannot be told."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from charrnn.console.stdio import allows_colour

#: Powers of ten that the scale shows below the highest value; what is lower leaves the plot.
DECADES = 10

_STYLES = ("#4f8ef7", "#f08c3a", "#3fb37f", "#c678dd", "#e5c94d", "#ef5f6b", "#56c7d6", "#9aa3b2")
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column within a cell
_MARGIN = 6  # columns of the scale's numbers


@dataclass(frozen=True)
class Curve:
    """Values at 0, 1, 2, ...; those that are not positive, or infinite, are left out."""

    label: str
    values: Sequence[float]


def log_plot(curves: Sequence[Curve], width: int, height: int, *, mark: int | None = None) -> Text:
    """Return curves of equal length as rows for standard output, with a legend above.

    Parameters
    ----------
    width, height : columns and rows of it all.
    mark : where a dotted line goes up.
    """
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    braille = unicode and (len(curves) == 1 or allows_colour(sys.stdout))
    columns, rows = max(width - _MARGIN - 2, 10), max(height - 3, 4)
    across, down = (2, 4) if braille else (1, 1)
    length = max(len(curves[0].values) - 1, 1)
    logs = [[math.log10(value) if 0 < value < math.inf else None for value in curve.values] for curve in curves]
    top = max((value for curve in logs for value in curve if value is not None), default=0.0)
    low = min((value for curve in logs for value in curve if value is not None), default=0.0)
    low = min(max(low, top - DECADES), top - 1)
    cells: dict[tuple[int, int], tuple[int, int]] = {}  # (row, column): (dots, curve)
    for number, curve in enumerate(logs):
        for x, y in _points(curve, columns * across, rows * down, top, low):
            place = (y // down, x // across)
            dots = cells[place][0] if braille and place in cells else 0
            cells[place] = (dots | _DOTS[y % down][x % across] if braille else 0, number)
    marked = None if mark is None or not 0 < mark < length else round(mark / length * (columns - 1))
    lines = [_legend(curves, braille)]
    for row in range(rows):
        line = Text.assemble((_scale_number(row, rows, top, low).rjust(_MARGIN) + (" │" if unicode else " |"), "dim"))
        for column in range(columns):
            if (row, column) in cells:
                dots, number = cells[row, column]
                line.append(chr(0x2800 + dots) if braille else _letter(number), _style(number))
            else:
                line.append((("┊" if unicode else ":") if column == marked else " "), "dim")
        lines.append(line)
    lines += _axis(columns, length, mark if marked is not None else None, unicode)
    return Text("\n", no_wrap=True, overflow="ignore").join(lines)


def _points(values: Sequence[float | None], width: int, height: int, top: float, low: float) -> list[tuple[int, int]]:
    """Return the dots (x, y from the top) of a line through values on a grid; what is below the scale is left out."""
    points = []
    before: int | None = None
    for x in range(width):
        place = x / max(width - 1, 1) * (len(values) - 1)
        left, right = values[int(place)], values[min(int(place) + 1, len(values) - 1)]
        if left is None or right is None:
            before = None
            continue
        y = round((top - left - (right - left) * (place - int(place))) / (top - low) * (height - 1))
        joined = range(min(y, before + 1), max(y, before - 1) + 1) if before is not None and before != y else [y]
        points += [(x, dot) for dot in joined if dot < height]
        before = y
    return points


def _legend(curves: Sequence[Curve], braille: bool) -> Text:
    parts = [Text.assemble((("━" if braille else _letter(number)) + " ", _style(number)), curve.label)
             for number, curve in enumerate(curves)]
    return Text(" " * (_MARGIN + 2)) + Text("   ").join(parts)


def _scale_number(row: int, rows: int, top: float, low: float) -> str:
    """Return a power of ten where one belongs in a row, at most one in two rows."""
    step = math.ceil(2 * (top - low) / rows)
    for power in range(math.floor(top), math.ceil(low) - 1, -step):
        if round((top - power) / (top - low) * (rows - 1)) == row:
            return f"1e{power}" if power else "1"
    return ""


def _axis(columns: int, length: int, mark: int | None, unicode: bool) -> list[Text]:
    corner, line, tick = "└─┴" if unicode else "+-+"
    numbers = [round(length * quarter / 4) for quarter in range(5)]
    places = {round(number / length * (columns - 1)): str(number) for number in numbers}
    ruler = "".join(tick if column in places else line for column in range(columns))
    written = ""
    for place, number in places.items():
        written = written.ljust(min(max(place - len(number) // 2, 0), columns - len(number))) + number
    note = "steps back, k" + (f" (dotted: training looks back {mark})" if mark is not None else "")
    return [Text(" " * _MARGIN + f" {corner}{ruler}", "dim"), Text(" " * (_MARGIN + 2) + written, "dim"),
            Text(" " * (_MARGIN + 2) + note, "dim")]


def _letter(number: int) -> str:
    return chr(ord("a") + number % 26)


def _style(number: int) -> str:
    return _STYLES[number % len(_STYLES)]
