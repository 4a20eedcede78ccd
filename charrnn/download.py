"""Downloads that survive a bad connection: what has arrived is kept, and the next attempt goes on from there.

A download grows in a file of its own, the part. Beside it lies what the server said identifies the content (RFC 9110,
sections 8.8 and 13.1.5), so that a part is continued only with the rest of the same content.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import charrnn
from charrnn.errors import CorpusError
from charrnn.storage import printable, storage_error

if sys.platform != "win32":
    import fcntl

_BLOCK = 2**16
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers that another attempt may change


class Progress(NamedTuple):
    """Bytes that are here, and bytes there will be, if that is known."""

    done: int
    total: int | None


class _Interrupted(Exception):
    """An attempt ended early, for a reason that another one may not meet."""


def download(url: str, part: Path, *, limit: int, patience: float = 30.0, attempts: int = 4,
             pause: float = 1.0) -> Iterator[Progress]:
    """Fetch what is at an address into the file `part`, going on where an earlier attempt stopped.

    Parameters
    ----------
    limit : bytes after which the answer is refused as not what was expected.
    patience : seconds of silence after which the connection counts as lost.
    attempts : how often in a row to try without receiving anything new.
    pause : seconds before the second attempt; twice as long before each further one.

    Raises
    ------
    CorpusError : the address cannot be reached, refuses, or is cut off every time; or another process is at it.
    """
    try:
        with _locked(part) as file:
            failures = 0
            while True:
                before = part.stat().st_size
                try:
                    yield from _attempt(url, part, file, limit, patience, resuming=failures > 0)
                    return
                except _Interrupted as reason:
                    failures = 1 if part.stat().st_size > before else failures + 1
                    if failures >= attempts:
                        raise CorpusError(f"{url}: {reason} after {part.stat().st_size:,} bytes; give the same command "
                                          "again, and it goes on from there") from None
                time.sleep(pause * 2 ** (failures - 1))
    except OSError as error:
        raise storage_error(part, error) from None


def discard(part: Path) -> None:
    """Remove a part and what identifies its content."""
    for path in (_validator_file(part), part):
        path.unlink(missing_ok=True)


def _attempt(url: str, part: Path, file: BinaryIO, limit: int, patience: float, *,
             resuming: bool) -> Iterator[Progress]:
    start = file.tell()
    with contextlib.closing(_ask(url, part, start, patience, resuming)) as answer:
        start = _accept(answer, part, file, start)
        length = re.fullmatch(r"[0-9]{1,18}", answer.headers.get("Content-Length", ""))
        total = start + int(length[0]) if length else None
        if total is not None and total > limit:
            raise _too_long(url, limit)
        yield Progress(start, total)
        done = start
        while block := _receive(answer):
            done += len(block)
            if done > limit:
                raise _too_long(url, limit)
            file.write(block)
            file.flush()
            yield Progress(done, total)
    if total is not None and done < total:
        raise _Interrupted("the connection was cut")


def _ask(url: str, part: Path, start: int, patience: float, resuming: bool) -> http.client.HTTPResponse:
    """Return the answer to a request for what is missing."""
    request = urllib.request.Request(url, headers={"User-Agent": f"charrnn/{charrnn.__version__}",
                                                   "Accept-Encoding": "identity"})
    validator = _stored_validator(part)
    if start and validator:
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", validator)
    try:
        return urllib.request.urlopen(request, timeout=patience)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _PASSING:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from None
        if error.code == 416:  # the part is no beginning of what is there now
            _start_anew(part)
            raise _Interrupted("the content has changed on the server") from None
        raise CorpusError(f"{url}: the server answered {error.code} {printable(str(error.reason), 80)}; the text may "
                          "have moved: look for it, and train on the file you find") from None
    except (OSError, http.client.HTTPException) as error:
        reason = printable(str(getattr(error, "reason", error)), 200) or type(error).__name__
        if resuming:
            raise _Interrupted(f"the server cannot be reached ({reason})") from None
        raise CorpusError(f"{url} cannot be reached ({reason}); check the network connection, or take a corpus that "
                          "needs none: python-docs, python-source, brackets") from None


def _accept(answer: http.client.HTTPResponse, part: Path, file: BinaryIO, start: int) -> int:
    """Return from which byte on the answer gives the content, after making the part end there."""
    if answer.status == 206:
        found = re.match(r"bytes ([0-9]{1,18})-", answer.headers.get("Content-Range", ""))
        if not found or int(found[1]) != start:
            _start_anew(part)
            raise _Interrupted("the server sent another range than was asked for")
        return start
    file.truncate(0)
    file.seek(0)
    tag, modified = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
    validator = tag if tag.startswith('"') else modified  # a weak tag does not vouch for every byte
    if validator.isascii() and validator:
        _validator_file(part).write_text(validator, "ascii")
    else:
        _validator_file(part).unlink(missing_ok=True)
    return 0


def _receive(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_BLOCK)
    except TimeoutError:
        raise _Interrupted("the server fell silent") from None
    except (OSError, http.client.HTTPException):
        raise _Interrupted("the connection was cut") from None


def _start_anew(part: Path) -> None:
    """Make the next attempt start from the beginning."""
    _validator_file(part).unlink(missing_ok=True)


def _stored_validator(part: Path) -> str:
    """Return what identifies the content that a part is of, empty if nothing does; a crash may have garbled it."""
    try:
        text = _validator_file(part).read_text("ascii")
    except (FileNotFoundError, UnicodeError):
        return ""
    return text if text.isprintable() else ""


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _too_long(url: str, limit: int) -> CorpusError:
    return CorpusError(f"{url}: the answer is longer than {limit:,} bytes, so it is not the text of the catalogue; "
                       "look at the address in a browser")


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Yield a part, open at its end and no other process's; where this fails before anything has come, none is left."""
    with part.open("ab") as file:
        _lock(file, part)
        try:
            yield file
        except BaseException:
            if not os.fstat(file.fileno()).st_size:
                file.close()  # an open file cannot be removed on every system
                discard(part)
            raise


def _lock(file: BinaryIO, part: Path) -> None:
    """Keep other processes from the part; the lock ends with the file's closing."""
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CorpusError(f"{printable(part)} is being written by another process; wait for it to end") from None
    except OSError:  # a file system without locks
        return
