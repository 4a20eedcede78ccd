"""When a run evaluates, saves and ends, by its steps and by the clock."""

from __future__ import annotations

import math
import time

from charrnn.config import DEFAULT_EPOCHS, TrainConfig
from charrnn.training_state import Progress

#: How often a run without `--eval-every` is evaluated, and the largest share of its time that goes into evaluating.
EVALUATIONS, EVALUATION_SHARE = 20, 0.1

#: The largest share of a run's time that is kept for its last evaluation.
MOST_RESERVED = 0.5

#: What is kept for it, as a multiple of how long it is expected to take: estimates vary, and the model is saved after
#: it.
RESERVE = 1.1

#: More steps than any run makes, and less than what overflows.
MOST_STEPS = 2**62


class Timetable:
    """What is due in a run.

    Parameters
    ----------
    config : the limits and intervals.
    progress : how far the run is; its seconds are those of earlier sessions.
    windows : steps in a pass over the text.

    Attributes
    ----------
    step_limit : steps after which the run ends, or None where only time ends it.
    """

    def __init__(self, config: TrainConfig, progress: Progress, windows: int) -> None:
        self._config, self._progress = config, progress
        epochs = config.epochs
        if epochs is None and config.max_steps is None and config.max_time is None:
            epochs = DEFAULT_EPOCHS
        limits: list[tuple[int, str]] = []
        if epochs is not None:
            limits.append((max(1, round(min(epochs * windows, MOST_STEPS))), "epochs"))
        if config.max_steps is not None:
            limits.append((config.max_steps, "max_steps"))
        self.step_limit: int | None = None
        self._reason = ""
        if limits:
            self.step_limit, self._reason = min(limits)
        self.start()

    def start(self) -> None:
        """Begin a session: now is the time that its seconds are counted from."""
        self._begin = time.monotonic()
        self._occasion = self._evaluated = self._saved = self.elapsed()

    def leave_out(self, since: float) -> None:
        """Count the time since `since`, by the monotonic clock, as none of the run's: compiling is no training."""
        self._begin += time.monotonic() - since

    def elapsed(self) -> float:
        """Return the seconds of the whole run so far, earlier sessions included, compiling not."""
        return self._progress.seconds + time.monotonic() - self._begin

    def share_done(self) -> float:
        """Return how far the run is, 0 to 1, by the limit that is nearest; what `learning_rate` goes by."""
        share = 0.0
        if self.step_limit:
            share = (self._progress.step + 1) / self.step_limit
        if self._config.max_time:
            share = max(share, self.elapsed() / max(self._config.max_time - self._progress.reserve, 1e-3))
        return min(share, 1.0)

    def over(self) -> str:
        """Return why the run ends now, or ''."""
        config, progress = self._config, self._progress
        if self.step_limit is not None and progress.step >= self.step_limit:
            return self._reason
        if config.max_time is not None and self.elapsed() + progress.reserve >= config.max_time:
            return "max_time"
        if config.patience is not None and progress.worse >= config.patience:
            return "patience"
        return ""

    def due(self, every: int | None) -> bool:
        """Tell whether this step is one of every so many."""
        return every is not None and self._progress.step % every == 0

    def occasion(self) -> bool:
        """Tell whether it is time to evaluate, or if that takes too long, to keep the state at least."""
        if self._config.eval_every is not None:
            return self.due(self._config.eval_every)
        if self._config.max_time is None:
            return self.due(max(1, (self.step_limit or 0) // EVALUATIONS))
        return self.elapsed() >= self._occasion + self._config.max_time / EVALUATIONS

    def worth_evaluating(self) -> bool:
        """Tell whether evaluations, with one now, take no more than their share of the time."""
        if self._config.eval_every is not None or self._config.max_time is None:
            return True
        return self.elapsed() >= self._evaluated + self._progress.reserve / EVALUATION_SHARE

    def save_due(self) -> bool:
        """Tell whether it is time to save."""
        every = self._config.save_every
        return self.due(every) if isinstance(every, int) else \
            self.elapsed() >= self._saved + self._config.save_seconds

    def reserve_for(self, seconds: float) -> None:
        """Keep time for the last evaluation, which takes about so many seconds, but some for training in any case."""
        most = MOST_RESERVED * self._config.max_time if self._config.max_time is not None else math.inf
        self._progress.reserve = min(RESERVE * seconds, most)

    def kept(self) -> None:
        """Note that the state has just been kept."""
        self._occasion = self.elapsed()

    def evaluated(self) -> None:
        """Note that an evaluation has just ended."""
        self._occasion = self._evaluated = self.elapsed()

    def saved(self) -> None:
        """Note that the run is just being saved."""
        self._saved = self.elapsed()
