"""What a training run reports, as frozen records; whoever started the run shows them.

`to_json` gives the objects of `--json` and `metrics.jsonl`; their field names are a contract with users' scripts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events; `name` is the "event" field of the JSON object."""

    name: ClassVar[str]

    def to_json(self) -> dict[str, Any]:
        """Return the event as a dict that `json.dumps` takes, with its name first."""
        return {"event": self.name, **dataclasses.asdict(self)}


@dataclass(frozen=True, kw_only=True)
class PlanEvent(Event):
    """What is going to happen, before anything is trained."""

    name: ClassVar[str] = "plan"
    characters: int
    train_characters: int
    val_characters: int
    test_characters: int
    vocab_size: int
    parameters: int
    steps: int | None  # None when only the clock ends the run
    threads: int
    memory: int  # bytes that training will hold at its peak, estimated
    split: str
    estimated_seconds: float | None = None  # of the steps that are left; None when only the clock ends the run
    config: dict[str, Any]  # model, training and text settings, merged
    reason: str = ""  # why settings that were left out were chosen as they are; "" where none were


@dataclass(frozen=True, kw_only=True)
class CompileEvent(Event):
    """Kernels are being compiled (`seconds` is None), or were, in that many seconds; absent when they were cached."""

    name: ClassVar[str] = "compile"
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class StepEvent(Event):
    """One update was made."""

    name: ClassVar[str] = "step"
    step: int
    epoch: float
    loss: float  # nats per character, mean over the steps since the last reported one
    lr: float
    grad_norm: float  # before clipping
    chars_per_second: float
    seconds: float  # of training so far, earlier sessions of a resumed run included
    progress: float  # share of the run that is done, 0 to 1


@dataclass(frozen=True, kw_only=True)
class EvalEvent(Event):
    """The loss over the whole validation text."""

    name: ClassVar[str] = "eval"
    step: int
    epoch: float
    val_loss: float
    bpc: float
    best: bool
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SampleEvent(Event):
    """What the model writes now."""

    name: ClassVar[str] = "sample"
    step: int
    text: str


@dataclass(frozen=True, kw_only=True)
class CheckpointEvent(Event):
    """A checkpoint is on disk, whole and flushed. `kind` is "best" or "last"."""

    name: ClassVar[str] = "checkpoint"
    path: str
    step: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class WarningEvent(Event):
    """Something the user should know, though the run goes on."""

    name: ClassVar[str] = "warning"
    message: str


@dataclass(frozen=True, kw_only=True)
class DoneEvent(Event):
    """The run ended. `reason` is epochs, max_steps, max_time, patience or interrupted."""

    name: ClassVar[str] = "done"
    reason: str
    step: int
    best_val_loss: float | None
    seconds: float
    chars_per_second: float
    path: str
