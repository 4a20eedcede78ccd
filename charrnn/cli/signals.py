"""Signals during training: stop and save, save and go on, or quit at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = 130  # what a shell reports after SIGINT
_TERMINATED = 143  # and after SIGTERM


class Stop:
    """Whether a signal has asked for the end of the run."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.at_once = False  # set while there is nothing to save, so that a run need not wait for its end

    @property
    def exit_code(self) -> int:
        """The exit code that says which signal ended the run; 0 without one."""
        if self.signal is None:
            return 0
        return _INTERRUPTED if self.signal == signal.SIGINT else _TERMINATED


@contextmanager
def handled(*, stop: Callable[[], None], save: Callable[[], None], stopping: Callable[[], None],
            abandon: Callable[[bool], None]) -> Iterator[Stop]:
    """Answer signals while the context lasts; all that is called must be safe in a signal handler.

    Parameters
    ----------
    stop : ends the run, saved, at the first SIGINT, SIGTERM or SIGHUP; not called while the end is to be at once.
    save : saves the run, which goes on, at SIGUSR1.
    stopping : tells the person that the run is about to end.
    abandon : called before the process is ended on the spot, at a SIGINT after any of these or where it is to be at
        once; told whether that was the first signal.
    """
    state = Stop()

    def on_stop(number: int, frame: FrameType | None) -> None:
        first = state.signal is None
        if first:
            state.signal = number
        if first and not state.at_once:
            stop()
            stopping()
        elif first or number == signal.SIGINT:
            abandon(first)
            os._exit(state.exit_code if first else _INTERRUPTED)  # checkpoints are replaced whole: nothing to tidy up

    def on_save(number: int, frame: FrameType | None) -> None:
        save()

    handlers = {"SIGINT": on_stop, "SIGTERM": on_stop, "SIGHUP": on_stop, "SIGUSR1": on_save}  # Windows has two of them
    old = {}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # as under nohup
            continue
        old[number] = signal.signal(number, handler)
    try:
        yield state
    finally:
        for number, previous in old.items():
            signal.signal(number, previous)
