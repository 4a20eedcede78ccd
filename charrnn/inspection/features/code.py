"""Programs: comments and strings in the manner of several languages, and conditions."""

from __future__ import annotations

from collections.abc import Iterator

from charrnn.inspection.feature import Track, feature


def line_comment(sign: str) -> Track:
    """Return a tracker of comments from `sign` to the end of the line.

    The sign counts where white space, or the start of the line, stands before it; and white space, or the sign's own
    character, behind it, so that what it begins is on from there.
    """

    def track(characters: Iterator[str]) -> Iterator[bool]:
        inside, run, free = False, 0, True  # run: how much of the sign was read; free: nothing was joined to it
        for character in characters:
            if character == "\n":
                inside, run, free = False, 0, True
            elif not inside:
                if run == len(sign):
                    inside = character.isspace() or character in sign + "!*"
                    run, free = 0, False
                elif free and character == sign[run]:
                    run += 1
                else:
                    run = 0
                if run == 0:
                    free = character.isspace()
            yield inside

    return track


comment_hash = feature("comment #", predicts="\n")(line_comment("#"))
comment_slashes = feature("comment //", predicts="\n")(line_comment("//"))
comment_dashes = feature("comment --", predicts="\n")(line_comment("--"))
comment_percent = feature("comment %", predicts="\n")(line_comment("%"))


@feature("comment /* */")
def block_comment(characters: Iterator[str]) -> Iterator[bool]:
    """Inside /* */, off with the slash that closes it. The star tells that slash; what memory helps with is words."""
    inside, before = False, ""
    for character in characters:
        if inside and before == "*" and character == "/":
            inside, character = False, ""
        elif not inside and before == "/" and character == "*":
            inside, character = True, ""  # /*/ does not close
        before = character
        yield inside


@feature("string literal", predicts="\"'")
def string_literal(characters: Iterator[str]) -> Iterator[bool]:
    """Inside a string of one line, in either sign, with backslashes; an apostrophe within a word opens none."""
    quote, escaped, before = "", False, ""
    for character in characters:
        if character == "\n":
            quote, escaped = "", False
        elif quote:
            if character == quote and not escaped:
                quote = ""
            escaped = character == "\\" and not escaped
        elif character == '"' or (character == "'" and not before.isalnum()):
            quote = character
        before = character
        yield bool(quote)


@feature("triple-quoted string", predicts="\"'")
def triple_quoted(characters: Iterator[str]) -> Iterator[bool]:
    '''Inside a string between three quotes of either sign.'''
    quote, run, before = "", 0, ""
    for character in characters:
        run = run + 1 if character == before else 1
        if character in "\"'" and run == 3 and quote in ("", character):
            quote, run = "" if quote else character, 0
        before = character
        yield bool(quote)


@feature("if or while condition", predicts=")")
def condition(characters: Iterator[str]) -> Iterator[bool]:
    """The condition of `if` or `while`: in parentheses as in C; or, where the word is the first of its line, up to a
    colon as in Python."""
    word, first_word, words, level, waiting, inside = "", False, 0, 0, False, False
    for character in characters:
        if inside:
            level += (character == "(") - (character == ")")
            if (level == 0 and character == ")") if not first_word else character in ":\n":
                inside = False
        elif waiting and character == "(":
            inside, level, waiting, first_word = True, 1, False, False
        elif waiting and not character.isspace():
            inside, waiting = first_word, False
        if character.isalnum() or character == "_":
            word += character
        else:
            if word and not inside:
                first_word = words == 0
                waiting = word in ("if", "while", "elif") and character in " (\t"
                if waiting and character == "(":
                    inside, level, waiting, first_word = True, 1, False, False
                words += 1
            word = ""
        if character == "\n":
            words, waiting = 0, False
        yield inside
