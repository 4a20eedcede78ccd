"""What decides the course of a run besides its settings: where it stands, the moments, and the states of the streams.

A checkpoint of kind "last" holds just these and the parameters, so a resumed run is the uninterrupted one bit for bit.
Where weights are averaged, the average is the checkpoint's model, and the parameters in training are part of the state.
Randomness is a hash of the seed and the step, and needs no state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from charrnn.averaging import Average
from charrnn.checkpoint import TRAINING_STATE, Checkpoint
from charrnn.errors import CheckpointError
from charrnn.network import Network
from charrnn.optimizers import Optimizer
from charrnn.storage import printable

_MOST = 2**62


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    epoch: int = 0  # complete passes
    window: int = 0  # next window of the current pass
    seconds: float = 0.0
    reserve: float = 0.0  # seconds that are kept for the last evaluation
    characters: int = 0
    best_val_loss: float | None = None
    worse: int = 0  # evaluations in a row without a better loss
    loss_sum: float = 0.0  # of the steps since the last step event
    loss_steps: int = 0
    setbacks: int = 0  # times that it diverged and went back (`charrnn.stability`)
    kept_step: int = 0  # after which it was in the state that it would go back to
    recent_loss: float = 0.0
    usual_loss: float = 0.0
    watched: int = 0  # steps that these are averaged over, at most

    def read(self, characters: int, loss: float, windows: int) -> None:
        """Move on by one window of a pass of `windows`; a loss that is no number does not count."""
        self.step += 1
        self.characters += characters
        if math.isfinite(loss):
            self.loss_sum += loss
            self.loss_steps += 1
        self.window += 1
        if self.window == windows:
            self.window, self.epoch = 0, self.epoch + 1


def stored_progress(start: Checkpoint, windows: int) -> Progress:
    """Return where a run with passes of `windows` stands, by its checkpoint.

    Raises
    ------
    CheckpointError : it holds what training cannot have written.
    """
    known = {field.name: field.default for field in fields(Progress)}
    for name, value in start.progress.items():
        default = known.get(name, "")
        kinds = (int,) if type(default) is int else (int, float, type(default))
        if name not in known or type(value) not in kinds or (value is not None and not 0 <= value < _MOST):
            raise _useless(f"{printable(name, 40)} = {printable(str(value), 40)} is no place where a run can stand")
    for name, array in start.training_state.items():
        if np.isnan(array).any() or (".second." in name and array.min(initial=0) < 0):
            raise _useless(f"its tensor {printable(name, 80)} holds what no training writes")
    progress = Progress(**start.progress)
    if progress.window >= windows:
        raise _useless(f"it stands at window {progress.window} of {windows}")
    return progress


def _useless(why: str) -> CheckpointError:
    return CheckpointError(f"the checkpoint cannot be gone on from: {why}; start a new run from its weights with "
                           "--init-from")


def buffers(network: Network, optimizer: Optimizer, average: Average) -> dict[str, np.ndarray]:
    """Return the buffers (size,) that the next step depends on, the one that is the run's model first."""
    trained = {"trained": network.flat, "first": optimizer.first, "second": optimizer.second}
    return {"average": average.flat} | trained if average.share else trained


def state_arrays(network: Network, state: Mapping[str, np.ndarray],
                 kept: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Return what a checkpoint holds besides its model, under the names that it has for it.

    Parameters
    ----------
    state : as `buffers` returns it.
    kept : the same of an earlier state, where one is to be saved with it.
    """
    flats = dict(list(state.items())[1:]) | {f"kept.{kind}": flat for kind, flat in (kept or {}).items()}
    arrays = {f"{TRAINING_STATE}{kind}.{name}": array for kind, flat in flats.items()
              for name, array in network.layout.to_named(flat).items()}
    arrays[f"{TRAINING_STATE}states"] = network.states[..., :network.config.hidden_size].copy()
    return arrays


def restore(start: Checkpoint, network: Network, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Put what a checkpoint holds back in its places, its model aside, which `state` holds already.

    Parameters
    ----------
    state : as `buffers` returns it.

    Returns
    -------
    kept : an earlier state that was saved with it; empty where there is none.

    Raises
    ------
    CheckpointError : it lacks something.
    """
    arrays = start.training_state

    def flat(kind: str) -> np.ndarray:
        return network.layout.from_named({name: arrays[f"{TRAINING_STATE}{kind}.{name}"] for name in start.weights})

    try:
        for kind in list(state)[1:]:
            state[kind][...] = flat(kind)
        network.states[..., :network.config.hidden_size] = arrays[f"{TRAINING_STATE}states"]
        network.pack()
        with_kept = any(name.startswith(f"{TRAINING_STATE}kept.") for name in arrays)
        return {kind: flat(f"kept.{kind}") for kind in state} if with_kept else {}
    except (KeyError, ValueError):
        raise CheckpointError("the checkpoint lacks what training needs to go on: start a new run from its weights "
                              "with --init-from") from None
