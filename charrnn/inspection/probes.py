"""Whether a feature is in one unit or spread over several: sparse linear probes.

A probe predicts the feature from all signals x, in units of their standard deviations, by least squares with an L1
penalty (the lasso, Tibshirani 1996; for units of a network: Radford et al. 2017, Dalvi et al. 2019):

    minimise  w' G w / 2 - b' w + lambda |w|,   G = mean of x x', b = mean of x y

by FISTA (Beck and Teboulle 2009), for all features and penalties at once. The k units with the largest weights where
the penalty leaves at least k are then fitted anew without a penalty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charrnn.inspection.feature import Tracked
from charrnn.inspection.scoring import STILL, Halves, auc, deviations, in_parallel, r_squared
from charrnn.kernels.signals import expand
from charrnn.threads import Team

#: Sizes of the probes that are tried between one unit and all.
SIZES = (3, 10)

#: A probe is as good as all units together when it reaches this share of what they gain over nothing.
NEARLY = 0.95

_PLACES = 12_000  # of each half that the probes look at
_ITERATIONS = 150
_PENALTIES = 0.5 ** np.arange(1, 9)  # shares of the one that leaves no unit
_DUPLICATE = 0.95
_STILL = 0.01  # a signal whose standard deviation is below never moves
_STUCK = 0.9  # one that never moves, and is further from 0 than this, is stuck at an end of its range


@dataclass(frozen=True)
class Localisation:
    """Scores of probes by their number of units, and the fewest units that do nearly as well as all."""

    probes: dict[int, float]
    units_needed: int


class Probes:
    """All units' signals and how they go together, ready for any number of features."""

    def __init__(self, levels: np.ndarray, split: Halves, team: Team) -> None:
        self._fit = _thinned(split.discovery)
        self._report = _thinned(split.report)
        self._x = in_parallel(expand, levels, self._fit, team)
        self._mean = self._x.mean(axis=1, keepdims=True)
        self._x -= self._mean
        self._deviation = deviations(self._x)[:, None]
        self._deviation[self._deviation <= STILL] = np.inf
        self._x /= self._deviation
        self._x_report = in_parallel(expand, levels, self._report, team)
        self._x_report -= self._mean
        self._x_report /= self._deviation
        self.gram = self._x @ self._x.T / np.float32(len(self._fit))

    def still(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the units whose signals never move: those that are dead, and those that are saturated."""
        deviation, stuck = self._deviation[:, 0], np.abs(self._mean[:, 0]) > _STUCK
        never = np.isinf(deviation) | (deviation < _STILL)
        return np.flatnonzero(never & ~stuck), np.flatnonzero(never & stuck)

    def duplicates(self) -> list[list[int]]:
        """Return groups of units that are joined by correlations beyond 0.95 in size."""
        alike = np.abs(self.gram) > _DUPLICATE
        np.fill_diagonal(alike, False)
        groups, seen = [], set(np.flatnonzero(np.isinf(self._deviation[:, 0])).tolist())
        for unit in np.flatnonzero(alike.any(axis=1)).tolist():
            if unit in seen:
                continue
            group, new = {unit}, [unit]
            while new:
                found = set(np.flatnonzero(alike[new].any(axis=0)).tolist()) - group
                group |= found
                new = sorted(found)
            seen |= group
            groups.append(sorted(group))
        return groups

    def localise(self, features: list[Tracked], best: list[int], scores: list[float]) -> list[Localisation]:
        """Return for each feature how well several units do beside the best one, `best`, with its score."""
        if not features:
            return []
        targets = np.stack([feature.values[self._fit].astype(np.float32) for feature in features], axis=1)
        targets -= targets.mean(axis=0)
        targets /= np.maximum(targets.std(axis=0), 1e-6)
        products = self._x @ targets / np.float32(len(self._fit))  # (U, K)
        weights = self._lasso(products)  # (U, K, penalties)
        found = []
        for k, feature in enumerate(features):
            probes = {1: scores[k]}
            for size in SIZES:
                if size < len(self._x):
                    units = _largest(weights[:, k], size, best[k])
                    fitted = np.linalg.lstsq(self.gram[np.ix_(units, units)], products[units, k], rcond=1e-6)[0]
                    probes[size] = self._score(feature, fitted @ self._x_report[units], targets[:, k])
            last = weights[:, k, -1]
            probes[len(self._x)] = self._score(feature, last @ self._x_report, targets[:, k])
            nothing = 0.5 if feature.is_flag else 0.0
            enough = nothing + NEARLY * (probes[len(self._x)] - nothing)
            needed = next((size for size, score in probes.items() if score >= enough), len(self._x))
            found.append(Localisation(probes, min(needed, max(int(np.count_nonzero(last)), 1))))
        return found

    def _score(self, feature: Tracked, predicted: np.ndarray, target: np.ndarray) -> float:
        values = feature.values[self._report]
        if feature.is_flag:
            return auc(predicted, values)
        fit = feature.values[self._fit].astype(np.float64)
        return r_squared(predicted * fit.std() + fit.mean(), values.astype(np.float64))

    def _lasso(self, products: np.ndarray) -> np.ndarray:
        """Return the weights (U, K, penalties) of probes whose b are `products` (U, K)."""
        units, count = products.shape
        b = np.repeat(products, len(_PENALTIES), axis=1)
        penalties = (np.abs(products).max(axis=0)[:, None] * _PENALTIES.astype(np.float32)).reshape(-1)
        step = np.float32(1 / max(_largest_eigenvalue(self.gram), 1e-6))
        weights = before = np.zeros_like(b)
        point, momentum = weights, 1.0
        for _ in range(_ITERATIONS):
            moved = point - step * (self.gram @ point - b)
            weights = np.sign(moved) * np.maximum(np.abs(moved) - step * penalties, 0)
            following = (1 + np.sqrt(1 + 4 * momentum * momentum)) / 2
            point = weights + np.float32((momentum - 1) / following) * (weights - before)
            before, momentum = weights, following
        return weights.reshape(units, count, len(_PENALTIES))


def _thinned(places: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(places[::max(1, -(-len(places) // _PLACES))])


def _largest_eigenvalue(matrix: np.ndarray) -> float:
    """Return an upper estimate of a positive matrix's largest eigenvalue, by power iteration."""
    vector = np.ones(len(matrix), matrix.dtype)
    size = 1.0
    for _ in range(30):
        vector = matrix @ vector
        size = float(np.linalg.norm(vector))
        vector /= max(size, 1e-12)
    return 1.05 * size


def _largest(weights: np.ndarray, size: int, best: int) -> np.ndarray:
    """Return `size` units: those with the largest of `weights` (U, penalties) at the strongest penalty that leaves so
    many, the best single unit always among them."""
    active = np.count_nonzero(weights, axis=0) >= size
    column = weights[:, int(np.argmax(active)) if active.any() else -1]
    order = np.argsort(-np.abs(column), kind="stable")
    return np.append(best, order[order != best][:size - 1])
