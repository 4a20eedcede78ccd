"""Text on a terminal, each character on a background that shows a value: blue for -1, dark for 0, red for 1.

Where there are no colours, each row has one of digits beneath it, 0 for -1 to 9 for 1. No character of the text drives
the terminal or is read as markup: what has no shape of its own is spelt out, and so are characters that would join
their neighbours. A combining mark stands with the character before it, and has its colour.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.text import Text

from charrnn.console.stdio import allows_colour
from charrnn.console.terminal import console_for
from charrnn.console.text import escaped_character

_TAB = 4
_INK = Color.from_rgb(255, 255, 255)
_NEGATIVE, _NEUTRAL, _POSITIVE = (45, 95, 235), (32, 33, 40), (214, 45, 50)
_LEVELS = 24  # of colour, to either side
# Of a terminal's 256 colours, those that are nearest to each mixture would be greenish.
_NEGATIVE_256, _NEUTRAL_256, _POSITIVE_256 = (17, 18, 19, 20, 27), 235, (52, 88, 124, 160, 196)
_VARIATION_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))


@dataclass(frozen=True)
class Glyph:
    """A character as it is shown: its text and width in columns, its value, and whether a row begins with it."""

    shown: str
    width: int
    value: float
    begins_row: bool


class Rows:
    """Breaks text into rows, one character after the other."""

    def __init__(self, width: int, *, is_bytes: bool, unicode: bool = True) -> None:
        self._width, self._is_bytes = width, is_bytes
        self._newline, self._tab = ("↵", "→") if unicode else ("\\n", "\\t")
        self._column = 0
        self._last: float | None = None  # value of the last character in the row, None at its beginning

    def place(self, code_point: int, value: float) -> Glyph:
        """Return the next character as it is shown."""
        shown = self._shown(code_point)
        width = cell_len(shown)
        if width == 0 and self._last is not None:
            return Glyph(shown, 0, self._last, False)
        if width == 0:  # a mark without a character before it
            shown, width = f"◌{shown}", 1
        begins = self._last is None or self._column + width > self._width
        self._column = width if begins else self._column + width
        self._last = None if code_point == ord("\n") else value
        return Glyph(shown, width, value, begins)

    def _shown(self, code_point: int) -> str:
        if code_point == ord("\n"):
            return self._newline
        if code_point == ord("\t"):
            room = self._width if self._last is None else self._width - self._column
            column = 0 if self._last is None else self._column
            return self._tab.ljust(max(min(_TAB - column % _TAB, room), len(self._tab)))
        if code_point == ord(" "):
            return " "
        if code_point in _VARIATION_SELECTORS:  # makes some characters wider, on some terminals
            return f"\\u{code_point:04x}" if code_point < 0x10000 else f"\\U{code_point:08x}"
        return escaped_character(code_point, self._is_bytes)


def coloured(characters: Iterable[tuple[int, float]], width: int, *, is_bytes: bool = False) -> Text:
    """Return characters, each given as (code point, value from -1 to 1), as rows for standard output.

    Parameters
    ----------
    width : columns of a row at most.
    is_bytes : the code points are bytes.
    """
    return Text("\n", no_wrap=True, overflow="ignore").join(
        _with_digits(row) if not allows_colour(sys.stdout) else Text.assemble(*map(styled, row))
        for row in _rows(characters, Rows(width, is_bytes=is_bytes, unicode=_speaks_unicode())))


def live(pieces: Iterable[Iterable[tuple[int, float]]], width: int, *, is_bytes: bool = False) -> Iterator[Text]:
    """Yield text as it is generated, as `coloured` shows it: pieces of a row with colours, whole rows with digits."""
    rows = Rows(width, is_bytes=is_bytes, unicode=_speaks_unicode())
    if not allows_colour(sys.stdout):
        characters = (character for piece in pieces for character in piece)
        for row in _rows(characters, rows):
            yield _with_digits(row) + Text("\n")
        return
    started = False
    for piece in pieces:
        text = Text(no_wrap=True, overflow="ignore")
        for code_point, value in piece:
            glyph = rows.place(code_point, value)
            if glyph.begins_row and started:
                text.append("\n")
            started = True
            text.append_text(styled(glyph))
        yield text
    yield Text("\n")


def legend() -> Text:
    """Return what the colours, or the digits, stand for."""
    if not allows_colour(sys.stdout):
        return Text("digits below the text: 0 for -1, 9 for +1")
    steps = [Glyph(" ", 1, step / 12 - 1, False) for step in range(25)]
    return Text.assemble("-1 ", *map(styled, steps), " +1")


def styled(glyph: Glyph) -> Text:
    """Return a character on the background that its value has."""
    return Text(glyph.shown, _style(round(max(-1.0, min(1.0, glyph.value)) * _LEVELS), _system()))


@functools.cache
def _system() -> str | None:
    """Return which colours standard output has, as rich calls them."""
    return console_for(sys.stdout).color_system


@functools.cache
def _style(level: int, system: str | None) -> Style:
    if system == "256":
        ramp = _NEGATIVE_256 if level < 0 else _POSITIVE_256
        step = round(abs(level) / _LEVELS * len(ramp))
        return Style(color=_INK, bgcolor=Color.from_ansi(ramp[step - 1] if step else _NEUTRAL_256))
    share, pole = abs(level) / _LEVELS, _NEGATIVE if level < 0 else _POSITIVE
    red, green, blue = (round(low + (high - low) * share) for low, high in zip(_NEUTRAL, pole))
    return Style(color=_INK, bgcolor=Color.from_rgb(red, green, blue))


def _rows(characters: Iterable[tuple[int, float]], rows: Rows) -> Iterator[list[Glyph]]:
    row: list[Glyph] = []
    for code_point, value in characters:
        glyph = rows.place(code_point, value)
        if glyph.begins_row and row:
            yield row
            row = []
        row.append(glyph)
    if row:
        yield row


def _with_digits(row: list[Glyph]) -> Text:
    """Return a row with its digits beneath; a character that is spelt out has one digit, and blanks after it."""
    digits = "".join(str(round((max(-1.0, min(1.0, glyph.value)) + 1) * 4.5)).ljust(glyph.width) for glyph in row
                     if glyph.width)
    return Text("".join(glyph.shown for glyph in row) + "\n" + digits)


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")
