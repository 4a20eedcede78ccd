"""How surprised the model was by each character, as a tint: what it expected fades, what it did not stands out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from typing import TextIO

from rich.console import COLOR_SYSTEMS
from rich.style import Style

from charrnn.console.terminal import console_for
from charrnn.console.text import visible

#: Probabilities from which on a style holds. Brightness, weight and reversal tell the styles apart without colour too.
_STYLES = ((0.5, "dim"), (0.2, ""), (0.05, "#d78700"), (0.01, "bold #ff5f00"), (0.0, "bold #ffffff on #c00000"))


class Tint:
    """Tints texts as a terminal's colours allow."""

    def __init__(self, stream: TextIO) -> None:
        self._system = COLOR_SYSTEMS.get(console_for(stream).color_system or "")
        self._limits = [(math.log(least) if least else -math.inf, Style.parse(style)) for least, style in _STYLES]

    def text(self, text: str, logprobs: Iterable[float]) -> str:
        """Return a text, safe for a terminal, tinted by the log-probability of each character."""
        styles = [self._style(char, logprob) for char, logprob in zip(text, logprobs)]
        runs = groupby(zip(text, styles), key=lambda pair: pair[1])
        return "".join(self._render("".join(char for char, _ in run), style) for style, run in runs)

    def legend(self) -> str:
        """Return a line that shows what the tints mean."""
        words = [f"{least:.0%} and more" if least else "less" for least, _ in _STYLES]
        return "expected with " + "  ".join(self._render(word, style) for word, (_, style) in zip(words, self._limits))

    def _style(self, char: str, logprob: float) -> Style | None:
        if char == "\n":
            return None  # a background would run on to the edge of some terminals
        return next(style for least, style in self._limits if logprob >= least)

    def _render(self, text: str, style: Style | None) -> str:
        return style.render(visible(text), color_system=self._system) if style else visible(text)
