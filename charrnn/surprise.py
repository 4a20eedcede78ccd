"""Where a text surprised a model: the worst lines, and the loss of every character."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from charrnn.evaluation import Scored
from charrnn.storage import storage_error
from charrnn.vocabulary import encoded_lengths, without_surrogates

#: A longer line counts in pieces of this length, so that a text without line ends takes no more memory than another.
LONGEST_LINE = 1000

#: Characters, predicted without fail, by which every line is thought longer when lines are put in order: else two odd
#: characters on a line of their own would outrank a whole odd line.
CERTAIN = 10

#: What the file of a `CharacterLog` begins with.
LOG_MARKS = (b'{"char": ', b'{"byte": ')

_NEWLINE = 0x0A


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a text with the loss of its characters.

    Attributes
    ----------
    source, number : where it is: the text's name, and the line in it from 1 on.
    code_points, losses : (N,) as in `Scored`, with the newline at its end.
    loss : mean of its predicted characters, in nats.
    """

    source: str
    number: int
    code_points: NDArray[Any]
    losses: NDArray[Any]
    loss: float

    def characters(self, *, as_bytes: bool) -> tuple[str, NDArray[Any]]:
        """Return the line's text and the loss of each of its characters, (M,), NaN where none was predicted.

        Parameters
        ----------
        as_bytes : the code points are bytes; a character's loss is the sum of theirs. Those that are no UTF-8 are lone
            surrogates ("surrogateescape").
        """
        if not as_bytes:
            return "".join(map(chr, self.code_points.tolist())), self.losses
        text = self.code_points.astype(np.uint8).tobytes().decode("utf-8", "surrogateescape")
        ends = np.cumsum(encoded_lengths(text))
        spans = zip((0, *ends.tolist()), ends.tolist())
        parts = [self.losses[start:end][~np.isnan(self.losses[start:end])] for start, end in spans]
        return text, np.array([part.sum() if len(part) else math.nan for part in parts])

    def to_json(self, *, as_bytes: bool = False) -> dict[str, Any]:
        """Return where the line is, its loss and its text as a dict that `json.dumps` takes.

        Bytes that are no UTF-8 each appear as U+FFFD, since JSON has no place for them.
        """
        text, _ = self.characters(as_bytes=as_bytes)
        return {"source": self.source, "line": self.number, "loss": self.loss,
                "text": without_surrogates(text.removesuffix("\n"))}


class WorstLines:
    """Keeps the lines of a text that surprised the model most, while it is read piece by piece.

    They are ordered by the loss of all their characters, divided by their number and `CERTAIN` more.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[tuple[float, Line]] = []
        self._open: Scored | None = None  # a line that the next piece may go on with
        self._number = 1  # of that line

    def add(self, piece: Scored) -> None:
        """Take the next piece of the text."""
        if self._open is not None and self._open.source != piece.source:
            self._flush()
            self._number = 1
        if self._open is not None:
            piece = Scored(piece.source, *(np.concatenate(both) for both in zip(self._open[1:], piece[1:])))
        ends = np.flatnonzero(piece.code_points == _NEWLINE) + 1
        rest = int(ends[-1]) if len(ends) else 0
        rest += (len(piece.code_points) - rest) // LONGEST_LINE * LONGEST_LINE
        self._rank(piece, rest)
        self._number += len(ends)
        self._open = Scored(piece.source, *(array[rest:] for array in piece[1:]))

    def lines(self) -> list[Line]:
        """Return the lines found, the worst first."""
        self._flush()
        return [line for _, line in self._kept]

    def _flush(self) -> None:
        if self._open is not None:
            self._rank(self._open, len(self._open.code_points))
        self._open = None

    def _rank(self, piece: Scored, stop: int) -> None:
        """Take the lines that the first `stop` characters of a piece make."""
        code_points, losses = piece.code_points[:stop], piece.losses[:stop]
        is_end = code_points == _NEWLINE
        line_starts = np.concatenate([[0], np.flatnonzero(is_end) + 1])
        starts = np.concatenate([np.arange(start, end, LONGEST_LINE)
                                 for start, end in zip(line_starts, [*line_starts[1:], stop])])
        if not len(starts):
            return
        predicted = ~np.isnan(losses)
        totals = np.add.reduceat(np.where(predicted, losses, 0), starts, dtype=np.float64)
        counts = np.add.reduceat(predicted, starts, dtype=np.int64)
        ranks = totals / (counts + CERTAIN)
        stops = [*starts[1:], stop]
        for i in np.argsort(-ranks, kind="stable")[:self._count]:
            if counts[i]:
                number = self._number + int(np.count_nonzero(is_end[:starts[i]]))
                line = slice(starts[i], stops[i])
                self._kept.append((float(ranks[i]), Line(piece.source, number, code_points[line].copy(),
                                                         losses[line].copy(), float(totals[i] / counts[i]))))
        self._kept = sorted(self._kept, key=lambda kept: -kept[0])[:self._count]


class CharacterLog:
    """Writes each character of a text as a JSON object, one a line: {"char": "a", "loss": 1.25}.

    With a model of bytes it is {"byte": 97, ...}. The loss is null where a character was not predicted: the first of a
    text, and unknown ones, which also have "unknown": true. So the characters of all lines together are the text.
    """

    def __init__(self, file: IO[str], *, as_bytes: bool) -> None:
        self._file = file
        self._as_bytes = as_bytes

    def add(self, piece: Scored) -> None:
        """Write the next piece of the text."""
        # Each character is put into JSON once, since that takes longer than the model does.
        begins = {code: f'{{"byte": {code}' if self._as_bytes else f'{{"char": {json.dumps(chr(code))}'
                  for code in np.unique(piece.code_points).tolist()}
        self._file.write("".join(
            f'{begins[code]}, "loss": {"null" if math.isnan(loss) else f"{loss:.5f}"}{end}'
            for code, loss, end in zip(piece.code_points.tolist(), piece.losses.tolist(),
                                       np.where(piece.known, "}\n", ', "unknown": true}\n').tolist())))


@contextmanager
def character_log(path: str | os.PathLike[str], *, as_bytes: bool) -> Iterator[CharacterLog]:
    """Open a file for the characters of a text and yield its log; raise `CheckpointError` where that fails."""
    try:
        with Path(path).open("w", encoding="utf-8") as file:
            yield CharacterLog(file, as_bytes=as_bytes)
    except BrokenPipeError:  # a pipe whose reader has what it wanted
        raise
    except OSError as error:
        raise storage_error(path, error) from None
