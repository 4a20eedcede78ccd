"""The generated corpus: its states are the true ones, whoever works them out."""

from __future__ import annotations

import hashlib
import io

import numpy as np

from charrnn.brackets import Brackets, make_brackets, states_file
from charrnn.catalogue import find_entry

STATES = ("depth", "quote", "comment", "indent", "column")


def parsed(text: str) -> dict[str, list[int]]:
    """Return the states of a text, worked out from it alone, character by character."""
    found: dict[str, list[int]] = {name: [] for name in STATES}
    depth = quote = comment = indent = column = 0
    at_start = True
    for char in text:
        if char == "\n":
            depth, quote, comment, indent, column, at_start = depth, 0, 0, 0, 0, True
        else:
            column += 1
            at_start = at_start and char == " "
            indent += at_start
            if char == '"' and not comment:
                quote = 1 - quote
            elif char == "#" and not quote:
                comment = 1
            elif not quote and not comment:
                depth += (char in "([{") - (char in ")]}")
        for name, value in zip(STATES, (depth, quote, comment, indent, column)):
            found[name].append(value)
    return found


def test_states_are_what_a_parser_finds() -> None:
    made = make_brackets(30_000, seed=1)
    found = parsed("".join(made.text))
    for name in STATES:
        assert getattr(made, name) == found[name], name
    assert (max(made.depth), max(made.indent)) == (5, 16)  # nested as deeply as it gets


def test_brackets_match_within_each_line() -> None:
    made = make_brackets(30_000, seed=2)
    pairs = {")": "(", "]": "[", "}": "{"}
    stack: list[str] = []
    for char, quote, comment in zip(made.text, made.quote, made.comment):
        if not quote and not comment and char in "([{":
            stack.append(char)
        elif not quote and not comment and char in pairs:
            assert stack.pop() == pairs[char]
        assert char != "\n" or not stack


def test_marks_without_meaning_occur() -> None:
    made = make_brackets(30_000)
    in_quotes = {char for char, quote in zip(made.text, made.quote) if quote}
    in_comments = {char for char, comment in zip(made.text, made.comment) if comment}
    assert set("([{)]}#") <= in_quotes and set('([{)]}"') <= in_comments


def test_the_same_seed_gives_the_same_text() -> None:
    assert make_brackets(2_000, seed=3).text == make_brackets(2_000, seed=3).text != make_brackets(2_000, seed=4).text


def test_the_file_of_states() -> None:
    made = make_brackets(2_000)
    with np.load(io.BytesIO(states_file(made)), allow_pickle=False) as file:
        assert {name: file[name].tolist() for name in file.files} == {name: getattr(made, name) for name in STATES}
        assert {file[name].dtype for name in file.files} == {np.dtype(np.uint8)}


def test_columns_fit_a_byte_in_the_corpus_of_the_catalogue() -> None:
    made: Brackets = make_brackets()
    assert max(made.column) < 256
    assert hashlib.sha256("".join(made.text).encode()).hexdigest() == find_entry("brackets").sha256
