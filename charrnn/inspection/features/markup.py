"""LaTeX, XML, Markdown, addresses on the web, and the names of who speaks in a play."""

from __future__ import annotations

import re
from collections.abc import Iterator

from charrnn.inspection.feature import feature

_LONGEST_TAG = 2000

@feature("LaTeX math", predicts="$")
def latex_math(characters: Iterator[str]) -> Iterator[bool]:
    r"""Between dollars, or \( \) or \[ \]; a blank line ends what was never closed."""
    inside, before = False, ""
    for character in characters:
        if before == "\\":
            if character in "([":
                inside = True
            elif character in ")]":
                inside = False
            character = ""  # a backslash takes what follows with it
        elif character == "$" and before != "$":
            inside = not inside
        elif character == before == "\n":
            inside = False
        before = character
        yield inside


@feature("LaTeX environment depth", "number", "\\")
def latex_environments(characters: Iterator[str]) -> Iterator[int]:
    r"""How many \begin{...} await their \end{...}."""
    level, command = 0, ""
    for character in characters:
        if character == "\\":
            command = "\\"
        elif command and character.isalpha():
            command += character
        else:
            if character == "{":
                level = max(level + (command == "\\begin") - (command == "\\end"), 0)
            command = ""
        yield level


@feature("XML tag", predicts=">")
def xml_tag(characters: Iterator[str]) -> Iterator[bool]:
    """Between < and >, from where a name, /, ! or ? shows that a tag was begun."""
    inside, before = False, ""
    for character in characters:
        if inside:
            inside = character not in "<>"
        else:
            inside = before == "<" and (character.isalpha() or character in "/!?")
        before = character
        yield inside


@feature("XML depth", "number", "<")
def xml_depth(characters: Iterator[str]) -> Iterator[int]:
    """How many elements are open."""
    level, tag = 0, None
    for character in characters:
        if character == "<":
            tag = ""
        elif tag is not None and character == ">":
            if re.fullmatch(r"/[\w:-]+\s*", tag):
                level = max(level - 1, 0)
            elif re.fullmatch(r"[A-Za-z][\w:-]*(\s.*)?", tag, re.DOTALL) and not tag.endswith("/"):
                level += 1
            tag = None
        elif tag is not None:
            tag += character
            if len(tag) > _LONGEST_TAG:
                tag = None
        yield level


@feature("Markdown heading", predicts="\n")
def markdown_heading(characters: Iterator[str]) -> Iterator[bool]:
    """A line that begins with one to six # and a space, or with == as in wikis."""
    start, possible, inside = "", True, False
    for character in characters:
        if character == "\n":
            start, possible, inside = "", True, False
        elif possible and not inside:
            start += character
            inside = re.fullmatch(r"#{1,6} |==", start) is not None
            possible = re.fullmatch(r"#{1,6}|=", start) is not None
        yield inside


@feature("Markdown code", predicts="`")
def markdown_code(characters: Iterator[str]) -> Iterator[bool]:
    """Between backticks, one by one or three by three; a blank line ends those of one."""
    fence, run, before = 0, 0, ""
    for character in characters:
        if character == "`":
            run += 1
        elif run:
            fence = 0 if fence else 3 if run >= 3 else 1 if run == 1 else 0
            run = 0
        if character == before == "\n" and fence == 1:
            fence = 0
        before = character
        yield bool(fence)


@feature("wiki link", predicts="]")
def wiki_link(characters: Iterator[str]) -> Iterator[bool]:
    """Between [[ and ]]."""
    inside, before = False, ""
    for character in characters:
        if before == character == "[":
            inside = True
        elif before == character == "]" or character == "\n":
            inside = False
        before = character
        yield inside


@feature("URL", predicts=" \n")
def url(characters: Iterator[str]) -> Iterator[bool]:
    """From :// or www. to white space, a quote or a closing bracket."""
    inside, last = False, ""
    for character in characters:
        if character.isspace() or character in "\"'<>)]}":
            inside, last = False, ""
        else:
            last = (last + character)[-4:]
            inside = inside or last.endswith("://") or last == "www."
        yield inside


@feature("speaker's name", predicts=":")
def speaker(characters: Iterator[str]) -> Iterator[bool]:
    """The start of a paragraph so far holds nothing but words that begin with a capital."""
    possible, before = True, "\n"
    for character in characters:
        if character == "\n":
            possible = before == "\n"  # a blank line: a paragraph begins
        elif before == "\n":
            possible = possible and character.isupper()
        elif possible:
            possible = character == " " or (character.isalpha() and (character.isupper() or before != " "))
        yield possible and character != "\n"
        before = character
