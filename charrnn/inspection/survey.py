"""One reading of the text: every unit's signal, how the gates are used, and what the model expected to come next."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from charrnn.activations import ROWS, Piece, read, takes_long
from charrnn.cells import get_cell
from charrnn.config import ModelConfig
from charrnn.inspection.findings import GateUse, Predictions, Signals
from charrnn.kernels.signals import collect, tally
from charrnn.threads import Team

#: A gate below the first counts as shut, above the second as open (Karpathy, Johnson and Fei-Fei 2015).
SHUT, OPEN = 0.1, 0.9

#: The use of the gates is measured in every so many windows of a reading that takes long.
_SAMPLED = 4

#: Characters from one record of all states to the next, from where the text can be read again.
SNAPSHOT = 125

_EXPECTED = 5  # most probable next characters that are kept


@dataclass(frozen=True)
class Survey:
    """What a reading leaves: see `charrnn.inspection.findings.Inspection` for the parts."""

    signals: Signals
    predictions: Predictions
    gates: dict[str, GateUse]
    snapshots: np.ndarray  # (N // SNAPSHOT + 1, L, S, H) states before every `SNAPSHOT`th character


def survey(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, source: str, team: Team,
           precision: str = "f32") -> Survey:
    """Read a text (N,) with a model.

    Parameters
    ----------
    source : the state or gate whose values are the signals.
    """
    cell, layers, hidden = get_cell(config.cell), config.num_layers, config.hidden_size
    levels, squashed = np.zeros((layers, hidden, len(ids)), np.uint16), not cell.is_bounded(source)
    losses = np.zeros(len(ids), np.float32)
    expected = np.zeros((len(ids), min(_EXPECTED, config.vocab_size)), ids.dtype)
    probabilities = np.zeros(expected.shape, np.float32)
    following = np.append(ids[1:], ids[-1:]).astype(np.int64)
    counters = {gate: np.zeros((4, layers, hidden)) for gate in cell.gates}
    snapshots = np.zeros((len(ids) // SNAPSHOT + 1, layers, len(cell.states), hidden), np.float32)
    counted, sampled = 0, _SAMPLED if takes_long(config, len(ids)) else 1

    for number, piece in enumerate(read(config, weights, ids, threads=team.size, precision=precision)):
        count_gates = number % sampled == 0
        team.run(functools.partial(_collect, piece, source, squashed, levels, counters if count_gates else {}))
        _keep(piece, snapshots)
        counted += int((len(piece.logits) - piece.skip).sum()) * count_gates
        logits = piece.logits - piece.logits.max(axis=2, keepdims=True)
        share = np.exp(logits)
        total = share.sum(axis=2, keepdims=True)
        steps = np.arange(len(logits))[:, None]
        target = following[np.minimum(piece.positions + steps, len(ids) - 1)]
        chosen = np.argpartition(-logits, expected.shape[1] - 1, axis=2)[..., :expected.shape[1]]
        chosen = np.take_along_axis(chosen, np.argsort(-np.take_along_axis(logits, chosen, 2), axis=2), 2)
        piece.store((np.log(total) - np.take_along_axis(logits, target[..., None], 2))[..., 0], losses)
        piece.store(chosen, expected)
        piece.store(np.take_along_axis(share, chosen, 2) / total, probabilities)

    gates = {gate: GateUse(shut=(shut / counted).astype(np.float32), open=(wide / counted).astype(np.float32),
                           mean=(summed / counted).astype(np.float32))
             for gate, (shut, wide, summed, lowest) in counters.items() if (lowest >= 0).all()}
    return Survey(Signals(source, levels, squashed), Predictions(losses[:-1], expected, probabilities), gates,
                  snapshots)


def signals_alone(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, source: str, team: Team,
                  precision: str) -> Signals:
    """Return every unit's signal over a text (N,), read in stretches: of a model that is compared and not shown."""
    levels = np.zeros((config.num_layers, config.hidden_size, len(ids)), np.uint16)
    squashed = not get_cell(config.cell).is_bounded(source)
    for piece in read(config, weights, ids, rows=ROWS, threads=team.size, precision=precision):
        team.run(functools.partial(_collect, piece, source, squashed, levels, {}))
    return Signals(source, levels, squashed)


def _collect(piece: Piece, source: str, squashed: bool, levels: np.ndarray, counters: dict[str, np.ndarray],
             part: int, parts: int) -> None:
    """Do share `part` of the units of a window: store their signals (L, H, N), count their gates (4, L, H)."""
    values = piece.states[source] if source in piece.states else piece.gates[source]
    layers, hidden = levels.shape[:2]
    first, last = hidden * part // parts, hidden * (part + 1) // parts
    for layer in range(layers):
        collect(values[layer], int(squashed), levels[layer], piece.positions, piece.skip, first, last)
        for gate, counter in counters.items():
            tally(piece.gates[gate][layer], SHUT, OPEN, *counter[:, layer], piece.skip, first, last)


def _keep(piece: Piece, snapshots: np.ndarray) -> None:
    """Store the states of a window that belong to `snapshots` (n, L, S, H)."""
    steps, hidden = len(piece.logits), snapshots.shape[-1]
    for b, (position, skip) in enumerate(zip(piece.positions.tolist(), piece.skip.tolist())):
        for step in range((-position - 1) % SNAPSHOT, steps, SNAPSHOT):
            index = (position + step + 1) // SNAPSHOT
            if step >= skip and index < len(snapshots):
                for k, values in enumerate(piece.states.values()):
                    snapshots[index, :, k] = values[:, step, b, :hidden]
