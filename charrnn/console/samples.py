"""Generated text on its way to standard output: as it is made, one sample after the other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from charrnn.console.stdio import Messages, allows_colour, is_terminal, say, write
from charrnn.console.text import plural, visible
from charrnn.novelty import NGRAM

if TYPE_CHECKING:
    from charrnn.console.tint import Tint
    from charrnn.novelty import Novelty
    from charrnn.sampling import Piece

#: What stands between two samples where standard output is no terminal: a line of its own, as nanoGPT prints it.
SEPARATOR = "\n---------------\n"

_SHOWN = 10  # characters that a message lists
_SHOWN_RUN = 200  # characters of a copied run that a message shows


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


def print_texts(pieces: Iterable[Piece], prime: str, num_samples: int, *, as_bytes: bool,
                colour: bool = False) -> None:
    """Write samples as they are made, each after its prime.

    Parameters
    ----------
    as_bytes : the texts stand for bytes, and where they are no UTF-8 their bytes are written to a file or pipe.
    colour : tint each character by how little the model expected it, where colours are allowed.
    """
    terminal = is_terminal(sys.stdout)
    tint = _tint() if colour else None
    shown, last = -1, "\n"
    judgements: list[Novelty] = []
    for piece in in_order(pieces):
        if piece.sample != shown:
            shown = piece.sample
            write(_heading(shown, num_samples, last) if terminal else SEPARATOR if shown else "")
            _write_text(prime, terminal, as_bytes)
            last = prime[-1:] or last
        if tint:
            write(tint.text(piece.text, piece.logprobs), flush=True)
        else:
            _write_text(piece.text, terminal, as_bytes)
        last = piece.text[-1:] or last
        if piece.finished is not None and piece.finished.novelty is not None:
            judgements.append(piece.finished.novelty)
    if terminal and last != "\n":
        write("\n", flush=True)  # or the shell's prompt would follow the text
    for number, judgement in enumerate(judgements, 1):
        say(_novelty(judgement), "novelty: " if len(judgements) == 1 else f"novelty of sample {number}: ", "36")


def print_json(pieces: Iterable[Piece], prime: str, *, logprobs: bool = False) -> None:
    """Write samples as JSON objects, one a line, each as soon as it is finished and those before it are written."""
    for piece in in_order(pieces):
        sample = piece.finished
        if sample is not None:
            whole = replace(sample, text=prime + sample.text)
            write(json.dumps(whole.to_json(logprobs=logprobs)) + "\n", flush=True)


def say_changes(changes: dict[str, str]) -> None:
    """Say what stands in a prime for characters that the model does not know."""
    replaced = [f"{char!r} as {known!r}" for char, known in changes.items() if known]
    dropped = [repr(char) for char, known in changes.items() if not known]
    for how, characters in (("in the prime, the model reads", replaced), ("left out of the prime:", dropped)):
        if characters:
            more = f" and {len(characters) - _SHOWN} more" if len(characters) > _SHOWN else ""
            say(f"{how} {', '.join(characters[:_SHOWN])}{more}")


def explain_colours() -> None:
    """Say on standard error what the tints mean, if there will be any."""
    tint = _tint()
    if tint and is_terminal(sys.stderr):
        Messages().write(tint.legend() + "\n")


def _tint() -> Tint | None:
    """Return what tints texts on standard output, or None where colours have no place there."""
    if not allows_colour(sys.stdout):
        return None
    from charrnn.console.tint import Tint

    return Tint(sys.stdout)


def _novelty(found: Novelty) -> str:
    """Return in words how much of a text stands in a corpus."""
    share = "" if found.ngram_share is None else f"; {found.ngram_share:.1%} of its {NGRAM}-grams stand there"
    run = f": {found.run[:_SHOWN_RUN]!r}{'...' if len(found.run) > _SHOWN_RUN else ''}" if found.run else ""
    return f"its longest run that stands in the corpus has {plural(found.longest_run, 'character')}{run}{share}"


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
