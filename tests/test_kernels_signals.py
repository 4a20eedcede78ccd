"""Signals in 16 bits: their values, their ranks, and the counts of gates."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.kernels.signals import LEVELS, collect, expand, rank, tally

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("squash", [0, 1])
@pytest.mark.parametrize("units", [(0, 37), (5, 22)])
def test_collect_puts_every_value_in_its_place(squash: int, units: tuple[int, int]) -> None:
    values = RANDOM.normal(0, 0.7, (9, 3, 40)).astype(np.float32)
    values[0, 0, 6] = 50
    signals = np.zeros((37, 24), np.uint16)
    positions, skip = np.array([0, 8, 18]), np.array([0, 2, 0])  # the last row reaches beyond the end
    collect(values, squash, signals, positions, skip, *units)
    expected = np.clip(np.tanh(values) if squash else values, -1, 1)
    out = np.zeros((37, 24), np.float32)
    expand(signals, np.arange(24), out)
    for row, position in enumerate(positions):
        for step in range(skip[row], 9):
            place = position + step
            if place < 24:
                assert out[slice(*units), place] == pytest.approx(expected[step, row, slice(*units)], abs=2e-5)
    untouched = np.delete(np.arange(37), np.arange(*units))
    assert not signals[untouched].any() and not signals[:, 9].any()


def test_the_ends_and_the_middle() -> None:
    values = np.array([-1, 0, 1], np.float32).reshape(3, 1, 1)
    signals = np.zeros((1, 3), np.uint16)
    collect(values, 0, signals, np.zeros(1, np.int64), np.zeros(1, np.int64), 0, 1)
    assert signals[0].tolist() == [0, LEVELS // 2, LEVELS - 1]
    out = np.zeros((1, 3), np.float32)
    expand(signals, np.arange(3), out)
    assert out[0] == pytest.approx([-1, 0, 1], abs=2e-7)


def test_ranks_share_ties() -> None:
    signals = RANDOM.integers(0, 50, (4, 300)).astype(np.uint16) * 1300
    places = np.sort(RANDOM.permutation(300)[:200])
    out = np.zeros((4, 200), np.float32)
    rank(signals, places, out)
    for row, line in zip(signals, out):
        values = row[places].astype(int)
        below = (values[:, None] > values).sum(axis=1)
        ranks = below + ((values[:, None] == values).sum(axis=1) + 1) / 2
        assert line == pytest.approx((ranks - 201 / 2) / 200, abs=1e-6)


def test_tally_counts_what_lies_beyond_the_limits() -> None:
    gates = RANDOM.random((7, 2, 5)).astype(np.float32)
    skip = np.array([0, 3])
    counts = np.zeros((4, 5))
    for units in ((0, 3), (3, 5)):
        tally(gates, 0.1, 0.9, *counts, skip, *units)
    seen = np.concatenate([gates[:, 0], gates[3:, 1]])
    assert counts[0].tolist() == (seen < 0.1).sum(axis=0).tolist()
    assert counts[1].tolist() == (seen > 0.9).sum(axis=0).tolist()
    assert counts[2] == pytest.approx(seen.sum(axis=0), rel=1e-6)
    assert not counts[3].any()  # no gate was below 0
    tally(-gates, 0.1, 0.9, *counts, skip, 0, 5)
    assert counts[3] == pytest.approx(-seen.max(axis=0))
