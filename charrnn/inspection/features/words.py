"""Words, capitals, digits and scripts."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator

from charrnn.inspection.feature import feature


@feature("start of a word")
def word_start(characters: Iterator[str]) -> Iterator[bool]:
    """The first letter of a word."""
    before = False
    for character in characters:
        letter = character.isalpha()
        yield letter and not before
        before = letter


@feature("inside a word")
def word_inside(characters: Iterator[str]) -> Iterator[bool]:
    """A letter after a letter."""
    before = False
    for character in characters:
        letter = character.isalpha()
        yield letter and before
        before = letter


@feature("end of a word")
def word_end(characters: Iterator[str]) -> Iterator[bool]:
    """The sign after a word's last letter: only that shows that it was the last."""
    before = False
    for character in characters:
        letter = character.isalpha()
        yield before and not letter
        before = letter


@feature("word length", "number")
def word_length(characters: Iterator[str]) -> Iterator[int]:
    """Letters of the word so far."""
    length = 0
    for character in characters:
        length = length + 1 if character.isalpha() else 0
        yield length


@feature("capitals")
def capitals(characters: Iterator[str]) -> Iterator[bool]:
    """Two or more capitals in a row, spaces, digits and underscores between them aside."""
    run = 0
    for character in characters:
        if character.isupper():
            run += 1
        elif not (character.isdigit() or character in " _"):
            run = 0
        yield run >= 2


@feature("number")
def number(characters: Iterator[str]) -> Iterator[bool]:
    """Digits, with the points, commas and letters joined to them, as in 0x1F or 1,000."""
    inside, before = False, ""
    for character in characters:
        if inside:
            inside = character.isalnum() or character in ".,_"
        else:
            inside = character.isdigit() and not (before.isalnum() or before == "_")
        before = character
        yield inside


@functools.cache
def _script(character: str) -> str:
    # The first word of a letter's name is its script: LATIN, CYRILLIC, CJK, HANGUL, ARABIC, HIRAGANA and so on.
    return unicodedata.name(character, "").split(" ")[0].lower() if character.isalpha() else ""


@feature("script", "name")
def script(characters: Iterator[str]) -> Iterator[str]:
    """The script of the last letter."""
    last = ""
    for character in characters:
        last = _script(character) or last
        yield last
