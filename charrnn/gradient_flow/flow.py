"""What is known of a model's gradient flow once it is measured."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charrnn.config import ModelConfig

#: A gate counts as open above, as shut below.
OPEN, SHUT = 0.9, 0.1


@dataclass(frozen=True, kw_only=True)
class KeepGate:
    """How the gate that scales a layer's old state is used over the text: f of an LSTM, z of a GRU.

    Attributes
    ----------
    name : its letter.
    mean : over all units and characters.
    open, shut : shares of them at which it is above `OPEN`, and below `SHUT`.
    memory : (H,) characters after which what a unit holds has faded to 1/e, -1 / (mean of log gate), ascending.
    """

    name: str
    mean: float
    open: float
    shut: float
    memory: np.ndarray

    def memory_of(self, share: float) -> float:
        """Return the memory, in characters, that a share of the units does not exceed."""
        return float(np.quantile(self.memory, share))


@dataclass(frozen=True, kw_only=True)
class LayerFlow:
    """What becomes of a gradient in one layer.

    Attributes
    ----------
    norms : (K + 1,) geometric mean over the predictions of the norm of d loss_t / d h_{t-k}, by every path, for k from
        0 to K; infinite where it is too large for the numbers. (The mean would follow the few predictions whose
        gradients are the largest, such as those amid a row of dashes.)
    low, high : (K + 1,) the norms that a tenth of the predictions stay below, and above.
    singular_values : by gate, the largest of its recurrent matrix (H, H), in descending order.
    keep : use of the gate that scales the old state, where the cell has one.
    """

    norms: np.ndarray
    low: np.ndarray
    high: np.ndarray
    singular_values: dict[str, list[float]]
    keep: KeepGate | None

    @property
    def factor(self) -> float:
        """What a step multiplies the norm by, the geometric mean over all steps."""
        usable = np.flatnonzero(np.isfinite(self.norms) & (self.norms > 0))
        if len(usable) < 2:
            return math.nan
        first, last = int(usable[0]), int(usable[-1])
        return float((self.norms[last] / self.norms[first]) ** (1 / (last - first)))

    def falls_to(self, share: float) -> int | None:
        """Return after how many steps the norm stays below a share of what it is at k = 0; None: not within K."""
        above = np.flatnonzero(~(self.norms < share * self.norms[0]))
        last = int(above[-1]) if len(above) else -1
        return None if last + 1 == len(self.norms) else last + 1


@dataclass(frozen=True, kw_only=True)
class Clipping:
    """How often clipping acts.

    Attributes
    ----------
    clip_norm, clip_value : the settings; 0 is off.
    norms : (W,) of the gradient of W windows as in training (without noise), with the weights as they are.
    cut : share of the gradient's elements beyond `clip_value`, in those windows.
    recorded : (R,) the norms that the run recorded while it trained; empty for a net that is untrained.
    """

    clip_norm: float
    clip_value: float
    norms: np.ndarray
    cut: float
    recorded: np.ndarray

    def clipped(self, norms: np.ndarray) -> float:
        """Return the share of norms above `clip_norm`."""
        return float(np.mean(norms > self.clip_norm)) if self.clip_norm and len(norms) else 0.0


@dataclass(frozen=True, kw_only=True)
class GradientFlow:
    """The gradient flow of one model over a text.

    Attributes
    ----------
    name : what to call the model.
    model : its shape.
    trained : False where its weights are those that training starts from.
    seq_len : steps that training lets gradients flow back.
    characters : of the text, those that were read.
    positions : predictions whose gradients were followed.
    layers : from the bottom layer up.
    clipping : in training.
    """

    name: str
    model: ModelConfig
    trained: bool
    seq_len: int
    characters: int
    positions: int
    layers: tuple[LayerFlow, ...]
    clipping: Clipping

    def to_json(self) -> dict[str, Any]:
        """Return all of it as a dict that `json.dumps` takes; what is no number is null."""
        clipping = self.clipping
        return {
            "name": self.name, "model": self.model.to_json(), "trained": self.trained, "seq_len": self.seq_len,
            "characters": self.characters, "positions": self.positions,
            "layers": [{"norms": _numbers(layer.norms), "low": _numbers(layer.low), "high": _numbers(layer.high),
                        "factor": _number(layer.factor), "falls_to_tenth": layer.falls_to(0.1),
                        "falls_to_hundredth": layer.falls_to(0.01), "singular_values": layer.singular_values,
                        "keep_gate": layer.keep and asdict(layer.keep) | {"memory": _numbers(layer.keep.memory)}}
                       for layer in self.layers],
            "clipping": {"clip_norm": clipping.clip_norm, "clip_value": clipping.clip_value,
                         "norms": _numbers(clipping.norms), "clipped": clipping.clipped(clipping.norms),
                         "elements_cut": clipping.cut, "recorded_steps": len(clipping.recorded),
                         "recorded_clipped": clipping.clipped(clipping.recorded)},
        }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]
