"""The corpus `brackets`: made-up code whose true state is known at every character.

Whether a cell follows nesting, quotes, comments or indentation has an answer here, since the state is not worked out
from the text but written down while the text is made. Brackets also stand in quotes and comments, quotation marks in
comments and `#` in quotes, where they mean nothing, so that no single character gives the state away.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from random import Random

import numpy as np

CHARACTERS = 1_000_000
SEED = 0

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_IN_QUOTES, _IN_COMMENTS = "([{)]}#", '([{)]}"'  # what may stand there and mean nothing
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_INDENT = 4
_MAX_LEVEL = 4
_MAX_NESTING = 5
_MAX_LINE = 80  # where an expression stops growing


@dataclass
class Brackets:
    """The text and, for each of its characters, the state after reading it.

    Attributes
    ----------
    text : list of pieces, to be joined.
    depth : brackets that are open; those in quotes and comments do not count.
    quote : 1 between a quotation mark and the one that closes it, else 0.
    comment : 1 from a `#` to the end of its line, else 0.
    indent : blanks that the line began with, as far as it has been read.
    column : characters of the line so far; 0 after a line end.
    """

    text: list[str] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    quote: list[int] = field(default_factory=list)
    comment: list[int] = field(default_factory=list)
    indent: list[int] = field(default_factory=list)
    column: list[int] = field(default_factory=list)

    def write(self, text: str, *, depth: int = 0, quote: bool = False, comment: bool = False, indent: int = 0) -> None:
        """Append characters that all have the same state, their columns aside."""
        for char in text:
            self.text.append(char)
            self.depth.append(depth)
            self.quote.append(quote)
            self.comment.append(comment)
            self.indent.append(indent)
            self.column.append(0 if char == "\n" else self.line_length + 1)

    @property
    def line_length(self) -> int:
        """Characters of the unfinished line."""
        return self.column[-1] if self.column else 0


def make_brackets(characters: int = CHARACTERS, seed: int = SEED) -> Brackets:
    """Return at least so many characters of whole blocks, the same ones for the same seed with every Python."""
    maker = _Maker(Random(seed))
    while len(maker.made.text) < characters:
        maker.block(0)
        maker.made.write("\n")
    return maker.made


def states_file(made: Brackets) -> bytes:
    """Return the states as a NumPy .npz file: arrays (N,) uint8 `depth`, `quote`, `comment`, `indent`, `column`."""
    file = io.BytesIO()
    depth, quote, comment, indent, column = (
        np.array(values, np.uint8) for values in (made.depth, made.quote, made.comment, made.indent, made.column))
    np.savez_compressed(file, depth=depth, quote=quote, comment=comment, indent=indent, column=column)
    return file.getvalue()


class _Maker:
    """Writes the text top-down, block by block, line by line.

    Of the random numbers only `Random.random` is used: it alone is promised to stay the same in later Pythons.
    """

    def __init__(self, random: Random) -> None:
        self.made = Brackets()
        self._random = random.random

    def _below(self, number: int) -> int:
        return int(self._random() * number)

    def _choice(self, items: str | list[str]) -> str:
        return items[self._below(len(items))]

    def _word(self) -> str:
        return "".join(self._choice(_CONSONANTS) + self._choice(_VOWELS) for _ in range(1 + self._below(3)))

    def block(self, level: int) -> None:
        """Write a line that opens a block, the lines in it, and further blocks."""
        self._line_start(level)
        self._plain(self._choice(["if ", "while ", "for ", "def "]) + self._word() + " ", level)
        self._bracketed(level, 0)
        self._plain(":", level)
        self._line_end(level)
        for _ in range(1 + self._below(4)):
            if level + 1 < _MAX_LEVEL and self._random() < 0.3:
                self.block(level + 1)
            else:
                self._statement(level + 1)

    def _statement(self, level: int) -> None:
        self._line_start(level)
        self._plain(self._word() + self._choice([" = ", " + ", " "]), level)
        self._item(level, 0)
        self._line_end(level)

    def _line_start(self, level: int) -> None:
        for blank in range(level * _INDENT):
            self.made.write(" ", indent=blank + 1)

    def _line_end(self, level: int) -> None:
        if self._random() < 0.2:
            self._plain("  ", level)
            self.made.write(f"# {self._noise(_IN_COMMENTS)}", comment=True, indent=level * _INDENT)
        self.made.write("\n")

    def _plain(self, text: str, level: int, depth: int = 0) -> None:
        self.made.write(text, depth=depth, indent=level * _INDENT)

    def _item(self, level: int, depth: int) -> None:
        kind = self._random()
        if kind < 0.35 and depth < _MAX_NESTING and self.made.line_length < _MAX_LINE:
            self._bracketed(level, depth)
        elif kind < 0.55:
            self.made.write(f'"{self._noise(_IN_QUOTES)}', depth=depth, quote=True, indent=level * _INDENT)
            self._plain('"', level, depth)
        else:
            self._plain(self._word(), level, depth)

    def _bracketed(self, level: int, depth: int) -> None:
        opener = self._choice("([{")
        self._plain(opener, level, depth + 1)
        self._item(level, depth + 1)
        for _ in range(self._below(4)):
            if self.made.line_length < _MAX_LINE:
                self._plain(", ", level, depth + 1)
                self._item(level, depth + 1)
        self._plain(_PAIRS[opener], level, depth)

    def _noise(self, marks: str) -> str:
        """Return words, some with a mark that stands for nothing where they are."""
        words = [self._word() for _ in range(1 + self._below(4))]
        return " ".join(word + self._choice(marks) if self._random() < 0.2 else word for word in words)
