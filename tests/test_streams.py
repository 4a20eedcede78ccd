"""How a text becomes windows: what is held out, what follows what, and what happens when there is little of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.config import TrainConfig
from charrnn.errors import CorpusError
from charrnn.streams import Split, split_text, window, windows


def numbered(length: int) -> np.ndarray:
    """Return a text in which each character is its own place."""
    return np.arange(length, dtype=np.uint16)


def train_windows(split: Split) -> list[tuple[np.ndarray, np.ndarray]]:
    return [split.window(i) for i in range(split.windows)]


def test_tail_holds_out_the_end_of_the_text() -> None:
    split = split_text(numbered(1000), TrainConfig(batch_size=3, seq_len=10, val_fraction=0.1, test_fraction=0.05))
    np.testing.assert_array_equal(split.val, [np.arange(850, 950)])
    np.testing.assert_array_equal(split.test, [np.arange(950, 1000)])
    # 849 characters follow another one: 283 in each of three streams, which meet without a gap.
    assert split.train.shape == (3, 284)
    np.testing.assert_array_equal(split.train[:, 0], [0, 283, 566])
    np.testing.assert_array_equal(split.train[:, -1], [283, 566, 849])
    assert (split.windows, split.train_characters) == (29, 849)


def test_stream_holds_out_the_end_of_each_stream() -> None:
    config = TrainConfig(batch_size=4, seq_len=10, val_fraction=0.1, test_fraction=0.2, split="stream")
    split = split_text(numbered(1003), config)
    for b in range(4):
        np.testing.assert_array_equal(split.train[b], 250 * b + np.arange(175))
        np.testing.assert_array_equal(split.val[b], 250 * b + np.arange(175, 200))
        np.testing.assert_array_equal(split.test[b], 250 * b + np.arange(200, 250))


@pytest.mark.parametrize("kind", ["tail", "stream"])
def test_nothing_held_out(kind: str) -> None:
    split = split_text(numbered(100), TrainConfig(batch_size=2, seq_len=10, val_fraction=0, split=kind))
    assert split.val.shape == split.test.shape == (0, 0)
    assert split.train_characters >= 98


@given(length=st.integers(2, 400), batch_size=st.integers(1, 9), seq_len=st.integers(1, 30),
       kind=st.sampled_from(["tail", "stream"]))
def test_windows_go_through_every_stream_in_order(length: int, batch_size: int, seq_len: int, kind: str) -> None:
    config = TrainConfig(batch_size=batch_size, seq_len=seq_len, val_fraction=0, split=kind)
    split = split_text(numbered(length), config)
    assert 1 <= split.batch_size <= batch_size and 1 <= split.seq_len <= seq_len
    parts = train_windows(split)
    assert [len(ids) for ids, _ in parts[:-1]] == [split.seq_len] * (split.windows - 1)
    assert 1 <= len(parts[-1][0]) <= split.seq_len
    for ids, targets in parts:
        np.testing.assert_array_equal(targets, ids + 1)  # the next character of the text
        assert ids.flags.c_contiguous and targets.flags.c_contiguous
        assert ids.flags.writeable  # read-only arrays are another type to Numba, and compiled for apart
    read = np.concatenate([ids for ids, _ in parts])
    np.testing.assert_array_equal(read, split.train[:, :-1].T)
    assert read.size == split.train_characters
    # Each character is read at most once, and less than a full row of the batch is left over.
    assert len(np.unique(read)) == read.size
    if kind == "tail":
        assert length - 1 - read.size < split.batch_size


def test_windows_of_any_streams() -> None:
    streams = numbered(22).reshape(2, 11)
    parts = list(windows(streams, 4))
    assert [ids.shape for ids, _ in parts] == [(4, 2), (4, 2), (2, 2)]
    np.testing.assert_array_equal(parts[2][0], [[8, 19], [9, 20]])
    np.testing.assert_array_equal(parts[2][1], [[9, 20], [10, 21]])
    np.testing.assert_array_equal(window(streams, 3, 2)[0], [[3, 14], [4, 15]])
    assert list(windows(streams[:, :1], 4)) == []


def test_a_short_text_shrinks_batch_and_windows() -> None:
    config = TrainConfig(batch_size=50, seq_len=64, val_fraction=0)
    assert split_text(numbered(50 * 64 + 1), config).batch_size == 50
    split = split_text(numbered(1000), config)
    assert (split.batch_size, split.seq_len) == (15, 64)
    split = split_text(numbered(10), config)
    assert (split.batch_size, split.seq_len, split.windows) == (1, 9, 1)
    split = split_text(numbered(2), config)
    assert (split.batch_size, split.seq_len, split.train_characters) == (1, 1, 1)


@given(length=st.integers(0, 60), kind=st.sampled_from(["tail", "stream"]), val=st.sampled_from([0.0, 0.1, 0.5, 0.97]),
       test=st.sampled_from([0.0, 0.02]))
def test_any_length_works_or_names_a_length_that_does(length: int, kind: str, val: float, test: float) -> None:
    config = TrainConfig(batch_size=3, seq_len=4, val_fraction=val, test_fraction=test, split=kind)
    try:
        split = split_text(numbered(length), config)
    except CorpusError as error:
        assert f"has {length} character{'s' * (length != 1)}, too few" in str(error)
        need = int(str(error).split("use a text of ")[1].split()[0])
        assert need > length
        split_text(numbered(need), config)
    else:
        assert split.train.shape[1] >= 2
        assert (split.val.size > 0) == (val > 0) and (split.test.size > 0) == (test > 0)
        assert split.val.shape[1] != 1 and split.test.shape[1] != 1


def test_the_laid_out_text_is_no_copy() -> None:
    ids = numbered(100_000)
    split = split_text(ids, TrainConfig(batch_size=7))
    assert np.shares_memory(split.train, ids) and np.shares_memory(split.val, ids)
    assert split.windows == math.ceil((split.train.shape[1] - 1) / 64)


def test_a_fraction_too_small_for_any_text_is_refused() -> None:
    with pytest.raises(CorpusError, match="--val-fraction"):
        split_text(numbered(1000), TrainConfig(val_fraction=1e-320))
