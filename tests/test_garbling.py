"""Noise in the training text: where it lies, what it is drawn from, and what a net learns from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.garbling import GRACE, STRETCH, Garbler
from charrnn.language_model import load
from tests.runs import trainer

VOCAB, STREAMS = 40, 50


def garbled(start: int = 0, length: int = 10 * STRETCH, share: float = 0.3, *, vocab_size: int = VOCAB, seed: int = 1,
            epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return what is read and expected (length, STREAMS) of text that is `vocab_size` throughout, which no noise is."""
    passage = np.full((length + 1, STREAMS), vocab_size, np.uint16)
    return Garbler(share, vocab_size, seed).garble(passage, start, epoch)


def stretches(ids: np.ndarray) -> np.ndarray:
    """Return the stretches of streams, each a row (count, STRETCH)."""
    return ids.reshape(-1, STRETCH, ids.shape[1]).swapaxes(1, 2).reshape(-1, STRETCH)


def test_stretches_are_all_noise_or_none_and_so_many_as_the_share_says() -> None:
    noise = stretches(garbled(length=200 * STRETCH)[0]) != VOCAB
    assert set(noise.sum(axis=1)) == {0, STRETCH}
    assert noise.mean() == pytest.approx(0.3, abs=5 * np.sqrt(0.3 * 0.7 / len(noise)))


def test_the_text_is_expected_where_a_stretch_begins_and_noise_after_it() -> None:
    read, expected = garbled()
    read, expected = read[1:], expected[:-1]  # of the same places
    place = np.arange(1, len(read) + 1) % STRETCH
    assert (expected[place < GRACE] == VOCAB).all()
    np.testing.assert_array_equal(expected[place >= GRACE], read[place >= GRACE])


def test_no_share_is_no_noise_and_all_of_it_no_text() -> None:
    assert all((ids == VOCAB).all() for ids in garbled(share=0.0))
    assert (garbled(share=1.0)[0] < VOCAB).all()


def test_noise_is_of_few_characters_in_one_stretch_and_of_many_in_another() -> None:
    read, _ = garbled(share=1.0)
    kinds = np.array([len(set(stretch)) for stretch in stretches(read)])
    assert kinds.min() <= 2 and VOCAB / 2 < kinds.max() <= VOCAB
    counts = np.bincount(read.ravel(), minlength=VOCAB)
    assert counts.min() > 0.5 * counts.mean() and counts.max() < 2 * counts.mean()  # no character is preferred


@given(start=st.integers(0, 500), length=st.integers(1, 300))
def test_noise_depends_on_the_place_and_not_on_the_window_that_reads_it(start: int, length: int) -> None:
    for part, whole in zip(garbled(start, length), garbled(), strict=True):
        np.testing.assert_array_equal(part, whole[start:start + length])
        assert part.flags.c_contiguous and part.flags.writeable  # else Numba would compile for it apart


def test_every_pass_and_every_seed_has_its_own_noise() -> None:
    first, _ = garbled()
    np.testing.assert_array_equal(first, garbled()[0])
    for other, _ in (garbled(epoch=1), garbled(seed=2)):
        both = (first != VOCAB) & (other != VOCAB)
        assert 0.05 < both.mean() < 0.15 and (first[both] == other[both]).mean() < 0.2


@pytest.mark.parametrize("vocab_size", [1, 2, 3, 6000])
def test_any_vocabulary_has_noise(vocab_size: int) -> None:
    assert (garbled(share=1.0, vocab_size=vocab_size)[0] < vocab_size).all()


def test_a_net_that_read_noise_is_less_surprised_by_other_noise(tmp_path: Path) -> None:
    text = "the quick brown fox jumps over the lazy dog; " * 400
    unlike = "".join(np.random.default_rng(3).choice(list("qzxj;"), 2000))
    surprise = {}
    for share in (0.0, 0.1):
        list(trainer(tmp_path / str(share), text, hidden_size=32, max_steps=1000, lr=0.01, garble=share).run())
        model = load(tmp_path / str(share))
        assert model.loss(text[:2000]) < 0.05
        surprise[share] = model.loss(unlike)
    assert surprise[0.1] < surprise[0.0] - 2
