"""The average of the weights over the newest part of a run, which predicts better than any single state of them.

Each step moves the weights about the place that they are drawn to, the more the higher the rate; the average cancels
much of that motion (Polyak and Juditsky 1992).
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.update import NORM_CHUNK, move_towards
from charrnn.threads import Team


class Average:
    """The weights that are evaluated, saved as the best and sampled from.

    After step t, the average moves towards the new weights by 1 / (1 + share * (t - 1)). So it begins as the first
    weights, without bias, and its horizon grows with the run to `share` of the steps so far, however long the run will
    be; with a share of 1 it is the plain mean of all steps (polynomial-decay averaging, Shamir and Zhang 2013).

    Parameters
    ----------
    share : about how much of the steps so far the average is taken over; 0: none, the weights themselves.
    trained : (size,) the weights in training.

    Attributes
    ----------
    flat : (size,) the average; `trained` itself where the share is 0.
    """

    def __init__(self, share: float, trained: np.ndarray) -> None:
        self.share, self.trained = share, trained
        self.flat = trained.copy() if share else trained

    def update(self, step: int, team: Team) -> None:
        """Take the weights after step `step`, counted from 1, into the average."""
        if not self.share:
            return
        weight = 1 / (1 + self.share * (step - 1))
        chunks = -(-self.flat.size // NORM_CHUNK)

        def work(part: int, parts: int) -> None:
            # In whole chunks, as the optimizer, so that rounding does not depend on the number of threads.
            share = slice(NORM_CHUNK * (chunks * part // parts), NORM_CHUNK * (chunks * (part + 1) // parts))
            move_towards(self.flat[share], self.trained[share], weight)

        team.run(work)
