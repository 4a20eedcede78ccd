"""The losses of a run so far, as two rows of bars over one another: what was trained on, and what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rich.text import Text

from charrnn.console.text import sparkline
from charrnn.events import EvalEvent, StepEvent
from charrnn.thinning import Thinned

WIDEST = 40  # bars
_KEPT = 8 * WIDEST

#: The share of a run whose falling losses may stand above the scale, so that the bars tell what happens after them.
_BEGINNING = 1 / 8

_TRAIN, _VAL = "cyan", "magenta"


class _Losses(NamedTuple):
    train: float
    val: float | None  # as last measured


def _merged(losses: Sequence[_Losses]) -> _Losses:
    return _Losses(sum(loss.train for loss in losses) / len(losses), losses[-1].val)


class LossCurves:
    """The losses that a run has reported, in bounded space."""

    def __init__(self) -> None:
        self._losses: Thinned[_Losses] = Thinned(_KEPT, _merged)
        self._train = 0.0
        self._val: float | None = None

    def __bool__(self) -> bool:
        return len(self._losses) > 0

    def add(self, event: StepEvent | EvalEvent) -> None:
        """Take what an event tells."""
        if isinstance(event, EvalEvent):
            self._val = event.val_loss
        else:
            self._train = event.loss
            self._losses.add(_Losses(event.loss, self._val))

    def rows(self, bars: int) -> list[Text]:
        """Return a row for the training loss and, once there is one, a row for the validation loss under it.

        Parameters
        ----------
        bars : how many there may be, at most `WIDEST`; 0 leaves the numbers alone.
        """
        columns = _columns(list(self._losses), bars)
        columns[-1:] = [column._replace(val=self._val) for column in columns[-1:]]
        known = [loss for column in columns[int(len(columns) * _BEGINNING):] for loss in column if loss is not None]
        bounds = (min(known), max(known)) if known else None

        def row(name: str, values: Sequence[float | None], last: float, style: str) -> Text:
            return Text.assemble((f"{name:<5} ", "dim"), f"{last:.4f}",
                                 (f" {sparkline(values, bars, bounds)}" if bars else "", style))

        rows = [row("train", [column.train for column in columns], self._train, _TRAIN)]
        return rows if self._val is None else [*rows, row("val", [column.val for column in columns], self._val, _VAL)]


def _columns(losses: list[_Losses], bars: int) -> list[_Losses]:
    """Return at most so many losses, each the mean of neighbours."""
    if len(losses) <= bars or not bars:
        return losses if bars else []
    edges = [i * len(losses) // bars for i in range(bars + 1)]
    return [_merged(losses[start:stop]) for start, stop in pairwise(edges)]
