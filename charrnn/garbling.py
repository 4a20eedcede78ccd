"""Stretches of noise in the training text, so that a net learns to be unsure where it knows nothing.

A net that has only read what it can make sense of is sure of itself everywhere. Where a text turns into something else
(numbers in code, another language, encoded data) it goes on to expect what it knows, and loses more than by guessing.
So a small share of the text that it trains on is garbled: `STRETCH` characters at a time are drawn from a few of the
vocabulary, which ones and how often each being different in every stretch. From these it learns to tell that it has
lost the thread, and then to expect what came a moment ago.

Where a stretch begins, the net goes on to be told the text that stood there: what is to be predicted are the first
`GRACE` characters as they were. Otherwise it would learn that noise may begin anywhere, and write some now and then.

Each stretch is drawn anew in every pass, from the seed, the pass and its place alone, so that a resumed run meets the
same. What this gives is in docs/regularisation.md.
"""

from __future__ import annotations

import math

import numpy as np

#: Characters of a stretch, and how many of them at its beginning are read but not learned.
STRETCH, GRACE = 128, 8

#: Of the Dirichlet distribution that a stretch's frequencies are drawn from: below 1, so that some are far from others.
CONCENTRATION = 0.5


class Garbler:
    """Puts noise into text that is laid out in streams.

    Parameters
    ----------
    share : of the stretches that are garbled, 0 to 1.
    vocab_size : V; noise is drawn from the ids below.
    seed : decides where there is noise, and which.
    """

    def __init__(self, share: float, vocab_size: int, seed: int) -> None:
        self._share, self._vocab_size, self._seed = share, vocab_size, seed

    def garble(self, passage: np.ndarray, start: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what is read (T, B) of a passage, and what is to be predicted (T, B), with noise in both.

        Parameters
        ----------
        passage : (T + 1, B) the characters of B streams from position `start` on; noise is written into it.
        epoch : complete passes before this one.
        """
        expected = passage[1:]
        if not self._share:
            return passage[:-1], expected
        expected = expected.copy()
        stop = start + len(passage)
        for number in range(start // STRETCH, -(-stop // STRETCH)):
            random = np.random.default_rng([self._seed, epoch, number])
            first = number * STRETCH
            begin, end = max(first, start), min(first + STRETCH, stop)
            learned = max(first + GRACE, start + 1)
            for row in np.flatnonzero(random.random(passage.shape[1]) < self._share):
                noise = self._noise(random)
                passage[begin - start:end - start, row] = noise[begin - first:end - first]
                expected[learned - start - 1:end - start - 1, row] = noise[learned - first:end - first]
        return passage[:-1], expected

    def _noise(self, random: np.random.Generator) -> np.ndarray:
        """Return a stretch of ids of some of the vocabulary; how many is drawn evenly by its logarithm, 2 to all."""
        few = min(2, self._vocab_size)
        count = round(math.exp(random.uniform(math.log(few), math.log(self._vocab_size))))
        characters = random.choice(self._vocab_size, count, replace=False)
        noise: np.ndarray = random.choice(characters, STRETCH, p=random.dirichlet(np.full(count, CONCENTRATION)))
        return noise
