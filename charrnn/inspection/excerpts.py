"""Which stretch of a text shows best what a cell does."""

from __future__ import annotations

import numpy as np


def excerpt(values: np.ndarray, length: int, *, newlines: np.ndarray, typical: bool = False) -> tuple[int, int]:
    """Return where a stretch of a text begins and ends (exclusive) in which a feature or a signal changes.

    Parameters
    ----------
    values : (N,) of the feature or signal.
    length : of the stretch in characters; a shorter text is taken whole.
    newlines : (N,) bool, where the text has newlines; the stretch begins after one where there is one.
    typical : take a stretch in which the values spread as over the whole text, not one where they spread most.
    """
    numbers = values.astype(np.float64)
    if len(numbers) <= length:
        return 0, len(numbers)
    starts = np.flatnonzero(newlines[:-length]) + 1
    if not len(starts):
        starts = np.arange(0, len(numbers) - length + 1, max(length // 4, 1))
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    squares = np.concatenate([[0.0], np.cumsum(numbers**2)])
    means = (sums[starts + length] - sums[starts]) / length
    spreads = (squares[starts + length] - squares[starts]) / length - means**2
    best = np.argmin(np.abs(spreads - numbers.var())) if typical else np.argmax(np.round(spreads, 9))
    return int(starts[best]), int(starts[best]) + length
