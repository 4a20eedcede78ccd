"""How a text is laid out for training: what is held out, and the parallel streams that the rest is read in.

Truncated backpropagation needs windows that follow each other, and a batch needs B of them at once. So the text is cut
into B streams of equal length; a window takes the next T characters of every stream, and each row's hidden state goes
on from the window before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from charrnn.config import TrainConfig
from charrnn.errors import CorpusError, in_characters

#: More characters than any text has, and less than what overflows.
_MOST = 2**62


@dataclass(frozen=True)
class Split:
    """The parts of a text, each as parallel streams.

    Attributes
    ----------
    train : (B, n) characters, n - 1 of which are predicted in each stream.
    val, test : (1, m) under the split "tail", (B, m) under "stream"; (0, 0) where there are none.
    batch_size, seq_len : as configured, or smaller where the text is short.
    """

    train: np.ndarray
    val: np.ndarray
    test: np.ndarray
    batch_size: int
    seq_len: int

    @property
    def windows(self) -> int:
        """Windows, and so training steps, in an epoch."""
        return math.ceil((self.train.shape[1] - 1) / self.seq_len)

    @property
    def train_characters(self) -> int:
        """Characters of the training text that are predicted in an epoch."""
        return self.train.shape[0] * (self.train.shape[1] - 1)

    def passage(self, index: int) -> np.ndarray:
        """Return a copy of the characters (T + 1, B) of a window of the training text, and the one after each row.

        The last window of an epoch may be shorter than the others.
        """
        return _passage(self.train, index * self.seq_len, self.seq_len)

    def window(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the characters (T, B) of a window of the training text and those that follow them."""
        return window(self.train, index * self.seq_len, self.seq_len)


def window(streams: np.ndarray, start: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return up to `length` steps (T, B) of streams (B, n) from `start` on, and the characters that follow them."""
    passage = _passage(streams, start, length)
    return passage[:-1], passage[1:]


def _passage(streams: np.ndarray, start: int, length: int) -> np.ndarray:
    # A copy, even of one stream: a read-only view is another type to Numba, for which it would compile again.
    return streams[:, start:min(start + length, streams.shape[1] - 1) + 1].T.copy()


def windows(streams: np.ndarray, length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all windows of `streams` in order."""
    for start in range(0, streams.shape[1] - 1, length):
        yield window(streams, start, length)


def split_text(ids: np.ndarray, config: TrainConfig) -> Split:
    """Hold out the validation and test part of a text (N,) and lay out the rest in streams.

    "tail" takes the held-out text from the end of the corpus, as nanoGPT does; "stream" from the end of each of the B
    streams, as char-rnn does, so that it is of the same kind as what is trained on: losses under the two do not
    compare.

    Raises
    ------
    CorpusError : a part would have fewer than the two characters that one prediction takes.
    """
    if config.split == "stream":
        return _split_streams(ids, config)
    val, test = round(len(ids) * config.val_fraction), round(len(ids) * config.test_fraction)
    train = len(ids) - val - test
    _check(train, val, test, config, len(ids))
    batch_size = _batch_size(train, config)
    return Split(_as_streams(ids[:train], batch_size), _as_streams(ids[train:train + val], 1),
                 _as_streams(ids[train + val:], 1), batch_size, _seq_len(train, batch_size, config))


def _split_streams(ids: np.ndarray, config: TrainConfig) -> Split:
    batch_size = min(_batch_size(len(ids), config), max(1, len(ids) // _enough(config)))
    streams = ids[:len(ids) // batch_size * batch_size].reshape(batch_size, -1)
    length = streams.shape[1]
    val, test = round(length * config.val_fraction), round(length * config.test_fraction)
    train = length - val - test
    _check(train, val, test, config, len(ids))
    none = streams[:0, :0]
    return Split(streams[:, :train], streams[:, train:train + val] if val else none,
                 streams[:, train + val:] if test else none, batch_size, min(config.seq_len, train - 1))


def _fractions(config: TrainConfig) -> dict[str, float]:
    return {"training": 1 - config.val_fraction - config.test_fraction, "validation": config.val_fraction,
            "test": config.test_fraction}


def _enough(config: TrainConfig) -> int:
    """Return a length from which on every part of a text has two characters, however they are rounded."""
    smallest = min(part for part in _fractions(config).values() if part > 0)
    return math.ceil(min(3 / smallest, _MOST))


def _check(train: int, val: int, test: int, config: TrainConfig, length: int) -> None:
    for (name, fraction), size in zip(_fractions(config).items(), (train, val, test)):
        if fraction > 0 and size < 2:
            raise CorpusError(f"the text has {in_characters(length)}, too few: its {name} part would have {size} and "
                              f"takes at least 2; use a text of {_enough(config)} or more, or other --val-fraction and "
                              "--test-fraction")


def _batch_size(length: int, config: TrainConfig) -> int:
    """Return how many streams of at least one full window the text gives, B at most."""
    return min(config.batch_size, max(1, (length - 1) // config.seq_len))


def _seq_len(length: int, batch_size: int, config: TrainConfig) -> int:
    return min(config.seq_len, (length - 1) // batch_size)


def _as_streams(ids: np.ndarray, batch_size: int) -> np.ndarray:
    """Return (B, n) streams over one text without a copy; the last of one is the first of the next."""
    if len(ids) < 2:
        return ids[:0].reshape(0, 0)
    length = (len(ids) - 1) // batch_size
    return np.lib.stride_tricks.as_strided(ids, (batch_size, length + 1), (length * ids.itemsize, ids.itemsize),
                                           writeable=False)
