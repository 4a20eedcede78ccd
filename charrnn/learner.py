"""What one update of a run is: a window forward and back, a step of the optimizer, the weights' average, and the guard.

When an update is due, and what is evaluated, saved and reported, is the affair of `charrnn.training`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from charrnn.averaging import Average
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, TrainConfig
from charrnn.garbling import Garbler
from charrnn.kernels.random import mix
from charrnn.network import Network
from charrnn.optimizers import Optimizer
from charrnn.reader import Reader
from charrnn.stability import Guard
from charrnn.streams import Split
from charrnn.training_state import Progress, buffers, restore, state_arrays


class Learner:
    """A network in training on a text.

    Parameters
    ----------
    model, config : what is trained, and how.
    parameters : what it starts from, under PyTorch's names and shapes.
    split : the text; its windows are read in order.
    progress : where the run stands, which every step moves on.
    threads, precision : as for `charrnn.network.Network`.
    """

    def __init__(self, model: ModelConfig, config: TrainConfig, parameters: Mapping[str, np.ndarray], split: Split,
                 progress: Progress, *, threads: int, precision: str) -> None:
        self._config, self._split, self._progress = config, split, progress
        self._network = Network(model, parameters, batch_size=split.batch_size, seq_len=split.seq_len,
                                threads=threads, precision=precision, training=True)
        self._optimizer = Optimizer(config, self._network.flat, self._network.layout.decayed)
        self._average = Average(config.average, self._network.flat)
        self._buffers = buffers(self._network, self._optimizer, self._average)
        self._guard = Guard(self._buffers, progress)
        self._garbler = Garbler(config.garble, model.vocab_size, config.seed)

    def go_on_from(self, start: Checkpoint) -> None:
        """Take up the state of a run that was saved; raise `CheckpointError` where something of it is missing."""
        self._optimizer.step_count = self._progress.step
        self._guard.start_again(restore(start, self._network, self._buffers))

    def rehearse(self) -> None:
        """Have compiled what goes forward in training; changes nothing."""
        self._network.rehearse(self._split.window(0)[0])

    @property
    def rate(self) -> float:
        """What the learning rate is multiplied by: less after setbacks."""
        return self._guard.rate

    @functools.cached_property
    def reader(self) -> Reader:
        """What evaluates the weights, or their average, and writes with them; made when it is first asked for."""
        return Reader(self._network, self._average.flat, self._split.val)

    def step(self, lr: float) -> tuple[float, str]:
        """Make one update and return the norm of its gradient, and how it shows that the run has diverged, or ''."""
        progress, network = self._progress, self._network
        if progress.window == 0:
            network.states[...] = 0  # the streams start again
        passage = self._split.passage(progress.window)
        ids, targets = self._garbler.garble(passage, progress.window * self._split.seq_len, progress.epoch)
        key = int(mix(np.uint64(self._config.seed), np.uint64(progress.step)))
        loss = network.loss_and_gradient(ids, targets, key)
        norm = self._optimizer.step(network.gradient, lr, len(ids), network.team, network.pack_share)
        progress.read(ids.size, loss, self._split.windows)
        self._average.update(progress.step, network.team)
        return norm, self._guard.diverged(loss, norm, ids.size)

    def keep(self) -> None:
        """Keep the state to go back to, if it is a good one."""
        self._guard.keep()

    def go_back(self, diverged: str) -> str:
        """Go back to the last good state and return what to tell the person.

        Parameters
        ----------
        diverged : how the run is seen to have diverged.

        Raises
        ------
        TrainingError : it went back often enough.
        """
        message = self._guard.go_back(diverged, self._config.peak_lr)
        self._optimizer.step_count = self._progress.step
        self._network.states[...] = 0
        self._network.pack()
        return message

    def weights(self) -> dict[str, np.ndarray]:
        """Return the run's model: the weights in training, or their average, under PyTorch's names and shapes."""
        return self._network.layout.to_named(self._average.flat)

    def state(self) -> dict[str, np.ndarray]:
        """Return what a checkpoint to go on from holds besides the model."""
        kept = self._guard.kept if self._progress.kept_step != self._progress.step else None
        return state_arrays(self._network, self._buffers, kept)
