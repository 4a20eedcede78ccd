"""Quotes and brackets. A value counts the character just read: on after the opening one, off after the closing one.

A blank line ends a quotation, and parentheses and brackets, that were never closed.
"""

from __future__ import annotations

from collections.abc import Iterator

from charrnn.inspection.feature import Track, feature

_TYPOGRAPHIC = {"“": "”", "„": "“", "«": "»", "‘": "’", "「": "」", "『": "』"}


def depth(opening: str, closing: str, *, until_blank_line: bool) -> Track:
    """Return a tracker of how many of `opening` await their `closing`."""

    def track(characters: Iterator[str]) -> Iterator[int]:
        level, before = 0, ""
        for character in characters:
            if character in opening:
                level += 1
            elif character in closing:
                level = max(level - 1, 0)
            elif until_blank_line and character == before == "\n":
                level = 0
            before = character
            yield level

    return track


parentheses = feature("parentheses", predicts=")")(depth("(", ")", until_blank_line=True))
brackets = feature("brackets", predicts="]")(depth("[", "]", until_blank_line=True))
braces = feature("braces", predicts="}")(depth("{", "}", until_blank_line=False))
parenthesis_depth = feature("parenthesis depth", "number", ")")(depth("(", ")", until_blank_line=True))
brace_depth = feature("brace depth", "number", "}")(depth("{", "}", until_blank_line=False))
nesting_depth = feature("nesting depth", "number", ")]}")(depth("([{", ")]}", until_blank_line=False))


@feature("double quotes", predicts='"')
def double_quotes(characters: Iterator[str]) -> Iterator[bool]:
    """Between two straight double quotes."""
    inside, before = False, ""
    for character in characters:
        if character == '"':
            inside = not inside
        elif character == before == "\n":
            inside = False
        before = character
        yield inside


@feature("single quotes", predicts="'")
def single_quotes(characters: Iterator[str]) -> Iterator[bool]:
    """Between single quotes; one after a letter closes, unless a letter follows: then it was an apostrophe."""
    inside, perhaps_closed, before = False, False, ""
    for character in characters:
        if perhaps_closed and character.isalnum():
            inside = True
        perhaps_closed = False
        if character == "'":
            perhaps_closed = inside and before.isalnum()
            inside = not inside and not before.isalnum()
        elif character == before == "\n":
            inside = False
        before = character
        yield inside


@feature("typographic quotes", predicts="”’»“」』")
def typographic_quotes(characters: Iterator[str]) -> Iterator[bool]:
    """Between typographic quotes; those inside others close with their own sign."""
    open_quotes: list[str] = []
    before = ""
    for character in characters:
        if open_quotes and character == open_quotes[-1]:
            open_quotes.pop()
        elif character in _TYPOGRAPHIC:
            open_quotes.append(_TYPOGRAPHIC[character])
        elif character == before == "\n":
            open_quotes.clear()
        before = character
        yield bool(open_quotes)
