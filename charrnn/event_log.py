"""Files of events, an object of JSON a line, which grow while a run trains and are cut back when it is resumed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from charrnn import strict_json
from charrnn.storage import storage_error


def append_events(path: Path, *events: dict[str, Any]) -> None:
    """Append events, NaN and infinity as null; raise `CheckpointError` if that fails.

    The file is never left with a part of a line, so a trainer may warn and go on.
    """
    data = "".join(json.dumps(strict_json.finite(event)) + "\n" for event in events).encode("ascii")
    try:
        with path.open("ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                complete = file.write(data) == len(data)
            except OSError:
                file.truncate(size)
                raise
            if not complete:
                file.truncate(size)
                raise OSError(errno.ENOSPC, "written in part")
    except OSError as error:
        raise storage_error(path, error) from None


def truncate_events(path: Path, step: int) -> None:
    """Drop the events after a step that training goes on from, and a last line that was left unfinished.

    The file is cut where the first event of a later step begins: a single operation, so nothing else can be lost. No
    file is an empty one.
    """
    try:
        with path.open("r+b") as file:
            end = 0
            for line in file:
                if not line.endswith(b"\n") or _step(line) > step:
                    break
                end += len(line)
            file.truncate(end)
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(path, error) from None


def is_foreign(path: Path) -> bool:
    """Tell whether something stands in a log's place that charrnn did not write; raise `CheckpointError` if unknown."""
    if not os.path.lexists(path):
        return False
    if not path.is_file():
        return True
    try:
        with path.open("rb") as file:
            first = file.readline(10**6)
    except OSError as error:
        raise storage_error(path, error, "cannot be read") from None
    return bool(first) and "event" not in _event(first)


def _event(line: bytes) -> dict[str, Any]:
    """Return the event of a line, or an empty one if the line holds none."""
    try:
        event = strict_json.parse(line.decode("utf-8"))
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _step(line: bytes) -> float:
    step = _event(line).get("step")
    return step if isinstance(step, (int, float)) else 0
