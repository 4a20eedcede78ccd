"""The model in training as others see it: its loss over the held-out text, and what it writes."""

from __future__ import annotations

import math
import time

import numpy as np

from charrnn.config import SampleConfig
from charrnn.evaluation import CHUNK, mean_loss
from charrnn.generator import Generator
from charrnn.network import Network
from charrnn.streams import window, windows

#: How long windows of the held-out text are timed to estimate how long all of it takes.
TIMED_SECONDS = 0.1


class Reader:
    """A second network, which follows the parameters of the one in training, or their average.

    It computes in float32, whatever precision training takes: so does whoever loads what the run saves.

    Parameters
    ----------
    trained : the network in training.
    flat : (size,) the parameters to follow: those in training, or their average.
    held_out : (B, n) the text to evaluate on, as streams; B or n may be 0.
    """

    def __init__(self, trained: Network, flat: np.ndarray, held_out: np.ndarray) -> None:
        self._flat, self._held_out = flat, held_out
        rows = max(1, len(held_out))
        self._network = Network(trained.config, trained.named_parameters(), batch_size=rows,
                                seq_len=CHUNK if rows == 1 else trained.seq_len, threads=trained.team.size)
        # Compiles and starts the threads, so that what follows can be timed: a short window would look crowded, since a
        # thread comes late at first, and the next ones would be read by one thread alone (`Network.share_out`).
        self._network.losses(*window(held_out, 0, self._network.seq_len))

    def _follow(self) -> Network:
        self._network.flat[...] = self._flat
        self._network.pack()
        return self._network

    def loss(self) -> float:
        """Return nats per character over the held-out text, from its start, with the state carried along."""
        return mean_loss(self._follow(), self._held_out)

    def seconds(self) -> float:
        """Return about how long `loss` takes, from how fast its first windows are.

        The very first one counts once: it may not be in the caches yet and take twice as long as the others.
        """
        ends = [time.perf_counter()]
        for ids, targets in windows(self._held_out, self._network.seq_len):
            self._network.losses(ids, targets)
            ends.append(time.perf_counter())
            if len(ends) > 2 and ends[-1] - ends[0] > TIMED_SECONDS:
                break
        first, *others = np.diff(ends)
        count = math.ceil((self._held_out.shape[1] - 1) / self._network.seq_len)
        return float(first + (count - 1) * np.median(others)) if others else float(first)

    def write(self, start_id: int, length: int, seed: int) -> np.ndarray:
        """Return the ids (length,) of a text that follows the character `start_id`."""
        network = self._follow()
        config = SampleConfig(seed=seed % 2**63, temperature=0.8)
        ids, _ = Generator(network, np.zeros_like(network.states[:, :, :1]), start_id, config).next(length)
        return ids[:, 0]
