"""The statistics, each against its definition written out plainly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charrnn.inspection import chance, scoring
from charrnn.inspection.baselines import ContextTable, contexts
from charrnn.inspection.feature import Tracked
from charrnn.inspection.probes import Probes
from charrnn.inspection.scoring import halves
from charrnn.kernels.signals import LEVELS
from charrnn.threads import Team

RANDOM = np.random.default_rng(8)
TEAM = Team(2)


def as_levels(values: np.ndarray) -> np.ndarray:
    return ((values + 1) * (LEVELS // 2) + 0.5).astype(np.uint16)


def plain_auc(signal: np.ndarray, flag: np.ndarray) -> float:
    wins = [float(a > b) + 0.5 * float(a == b) for a in signal[flag] for b in signal[~flag]]
    return sum(wins) / len(wins)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_counts_pairs(pairs: list[tuple[int, bool]]) -> None:
    signal, flag = (np.array(part) for part in zip(*pairs))
    expected = plain_auc(signal, flag) if 0 < flag.sum() < len(flag) else 0.5
    assert scoring.auc(signal, flag) == pytest.approx(expected)
    assert scoring.auc(-signal, flag) == pytest.approx(1 - expected)


def test_precision_and_f1() -> None:
    signal = np.array([0.9, 0.8, 0.8, 0.3, 0.1])
    flag = np.array([True, True, False, False, True])
    # Thresholds 0.9, 0.8, 0.1: precision 1, 2/3, 3/5, each for a third of the recall.
    assert scoring.average_precision(signal, flag) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert scoring.best_threshold(signal, flag) == 0.1
    assert scoring.f1_at(0.8, signal, flag) == pytest.approx(2 / 3)
    assert scoring.f1_at(0.1, signal, flag) == pytest.approx(3 / 4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=20))
def test_no_threshold_beats_the_best(pairs: list[tuple[int, bool]]) -> None:
    signal, flag = (np.array(part) for part in zip(*pairs))
    best = scoring.f1_at(scoring.best_threshold(signal, flag), signal, flag)
    assert best == pytest.approx(max(scoring.f1_at(value, signal, flag) for value in signal))


def test_numbers() -> None:
    signal = RANDOM.normal(size=300)
    number = 3 * signal + 2 + RANDOM.normal(size=300)
    slope, intercept = scoring.fitted_line(signal, number)
    assert (slope, intercept) == pytest.approx(tuple(np.polyfit(signal, number, 1)))
    assert scoring.r_squared(slope * signal + intercept, number) == pytest.approx(
        np.corrcoef(signal, number)[0, 1] ** 2)
    assert scoring.r_squared(np.full(300, 99.0), number) == 0
    assert scoring.rank_correlation(np.exp(signal), signal) == pytest.approx(1)
    assert scoring.rank_correlation(np.array([1, 2, 2, 4]), np.array([4, 2, 2, 1])) == pytest.approx(-1)
    flag = signal > 0.5
    groups = sum(part.size * (part.mean() - signal.mean()) ** 2 for part in (signal[flag], signal[~flag]))
    assert scoring.eta_squared(signal, flag) == pytest.approx(groups / (300 * signal.var()))
    assert scoring.mean_run(np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], bool)) == 2
    assert scoring.mean_run(np.zeros(3, bool)) == 0


def test_all_units_at_once_equal_one_by_one() -> None:
    levels = as_levels(RANDOM.uniform(-1, 1, (150, 500)).round(1))
    levels[7] = 1234
    places = np.sort(RANDOM.permutation(500)[:300])
    flag, number = RANDOM.random(500) < 0.3, RANDOM.normal(size=500).astype(np.float32)
    features = [Tracked("number", number, ""), Tracked("flag", flag, ""), Tracked("never", np.zeros(500, bool), "")]
    found = scoring.associations(levels, places, features, TEAM)
    for unit in range(150):
        signal = levels[unit, places].astype(float)
        assert found[unit, 1] == pytest.approx(scoring.auc(signal, flag[places]) - 0.5, abs=1e-5)
        expected = 0 if unit == 7 else np.corrcoef(signal, number[places])[0, 1]
        assert found[unit, 0] == pytest.approx(expected, abs=1e-4)
    assert not found[:, 2].any()


@pytest.mark.parametrize("length", [5000, 39_000, 100_000])
def test_halves_share_out_blocks(length: int) -> None:
    split = halves(length, 200)
    assert sorted([*split.discovery.tolist(), *split.report.tolist()]) == list(range(200, length))
    assert abs(len(split.discovery) - len(split.report)) <= 2 * split.block
    for half in (split.discovery, split.report):
        runs = np.split(half, np.flatnonzero(np.diff(half) != 1) + 1)
        assert len(runs) >= 19 and max(map(len, runs)) == split.block
    assert (np.bincount(split.report_blocks()) > 0).all()


def test_baselines_back_off() -> None:
    ids = np.array([1, 2, 1, 2, 1, 3, 1, 2, 0, 1, 2, 1], np.uint8)
    codes = contexts(ids, 2)
    for a, b in itertools.combinations(range(1, 12), 2):
        assert (codes[a] == codes[b]) == (ids[a - 1:a + 1].tolist() == ids[b - 1:b + 1].tolist())
    assert codes[0] not in codes[1:]
    # The flag is on after "12" alone: two characters tell it, one does not.
    ids = RANDOM.integers(0, 3, 6000).astype(np.uint8)
    flag = np.append(False, (ids[:-1] == 1) & (ids[1:] == 2))
    split = halves(6000, 0)
    one, three = ContextTable(ids, split).scores(Tracked("flag", flag, ""))
    assert one == pytest.approx(1 - 0.5 * 2 / 3 * (1 / 3) / (8 / 9), abs=0.03)
    assert three == 1
    number = np.convolve(ids, [0, 0, 0, 0, 1.0])[:6000].astype(np.float32)  # four characters ago
    assert max(ContextTable(ids, split).scores(Tracked("number", number, ""))) < 0.02


def test_chance_is_what_the_best_of_many_reaches() -> None:
    n = 20_000
    slow = np.repeat(RANDOM.normal(size=(30, n // 100)), 100, axis=1)
    levels = as_levels(np.tanh(slow))
    flag = np.repeat(RANDOM.random(n // 100) < 0.4, 100)
    features = [Tracked("flag", flag, ""), Tracked("number", slow[3].astype(np.float32), "")]
    split = halves(n, 0)
    maxima = chance.null_maxima(levels, features, split, TEAM, 1)
    assert maxima.shape == (chance.DRAWS, 2)
    # 100 independent places in the half: the best of 30 units is far from 0, and a feature's own unit far beyond.
    assert 0.08 < np.median(maxima[:, 0]) < 0.25 and 0.1 < np.median(maxima[:, 1]) < 0.4
    p_values = chance.p_values(maxima, np.array([np.median(maxima[:, 0]), 1.0]))
    assert p_values[0] > 0.2 and p_values[1] == 1 / (chance.DRAWS + 1)
    assert np.array_equal(maxima, chance.null_maxima(levels, features, split, TEAM, 1))


def test_p_values_are_family_wise() -> None:
    maxima = np.array([[0.0, 10.0], [1.0, 20.0], [2.0, 60.0], [1.0, 30.0]])
    # In standard deviations from the mean, the largest in each draw decide.
    standard = (maxima - maxima.mean(axis=0)) / maxima.std(axis=0)
    largest = standard.max(axis=1)
    for observed in ([0.5, 25.0], [2.5, 70.0], [1.9, 0.0]):
        at = (np.array(observed) - maxima.mean(axis=0)) / maxima.std(axis=0)
        assert chance.p_values(maxima, np.array(observed)).tolist() == [
            (1 + sum(value >= one for value in largest)) / 5 for one in at]


def test_intervals_cover_the_truth_and_know_of_blocks() -> None:
    blocks = np.repeat(np.arange(40), 250)
    flag = RANDOM.random(10_000) < 0.3
    signal = RANDOM.normal(size=10_000) + flag
    low, high = chance.auc_interval(signal, flag, blocks, 0)
    assert low < scoring.auc(signal, flag) < high and high - low < 0.03
    drift = np.repeat(RANDOM.normal(size=40), 250)
    wide = chance.auc_interval(signal + 2 * drift, flag, blocks, 0)
    assert wide[1] - wide[0] > 1.5 * (high - low)
    number = signal + RANDOM.normal(size=10_000)
    low, high = chance.r2_interval(signal, number, blocks, 0)
    assert low < scoring.r_squared(signal, number) < high and high - low < 0.08


def test_probes_tell_one_unit_from_a_spread() -> None:
    n = 8000
    signals = RANDOM.uniform(-0.5, 0.5, (40, n))
    signals[11] = -0.9 * signals[4]
    signals[12], signals[13] = 0.3, -0.998
    split = halves(n, 0)
    probes = Probes(as_levels(signals), split, TEAM)
    one = Tracked("one", (signals[9] > 0.1), "")
    three = Tracked("three", (signals[1] + signals[2] + signals[3]).astype(np.float32), "")
    found = probes.localise([one, three], [9, 2], [1.0, 0.33])
    assert found[0].units_needed == 1
    assert found[1].units_needed == 3 and found[1].probes[3] > 0.98 and set(found[1].probes) == {1, 3, 10, 40}
    assert [units.tolist() for units in probes.still()] == [[12], [13]]
    assert probes.duplicates() == [[4, 11]]
    assert probes.localise([], [], []) == []
