"""How high a score chance alone reaches, and how sure a score is.

Two things make chance strong here: the best of many units is taken, and neighbouring characters are alike, so that a
text of 100,000 has far fewer independent places. The null therefore takes each block's feature values from another
stretch of the text, which keeps how long features stay on, and records the best that any unit reaches on them. All
features are moved together, and the largest of their standardised scores is what a finding has to beat: the single-step
maxT procedure of Westfall and Young (1993), which holds the chance of even one false find over all units and features
at the p-value. Intervals resample whole blocks (Künsch 1989).
"""

from __future__ import annotations

import functools
import math

import numpy as np

from charrnn.inspection.feature import Tracked
from charrnn.inspection.scoring import Halves, association, prepared
from charrnn.threads import Team

#: Draws of the null: with 200 the smallest p-value is 1 / 201. And of the bootstrap.
DRAWS, RESAMPLES = 200, 1000

#: Operations that the null may take; beyond, it looks at every second, third ... place, which can only widen it.
_OPERATIONS = 1.5e11

_TOGETHER = 10  # draws in one product; divides DRAWS
_BINS = 1024  # of equal count, into which a signal goes for the bootstrap of its AUC


def null_maxima(levels: np.ndarray, features: list[Tracked], split: Halves, team: Team, seed: int) -> np.ndarray:
    """Return the best score of any unit (DRAWS, K) for features taken from other stretches of the text.

    Scores are |AUC - 1/2| for flags and |r| for numbers. `levels` is (U, N) uint16.
    """
    random = np.random.default_rng(seed)
    work = 2.0 * DRAWS * len(levels) * len(features) * len(split.report)
    places = np.ascontiguousarray(split.report[::math.ceil(work / _OPERATIONS)])
    first = int(min(split.discovery[0], split.report[0]))
    length, blocks = levels.shape[1] - first, np.unique(places // split.block, return_inverse=True)[1]
    nearest = min(2 * split.block, length // 3)
    far = random.integers(nearest, length - nearest, (DRAWS, int(blocks.max()) + 1))
    maxima = np.zeros((DRAWS, len(features)))
    for is_flag in (True, False):
        chosen = [k for k, feature in enumerate(features) if feature.is_flag == is_flag]
        if not chosen:
            continue
        signals = prepared(levels, places, is_flag, team)
        table = [features[k].values.astype(np.float32) for k in chosen]
        # A product takes large numbers best when they are near 0, and correlations do not change.
        table = [values - (0 if is_flag else values.mean(dtype=np.float64)) for values in table]
        rows = np.zeros((_TOGETHER, len(chosen), len(places)), np.float32)
        for start in range(0, DRAWS, _TOGETHER):
            draws = [first + (places - first + shifts[blocks]) % length for shifts in far[start:start + _TOGETHER]]
            team.run(functools.partial(_move, table, draws, rows))
            best = np.abs(association(signals, rows.reshape(-1, len(places)), is_flag, team)).max(axis=0)
            maxima[start:start + _TOGETHER, chosen] = best.reshape(_TOGETHER, -1)
    return maxima


def _move(table: list[np.ndarray], draws: list[np.ndarray], rows: np.ndarray, part: int, parts: int) -> None:
    """Do share `part` of the draws: put into `rows` (draws, K, n) every feature's values at the places of a draw."""
    for draw in range(part, len(draws), parts):
        for values, row in zip(table, rows[draw]):
            np.take(values, draws[draw], out=row, mode="clip")  # "raise" would go through a buffer


def p_values(maxima: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the family-wise p-values (K,) of observed scores (K,), in the null's terms, by single-step maxT."""
    mean, deviation = maxima.mean(axis=0), np.maximum(maxima.std(axis=0), 1e-9)
    largest = ((maxima - mean) / deviation).max(axis=1, initial=-np.inf)  # of no features, nothing
    standard = (observed - mean) / deviation
    return (1 + (largest[:, None] >= standard).sum(axis=0)) / (len(maxima) + 1)


def auc_interval(signal: np.ndarray, flag: np.ndarray, blocks: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the AUC of a signal (n,), resampling `blocks` (n,).

    A resample's AUC is a quadratic form in how often each block was drawn: pairs of a place with the flag in one block
    and one without it in another are counted once, over bins of the signal.
    """
    count = int(blocks.max()) + 1
    edges = np.unique(np.quantile(signal, np.linspace(0, 1, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, signal, side="right")
    table = np.zeros((2, count, len(edges) + 1))
    np.add.at(table, (flag.astype(np.int64), blocks, bins), 1)
    off, on = table
    won = on @ (np.cumsum(off, axis=1) - off / 2).T
    drawn = _resamples(count, seed)
    on_total, off_total = drawn @ on.sum(axis=1), drawn @ off.sum(axis=1)
    pairs = on_total * off_total
    aucs = ((drawn @ won) * drawn).sum(axis=1)[pairs > 0] / pairs[pairs > 0]
    return _middle(aucs)


def r2_interval(predicted: np.ndarray, number: np.ndarray, blocks: np.ndarray, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of R2 = 1 - SSE / SST, resampling `blocks` (n,)."""
    number = number.astype(np.float64)
    parts = (np.square(number - predicted), np.square(number), number, np.ones_like(number))
    drawn = _resamples(int(blocks.max()) + 1, seed)
    error, squares, total, count = (drawn @ np.bincount(blocks, part) for part in parts)
    spread = squares - total * total / count
    return _middle(1 - error[spread > 0] / spread[spread > 0])


def _resamples(count: int, seed: int) -> np.ndarray:
    """Return how often each of `count` blocks is in each resample (RESAMPLES, count)."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(np.float64)


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975)) if len(values) else (0.0, 1.0)
    return float(max(low, 0.0)), float(high)
