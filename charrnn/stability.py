"""What a run does when it diverges: it goes back to the last good state, and on from there at half the rate.

A run has diverged when its loss or its gradient is no longer a number, or when the loss of its recent steps is far
above the usual: over `FACTOR` times that plus `MARGIN` nats, so from 1.5 nats over 2.75. The recent loss is averaged
over about 20 steps and 50,000 characters, the usual over ten times as many, so that a hard passage alone is no
divergence. Time never runs backwards: steps and text go on where they are, and only the weights and what belongs to
them are those of the good state. After `MOST_SETBACKS` a loss far above the usual is taken as it is, since the text may
be to blame, and one that is no number ends the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from charrnn.errors import TrainingError
from charrnn.training_state import Progress

FACTOR, MARGIN = 1.5, 0.5
MOST_SETBACKS = 5

_RECENT_STEPS, _RECENT_CHARACTERS, _USUAL = 20, 50_000, 10


class Guard:
    """Watches a run's loss and keeps its last good state.

    Parameters
    ----------
    buffers : (size,) each, what the run's next step depends on; they are copied, and written to when it goes back.
    progress : of the run; the guard keeps its own numbers there too, so that they are saved.

    Attributes
    ----------
    kept : copies of `buffers` as they were in the last good state.
    """

    def __init__(self, buffers: Mapping[str, np.ndarray], progress: Progress) -> None:
        self._buffers, self._progress = buffers, progress
        self.kept = {name: buffer.copy() for name, buffer in buffers.items()}

    def start_again(self, kept: Mapping[str, np.ndarray]) -> None:
        """Take up what was `kept` when the run was saved; where that is empty, the state that it was saved in."""
        for name, copy in self.kept.items():
            copy[...] = kept.get(name, self._buffers[name])

    @property
    def rate(self) -> float:
        """What the learning rate is multiplied by: halved with every setback."""
        return 0.5**self._progress.setbacks

    def keep(self) -> None:
        """Keep the state as it is, if it is a good one: its recent loss near or below the usual."""
        progress = self._progress
        if progress.recent_loss > 1.1 * progress.usual_loss + 0.05:
            return
        for name, buffer in self._buffers.items():
            self.kept[name][...] = buffer
        progress.kept_step = progress.step

    def diverged(self, loss: float, norm: float, characters: int) -> str:
        """Take note of a step's loss and gradient norm; return how it shows that the run has diverged, or ''."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return "the loss is no longer a number"
        progress = self._progress
        progress.watched += 1
        steps = max(_RECENT_STEPS, _RECENT_CHARACTERS // characters)
        progress.recent_loss += (loss - progress.recent_loss) / min(progress.watched, steps)
        progress.usual_loss += (loss - progress.usual_loss) / min(progress.watched, _USUAL * steps)
        far = progress.recent_loss > FACTOR * progress.usual_loss + MARGIN
        if far and progress.setbacks < MOST_SETBACKS:
            return f"the loss rose to {progress.recent_loss:.2f} from {progress.usual_loss:.2f}"
        return ""

    def go_back(self, how: str, lr: float) -> str:
        """Put the good state back in place and return what to tell the person.

        Parameters
        ----------
        how : the run is seen to have diverged.
        lr : its highest rate as it was set.

        Raises
        ------
        TrainingError : it went back often enough.
        """
        progress = self._progress
        diverged = f"training diverged at step {progress.step}: {how}"
        if progress.setbacks >= MOST_SETBACKS:
            raise TrainingError(f"{diverged}, and did so after {MOST_SETBACKS} setbacks; use a lower --lr than {lr:g}, "
                                "or clip the gradient with --clip-norm (what was saved is intact)")
        progress.setbacks += 1
        progress.recent_loss = progress.usual_loss = 0.0
        progress.watched = 0
        for name, buffer in self._buffers.items():
            buffer[...] = self.kept[name]
        return f"{diverged}; going on from the weights of step {progress.kept_step}, at {self.rate:g} of the rate"
