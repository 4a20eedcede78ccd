"""What the analysis of single units needs over long texts: signals in 16 bits, their ranks, and counts of gates.

A signal is what a unit shows over a text of N characters, between -1 and 1, kept as a uint16: `LEVELS` steps, so that
100,000 characters of 1,536 units take 307 MB, and ranking one of them is counting, not sorting.
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.activation import tanh
from charrnn.kernels.jit import jit

#: Values that a signal can take: 0 stands for -1, the last for 1.
LEVELS = 65535
_SCALE = np.float32(LEVELS // 2)
_HALF = np.float32(0.5)

#: Units turned from one row a step to one row a unit at a time: a cache line of each step, few enough pages to write.
_TILE = 32


@jit
def collect(values, squash, signals, positions, skip, first, last):
    """Store a window of values as signals, each row of the batch at its place in the text.

    Parameters
    ----------
    values : (T, B, H padded) float32.
    squash : 1 where tanh is to be taken first, else 0; what then lies beyond -1 and 1 is cut off.
    signals : (H, N) uint16 (out).
    positions : (B,) int64, place in the text of each row's first step.
    skip : (B,) int64, steps at the start of each row that are not stored.
    first, last : units to do.
    """
    steps, rows, _ = values.shape
    one = np.float32(1)
    tile = np.empty((steps, _TILE), np.uint16)
    line = np.empty(_TILE, np.float32)
    for b in range(rows):
        place, count = positions[b], min(steps, signals.shape[1] - positions[b])
        for start in range(first, last, _TILE):
            width = min(_TILE, last - start)
            for t in range(skip[b], count):
                row, stored = values[t, b][start:start + width], tile[t]
                part = line[:width]
                for j in range(part.size):
                    part[j] = row[j]
                if squash:
                    for j in range(part.size):
                        part[j] = tanh(part[j])
                for j in range(part.size):
                    # By way of int32, to which processors turn many floats at once.
                    stored[j] = np.uint16(np.int32((min(max(part[j], -one), one) + one) * _SCALE + _HALF))
            for j in range(width):
                signal = signals[start + j][place:place + count]
                for t in range(skip[b], count):
                    signal[t] = tile[t, j]


@jit
def expand(signals, places, out):
    """Turn signals back into numbers: the one at `places` (n,) int64 of (H, N) `signals` into `out` (H, n) float32."""
    for j in range(signals.shape[0]):
        row, line = signals[j], out[j]
        for i in range(places.size):
            line[i] = np.float32(row[places[i]]) / _SCALE - np.float32(1)


@jit
def rank(signals, places, out):
    """Rank each unit's signal at `places` (n,) int64: `out` (H, n) float32 is (rank - (n + 1) / 2) / n.

    Equal values share the mean of their ranks, so that an AUC or a rank correlation from them is exact.
    """
    n = places.size
    counts = np.empty(LEVELS, np.int32)
    ranks = np.empty(LEVELS, np.float32)
    for j in range(signals.shape[0]):
        row, line = signals[j], out[j]
        counts[:] = 0
        for i in range(n):
            counts[row[places[i]]] += 1
        below = 0
        for level in range(counts.size):
            count = counts[level]
            ranks[level] = np.float32((below + (count + 1) * 0.5 - (n + 1) * 0.5) / n)
            below += count
        for i in range(n):
            line[i] = ranks[row[places[i]]]


@jit
def tally(gates, low, high, shut, wide, total, lowest, skip, first, last):
    """Count over a window how often each gate is shut and open, and add up its values.

    Parameters
    ----------
    gates : (T, B, H).
    low, high : below and above what a gate counts as shut and as open.
    shut, wide, total, lowest : (H,) float64, two counts, sum and minimum of the values so far (in and out).
    skip : (B,) int64, steps at the start of each row that do not count.
    first, last : units to do.
    """
    one, zero = 1.0, 0.0
    shut, wide, total, lowest = shut[first:last], wide[first:last], total[first:last], lowest[first:last]
    for b in range(gates.shape[1]):
        for t in range(skip[b], gates.shape[0]):
            row = gates[t, b][first:last]
            for j in range(row.size):
                value = np.float64(row[j])
                shut[j] += one if value < low else zero
                wide[j] += one if value > high else zero
                total[j] += value
                lowest[j] = min(lowest[j], value)
