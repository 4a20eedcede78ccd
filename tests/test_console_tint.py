"""Characters tinted by the model's surprise."""

from __future__ import annotations

import io
import math
import re

import pytest

from charrnn.console.tint import Tint


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=["xterm-256color", "xterm", "truecolor"])
def tint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Tint:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm" if request.param == "xterm" else "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor" if request.param == "truecolor" else "")
    return Tint(_Terminal())


def plain(shown: str) -> str:
    return re.sub("\x1b\\[[0-9;]*m", "", shown)


def test_the_text_is_unchanged_and_its_levels_differ(tint: Tint) -> None:
    probabilities = [0.9, 0.5, 0.49, 0.1, 0.02, 0.001, 0.0]
    shown = tint.text("abcdefg", [math.log(p) if p else -math.inf for p in probabilities])
    assert plain(shown) == "abcdefg"
    styles = {char: style for style, text in re.findall("(?:\x1b\\[([0-9;]*)m)?([a-g]+)(?:\x1b\\[0m)?", shown)
              for char in text}
    assert styles["a"] == styles["b"] == "2"  # faint
    assert styles["c"] == ""
    assert styles["f"] == styles["g"]
    assert len({styles[char] for char in "acdef"}) == 5


def test_control_characters_stay_visible_and_line_ends_plain(tint: Tint) -> None:
    shown = tint.text("\x1b[2J\n\t", [-20.0] * 6)
    assert plain(shown) == "\\x1b[2J\n\t"
    assert re.search("\x1b\\[0m\n\x1b\\[", shown)  # no background at the end of a line


def test_neighbours_of_one_level_share_a_tint(tint: Tint) -> None:
    assert tint.text("abcd", [-9.0] * 4).count("\x1b") == 2
    assert tint.text("", []) == ""


def test_the_legend_shows_every_tint(tint: Tint) -> None:
    assert plain(tint.legend()) == "expected with 50% and more  20% and more  5% and more  1% and more  less"
    assert tint.legend().count("\x1b[0m") == 4
