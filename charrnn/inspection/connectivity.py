"""How much each earlier character moved one prediction: the norm of d logit / d input (Madsen 2019).

A prediction's logit is followed back through the network to the input vector of every character before it, in one
backward pass. The input is the character's embedding; of a one-hot model, the one-hot vector itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig
from charrnn.errors import ConfigError
from charrnn.inspection.findings import Inspection
from charrnn.network import Network

#: Characters that are looked back over; gradients from further back hardly ever matter.
REACH = 300


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
                 target: int | None = None, *, reach: int = REACH) -> np.ndarray:
    """Return the norms (n,) float32 of the gradient of a logit by the last n <= `reach` characters up to `position`.

    Parameters
    ----------
    ids : (N,) the text; all of it up to `position` is read.
    position : the last character that is read before the prediction.
    target : the character whose logit is followed (None: the most probable one).
    """
    first = max(0, position + 1 - reach)
    before = Network(config, weights, batch_size=1, seq_len=reach)
    for start in range(0, first, reach):
        before.forward(np.ascontiguousarray(ids[start:min(start + reach, first), None]))
    network = Network(config, weights, batch_size=1, seq_len=position + 1 - first, training=True)
    network.states = before.states
    return network.input_gradient(np.ascontiguousarray(ids[first:position + 1, None]), target)
