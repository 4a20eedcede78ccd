"""A training run as the person follows it: a live display on a terminal, plain lines in a log, or warnings alone.

A report is shown every event of a run, in order. What a signal handler calls, `stopping` and `abandon`, only sets a
flag or writes once, since it may interrupt anything.
"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from types import TracebackType

from charrnn.console.plan import plan_rows
from charrnn.console.stdio import can_redraw, say
from charrnn.console.text import count, duration, plural, rate, visible
from charrnn.events import CompileEvent, DoneEvent, EvalEvent, Event, PlanEvent, SampleEvent, StepEvent, WarningEvent
from charrnn.storage import printable

STOPPING = "finishing the step and saving (press Ctrl-C again to quit at once)"
ABANDONED = {True: "stopped before the first step; nothing was lost",
             False: "stopped without saving; the last checkpoint is as it was"}
SAMPLE_LINES = 4

_LINE_SECONDS = 15.0  # how often a log hears of a step
_ENDINGS = {"epochs": "all epochs done", "max_steps": "all steps done", "max_time": "time is up",
            "patience": "the validation loss stopped falling", "interrupted": "stopped"}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a report tells about a run beside its events.

    Attributes
    ----------
    sources : names of the texts.
    folder : where the run is saved.
    resume : words of the command that goes on with the run.
    """

    sources: tuple[str, ...]
    folder: str
    resume: tuple[str, ...]


class Report:
    """Shows warnings alone; the base of the other reports."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.plan: PlanEvent | None = None

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        pass

    def show(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, PlanEvent):
            self.plan = event
        if isinstance(event, WarningEvent):
            warn(event.message)

    def stopping(self) -> None:
        """Say that the run is about to stop; safe in a signal handler."""

    def abandon(self, early: bool) -> None:
        """Leave the terminal as it was found, since the process is about to be ended; safe in a signal handler.

        Parameters
        ----------
        early : the run has not begun, so there is nothing to save; otherwise it is abandoned without saving.
        """


class Lines(Report):
    """Shows a run as lines, for a log."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._first: StepEvent | None = None
        self._step: StepEvent | None = None
        self._written = 0.0  # when the last line was

    def show(self, event: Event) -> None:
        """Show an event, a step now and then."""
        super().show(event)
        match event:
            case PlanEvent():
                for name, value in plan_rows(event, self.run.sources, self.run.folder):
                    say(f"{name}: {value}")
            case CompileEvent():
                say(compiling(event.seconds))
            case StepEvent():
                self._first, self._step = self._first or event, event
                if time.monotonic() - self._written >= _LINE_SECONDS:
                    self._say(", ".join(step_facts(event, self._first, self.plan)))
            case EvalEvent():
                facts = (step_facts(self._step, self._first, self.plan) if self._step and self._first
                         else [f"step {count(event.step)}"])
                self._say(", ".join([*facts, val_fact(event)]))
            case SampleEvent():
                for line in sample_lines(event.text):
                    self._say(f"  | {line}")
            case DoneEvent():
                for line in ending(event, self.plan, self.run):
                    self._say(line)

    def stopping(self) -> None:
        """Say that the run is about to stop."""
        say(STOPPING)

    def abandon(self, early: bool) -> None:
        """Say what becomes of the run."""
        say(ABANDONED[early])

    def _say(self, line: str) -> None:
        say(line)
        self._written = time.monotonic()


def report_for(run: Run, *, quiet: bool) -> Report:
    """Return the report that suits standard error."""
    if quiet:
        return Report(run)
    if can_redraw(sys.stderr):
        from charrnn.console.display import Display  # rich takes a tenth of a second, for terminals alone

        return Display(run)
    return Lines(run)


def warn(message: str) -> None:
    """Tell the person what needs attention though the work goes on."""
    say(message, "warning: ", "33")


def compiling(seconds: float | None) -> str:
    """Return words for a compilation that begins, or that took so many seconds."""
    if seconds is None:
        return "compiling the kernels for this machine, once; later runs start at once"
    return f"compiled in {seconds:.0f} s"


def step_count(step: StepEvent, plan: PlanEvent | None) -> str:
    """Return how many steps were made, and of how many."""
    total = f" of {count(plan.steps)}" if plan and plan.steps is not None else ""
    return f"step {count(step.step)}{total}"


def step_facts(step: StepEvent, first: StepEvent, plan: PlanEvent | None) -> list[str]:
    """Return where a run stands, most important first; `first` is the first step that was heard of."""
    return [step_count(step, plan), f"epoch {step.epoch:.2f}", f"loss {step.loss:.4f}",
            f"{rate(step.chars_per_second)} characters/s", f"{time_left(step, first)} left"]


def val_fact(event: EvalEvent) -> str:
    """Return a validation loss in words."""
    return f"val loss {event.val_loss:.4f}" + (" (best so far)" if event.best else "")


def time_left(step: StepEvent, first: StepEvent) -> str:
    """Return how long the rest of the run takes if it goes on as it did since its first step, which can be slow."""
    done, seconds = step.progress - first.progress, step.seconds - first.seconds
    if done <= 0:
        done, seconds = step.progress, step.seconds
        if done < 0.01:
            return "?"
    return duration(seconds * max(1 - step.progress, 0) / done)


def sample_lines(text: str) -> list[str]:
    """Return the first lines of a sample, blank ones left out."""
    lines = [line.expandtabs(4) for line in visible(text).split("\n") if line.strip()]
    return lines[:SAMPLE_LINES]


def ending(done: DoneEvent, plan: PlanEvent | None, run: Run) -> list[str]:
    """Return what the person needs to know at the end: how good it is, where it is and what to type next."""
    lines = [f"{_ENDINGS.get(done.reason, done.reason)}: {plural(done.step, 'step')} in {duration(done.seconds)}, "
             f"{rate(done.chars_per_second)} characters/s"]
    if done.best_val_loss is not None:
        split = f" ({plan.split} split)" if plan else ""
        lines.append(f"best val loss: {done.best_val_loss:.4f} nats per character{split}")
    if done.reason == "interrupted" and not done.step:
        return [*lines, "nothing was learned, and nothing saved"]
    folder = printable(run.folder)
    lines.append(f"saved in: {folder}")
    if done.reason == "interrupted":
        lines.append(f"to go on: {printable(shlex.join(run.resume))}")
    lines.append(f"to sample: {printable(shlex.join(['charrnn', 'sample', run.folder]))}")
    return lines
