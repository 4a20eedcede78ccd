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

    @property
    def exit_code(self) -> int:
        """The exit code that says which signal ended the run; 0 without one."""
        if self.signal is None:
            return 0
        return _INTERRUPTED if self.signal == signal.SIGINT else _TERMINATED


@contextmanager
def handled(*, stop: Callable[[], None], save: Callable[[], None], stopping: Callable[[], None],
            abandon: Callable[[], None]) -> Iterator[Stop]:
    """Answer signals while the context lasts; all that is called must be safe in a signal handler.

    Parameters
    ----------
    stop : ends the run, saved, at the first SIGINT, SIGTERM or SIGHUP.
    save : saves the run, which goes on, at SIGUSR1.
    stopping : tells the person that the run is about to end.
    abandon : called before the process is ended on the spot, at a SIGINT after any of these.
    """
    state = Stop()

    def on_stop(number: int, frame: FrameType | None) -> None:
        if state.signal is None:
            state.signal = number
            stop()
            stopping()
        elif number == signal.SIGINT:
            abandon()
            os._exit(_INTERRUPTED)  # checkpoints are replaced whole, so there is nothing to tidy up

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
