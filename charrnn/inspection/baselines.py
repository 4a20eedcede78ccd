"""How well the last characters alone tell a feature: what a unit has to beat to be more than an echo of its input."""

from __future__ import annotations

import numpy as np

from charrnn.inspection.feature import Tracked
from charrnn.inspection.scoring import Halves, auc, r_squared

#: So many characters' worth of belief a longer context starts with in what the shorter one says.
_PRIOR = 2.0


def contexts(ids: np.ndarray, length: int) -> np.ndarray:
    """Return a number (N,) for the last `length` characters at every place, equal where they are."""
    codes = ids.astype(np.int64)
    size = int(codes.max(initial=0)) + 2
    joined = np.zeros(len(ids), np.int64)
    for back in range(length):
        shifted = np.full(len(ids), size - 1, np.int64)  # before the text's start
        shifted[back:] = codes[:len(codes) - back]
        # Renumbered as they grow, so that no vocabulary is too large.
        joined = np.unique(joined * size + shifted, return_inverse=True)[1]
    return joined


class ContextTable:
    """A table of a feature's mean after each context of up to three characters, which backs off to shorter ones.

    mean(context) = (sum over the context's places + a mean(shorter context)) / (number of places + a), with a = 2: the
    smoothing of MacKay and Bauman Peto (1995).
    """

    def __init__(self, ids: np.ndarray, split: Halves) -> None:
        self._split = split
        self._contexts = [contexts(ids, length) for length in (1, 2, 3)]

    def scores(self, feature: Tracked) -> tuple[float, float]:
        """Return the held-out score from the current character, and from the last three."""
        fit, report = self._split.discovery, self._split.report
        values = feature.values.astype(np.float64)
        expected = np.full(len(values), values[fit].mean())
        scores = []
        for context in self._contexts:
            size = int(context.max()) + 1
            count = np.bincount(context[fit], minlength=size)[context]
            total = np.bincount(context[fit], values[fit], minlength=size)[context]
            expected = (total + _PRIOR * expected) / (count + _PRIOR)
            predicted = expected[report]
            scores.append(auc(predicted, feature.values[report]) if feature.is_flag
                          else r_squared(predicted, values[report]))
        return scores[0], max(scores[0], scores[2])
