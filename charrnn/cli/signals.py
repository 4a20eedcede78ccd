"""Signals during training: stop and save, save and go on, or quit at once.

Python calls the handlers of signals between two of its own steps, so while a kernel runs, which takes seconds in a
large net, it calls none, and two signals of a kind become one. A thread, told of each at once, answers meanwhile.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_INTERRUPTED = 130  # what a shell reports after SIGINT
_TERMINATED = 143  # and after SIGTERM

#: Seconds that a handler has before the thread answers in its place.
GRACE = 0.3


class Stop:
    """Whether a signal has asked for the end of the run."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.at_once = False  # set while there is nothing to save, so that a run need not wait for its end
        self.told = False  # whether the person knows that the run is about to end

    @property
    def exit_code(self) -> int:
        """The exit code that says which signal ended the run; 0 without one."""
        if self.signal is None:
            return 0
        return _INTERRUPTED if self.signal == signal.SIGINT else _TERMINATED


@contextmanager
def handled(*, stop: Callable[[], None], save: Callable[[], None], stopping: Callable[[], None],
            abandon: Callable[[bool], None]) -> Iterator[Stop]:
    """Answer signals while the context lasts; all that is called must be safe in a signal handler and in a thread.

    Parameters
    ----------
    stop : ends the run, saved, at the first SIGINT, SIGTERM or SIGHUP; not called while the end is to be at once.
    save : saves the run, which goes on, at SIGUSR1.
    stopping : tells the person that the run is about to end.
    abandon : called before the process is ended on the spot, at a SIGINT after any of these or where it is to be at
        once; told whether that was the first signal.
    """
    state = Stop()

    def tell() -> None:
        if not state.told:
            state.told = True
            stopping()

    def quit_at_once(early: bool) -> None:
        abandon(early)
        os._exit(state.exit_code if early else _INTERRUPTED)  # checkpoints are replaced whole: nothing to tidy up

    def on_stop(number: int, frame: FrameType | None) -> None:
        first = state.signal is None
        if first:
            state.signal = number
        if first and not state.at_once:
            stop()
            tell()
        elif first or number == signal.SIGINT:
            quit_at_once(first)

    def on_delay(before: int, number: int) -> None:
        if before and number == signal.SIGINT:
            quit_at_once(False)
        elif state.signal is None and not state.at_once:
            tell()

    def on_save(number: int, frame: FrameType | None) -> None:
        save()

    handlers = {"SIGINT": on_stop, "SIGTERM": on_stop, "SIGHUP": on_stop, "SIGUSR1": on_save}  # Windows has two of them
    old = {}
    for name, handler in handlers.items():
        number = getattr(signal, name, None)
        if number is None or (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):  # as under nohup
            continue
        old[number] = signal.signal(number, handler)
    stopping_signals = {number for number in old if number != getattr(signal, "SIGUSR1", None)}
    try:
        with _overheard(stopping_signals, on_delay):
            yield state
    finally:
        for number, previous in old.items():
            signal.signal(number, previous)


@contextmanager
def _overheard(numbers: set[int], answer: Callable[[int, int], None]) -> Iterator[None]:
    """Call `answer` in a thread, `GRACE` after each of these signals, with how many came before it and its number."""
    hearing, speaking = socket.socketpair()
    speaking.setblocking(False)

    def listen() -> None:
        before = 0
        while heard := hearing.recv(1):
            if heard[0] in numbers:
                time.sleep(GRACE)
                answer(before, heard[0])
                before += 1

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    previous = signal.set_wakeup_fd(speaking.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        speaking.close()
        thread.join()
        hearing.close()
