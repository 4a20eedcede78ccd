"""The course of a run, gathered from its events in bounded space: what a picture of it is drawn from.

The events come from a run that is going on, or from the files of its folder. These may hold anything: what is not as
it should be is passed over.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from charrnn import strict_json
from charrnn.checkpoint import read_description
from charrnn.run_folder import RunFolder
from charrnn.storage import storage_error
from charrnn.thinning import Thinned

#: Points of a curve that are kept.
POINTS = 1000

#: Samples are kept at steps that lie at least this factor apart: all of the usual twenty, and about a thousand in the
#: longest run, more of them from the beginning, when a model learns fastest.
SAMPLE_SPACING = 1.02

#: Characters of a sample and of other texts, and entries of a list, that are kept.
_LONGEST_TEXT, _LONGEST_LIST = 2000, 200

_LONGEST_LINE = 2**20
_MOST_SESSIONS = 100


class Steps(NamedTuple):
    """A step, or some in a row."""

    step: float
    epoch: float
    seconds: float
    loss: float  # mean
    lr: float
    grad_norm: float  # the largest
    chars_per_second: float  # mean


class Evaluation(NamedTuple):
    """An evaluation, or the best of some in a row."""

    step: float
    epoch: float
    seconds: float
    val_loss: float


class Sample(NamedTuple):
    """What the model wrote after a step."""

    step: float
    text: str


class RunHistory:
    """What is known of a run.

    Attributes
    ----------
    name : what to call it.
    plan, done : the newest events of these names, or None.
    sessions : how and where it was started and resumed.
    steps, evaluations, samples : its course.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.plan: dict[str, Any] | None = None
        self.done: dict[str, Any] | None = None
        self.sessions: list[dict[str, Any]] = []
        self.steps: Thinned[Steps] = Thinned(POINTS, _merged_steps)
        self.evaluations: Thinned[Evaluation] = Thinned(POINTS, _best_evaluation)
        self.samples: list[Sample] = []

    def take(self, event: dict[str, Any]) -> bool:
        """Take the next event, as a JSON object, and tell whether it is kept."""
        match event.get("event"):
            case "plan":
                self.plan, self.done = _plain(event), None
            case "done":
                self.done = _plain(event)
            case "session" if len(self.sessions) < _MOST_SESSIONS:
                self.sessions.append(_plain(event))
            case "step":
                numbers = _numbers(event, Steps)
                if numbers is not None:
                    self.steps.add(Steps(*numbers))
                return numbers is not None
            case "eval":
                numbers = _numbers(event, Evaluation)
                if numbers is not None:
                    self.evaluations.add(Evaluation(*numbers))
                return numbers is not None
            case "sample":
                return self._take_sample(event.get("step"), event.get("text"))
            case _:
                return False
        return True

    def _take_sample(self, step: Any, text: Any) -> bool:
        if not _is_number(step) or not isinstance(text, str):
            return False
        if self.samples and step < self.samples[-1].step * SAMPLE_SPACING:
            return False
        self.samples.append(Sample(step, text[:_LONGEST_TEXT]))
        return True


def read_history(folder: RunFolder, name: str) -> RunHistory:
    """Return the history of the run in a folder: from its files of events, or else from what its checkpoint tells.

    Raises
    ------
    CheckpointError : they cannot be read, or there are none.
    """
    history = RunHistory(name)
    for path in (folder.metrics, folder.account):
        for event in _events(path):
            history.take(event)
    checkpoint = folder.checkpoint()
    if not len(history.steps) and checkpoint:
        for event in read_description(checkpoint).history:
            history.take(event)
    return history


def _events(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            for line in _lines(file):
                try:
                    event = strict_json.parse(line.decode("utf-8"))
                except ValueError:
                    continue
                if isinstance(event, dict):
                    yield event
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(path, error, "cannot be read") from None


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file but those that are too long for an event, and a last one that was not finished."""
    whole = True
    while line := file.readline(_LONGEST_LINE):
        ends = line.endswith(b"\n")
        if whole and ends:
            yield line
        whole = ends


def _merged_steps(steps: Sequence[Steps]) -> Steps:
    last, count = steps[-1], len(steps)
    return last._replace(loss=sum(step.loss for step in steps) / count,
                         grad_norm=max(step.grad_norm for step in steps),
                         chars_per_second=sum(step.chars_per_second for step in steps) / count)


def _best_evaluation(evaluations: Sequence[Evaluation]) -> Evaluation:
    return min(evaluations, key=lambda evaluation: evaluation.val_loss)


def _numbers(event: dict[str, Any], kind: type[Steps] | type[Evaluation]) -> list[float] | None:
    """Return the fields of an event, or None where one is missing or not a number."""
    values = [event.get(name) for name in kind._fields]
    return values if all(map(_is_number, values)) else None  # type: ignore[return-value]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300 \
        and math.isfinite(value)


def _plain(event: dict[str, Any], depth: int = 2) -> dict[str, Any]:
    """Return those entries of an event that are short: texts, numbers, lists of texts, and objects of these."""
    kept: dict[str, Any] = {}
    for key, value in list(event.items())[:_LONGEST_LIST]:
        if isinstance(value, str):
            kept[key] = value[:_LONGEST_TEXT]
        elif value is None or isinstance(value, bool) or _is_number(value):
            kept[key] = value
        elif isinstance(value, list):
            kept[key] = [str(item)[:_LONGEST_TEXT] for item in value[:_LONGEST_LIST]]
        elif isinstance(value, dict) and depth > 1:
            kept[key] = _plain(value, depth - 1)
    return kept
