"""Curves on a terminal."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest
from rich.text import Text

from charrnn.console.plot import Curve, log_plot


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def rows(*curves: list[float], mark: int | None = None) -> list[str]:
    """Return a plot as an output without Unicode has it."""
    made = [Curve(f"curve {number}", values) for number, values in enumerate(curves)]
    with redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="ascii")):
        return log_plot(made, 29, 14, mark=mark).plain.split("\n")


def on_a_terminal(*curves: Curve) -> Text:
    with redirect_stdout(Terminal()):
        return log_plot(curves, 40, 12)


def test_a_line_in_letters_where_there_is_no_unicode() -> None:
    shown = rows([10.0**-k for k in range(11)])
    assert shown[0] == "        a curve 0" and shown[1].startswith("     1 |aa ") and shown[11][-1] == "a"
    assert [row[:6].strip() for row in shown[1:12:2]] == ["1", "1e-2", "1e-4", "1e-6", "1e-8", "1e-10"]
    assert "".join(shown).isascii() and shown[12].startswith("       ++---+-----+")
    columns = [row[8:].find("a") for row in shown[1:12]]
    assert columns == sorted(columns) and -1 not in columns  # falls without a gap
    assert shown[13].split() == ["0", "2", "5", "8", "10"] and max(map(len, shown)) <= 29


def test_what_is_off_the_scale_leaves_the_plot() -> None:
    shown = rows([1.0, 1e-5, 1e-30, 1e-30, 1e-30], [1.0, float("inf"), 0.0, 1.0, 1.0])
    body = [row[8:] for row in shown[1:12]]
    assert "a" in body[-1] and all("a" not in row[12:] for row in body)
    assert body[0].count("b") > 3 and not any("b" in row for row in body[1:])


def test_a_flat_curve_and_a_mark() -> None:
    shown = rows([2.0] * 5, mark=3)
    assert shown[1][8:].startswith("aaaa") and shown[6][8:].index(":") == 15
    assert "training looks back 3" in shown[-1]
    assert "training" not in rows([2.0] * 5, mark=4)[-1]


def test_dots_in_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    curves = [Curve("one", [1.0, 0.1, 0.01]), Curve("two", [1.0, 1.0, 1.0])]
    text = on_a_terminal(*curves)
    dots = {char for char in text.plain if 0x2800 < ord(char) < 0x2900}
    assert len(dots) > 2 and "━ one   ━ two" in text.plain
    assert len({str(span.style) for span in text.spans if str(span.style).startswith("#")}) == 2
    monkeypatch.setenv("NO_COLOR", "1")  # two curves could not be told from each other, one can
    assert "a one   b two" in on_a_terminal(*curves).plain
    assert "━ one" in on_a_terminal(curves[0]).plain
