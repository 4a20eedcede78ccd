"""Dynamic evaluation: a model that goes on learning from the text that it is being judged by.

Each window is predicted first, with the weights as they are, and only then learned from by one step of gradient
descent; so no prediction knows what it predicts, and names, words and habits of the text become more probable once they
have occurred (Mikolov et al. 2010; Krause, Kahembwe, Murray and Renals 2018). An element of the gradient is divided by
the root of its mean square over the text so far, plus the root of the mean over all elements, and the weights decay
back to the trained ones.
"""

from __future__ import annotations

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.kernels.update import adapt
from charrnn.model import parameter_count
from charrnn.network import Network

#: Characters of a window, the rate, and the share of the way back to the trained weights that each window goes.
WINDOW, RATE, DECAY = 20, 5e-4, 2e-3


class DynamicNetwork:
    """What `charrnn.evaluation` reads a text with, in place of a `Network`.

    Parameters
    ----------
    checkpoint : the trained model.
    batch_size : B.
    threads : how many share the work; never changes a result.
    rate, decay : of one window.

    Attributes
    ----------
    states, dtype, seq_len : as those of a `Network`.
    """

    def __init__(self, checkpoint: Checkpoint, batch_size: int = 1, *, threads: int = 1, rate: float = RATE,
                 decay: float = DECAY) -> None:
        model = checkpoint.model.replace(dropout=0.0, recurrent_dropout=0.0)
        self._network = Network(model, checkpoint.weights, batch_size=batch_size, seq_len=WINDOW, threads=threads,
                                training=True)
        self._trained, self._square = self._network.flat.copy(), np.zeros_like(self._network.flat)
        self._rate, self._decay, self._read = rate, decay, 0.0
        self._count = parameter_count(model)
        self.seq_len, self.dtype = WINDOW, self._network.dtype

    @property
    def states(self) -> np.ndarray:
        """The states (L, S, B, H padded) that the next window starts from."""
        return self._network.states

    def losses(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss (T, B) of each prediction in a window, in nats, then learn from it; `states` move on."""
        network = self._network
        network.loss_and_gradient(ids, targets)
        losses = network.window_losses(len(ids))
        share = len(ids) / WINDOW  # a shorter window, at the end of a text or of a block of it, weighs less
        self._read += share
        adapt(network.flat, network.gradient, self._square, self._trained, self._rate * share, self._decay * share,
              share / self._read, self._count)
        network.pack()
        return losses
