"""The standard streams, in whatever state a shell, a pipe or a service manager hands them over.

Results go to standard output, and a result that cannot be written is an error. Everything else goes to standard error
and is a courtesy: when nobody can read it any more, as after a hangup, the work goes on.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO

from charrnn.errors import CharRNNError
from charrnn.storage import printable


class OutputError(CharRNNError):
    """Standard output cannot be written."""


class Messages(io.TextIOBase):
    """Standard error, without the errors: what cannot be written is dropped."""

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()

    def isatty(self) -> bool:
        """Tell whether standard error is a terminal."""
        return is_terminal(sys.stderr)

    def fileno(self) -> int:
        """Return the descriptor of standard error."""
        return sys.stderr.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of standard error."""
        return sys.stderr.encoding or "utf-8"


def prepare() -> None:
    """Open what was closed and make both outputs take any text, unchanged; called once, first of all."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # A file opened later would get this number, and with it whatever is printed. Standard output is opened for
            # reading, so that writing a result fails as it does in other programs; messages are just dropped.
            os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115 - like all three, closed with the process
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", newline="\n")


def write(text: str | bytes, *, flush: bool = False) -> None:
    """Write a result to standard output.

    Raises
    ------
    BrokenPipeError : whoever read it has gone.
    OutputError : it cannot be written.
    """
    try:
        if isinstance(text, str):
            sys.stdout.write(text)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(text)
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(error) from None


def output_error(error: OSError) -> OutputError:
    """Return a failure to write to standard output as a message."""
    return OutputError(f"cannot write to standard output: {error.strerror or error}; the rest of it is lost")


def say(message: str = "", label: str = "", colour: str = "") -> None:
    """Write a line to standard error, in one piece and with nothing in it that drives a terminal.

    Parameters
    ----------
    label : a word before the message, such as "error: ".
    colour : number of the label's colour, where colours are allowed.
    """
    if colour and allows_colour(sys.stderr):
        label = f"\x1b[{colour}m{label}\x1b[0m"
    Messages().write(label + printable(message, 4000) + "\n")


def finish() -> CharRNNError | None:
    """Flush standard output; return why that failed, unless whoever read it has gone, and stop writing to it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        # Python flushes again when it ends, and would print a traceback.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return None if isinstance(error, (BrokenPipeError, ValueError)) else output_error(error)
    return None


def is_terminal(stream: TextIO | Any) -> bool:
    """Tell whether a stream is a terminal; a closed one is none."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def can_redraw(stream: TextIO | Any) -> bool:
    """Tell whether a stream is a terminal on which the cursor can be moved."""
    return is_terminal(stream) and os.environ.get("TERM", "dumb" if os.name != "nt" else "") not in ("dumb", "unknown")


def allows_colour(stream: TextIO | Any) -> bool:
    """Tell whether a stream is a terminal with colours, and `NO_COLOR` does not forbid them."""
    return can_redraw(stream) and not os.environ.get("NO_COLOR")
