"""The worst lines of a text, against sorting all of them, and the loss of every character as JSON lines."""

from __future__ import annotations

import io
import itertools
import json
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.evaluation import Scored
from charrnn.surprise import CERTAIN, LONGEST_LINE, CharacterLog, Line, WorstLines


def piece(text: str, losses: list[float] | np.ndarray, source: str = "text") -> Scored:
    code_points = np.array([ord(char) for char in text], np.uint32)
    return Scored(source, code_points, np.array(losses, np.float32), np.array([char != "?" for char in text]))


def found(lines: list[Line]) -> list[tuple[str, int, str]]:
    return [(line.source, line.number, "".join(map(chr, line.code_points))) for line in lines]


def by_sorting(whole: Scored, count: int) -> list[tuple[str, int, str]]:
    """Return the worst lines of one text, from all of its lines."""
    ranked, start = [], 0
    text = "".join(map(chr, whole.code_points))
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        losses = whole.losses[start:start + len(line)].astype(np.float64)
        start += len(line)
        if not np.isnan(losses).all():
            ranked.append((-np.nansum(losses) / ((~np.isnan(losses)).sum() + CERTAIN), number, line))
    return [(whole.source, number, line) for _, number, line in sorted(ranked, key=lambda item: item[0])[:count]]


@settings(deadline=None)
@given(st.text("ab?\n", max_size=80), st.integers(1, 5), st.lists(st.integers(0, 80), max_size=4), st.integers(0, 9))
def test_the_worst_lines_however_the_text_is_cut(text: str, count: int, cuts: list[int], seed: int) -> None:
    losses = np.random.default_rng(seed).exponential(size=len(text)).astype(np.float32)
    losses[[char == "?" for char in text]] = np.nan
    losses[:1] = np.nan
    whole, worst = piece(text, losses), WorstLines(count)
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    for start, stop in itertools.pairwise(borders):
        worst.add(Scored("text", *(array[start:stop] for array in whole[1:])))
    lines = worst.lines()
    assert found(lines) == by_sorting(whole, count)
    for line in lines:
        assert math.isclose(line.loss, np.nanmean(line.losses, dtype=np.float64))


def test_a_short_odd_line_does_not_outrank_a_long_one() -> None:
    worst = WorstLines(2)
    worst.add(piece("ab\n" + "c" * 20 + "\n", [math.nan, 6, 0] + [4] * 21))
    assert [line.number for line in worst.lines()] == [2, 1]


def test_lines_of_several_texts_are_numbered_apart() -> None:
    worst = WorstLines(3)
    worst.add(piece("a\nb", [math.nan, 1, 2], "one"))
    worst.add(piece("cc\n", [3, 3, 3], "two"))
    worst.add(piece("d", [9], "two"))
    assert found(worst.lines()) == [("two", 2, "d"), ("two", 1, "cc\n"), ("one", 2, "b")]


def test_a_text_without_line_ends_counts_in_pieces_and_takes_no_memory() -> None:
    worst = WorstLines(2)
    for i in range(50):
        losses = np.full(700, 1 + (i == 20), np.float32)
        worst.add(piece("x" * 700, losses))
        assert worst._open is not None and len(worst._open.losses) < LONGEST_LINE
    lines = worst.lines()
    assert [line.number for line in lines] == [1, 1]
    assert all(len(line.code_points) == LONGEST_LINE for line in lines)
    assert lines[0].loss > 1.5


def test_a_line_as_json() -> None:
    worst = WorstLines(1)
    worst.add(piece("fox\n", [math.nan, 1, 2, 3]))
    (line,) = worst.lines()
    assert line.to_json() == {"source": "text", "line": 1, "loss": 2.0, "text": "fox"}


def test_the_characters_of_a_line_of_bytes() -> None:
    data = "aé€".encode() + b"\xff\xe2\x82\n"
    losses = np.array([math.nan, math.nan, 2, 1, 2, 4, 3, 5, 6, math.nan])
    line = Line("text", 1, np.frombuffer(data, np.uint8), losses, 2.0)
    text, found = line.characters(as_bytes=True)
    assert text == "aé€\udcff\udce2\udc82\n"
    np.testing.assert_array_equal(found, [math.nan, 2, 7, 3, 5, 6, math.nan])
    assert line.to_json(as_bytes=True)["text"] == "aé€\ufffd\ufffd\ufffd"


def test_the_log_has_the_whole_text_with_its_losses() -> None:
    file = io.StringIO()
    log = CharacterLog(file, as_bytes=False)
    log.add(piece('a"', [math.nan, 0.125]))
    log.add(piece("é\n?語", [2.5, 1e-7, math.nan, 12]))
    objects = [json.loads(line) for line in file.getvalue().splitlines()]
    assert objects == [{"char": "a", "loss": None}, {"char": '"', "loss": 0.125}, {"char": "é", "loss": 2.5},
                       {"char": "\n", "loss": 0.0}, {"char": "?", "loss": None, "unknown": True},
                       {"char": "語", "loss": 12.0}]


def test_the_log_of_bytes() -> None:
    file = io.StringIO()
    CharacterLog(file, as_bytes=True).add(piece("\xff\n", [math.nan, 1.5]))
    assert [json.loads(line) for line in file.getvalue().splitlines()] == [
        {"byte": 255, "loss": None}, {"byte": 10, "loss": 1.5}]
