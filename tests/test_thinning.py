"""Series in bounded space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from charrnn.thinning import Thinned


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def test_a_short_series_is_kept_as_it_is() -> None:
    series = Thinned(8, _mean)
    for value in range(7):
        series.add(value)
    assert list(series) == [0, 1, 2, 3, 4, 5, 6] and len(series) == 7


def test_of_a_long_one_neighbours_are_merged_alike() -> None:
    series = Thinned(8, _mean)
    for value in range(8):
        series.add(value)
    assert list(series) == [0.5, 2.5, 4.5, 6.5]
    series.add(8)
    assert list(series) == [0.5, 2.5, 4.5, 6.5, 8] and len(series) == 5
    series.add(9)
    assert list(series) == [0.5, 2.5, 4.5, 6.5, 8.5]


def test_however_long_it_is_it_stays_within_its_room() -> None:
    series = Thinned(64, _mean)
    for value in range(10_000):
        series.add(value)
        assert len(series) <= 64
    kept = list(series)
    gaps = {later - earlier for earlier, later in pairwise(kept[:-1])}
    assert gaps == {256} and len(kept) > 32
    assert kept[0] == 127.5 and kept[-1] > 9_900
