"""How much each earlier character moved one prediction: the norm of d logit / d input (Madsen 2019).

A prediction's logit is followed back through the network to the input vector of every character before it, in one
backward pass. The input is the character's embedding; of a one-hot model, the one-hot vector itself.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from charrnn.config import ModelConfig
from charrnn.network import Network

#: Characters that are looked back over; gradients from further back hardly ever matter.
REACH = 300


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
