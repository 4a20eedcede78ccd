"""Where in the line the text is, and how far things lie back."""

from __future__ import annotations

from collections.abc import Iterator

from charrnn.inspection.feature import Track, feature

#: Distances are counted up to here; a unit that counts further than a long line is not looked for.
_FAR = 200
_TAB = 8


@feature("line position", "number", "\n")
def line_position(characters: Iterator[str]) -> Iterator[int]:
    """Characters since the last newline."""
    position = 0
    for character in characters:
        position = 0 if character == "\n" else min(position + 1, _FAR)
        yield position


@feature("line share", "number", "\n")
def line_share(characters: Iterator[str]) -> Iterator[float]:
    """Characters since the last newline as a share of a typical line: the average of the text's lines so far that
    are not blank."""
    position, lines, total = 0, 0, 0
    for character in characters:
        if character == "\n":
            lines += position > 0
            total += position
            position = 0
        else:
            position += 1
        yield min(position * lines / total, 2.0) if total else 0.0


@feature("since space", "number", " \n")
def since_space(characters: Iterator[str]) -> Iterator[int]:
    """Characters since the last white space."""
    distance = 0
    for character in characters:
        distance = 0 if character.isspace() else min(distance + 1, _FAR)
        yield distance


def indentation(*, of_statements: bool) -> Track:
    """Return a tracker of the columns by which a line is indented; a blank line keeps those of the one before.

    `of_statements`: so does a line that begins within parentheses or brackets, as in Python's grammar, since it goes
    on with what the lines before it began.
    """

    def track(characters: Iterator[str]) -> Iterator[int]:
        depth, so_far, at_start, open_brackets, before = 0, 0, True, 0, ""
        for character in characters:
            if character == "\n":
                so_far, at_start = 0, True
                if before == "\n":
                    open_brackets = 0
            elif at_start and character == " ":
                so_far += 1
            elif at_start and character == "\t":
                so_far += _TAB - so_far % _TAB
            elif at_start:
                at_start = False
                if not (of_statements and open_brackets):
                    depth = min(so_far, _FAR)
            open_brackets = max(open_brackets + (character in "([") - (character in ")]"), 0)
            before = character
            yield depth

    return track


line_indentation = feature("line indentation", "number", "\t ")(indentation(of_statements=False))
indentation_depth = feature("indentation depth", "number", "\t ")(indentation(of_statements=True))


@feature("in indentation")
def in_indentation(characters: Iterator[str]) -> Iterator[bool]:
    """White space at the start of a line."""
    at_start = True
    for character in characters:
        if character == "\n":
            at_start = True
        elif character not in " \t":
            at_start = False
        yield at_start and character != "\n"


@feature("after a newline")
def after_a_newline(characters: Iterator[str]) -> Iterator[bool]:
    """The character just read ended a line."""
    for character in characters:
        yield character == "\n"
