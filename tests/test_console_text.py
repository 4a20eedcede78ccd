"""Words, numbers and characters for the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.console import text


@given(st.text(st.characters()))
def test_visible_text_drives_no_terminal(generated: str) -> None:
    shown = text.visible(generated)
    assert not {unicodedata.category(c) for c in shown if c not in "\n\t"} & {"Cc", "Cs"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"])))
def test_visible_leaves_other_text_alone(generated: str) -> None:
    assert text.visible(generated + "\n\té[text]:smile:") == generated + "\n\té[text]:smile:"


@pytest.mark.parametrize("code_point", [*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
def test_the_direction_of_writing_is_not_turned_around(code_point: int) -> None:
    assert text.visible(f"a{chr(code_point)}b") == f"a\\u{code_point:04x}b"


def test_visible_escapes_like_python() -> None:
    assert text.visible("\x1b[2J\r\x9b\ud800") == r"\x1b[2J\r\x9b\ud800"


@pytest.mark.parametrize(("code_point", "is_byte", "shown"), [
    (ord("a"), False, "a"), (ord(" "), False, r"\x20"), (ord("\n"), False, r"\n"), (0x1B, False, r"\x1b"),
    (0xE9, False, "é"), (0xE9, True, r"\xe9"), (0x3000, False, r"\u3000"), (0x1F600, False, "😀"),
])
def test_escaped_character(code_point: int, is_byte: bool, shown: str) -> None:
    assert text.escaped_character(code_point, is_byte) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (3599.7, "1:00:00"),
                                                (7500, "2:05:00"), (360000, "100:00:00")])
def test_duration(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(("per_second", "shown"), [(0, "0"), (999, "999"), (999.6, "1k"), (412_345, "412k"),
                                                   (999_600, "1M"), (1_254_000, "1.25M")])
def test_rate(per_second: float, shown: str) -> None:
    assert text.rate(per_second) == shown


@pytest.mark.parametrize(("number", "shown"), [(12, "12 bytes"), (1234, "1.23 kB"), (16.4e6, "16.4 MB"), (2e9, "2 GB")])
def test_size(number: float, shown: str) -> None:
    assert text.size(number) == shown


def test_plural() -> None:
    assert (text.plural(1, "step"), text.plural(1200, "step")) == ("1 step", "1,200 steps")


def test_sparkline() -> None:
    assert text.sparkline([3, 2, 1, 3]) == "█▅▁█"
    assert text.sparkline([]) == ""
    assert text.sparkline([2, 2]) == "▁▁"


def test_a_long_sparkline_keeps_its_ends() -> None:
    line = text.sparkline([*range(1000)], width=10)
    assert (len(line), line[0], line[-1]) == (10, "▁", "█")


def test_a_sparkline_with_bounds_and_gaps() -> None:
    assert text.sparkline([None, 9, 2, 1, None, 0], bounds=(1, 2)) == " ██▁ ▁"
    assert text.sparkline([None, None]) == "  "
