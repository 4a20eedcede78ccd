"""Generated text on its way to standard output: as it is made, one sample after the other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from charrnn.console.stdio import allows_colour, is_terminal, write
from charrnn.console.text import visible

if TYPE_CHECKING:
    from charrnn.sampling import Piece

#: What stands between two samples where standard output is no terminal: a line of its own, as nanoGPT prints it.
SEPARATOR = "\n---------------\n"


def in_order(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield pieces of the first sample as they come, then those of the second, and so on; later ones wait."""
    current = 0
    waiting: dict[int, list[Piece]] = {}
    for piece in pieces:
        waiting.setdefault(piece.sample, []).append(piece)
        while current in waiting:
            ready = waiting.pop(current)
            yield from ready
            if ready[-1].finished is None:
                break
            current += 1


def print_texts(pieces: Iterable[Piece], prime: str, num_samples: int, *, as_bytes: bool) -> None:
    """Write samples as they are made, each after its prime.

    Parameters
    ----------
    as_bytes : the texts stand for bytes, and where they are no UTF-8 their bytes are written to a file or pipe.
    """
    terminal = is_terminal(sys.stdout)
    shown, last = -1, "\n"
    for piece in in_order(pieces):
        text = piece.text
        if piece.sample != shown:
            shown = piece.sample
            write(_heading(shown, num_samples, last) if terminal else SEPARATOR if shown else "")
            text = prime + text
        if text:
            _write_text(text, terminal, as_bytes)
            last = text[-1]
    if terminal and last != "\n":
        write("\n")  # or the shell's prompt would follow the text


def print_json(pieces: Iterable[Piece], prime: str) -> None:
    """Write samples as JSON objects, one a line, each as soon as it is finished and those before it are written."""
    for piece in in_order(pieces):
        sample = piece.finished
        if sample is not None:
            write(json.dumps({**sample.to_json(), "text": prime + sample.text}) + "\n", flush=True)


def _heading(sample: int, num_samples: int, last: str) -> str:
    """Return what stands above a sample on a terminal, nothing for a single one."""
    if num_samples == 1:
        return ""
    line = f"--- sample {sample + 1} of {num_samples} ---"
    if allows_colour(sys.stdout):
        line = f"\x1b[2m{line}\x1b[0m"
    return ("\n" if last != "\n" else "") + ("\n" if sample else "") + line + "\n"


def _write_text(text: str, terminal: bool, as_bytes: bool) -> None:
    if terminal:
        write(visible(text), flush=True)
    elif as_bytes:
        write(text.encode("utf-8", "surrogateescape"), flush=True)
    else:
        write(text, flush=True)
