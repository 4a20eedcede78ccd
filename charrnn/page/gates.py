"""The gates of a few chosen cells over a text, without those of all the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from charrnn.activations import read
from charrnn.config import ModelConfig


def record_gates(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray,
                 cells: Sequence[tuple[int, int]], gates: Sequence[str], threads: int | None = None) -> np.ndarray:
    """Return gates (K, G, N) float32 of K cells, given as (layer, unit), over a text (N,).

    Parameters
    ----------
    weights : under PyTorch's names and shapes.
    gates : names of G gates.
    threads : CPU threads (None: all that the process may use).
    """
    values: np.ndarray = np.zeros((len(ids), len(cells), len(gates)), np.float32)
    if values.size:
        layers, units = np.array(cells, np.int64).T
        for piece in read(config, weights, ids, threads=threads):
            for place, gate in enumerate(gates):
                piece.store(np.moveaxis(piece.gates[gate][layers, :, :, units], 0, -1), values[..., place])
    return np.ascontiguousarray(values.transpose(1, 2, 0))
