"""Text on a background that shows values."""

from __future__ import annotations

import io
import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from charrnn.console import coloured
from charrnn.console.coloured import Rows

_ANY_TEXT = st.text(st.characters(), max_size=60)


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coloured, "allows_colour", lambda stream: True)
    monkeypatch.setattr(coloured, "_system", lambda: "truecolor")


def _shown(text: str, width: int = 40, **options: bool) -> list[str]:
    return coloured.coloured([(ord(char), 0.0) for char in text], width, **options).plain.split("\n")


def _backgrounds(text: Text) -> list[tuple[str, tuple[int, int, int]]]:
    """Return each styled run with its background."""
    return [(text.plain[span.start:span.end], tuple(span.style.bgcolor.triplet))  # type: ignore[union-attr, misc]
            for span in text.spans]


def test_blue_is_low_and_red_is_high(colours: None) -> None:
    shown = _backgrounds(coloured.coloured([(ord("a"), -1.0), (ord("b"), 0.0), (ord("c"), 1.0)], 10))
    assert [char for char, _ in shown] == ["a", "b", "c"]
    (low_red, _, low_blue), neutral, (high_red, _, high_blue) = (colour for _, colour in shown)
    assert low_blue > 2 * low_red and high_red > 2 * high_blue and max(neutral) < 50


def test_stronger_values_have_stronger_colours(colours: None) -> None:
    reds = [colour[0] for _, colour in _backgrounds(coloured.coloured([(97, share / 4) for share in range(5)], 10))]
    assert reds == sorted(set(reds))


def test_values_beyond_the_range_are_shown_as_its_ends(colours: None) -> None:
    shown = _backgrounds(coloured.coloured([(97, -7.0), (97, -1.0), (97, 7.0), (97, 1.0)], 10))
    assert shown[0] == shown[1] and shown[2] == shown[3]


def test_a_terminal_of_256_colours_gets_blues_greys_and_reds(monkeypatch: pytest.MonkeyPatch, colours: None) -> None:
    monkeypatch.setattr(coloured, "_system", lambda: "256")
    text = coloured.coloured([(97, share / 5) for share in range(-5, 6)], 20)
    numbers = [span.style.bgcolor.number for span in text.spans]  # type: ignore[union-attr]
    assert numbers == [27, 20, 19, 18, 17, 235, 52, 88, 124, 160, 196]


def test_without_colours_digits_stand_below() -> None:
    values = [-1.0, -0.5, 0.1, 0.5, 1.0]
    assert coloured.coloured(zip(map(ord, "abcde"), values), 10).plain == "abcde\n02579"


def test_digits_stand_below_their_characters() -> None:
    text, digits = coloured.coloured([(ord("漢"), -1.0), (0x1B, 0.1), (ord("x"), 1.0)], 20).plain.split("\n")
    assert (text, digits) == ("漢\\x1bx", "0 5   9")


def test_rows_end_at_newlines_and_at_the_width() -> None:
    assert _shown("ab\ncdefg", 3)[::2] == ["ab↵", "cde", "fg"]


def test_tabs_reach_the_next_stop_and_never_beyond_the_row() -> None:
    assert _shown("a\tb")[0] == "a→  b"
    assert _shown("abcde\tb", 6)[::2] == ["abcde→", "b"]


def test_a_wide_character_is_not_cut_in_two() -> None:
    assert _shown("a漢字", 4)[::2] == ["a漢", "字"]


def test_marks_stay_with_their_character() -> None:
    assert _shown("e\u0301x\n\u0301y") == ["e\u0301x↵", "444", "◌\u0301y", "44"]


def test_what_would_drive_the_terminal_is_spelt_out() -> None:
    assert _shown("\x1b[2J\0\u202e\u200d\ufe0f", 60)[0] == r"\x1b[2J\x00\u202e\u200d\ufe0f"


def test_bytes_that_are_no_ascii_are_spelt_out() -> None:
    assert _shown("é", is_bytes=True)[0] == r"\xe9"


def test_an_encoding_without_arrows_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert _shown("a\tb\n")[0] == "a\\t b\\n"


@given(_ANY_TEXT, st.integers(12, 50))
def test_no_text_drives_the_terminal_or_leaves_its_rows(text: str, width: int) -> None:
    rows = Rows(width, is_bytes=False)
    columns = 0
    for char in text:
        glyph = rows.place(ord(char), 0.0)
        assert not {unicodedata.category(c) for c in glyph.shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        columns = glyph.width if glyph.begins_row else columns + glyph.width
        assert columns <= width
        assert glyph.width == cell_len(glyph.shown) or glyph.shown.startswith("◌")


def test_markup_is_text(colours: None) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=40)
    console.print(coloured.coloured([(ord(char), 0.5) for char in "[red]x[/] :smile:"], 40))
    printed = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())  # type: ignore[attr-defined]
    assert printed == "[red]x[/] :smile:\n"


def test_live_text_is_what_the_whole_would_be(colours: None) -> None:
    characters = [(ord(char), index / 10 - 1) for index, char in enumerate("if (\tx)\n\n  return 漢;\n}")]
    pieces = [characters[:3], [], characters[3:8], characters[8:]]
    live = Text().join(coloured.live(pieces, 9))
    whole = coloured.coloured(characters, 9) + Text("\n")
    assert live.plain == whole.plain and _backgrounds(live) == _backgrounds(whole)


def test_live_text_without_colours_comes_in_whole_rows() -> None:
    assert [row.plain for row in coloured.live([[(97, 1.0), (10, 1.0)], [(98, -1.0)]], 9)] == ["a↵\n99\n", "b\n0\n"]


def test_live_text_is_not_kept_waiting(colours: None) -> None:
    def pieces():  # type: ignore[no-untyped-def]
        yield [(97, 0.0)]
        raise AssertionError("the first piece should have been shown")

    assert next(coloured.live(pieces(), 9)).plain == "a"


def test_the_legend_fits_the_way_of_showing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "digits" in coloured.legend().plain
    monkeypatch.setattr(coloured, "allows_colour", lambda stream: True)
    assert coloured.legend().plain.startswith("-1 ") and coloured.legend().plain.endswith(" +1")
