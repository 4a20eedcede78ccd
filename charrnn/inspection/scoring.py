"""How well signals follow features: of every unit and every feature at once, as matrix products.

A signal enters through its ranks for a yes/no feature, and through its values for a number:

    AUC = P(signal where on > signal where off) + P(equal) / 2 = 1/2 + n sum(rank') / (n1 n0)

with rank' = (rank - (n + 1) / 2) / n summed over the n1 places where the feature is on, n0 being those where it is off
(Mann and Whitney 1947; Hanley and McNeil 1982). A signal that falls where the feature is on is as good: what counts is
max(AUC, 1 - AUC).

    R2 = r^2, r = mean of the product of both in units of their standard deviations

where a unit is searched for; of the one that was found, R2 = 1 - SSE / SST on held-out text, of the line fitted to the
other half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from charrnn.inspection.feature import Tracked
from charrnn.kernels.product import REPLACE, multiply, pack, packed_room, panel_count
from charrnn.kernels.signals import expand, rank
from charrnn.kernels.tile import LANES
from charrnn.threads import Team

#: Length of the blocks in which a text is dealt out to the halves, and resampled; shorter on a short text, so that
#: there are `_BLOCKS`.
BLOCK, _BLOCKS = 1000, 40

_UNITS = 128  # whose ranks are in memory at once

#: A signal whose standard deviation is not above this is constant.
STILL = 1e-4


@dataclass(frozen=True)
class Halves:
    """A text's places, dealt out block by block.

    Attributes
    ----------
    block : length of a block.
    discovery, report : (n,) int64 places; units are chosen on the first and judged on the second.
    """

    block: int
    discovery: np.ndarray
    report: np.ndarray

    def report_blocks(self) -> np.ndarray:
        """Return the block (n,) of each place of the report half, counted from 0."""
        return np.unique(self.report // self.block, return_inverse=True)[1]


def halves(length: int, dropped: int) -> Halves:
    """Deal out the places of a text of `length` characters, of which the first `dropped` are left out."""
    block = max(1, min(BLOCK, (length - dropped) // _BLOCKS))
    places = np.arange(dropped, length)
    odd = (places // block % 2).astype(bool)
    return Halves(block, places[~odd], places[odd])


def associations(levels: np.ndarray, places: np.ndarray, features: list[Tracked], team: Team) -> np.ndarray:
    """Return how well every unit follows every feature, (U, K): AUC - 1/2 for flags, r for numbers.

    Parameters
    ----------
    levels : (U, N) uint16 signals.
    places : (n,) int64, where in them to look.
    """
    found = np.zeros((len(levels), len(features)), np.float32)
    for is_flag in (True, False):
        chosen = [k for k, feature in enumerate(features) if feature.is_flag == is_flag]
        if chosen:
            rows = np.stack([features[k].values[places] for k in chosen]).astype(np.float32)
            for start in range(0, len(levels), _UNITS):
                signals = prepared(levels[start:start + _UNITS], places, is_flag, team)
                found[start:start + _UNITS, chosen] = association(signals, rows, is_flag, team)
    return found


def prepared(levels: np.ndarray, places: np.ndarray, is_flag: bool, team: Team) -> np.ndarray:
    """Return signals (U, n) as they enter the product: ranks for flags, values for numbers."""
    return in_parallel(rank, levels, places, team) if is_flag else standardised(
        in_parallel(expand, levels, places, team))


def association(signals: np.ndarray, rows: np.ndarray, is_flag: bool, team: Team) -> np.ndarray:
    """Return AUC - 1/2 (U, R) of `prepared` signals (U, n) for flags (R, n), or r for numbers; 0 for what is constant.

    Flags and numbers are float32.
    """
    n = rows.shape[1]
    if is_flag:
        on = rows.sum(axis=1, dtype=np.float64)
        scale = n / np.maximum(on * (n - on), 1)
    else:
        scale = 1 / np.maximum(n * deviations(rows - rows.mean(axis=1, keepdims=True)), 1e-6)
    return product(signals, rows, team)[:, :len(rows)] * scale.astype(np.float32)


def product(signals: np.ndarray, rows: np.ndarray, team: Team) -> np.ndarray:
    """Return the products (U, R or more) of signals (U, n) and rows (R, n) float32, whatever the number of threads.

    In the kernels that train: a BLAS has threads of its own, which wait in every product for cores that other programs
    use.
    """
    columns = -(-len(rows) // LANES) * LANES
    if columns > len(rows):
        rows = np.concatenate([rows, np.zeros((columns - len(rows), rows.shape[1]), np.float32)])
    packed, found = packed_room(rows.size, dtype=np.float32), np.empty((1, len(signals), columns), np.float32)
    panels = panel_count(columns, packed.itemsize)
    team.run(lambda part, parts: pack(rows, 1, packed, panels * part // parts, panels * (part + 1) // parts))
    team.run(lambda part, parts: multiply(signals[None], packed, found, columns, len(signals) * part // parts,
                                          len(signals) * (part + 1) // parts, REPLACE))
    return found[0]


def in_parallel(kernel: Callable[..., None], levels: np.ndarray, places: np.ndarray, team: Team) -> np.ndarray:
    """Return what `rank` or `expand` makes of signals (U, N) at `places` (n,): (U, n) float32."""
    out = np.empty((len(levels), len(places)), np.float32)

    def work(part: int, parts: int) -> None:
        first, last = len(levels) * part // parts, len(levels) * (part + 1) // parts
        if first < last:
            kernel(levels[first:last], places, out[first:last])

    team.run(work)
    return out


def standardised(values: np.ndarray) -> np.ndarray:
    """Return (U, n) `values`, in place, in standard deviations from each row's mean; what never moves becomes 0."""
    values -= values.mean(axis=1, keepdims=True)
    deviation = deviations(values)[:, None]
    values *= np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > STILL)
    return values


def deviations(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation (U,) of each row of (U, n) values whose mean is 0."""
    # NumPy's own goes over an array three times and writes another one of its size.
    return np.sqrt(np.einsum("un,un->u", values, values) / np.float32(values.shape[1]))


def auc(signal: np.ndarray, flag: np.ndarray) -> float:
    """Return the AUC of one signal (n,) for one flag (n,), equal values counting half."""
    _, places, counts = np.unique(signal, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    on = int(np.count_nonzero(flag))
    off = len(flag) - on
    if not on or not off:
        return 0.5
    return float((ranks[places][flag].sum() - on * (on + 1) / 2) / (on * off))


def average_precision(signal: np.ndarray, flag: np.ndarray) -> float:
    """Return the mean over all places where the flag is on of the precision at their signal: sum P (R - R before)."""
    order = np.argsort(-signal, kind="stable")
    hits = np.cumsum(flag[order])
    last = np.append(np.diff(signal[order]) != 0, True)  # equal signals are one step
    found, taken = hits[last], np.flatnonzero(last) + 1
    return float((found / taken * np.diff(found, prepend=0)).sum() / max(hits[-1], 1))


def best_threshold(signal: np.ndarray, flag: np.ndarray) -> float:
    """Return the threshold at which "signal >= threshold" has the highest F1 = 2 TP / (2 TP + FP + FN)."""
    order = np.argsort(-signal, kind="stable")
    hits = np.cumsum(flag[order])
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + hits[-1])
    f1[:-1][np.diff(signal[order]) == 0] = -1
    return float(signal[order][int(np.argmax(f1))])


def f1_at(threshold: float, signal: np.ndarray, flag: np.ndarray) -> float:
    """Return F1 of "signal >= threshold"."""
    chosen = signal >= threshold
    return float(2 * np.count_nonzero(chosen & flag) / max(np.count_nonzero(chosen) + np.count_nonzero(flag), 1))


def fitted_line(signal: np.ndarray, number: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept of the least-squares line from a signal (n,) to a number (n,)."""
    mean, variance = signal.mean(dtype=np.float64), signal.var(dtype=np.float64)
    slope = float(np.mean((signal - mean) * number, dtype=np.float64) / variance) if variance > 0 else 0.0
    return slope, float(number.mean(dtype=np.float64) - slope * mean)


def r_squared(predicted: np.ndarray, number: np.ndarray) -> float:
    """Return 1 - SSE / SST, at least 0."""
    total = np.square(number - number.mean(dtype=np.float64)).sum(dtype=np.float64)
    return float(max(0.0, 1 - np.square(number - predicted).sum(dtype=np.float64) / total)) if total > 0 else 0.0


def rank_correlation(signal: np.ndarray, number: np.ndarray) -> float:
    """Return Spearman's correlation, equal values sharing the mean of their ranks."""
    ranks = []
    for values in (signal, number):
        _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[places])
    deviations = [part - part.mean() for part in ranks]
    norm = np.sqrt(np.square(deviations[0]).sum() * np.square(deviations[1]).sum())
    return float((deviations[0] * deviations[1]).sum() / norm) if norm > 0 else 0.0


def eta_squared(signal: np.ndarray, flag: np.ndarray) -> float:
    """Return the share of a signal's variance that lies between the places with the flag and those without."""
    variance, share = signal.var(dtype=np.float64), flag.mean()
    if variance == 0 or share in (0, 1):
        return 0.0
    gap = signal[flag].mean(dtype=np.float64) - signal[~flag].mean(dtype=np.float64)
    return float(share * (1 - share) * gap * gap / variance)


def mean_run(on: np.ndarray) -> float:
    """Return the mean length of the runs of True in (n,)."""
    starts = np.count_nonzero(on[1:] & ~on[:-1]) + int(on[0])
    return float(np.count_nonzero(on) / max(starts, 1))
