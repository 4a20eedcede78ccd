"""An evaluation in the terminal, with the lines that surprised the model."""

from __future__ import annotations

import io
import math
import sys

import numpy as np
import pytest

from charrnn.console.evaluations import Progress, evaluation_page
from charrnn.console.terminal import render
from charrnn.evaluation import Evaluation, Scored
from charrnn.surprise import Line

RESULT = Evaluation(loss=1.5, bpc=2.164, perplexity=4.4817, characters=1_000_000, unknown=0,
                    chars_per_second=412_000.0)


def line(text: str, losses: list[float], number: int = 12) -> Line:
    return Line("novel\x1b.txt", number, np.array([ord(char) for char in text], np.uint32), np.array(losses),
                float(np.nanmean(losses)))


def test_an_evaluation() -> None:
    assert render(evaluation_page(RESULT)) == ("loss        1.5000 nats per character\n"
                                               "bpc         2.1640 bits per character\n"
                                               "perplexity  4.482\n"
                                               "characters  1,000,000\n"
                                               "unknown     none\n"
                                               "speed       412k characters/s\n")


def test_unknown_characters_and_what_they_cost() -> None:
    result = Evaluation(**{**RESULT.to_json(), "characters": 9_900, "unknown": 100})
    assert "unknown     100 (1.00%) left out: not read, not predicted, not in the loss\n" \
        in render(evaluation_page(result))


@pytest.mark.parametrize(("part", "split", "words"), [
    ("val", "tail", "validation part: the end of the run's text (--split tail)"),
    ("test", "stream", "test part: the end of each parallel stream of the run's text (--split stream)")])
def test_the_held_out_part_is_named_with_its_split(part: str, split: str, words: str) -> None:
    result = Evaluation(**RESULT.to_json(), part=part, split=split)
    assert render(evaluation_page(result)).splitlines()[0] == f"text        {words}"


def test_the_worst_lines() -> None:
    worst = [line("a[b]\x1b:+1:\n", [math.nan] + [1.0] * 8 + [4.0]), line("b", [0.5], 1234)]
    page = render(evaluation_page(RESULT, worst))
    assert page.split("\n\n")[1] == ("Most surprising lines, with their nats per character\n"
                                     "1.33  novel\\x1b.txt, line 12\n"
                                     "      a[b]\\x1b:+1:\n"
                                     "0.50  novel\\x1b.txt, line 1,234\n"
                                     "      b\n")


def test_the_bytes_of_a_line() -> None:
    assert "  \\xff\\xc3a\n" in render(evaluation_page(RESULT, [line("\xff\xc3a\n", [1.0] * 4)], as_bytes=True))
    cat = "猫\x1b€".encode().decode("latin-1")
    assert "  猫\\x1b€\n" in render(evaluation_page(RESULT, [line(cat, [1.0] * len(cat))], as_bytes=True))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_progress_is_a_line_on_terminals_that_vanishes(stream: type[io.StringIO],
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream())
    piece = Scored("text", np.zeros(700, np.uint32), np.zeros(700), np.ones(700, np.bool_))
    with Progress() as progress:
        progress.add(piece)
        progress.add(piece)
    lines = ["", "700 characters read", "1,400 characters read", ""]
    assert sys.stderr.getvalue() == ("\r\x1b[K".join(lines) if stream is Terminal else "")  # type: ignore[attr-defined]


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    shown = render(evaluation_page(RESULT, [line("abc", [math.nan, 0.1, 9.0])]))
    assert "\x1b[2mab\x1b[0m\x1b[1;97;41mc\x1b[0m" in shown  # not predicted and expected; far from expected
    assert "\nexpected with " in shown
    monkeypatch.setenv("NO_COLOR", "1")
    plain = render(evaluation_page(RESULT, [line("ab", [0.1, 3.0])]))
    assert "\x1b" not in plain and "expected" not in plain
