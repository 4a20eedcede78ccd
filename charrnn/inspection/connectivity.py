"""How much each earlier character moved one prediction: the norm of d logit / d input (Madsen 2019).

A prediction's logit is followed back through the network to the input vector of every character before it, in one
backward pass. The input is the character's embedding; of a one-hot model, the one-hot vector itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.activations import STEPS, WARM_UP, takes_long
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig
from charrnn.errors import ConfigError
from charrnn.inspection.findings import Inspection
from charrnn.network import Network
from charrnn.threads import thread_count

#: Characters that are looked back over; gradients from further back hardly ever matter.
REACH = 300

_ROWS = 32  # predictions that are followed back at once


@dataclass(frozen=True, kw_only=True)
class Influences:
    """How much the characters before one prediction moved it.

    Attributes
    ----------
    position : of the last character that was read before the prediction.
    expected : code point of the character whose logit was followed: the most probable next one.
    start : place of the first of the n characters in the text.
    code_points : (n,) of the characters up to `position`, or bytes where `is_bytes`.
    norms : (n,) float32, the norm of the logit's gradient by each character's input.
    """

    position: int
    expected: int
    start: int
    code_points: np.ndarray
    norms: np.ndarray
    is_bytes: bool

    def to_json(self) -> dict[str, Any]:
        """Return the fields that `--json` prints, the expected character as text."""
        return {"position": self.position, "expected": chr(self.expected), "start": self.start,
                "norms": self.norms.tolist()}


def influences(inspection: Inspection, checkpoint: Checkpoint, position: int, reach: int = REACH) -> Influences:
    """Return what moved the model's prediction after the character at `position` of an inspected text.

    Raises
    ------
    ConfigError : the text has no such character.
    """
    if position >= len(inspection.ids):
        raise ConfigError(f"--position {position}: the text that was read has the characters 0 to "
                          f"{len(inspection.ids) - 1}")
    expected = int(inspection.predictions.ids[position, 0])
    norms = connectivity(checkpoint.model, checkpoint.weights, inspection.ids, position, expected, reach=reach)
    start, code_points = position + 1 - len(norms), checkpoint.vocabulary.code_points
    return Influences(position=position, expected=int(code_points[expected]), start=start,
                      code_points=code_points[inspection.ids[start:position + 1]], norms=norms,
                      is_bytes=checkpoint.vocabulary.bytes)


def connectivity(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, position: int,
                 target: int, *, reach: int = REACH) -> np.ndarray:
    """Return the norms (n,) float32 of the gradient of a logit by the last n <= `reach` characters up to `position`.

    Parameters
    ----------
    ids : (N,) the text.
    position : the last character that is read before the prediction.
    target : the character whose logit is followed.
    """
    reach = min(reach, position + 1)
    return connectivity_of_stretch(config, weights, ids, position, np.array([target]), reach=reach)[0, ::-1]


def connectivity_of_stretch(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, first: int,
                            targets: np.ndarray, *, reach: int, threads: int | None = None,
                            precision: str = "f32") -> np.ndarray:
    """Return the norms (P, reach) float32 of the gradients of P logits, one after each character from `first` on.

    The nearest character comes first in a row. Where reading all the text before would take long, it is read from
    `WARM_UP` characters before the first that counts.

    Parameters
    ----------
    ids : (N,) the text.
    first : place of the first of P characters, at least `reach` - 1.
    targets : (P,) the characters whose logits are followed.
    threads : CPU threads (None: all that the process may use).
    precision : of the matrix products, "f32" or "bf16".
    """
    states = _states_before(config, weights, ids, first + 1 - reach, len(targets))
    found = np.zeros((len(targets), reach), np.float32)
    rows = min(_ROWS, len(targets))
    network = Network(config, weights, batch_size=rows, seq_len=reach, threads=thread_count(threads),
                      precision=precision, training=True)
    try:
        for start in range(0, len(targets), rows):
            places = np.minimum(np.arange(start, start + rows), len(targets) - 1)  # a last batch repeats its last row
            network.states = np.ascontiguousarray(states[:, :, places])
            windows = ids[first + 1 - reach + places + np.arange(reach)[:, None]]
            norms = network.input_gradient(np.ascontiguousarray(windows), targets[places].astype(np.int64))
            found[places] = norms[::-1].T
    finally:
        network.team.close()
    return found


def _states_before(config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, first: int,
                   count: int) -> np.ndarray:
    """Return the states (L, S, count, H padded) before each character from `first` on."""
    start = max(0, first - WARM_UP) if takes_long(config, first) else 0
    network = Network(config, weights, batch_size=1, seq_len=STEPS)
    while start < first:
        steps = min(STEPS, first - start)
        network.forward(np.ascontiguousarray(ids[start:start + steps, None]))
        start += steps
    states = np.zeros((*network.states.shape[:2], count, network.states.shape[-1]), network.dtype)
    for begin in range(0, count, STEPS):
        steps = min(STEPS, count - begin)
        window = network.forward(np.ascontiguousarray(ids[first + begin:first + begin + steps, None]))
        states[:, :, begin:begin + steps] = window.states[:, :, :steps, 0]
    return states
