"""Keeps a run's report up to date while it trains: writes what the metrics lack, and the page drawn from both.

The account (`RunFolder.account`) holds how and where the run was started, and what the model wrote on the way, as many
samples as `RunHistory` keeps. The page is drawn anew as often as its share of the time allows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime

from charrnn.errors import CharRNNError
from charrnn.events import DoneEvent, Event, PlanEvent, SampleEvent, StepEvent, WarningEvent
from charrnn.machine import describe_machine
from charrnn.page.report import report_page
from charrnn.run_folder import RunFolder, is_page
from charrnn.run_history import RunHistory, read_history
from charrnn.storage import printable, write_atomically

#: The largest share of a run's time that goes into drawing its report, and the least seconds from one to the next.
SHARE, PERIOD = 0.01, 10.0


class Recorder:
    """Records one run, or one session of a run that is resumed.

    Parameters
    ----------
    folder : the run's.
    sources : names of the texts.
    command : the words that started it, or none.
    resumed : whether an earlier session's events are to be gone on from.
    """

    def __init__(self, folder: RunFolder, sources: Sequence[str], command: Sequence[str], *, resumed: bool) -> None:
        self._folder, self._sources, self._command, self._resumed = folder, sources, command, resumed
        self._history = RunHistory(folder.path.name)
        self._next = 0.0  # when the page may be drawn again
        self._drawn, self._session_kept, self._failing = True, False, False

    def take(self, event: Event) -> Iterator[WarningEvent]:
        """Record an event; yield a warning when that begins to fail."""
        try:
            self._record(event)
        except CharRNNError as error:
            if not self._failing:
                self._failing = True
                yield WarningEvent(message=f"{error}; training goes on without its report")

    def close(self) -> None:
        """Draw what is not drawn yet, of a run that was broken off."""
        if not self._drawn and not self._failing:
            try:
                self._draw(going_on=False)
            except CharRNNError:
                self._failing = True

    def _record(self, event: Event) -> None:
        if isinstance(event, PlanEvent) and self._resumed:
            self._history = read_history(self._folder, self._folder.path.name)
        kept = self._history.take(event.to_json())
        if isinstance(event, StepEvent):
            self._keep_session(event.step - 1)
            self._drawn = False
            if time.monotonic() >= self._next:
                self._draw(going_on=True)
        elif isinstance(event, SampleEvent) and kept:
            self._folder.append_account(event.to_json())
        elif isinstance(event, DoneEvent) and len(self._history.steps):
            self._draw(going_on=False)

    def _keep_session(self, step: int) -> None:
        if self._session_kept:
            return
        self._session_kept = True
        session = {"event": "session", "step": step, "started": datetime.now().astimezone().isoformat("T", "seconds"),
                   "command": list(self._command), "sources": list(self._sources[:10]),
                   "more_sources": len(self._sources[10:]), "machine": describe_machine()}
        self._history.take(session)
        self._folder.append_account(session)

    def _draw(self, *, going_on: bool) -> None:
        started = time.monotonic()
        path = self._folder.report
        if path.exists() and not is_page(path):
            raise CharRNNError(f"{printable(path)} is in the way, and charrnn did not write it; move it")
        write_atomically(path, report_page([self._history], going_on=going_on).encode())
        now = time.monotonic()
        self._next, self._drawn, self._failing = now + max(PERIOD, (now - started) / SHARE), True, False
