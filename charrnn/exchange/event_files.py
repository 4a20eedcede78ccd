"""Event files for TensorBoard, written by tensorboardX, which only an extra installs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charrnn.events import DoneEvent, EvalEvent, Event, PlanEvent, SampleEvent, StepEvent, WarningEvent
from charrnn.exchange.libraries import library
from charrnn.run_folder import EVENT_FILES
from charrnn.storage import printable

_FLUSH_SECONDS = 10


class EventFiles:
    """Writes a run's numbers and samples to event files as they come.

    Parameters
    ----------
    folder : where the files go; made with the first step.

    Raises
    ------
    MissingLibraryError : tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = library("tensorboardX", "tensorboardX", "tensorboard")
        self._writer: Any = None
        self._plan: PlanEvent | None = None

    def take(self, event: Event) -> Iterator[WarningEvent]:
        """Write an event; yield a warning if that fails, after which nothing more is written."""
        if isinstance(event, PlanEvent):
            self._plan = event
        try:
            if isinstance(event, StepEvent) and self._writer is None:
                self._open(event.step)
            if self._writer is not None:
                self._write(event)
        except OSError as error:
            self._writer = None
            self._library = None
            yield WarningEvent(message=f"{printable(self._folder)}: cannot be written: {error.strerror or error}; "
                                       "training goes on without TensorBoard's files")

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            with contextlib.suppress(OSError):  # no error of the run is to be hidden
                self._writer.close()
            self._writer = None

    def _open(self, step: int) -> None:
        if self._library is None:
            return
        # What an earlier session wrote after the save that this one goes on from, readers are to leave out. The file's
        # name has the second in it, and the step tells apart what is resumed within one.
        self._writer = self._library.SummaryWriter(str(self._folder), purge_step=step, flush_secs=_FLUSH_SECONDS,
                                                   filename_suffix=f".{step}{EVENT_FILES.rpartition('*')[2]}")
        if self._plan:
            rows = "".join(f"| {name} | {value} |\n" for name, value in self._plan.config.items())
            self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", step)

    def _write(self, event: Event) -> None:
        match event:
            case StepEvent():
                self._writer.add_scalar("loss/train", event.loss, event.step)
                for name in ("lr", "grad_norm", "chars_per_second", "epoch"):
                    self._writer.add_scalar(name, getattr(event, name), event.step)
            case EvalEvent():
                self._writer.add_scalar("loss/val", event.val_loss, event.step)
                self._writer.add_scalar("bpc/val", event.bpc, event.step)
            case SampleEvent():
                # Indented it is code to Markdown, so nothing in it becomes markup.
                code = "".join(f"    {printable(line)}\n" for line in event.text.split("\n"))
                self._writer.add_text("sample", code, event.step)
            case DoneEvent():
                self.close()
