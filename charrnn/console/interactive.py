"""`charrnn sample --interactive`: lines in, texts out, for as long as the person likes."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

from charrnn.console.samples import print_texts, say_changes
from charrnn.console.stdio import is_terminal, say, write
from charrnn.console.text import plural, rate
from charrnn.errors import CharRNNError
from charrnn.sampling import Piece
from charrnn.session import Session

PROMPT = "> "


def converse(session: Session, *, echo_prime: bool, as_bytes: bool, colour: bool) -> None:
    """Read lines until there are no more: a prime begins a text, an empty line goes on with it, "/" begins a command.

    Parameters
    ----------
    echo_prime : a text is shown after its prime.
    as_bytes, colour : as in `print_texts`.
    """
    if is_terminal(sys.stdin):
        say("a line is a prime; an empty one goes on; /help explains; Ctrl-C stops a text, Ctrl-D ends")
    for line in _lines():
        try:
            if line.startswith("/") and not line.startswith("//"):
                for answer in session.command(line).splitlines():
                    say(answer)
            elif line or not session.text:
                prime = session.prime(line.removeprefix("/") if line.startswith("//") else line)
                say_changes(prime.changes)
                _show(session, session.write(prime.text), prime.text if echo_prime else "", as_bytes, colour)
            else:
                _show(session, session.go_on(), "", as_bytes, colour)
        except CharRNNError as error:
            say(str(error), "error: ", "1;31")


def _show(session: Session, pieces: Iterator[Piece], prime: str, as_bytes: bool, colour: bool) -> None:
    """Print a text, and on standard error how it came about."""
    with _interruptible(pieces) as shown:
        print_texts(shown, prime, 1, as_bytes=as_bytes, colour=colour)
    if not is_terminal(sys.stdout):
        write("\n", flush=True)
    sample = session.sample
    if sample is None:
        say("", "(stopped)", "2")
    elif is_terminal(sys.stdout):
        loss = f", {sample.loss:.2f} nats each" if sample.characters else ""
        say("", f"({plural(sample.characters, 'character')}{loss}, {rate(sample.chars_per_second)}/s, "
                f"seed {sample.seed})", "2")


def _lines() -> Iterator[str]:
    """Yield what is typed, or what a pipe or file holds, line by line."""
    terminal = is_terminal(sys.stdin)
    if terminal:
        with contextlib.suppress(ImportError):  # Windows' console edits lines by itself
            import readline  # noqa: F401 - from here on, `input` edits lines and remembers them
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    while True:
        prompt = PROMPT if terminal else ""
        if not is_terminal(sys.stdout):  # where the prompt would be taken for a part of the text
            sys.stderr.write(prompt)
            prompt = ""
        try:
            yield input(prompt)
        except KeyboardInterrupt:
            write("\n", flush=True)  # as in a shell, the line is given up
        except EOFError:
            if terminal:
                write("\n")
            return


@contextmanager
def _interruptible(pieces: Iterable[Piece]) -> Iterator[Iterator[Piece]]:
    """Give pieces on until Ctrl-C is pressed; it interrupts nothing, so whatever makes the pieces stays sound."""
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True

    def until_pressed() -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            if pressed:
                return

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield until_pressed()
    finally:
        signal.signal(signal.SIGINT, before)
