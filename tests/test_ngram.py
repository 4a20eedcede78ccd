"""benchmarks/ngram.py, against modified Kneser-Ney written out with dictionaries."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from benchmarks.ngram import best_order, losses, parts
from charrnn.config import TrainConfig
from tests.runs import TEXT


def discounts(counts: Counter[tuple[int, ...]]) -> list[float]:
    """Return D0 to D3+ as Chen and Goodman (1999) have them, each within 0 and what there is to take from."""
    n = [sum(count == k for count in counts.values()) for k in range(5)]
    y = n[1] / (n[1] + 2 * n[2]) if n[1] else 0.0
    found = [0.0]
    for k in (1, 2, 3):
        value = k - (k + 1) * y * n[k + 1] / n[k] if n[k] else 0.5 * k
        found.append(min(max(value, 0.0), k))
    return found


def reference(train: list[int], held_out: list[int], vocab_size: int, order: int) -> float:
    """Return the loss of an n-gram, each probability by its recursive definition."""
    def raw(n: int) -> Counter[tuple[int, ...]]:
        return Counter(tuple(train[i:i + n]) for i in range(len(train) - n + 1))

    tables = {order: raw(order)}
    for n in range(1, order):
        tables[n] = Counter(gram[1:] for gram in raw(n + 1))  # each different longer gram once
    taken = {n: discounts(table) for n, table in tables.items()}

    def probability(context: tuple[int, ...], char: int) -> float:
        n = len(context) + 1
        lower = probability(context[1:], char) if context else 1 / vocab_size
        following = {gram: count for gram, count in tables[n].items() if gram[:-1] == context}
        total = sum(following.values())
        if not total:
            return lower
        count = tables[n][(*context, char)]
        rest = sum(taken[n][min(other, 3)] for other in following.values())
        return (count - taken[n][min(count, 3)] + rest * lower) / total

    text = train + held_out
    return -sum(math.log(probability(tuple(text[i - order + 1:i]), text[i]))
                for i in range(len(train), len(text))) / len(held_out)


def ids_of(text: str) -> np.ndarray:
    return np.unique(list(text), return_inverse=True)[1]


@pytest.mark.parametrize("text", ["abracadabra, abracadabra! cadabra abra?" * 3 + "abrakadabra, dabracad",
                                  TEXT[:700]])
def test_losses_are_those_of_the_definition(text: str) -> None:
    ids = ids_of(text)
    cut, vocab_size = len(ids) * 4 // 5, int(ids.max()) + 1
    for order, loss in itertools.islice(losses(ids[:cut], ids[cut:], vocab_size), 6):
        expected = reference(list(ids[:cut]), list(ids[cut:]), vocab_size, order)
        assert loss == pytest.approx(expected, rel=1e-12), order


def test_random_text_of_few_characters() -> None:
    ids = np.random.default_rng(5).integers(0, 3, 300)
    for order, loss in itertools.islice(losses(ids[:250], ids[250:], 5), 8):
        assert loss == pytest.approx(reference(list(ids[:250]), list(ids[250:]), 5, order), rel=1e-12), order


def test_the_best_order_is_that_with_the_lowest_loss() -> None:
    ids = ids_of(TEXT)
    cut = len(ids) * 9 // 10
    every = dict(itertools.islice(losses(ids[:cut], ids[cut:], int(ids.max()) + 1), 20))
    order, loss = best_order(ids[:cut], ids[cut:], int(ids.max()) + 1)
    assert loss == min(every.values()) == every[order] and 2 < order < 20


def test_parts_are_what_a_run_trains_on_and_validates_on() -> None:
    ids = np.arange(1000)
    train, val = parts(ids, TrainConfig())
    assert list(train) == list(range(900)) and list(val) == list(range(900, 1000))
    train, val = parts(ids, TrainConfig(split="stream", batch_size=2, seq_len=10, test_fraction=0.1))
    assert list(train) == [*range(400), *range(500, 900)]
    assert list(val) == [*range(400, 450), *range(900, 950)]
