"""Batches of characters from a network, one chunk after another."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from charrnn.cells import get_cell
from charrnn.config import SampleConfig
from charrnn.kernels import generate as kernel
from charrnn.kernels.jit import specialise
from charrnn.kernels.random import mix
from charrnn.network import Network


@functools.cache
def _generate(cell_name: str) -> Any:
    return specialise(kernel.generate, cell_name, cell_forward=get_cell(cell_name).forward)


class Generator:
    """Several texts that are written at once, from the same start.

    Parameters
    ----------
    network : provides weights and threads.
    states : (L, S, 1, H padded), from which every row starts.
    current : the last character read, which comes first into the net.
    config : how characters are chosen, and how many texts there are.
    """

    def __init__(self, network: Network, states: np.ndarray, current: int, config: SampleConfig) -> None:
        rows, vocab = config.num_samples, network.config.vocab_size
        gates = network.weights.bias.shape[1]
        layers, kinds, _, hidden = states.shape
        kept = network.cell.kept * hidden
        self._network = network
        self._scratch = kernel.Scratch(
            z=np.zeros((1, rows, gates), states.dtype), u=np.zeros((1, rows, gates), states.dtype),
            states=np.zeros((layers, kinds, 2, rows, hidden), states.dtype), tape=np.zeros((rows, kept), states.dtype),
            logits=np.zeros((1, rows, len(network.weights.output_bias)), states.dtype),
            order=np.zeros((rows, vocab), np.int64))
        self._scratch.states[:, :, 0] = states
        self._current = np.full(rows, current, np.int64)
        self._choice = kernel.Choice(config.argmax, float(config.temperature), min(config.top_k, vocab),
                                     float(config.top_p), float(config.min_p))
        self._keys = np.array([mix(np.uint64(config.seed), np.uint64(k)) for k in range(rows)], np.uint64)
        self._position = 0
        self._kernel = _generate(network.config.cell)

    def next(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the next `count` characters of every text, (N, B) ids, and their log-probabilities (N, B)."""
        rows = len(self._current)
        ids, log_probabilities = np.zeros((count, rows), np.int64), np.zeros((count, rows))

        def write(part: int, parts: int) -> None:
            first, last = rows * part // parts, rows * (part + 1) // parts
            if first < last:
                self._kernel(self._current, self._network.weights, self._scratch, self._network.config.vocab_size,
                             self._choice, self._keys, self._position, ids, log_probabilities, first, last)

        if rows == 1:
            write(0, 1)
        else:
            self._network.team.run(write)
        self._position += count
        return ids, log_probabilities
