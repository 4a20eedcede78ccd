"""What every unit of a network does while it reads a text: its states and its gates.

What takes long is read as several stretches at once, the rows of a batch, which is many times as fast as one
character after the other. Each stretch but the first is warmed up on the text before it, so that what a state holds is
missing only where it is older than `WARM_UP` characters before the stretch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from charrnn.cells import get_cell
from charrnn.config import ModelConfig
from charrnn.network import Network, step_operations
from charrnn.threads import thread_count

#: Stretches read at once, in whole tiles for each of two or four threads; and characters read before a stretch counts.
ROWS, WARM_UP = 24, 512

#: Steps in a window; of a text read as one, or in few stretches, `_LONG` times as many.
STEPS, _LONG = 64, 4

#: A text is not cut into stretches shorter than this, and not at all where reading takes fewer operations.
_SHORTEST, _QUICK = 3 * WARM_UP, 4e10


@dataclass(frozen=True)
class Piece:
    """What passed through the network in one window of B stretches; the next window overwrites the arrays.

    Attributes
    ----------
    positions : (B,) int64, place in the text of each row's first step; row b's step t is at `positions[b] + t`.
    skip : (B,) int64, steps at the start of each row that only warm up.
    states : (L, T, B, H padded) after each step, by the names of the cell's states.
    gates : (L, T, B, H padded), by the names of the cell's gates.
    logits : (T, B, V) of the next character.
    """

    positions: np.ndarray
    skip: np.ndarray
    states: dict[str, np.ndarray]
    gates: dict[str, np.ndarray]
    logits: np.ndarray

    def store(self, values: np.ndarray, out: np.ndarray) -> None:
        """Put values (T, B, ...) where they belong in the text: `out` (N, ...); a last row may reach beyond it."""
        for b, (position, skip) in enumerate(zip(self.positions.tolist(), self.skip.tolist())):
            part = values[skip:, b]
            target = out[position + skip:position + len(values)]
            target[...] = part[:len(target), ..., :target.shape[-1]] if part.ndim > 1 else part[:len(target)]


def takes_long(config: ModelConfig, length: int) -> bool:
    """Return whether a text of so many characters is not read at once as one, but in stretches."""
    return step_operations(config, 1, length) / 3 >= _QUICK


def read(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, *, rows: int | None = None,
         threads: int | None = None, precision: str = "f32") -> Iterator[Piece]:
    """Yield what passes through a model that reads a text (N,) from zero states.

    Parameters
    ----------
    weights : under PyTorch's names and shapes.
    rows : stretches at most; 1 reads the text exactly as one (None: 1 where that is quick, or else `ROWS`).
    threads : CPU threads (None: all that the process may use).
    precision : of the matrix products, "f32", "bf16" or "f64".
    """
    if rows is None:
        rows = ROWS if takes_long(config, len(ids)) else 1
    rows = max(1, min(rows, len(ids) // _SHORTEST))
    warm_up = WARM_UP if rows > 1 else 0
    length = -(-(len(ids) + (rows - 1) * warm_up) // rows)  # steps of a row
    starts = np.arange(rows) * (length - warm_up)
    padded_ids = np.concatenate([ids, np.zeros(rows * length, ids.dtype)])
    window_steps = STEPS * min(_LONG, ROWS // rows)
    network = Network(config, weights, batch_size=rows, seq_len=window_steps, threads=thread_count(threads),
                      precision=precision)
    try:
        for step in range(0, length, window_steps):
            steps = min(window_steps, length - step)
            window = network.forward(np.ascontiguousarray(padded_ids[starts + (step + np.arange(steps))[:, None]]))
            skip = np.clip(warm_up - step, 0, steps) * np.minimum(np.arange(rows), 1)
            hidden = window.states.shape[-1]
            yield Piece(
                starts + step, skip,
                {name: window.states[:, k, 1:steps + 1] for k, name in enumerate(network.cell.states)},
                {name: window.z[:, :steps, :, k * hidden:(k + 1) * hidden]
                 for k, name in enumerate(network.cell.gates)},
                (window.logits[:steps] + network.weights.output_bias)[..., :config.vocab_size])
    finally:
        network.team.close()


def record(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, *,
           names: tuple[str, ...] | None = None, rows: int | None = None, threads: int | None = None,
           precision: str = "f32") -> dict[str, np.ndarray]:
    """Return states and gates (L, N, H) float32 over a text (N,), by name.

    Parameters
    ----------
    names : which of the cell's states and gates (None: all states).
    rows, threads, precision : as for `read`.
    """
    cell = get_cell(config.cell)
    names = cell.states if names is None else names
    recorded = {name: np.zeros((config.num_layers, len(ids), config.hidden_size), np.float32) for name in names}
    for piece in read(config, weights, ids, rows=rows, threads=threads, precision=precision):
        for name, values in recorded.items():
            source = piece.states[name] if name in piece.states else piece.gates[name]
            for layer in range(config.num_layers):
                piece.store(source[layer], values[layer])
    return recorded
