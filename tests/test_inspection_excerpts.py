"""Which stretch of a text is shown."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.inspection.excerpts import excerpt


def test_it_holds_the_feature_and_its_opposite() -> None:
    flag = np.zeros(1000, bool)
    flag[600:640] = True
    newlines = np.zeros(1000, bool)
    newlines[[99, 199, 299, 399, 499, 579, 699]] = True
    assert excerpt(flag, 80, newlines=newlines) == (580, 660)


def test_a_typical_one_spreads_as_the_whole_text() -> None:
    values = np.tile([0.0, 1.0, 2.0], 400)
    values[300:330] = np.linspace(-50, 50, 30)  # spreads more than the text does on average
    newlines = np.arange(1200) % 30 == 29
    wide, typical = (excerpt(values, 30, newlines=newlines, typical=typical)[0] for typical in (False, True))
    assert wide == 300 and typical != 300


def test_a_short_text_is_taken_whole() -> None:
    assert excerpt(np.zeros(5), 10, newlines=np.zeros(5, bool)) == (0, 5)


@pytest.mark.parametrize("length", [1, 7, 99])
def test_a_text_without_newlines(length: int) -> None:
    start, stop = excerpt(np.random.default_rng(1).random(100), length, newlines=np.zeros(100, bool))
    assert 0 <= start < stop <= 100 and stop - start == length
