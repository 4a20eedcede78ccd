"""Text as a model writes it, with what one cell does at each character."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from charrnn.config import SampleConfig
from charrnn.language_model import LanguageModel
from charrnn.network import Network
from charrnn.sampling import CHUNK, generate


def generate_with_values(model: LanguageModel, prime: str, config: SampleConfig, cell: tuple[int, int],
                         source: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pieces of a text, the prime first, as code points (n,), bytes of a model of bytes, and a cell's values.

    Parameters
    ----------
    prime, config : as for `charrnn.sampling.generate`; one text is written.
    cell : (layer, unit).
    source : state or gate of the cell; a state that may lie beyond -1 and 1 is squashed by tanh.

    Raises
    ------
    UnknownCharacterError : the prime has characters that the vocabulary lacks.
    """
    vocabulary, config = model.vocabulary, config.replace(num_samples=1)
    start = vocabulary.encode(prime)
    reader = _Reader(model, cell, source)
    if not len(start):
        reader.values(np.array([model.start_id], vocabulary.dtype))
    written = (vocabulary.encode(piece.text) for piece in generate(model, prime, config))
    for ids in itertools.chain([start], written):
        for first in range(0, len(ids), CHUNK):
            part = ids[first:first + CHUNK]
            yield vocabulary.code_points[part], reader.values(part)


class _Reader:
    """Reads a text beside the generator, which tells nothing about its cells."""

    def __init__(self, model: LanguageModel, cell: tuple[int, int], source: str) -> None:
        self._network = Network(model.checkpoint.model, model.checkpoint.weights, batch_size=1, seq_len=CHUNK)
        self._layer, self._unit = cell
        self._source = source

    def values(self, ids: np.ndarray) -> np.ndarray:
        """Return the cell's values (n,) after the next n characters, at most `CHUNK`."""
        network, source = self._network, self._source
        window = network.forward(np.ascontiguousarray(ids[:, None]))
        if source in network.cell.states:
            values = window.states[self._layer, network.cell.states.index(source), 1:len(ids) + 1, 0, self._unit]
            return values.copy() if network.cell.is_bounded(source) else np.tanh(values)
        column = network.cell.gates.index(source) * window.states.shape[-1] + self._unit
        return window.z[self._layer, :len(ids), 0, column].copy()
