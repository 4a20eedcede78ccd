"""From a gradient to new parameters: clipping, the optimizers, and the course of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from charrnn.config import TrainConfig
from charrnn.kernels import update
from charrnn.kernels.share import Share, meet_all
from charrnn.threads import Team

_UPDATES = {"cadamw": update.cadamw, "adamw": update.adamw, "adam": update.adam, "rmsprop": update.rmsprop,
            "adagrad": update.adagrad, "sgd": update.sgd}
#: Added to the root of a squared gradient before dividing by it, PyTorch's values.
_EPS = {"cadamw": 1e-8, "adamw": 1e-8, "adam": 1e-8, "rmsprop": 1e-8, "adagrad": 1e-10, "sgd": 0.0}
_MIN_NORM = 1e-6  # added to the norm before dividing by it, as PyTorch's clip_grad_norm_ does


def learning_rate(config: TrainConfig, progress: float) -> float:
    """Return the rate at a share `progress` (0 to 1) of the run.

    It rises linearly over the share `warmup`; then "cosine" falls to 0 (Loshchilov and Hutter 2017), "step" falls to a
    tenth after each third, "constant" stays.
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warmup:
        return config.peak_lr * progress / config.warmup
    rest = (progress - config.warmup) / (1 - config.warmup) if config.warmup < 1 else 0.0
    if config.lr_schedule == "cosine":
        return config.peak_lr * 0.5 * (1 + math.cos(math.pi * rest))
    if config.lr_schedule == "step":
        return config.peak_lr * 0.1 ** min(int(3 * rest), 2)
    return config.peak_lr


class Optimizer:
    """An update rule with its moments.

    Parameters
    ----------
    config : the rule and its settings.
    flat : (size,) the parameters; they are updated in place.
    decayed : how many of them, from the start, weight decay applies to.

    Attributes
    ----------
    first, second : (size,) moments, of which a rule may use one, both or none.
    step_count : updates so far.
    """

    def __init__(self, config: TrainConfig, flat: np.ndarray, decayed: int) -> None:
        self.config, self.flat, self.decayed = config, flat, decayed
        self.first, self.second = np.zeros_like(flat), np.zeros_like(flat)
        self._eps = _EPS[config.optimizer]
        if config.optimizer == "adagrad" and config.initial_accumulator:
            self.second[:], self._eps = config.initial_accumulator, 1e-30  # for the padding alone
        self.step_count = 0
        self._update = _UPDATES[config.optimizer]
        self._sums = np.zeros(-(-flat.size // update.NORM_CHUNK), flat.dtype)

    def step(self, gradient: np.ndarray, lr: float, seq_len: int, team: Team,
             then: Callable[[Share], None] | None = None) -> float:
        """Clip `gradient` (size,), update the parameters, and return the gradient's norm before clipping.

        Nothing is changed when the norm is not finite.

        Parameters
        ----------
        seq_len : the number of steps of the window that the gradient of the mean loss is from.
        then : what every thread of the team does with the new parameters, such as `Network.pack_share`.
        """
        norms = [0.0] * team.size

        def work(share: Share) -> None:
            part, parts, chunks = share.member, share.members, len(self._sums)
            update.square_sums(gradient, self._sums, chunks * part // parts, chunks * (part + 1) // parts)
            meet_all(share)
            norm = norms[part] = math.sqrt(update.total(self._sums))
            if not math.isfinite(norm):
                return
            self._apply(gradient, norm, lr, seq_len, part, parts)
            if then:
                meet_all(share)
                then(share)

        self.step_count += 1
        team.run_together(work)
        if not math.isfinite(norms[0]):
            self.step_count -= 1
        return norms[0]

    def _apply(self, gradient: np.ndarray, norm: float, lr: float, seq_len: int, part: int, parts: int) -> None:
        """Update share `part` of `parts` of the parameters."""
        config = self.config
        clip = min(1.0, config.clip_norm / (norm + _MIN_NORM)) if config.clip_norm else 1.0
        limit = config.clip_value / seq_len if config.clip_value else math.inf
        ranges = [(0, self.decayed, config.weight_decay), (self.decayed, self.flat.size, 0.0)]
        for start, stop, decay in ranges if config.weight_decay else [(0, self.flat.size, 0.0)]:
            # In whole chunks: what is left over after a kernel's last full vector may be rounded in another way.
            chunks = -(-(stop - start) // update.NORM_CHUNK)
            first, last = chunks * part // parts, chunks * (part + 1) // parts
            share = slice(start + first * update.NORM_CHUNK, min(start + last * update.NORM_CHUNK, stop))
            self._update(self.flat[share], gradient[share], self.first[share], self.second[share], lr, decay, clip,
                         limit, config.momentum, config.beta2, self._eps, self.step_count)
