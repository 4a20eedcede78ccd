"""Batches of characters from a network, one chunk after another."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from charrnn.cells import get_cell
from charrnn.config import CellHold, ModelConfig, SampleConfig
from charrnn.errors import ConfigError
from charrnn.kernels import generate as kernel
from charrnn.kernels.jit import specialise
from charrnn.kernels.random import mix, uniform
from charrnn.kernels.share import Share
from charrnn.network import Network


@functools.cache
def advance(cell_name: str) -> Any:
    """Return the compiled `charrnn.kernels.generate.advance` of a cell."""
    cell = get_cell(cell_name)
    return specialise(kernel.advance, cell_name, cell_forward=cell.forward, cell_hold=cell.hold)


@functools.cache
def _generate(cell_name: str) -> Any:
    return specialise(kernel.generate, cell_name, advance=advance(cell_name))


def scratch_for(network: Network, states: np.ndarray, rows: int) -> kernel.Scratch:
    """Return room for `rows` rows that start from `states`, (L, S, 1 for all or one for each, H padded)."""
    layers, kinds, _, hidden = states.shape
    gates, dtype = network.weights.bias.shape[1], states.dtype
    scratch = kernel.Scratch(
        z=np.zeros((1, rows, gates), dtype), u=np.zeros((1, rows, network.weights.bias_apart.shape[1]), dtype),
        states=np.zeros((layers, kinds, 2, rows, hidden), dtype),
        tape=np.zeros((rows, network.cell.kept * hidden), dtype),
        logits=np.zeros((1, rows, len(network.weights.output_bias)), dtype),
        order=np.zeros((rows, network.config.vocab_size), np.int64), units=network.config.hidden_size)
    scratch.states[:, :, 0] = states
    return scratch


def check_holds(config: ModelConfig, holds: Sequence[CellHold]) -> None:
    """Raise `ConfigError` if a model of this shape lacks a cell that is to be held."""
    for layer, unit, _ in holds:
        if not (0 <= layer < config.num_layers and 0 <= unit < config.hidden_size):
            raise ConfigError(f"cell {layer}:{unit} cannot be held: the model has layers 0 to {config.num_layers - 1} "
                              f"of units 0 to {config.hidden_size - 1}")


def holds_for(network: Network, holds: Sequence[CellHold]) -> kernel.Holds:
    """Return what is to be held, in all rows, as the kernels take it; as `check_holds` allows."""
    check_holds(network.config, holds)
    layers, units, values = (np.array([hold[i] for hold in holds]) for i in range(3))
    return kernel.Holds(np.full(len(holds), -1, np.int64), layers.astype(np.int64), units.astype(np.int64),
                        values.astype(network.dtype))


def _mix(key: int, value: Any) -> Any:
    """Return what the kernel `mix` does, for a number or an array of them, by its Python code: nothing is compiled."""
    with np.errstate(over="ignore"):
        return mix.py_func(np.uint64(key), np.uint64(value))


def random_key(seed: int) -> int:
    """Return the key of a text's random numbers."""
    return int(_mix(seed, 0))


def random_numbers(key: int, position: int, count: int) -> np.ndarray:
    """Return the numbers (count,) in [0, 1) that a text's characters from `position` on are drawn with."""
    numbers: np.ndarray = uniform.py_func(_mix(key, np.arange(position, position + count)))
    return numbers


def sample_seed(seed: int, sample: int) -> int:
    """Return the seed with which one of several samples is the only one of a run: for the first, `seed` itself.

    The others' are hashes of 53 bits, which programs that read JSON numbers as doubles keep.
    """
    return int(_mix(seed, sample)) >> 11 if sample else seed


def choice_for(config: SampleConfig, vocab_size: int) -> kernel.Choice:
    """Return how characters are chosen as the kernels take it."""
    return kernel.Choice(config.argmax, float(config.temperature), min(config.top_k, vocab_size), float(config.top_p),
                         float(config.min_p))


class Generator:
    """Several texts that are written at once, from the same start.

    Parameters
    ----------
    network : provides weights and threads.
    states : (L, S, 1, H padded), from which every row starts.
    current : the last character read, which comes first into the net.
    config : how characters are chosen.
    seeds : of each text; None stands for all samples of `config`.
    position : how many characters have been drawn of each text, up to `current`.
    """

    def __init__(self, network: Network, states: np.ndarray, current: int, config: SampleConfig,
                 seeds: Sequence[int] | None = None, position: int = 0) -> None:
        if seeds is None:
            seeds = [sample_seed(config.seed, sample) for sample in range(config.num_samples)]
        rows = len(seeds)
        self._network = network
        self._scratch = scratch_for(network, states, rows)
        self._holds = holds_for(network, config.holds)
        self._current = np.full(rows, current, np.int64)
        self._choice = choice_for(config, network.config.vocab_size)
        self._keys = np.array([random_key(seed) for seed in seeds], np.uint64)
        self._position = position
        self._kernel = _generate(network.config.cell)

    def next(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the next `count` characters of every text, (N, B) ids, and their log-probabilities (N, B)."""
        rows = len(self._current)
        ids, log_probabilities = np.zeros((count, rows), np.int64), np.zeros((count, rows))

        def write(share: Share) -> None:
            self._kernel(self._current, self._network.weights, self._scratch, self._holds,
                         self._network.config.vocab_size, self._choice, self._keys, self._position, ids,
                         log_probabilities, share)

        self._network.share_out(rows, write)
        self._position += count
        return ids, log_probabilities

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the texts only, in the order given; the others' work is saved."""
        states = self._scratch.states[:, :, 0, rows]
        self._scratch = scratch_for(self._network, states, len(rows))
        self._current, self._keys = self._current[rows], self._keys[rows]
