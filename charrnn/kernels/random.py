"""Random numbers by counter: each draw is a hash of where it belongs, so that no order, thread or chunk can change
it."""

from __future__ import annotations

import numpy as np

from charrnn.kernels.jit import jit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
u4 = np.uint32


@jit
def mix(key, value):
    """Return a 64-bit key that stands for (key, value): one step of SplitMix64 (Steele, Lea and Flood 2014)."""
    x = np.uint64(np.uint64(key) ^ np.uint64(np.uint64(value) * _GOLDEN)) + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


@jit
def uniform(key):
    """Return a number in [0, 1), a multiple of 2^-53, from a key that `mix` made."""
    return (key >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@jit
def drop(row, key, dropout):
    """Set elements of `row` (n,) to 0 with probability `dropout`, scale the others by 1 / (1 - dropout).

    The same key drops the same elements, so the backward pass calls this on the gradient instead of keeping a mask.
    """
    start = u4(key)
    limit = u4(min(dropout * 4294967296.0, 4294967295.0))
    zero, scale = row.dtype.type(0), row.dtype.type(1.0 / (1.0 - dropout))
    for j in range(row.size):
        # A 32-bit finaliser in the manner of MurmurHash3, with constants found by search for least bias.
        x = u4(start + u4(u4(j) * u4(0x9E3779B9)))
        x = u4(u4(x ^ u4(x >> u4(16))) * u4(0x21F0AAAD))
        x = u4(u4(x ^ u4(x >> u4(15))) * u4(0x735A2D97))
        x = u4(x ^ u4(x >> u4(15)))
        row[j] = row[j] * scale if x >= limit else zero
