"""Files written so that nothing is lost: the new content is on disk, whole, before the old one is let go.

A file is written beside its destination, under a temporary name that no other process has; flushed to the disk; read
back; and renamed over the destination, whose folder is flushed in turn. A crash at any moment leaves the old content or
the new one, never a mixture, and at worst a temporary file, which `sweep_temps` removes later.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from charrnn.errors import CheckpointError

if sys.platform != "win32":
    import fcntl

_BLOCK = 2**20
_TEMP_NAME = re.compile(r"\..+\.\d+-[0-9a-f]{8}\.charrnn-tmp", re.DOTALL)

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EFBIG: "it is larger than files may be here; see `ulimit -f`",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission denied; choose another folder or change its permissions",
    errno.EPERM: "permission denied; choose another folder or change its permissions",
    errno.ENOENT: "its folder does not exist (any more); create it again",
    errno.ENOTDIR: "a part of its path is a file, not a folder; choose another folder",
    errno.EISDIR: "a folder stands in its place; move it away",
    errno.EMFILE: "too many files are open; see `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine; close some programs",
    errno.EIO: "the disk reports an error; check it, and choose another one",
}


def printable(text: str | os.PathLike[str], limit: int = 1000) -> str:
    """Return a text on one line, safe to show: control characters and broken code points escaped, the rest cut off."""
    shown = os.fspath(text)
    if len(shown) > limit:
        shown = shown[:limit] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


def storage_error(path: str | os.PathLike[str], error: OSError, problem: str = "cannot be written") -> CheckpointError:
    """Return an operating system's error as a message that says what cannot be done, why, and what helps."""
    reason = _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)
    return CheckpointError(f"{printable(path)} {problem}: {reason}")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file's content; afterwards it is on disk, whole, and an error leaves the old content as it was.

    Raises
    ------
    CheckpointError : the content could not be written, flushed, or read back as it was written.
    """
    try:
        with _temporary(path) as (temp, fd):
            try:
                _write_all(fd, data)
                os.fsync(fd)
                _verify(fd, data)
            finally:
                os.close(fd)
            temp.replace(path)
        _fsync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from None


def is_marked(path: Path, *marks: bytes) -> bool:
    """Tell whether a regular file has one of `marks` near its beginning; raise `CheckpointError` if none can tell."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            beginning = file.read(1000)
    except OSError as error:
        raise storage_error(path, error, "cannot be read") from None
    return any(mark in beginning for mark in marks)


def check_output(path: str | os.PathLike[str], *marks: bytes) -> None:
    """Refuse a place for a result before time is spent on it: one without a folder, or with somebody's file in it.

    Parameters
    ----------
    marks : what earlier results of this kind have near their beginning; they may be replaced. So may an empty file,
        and what is no regular file, such as a pipe, takes anything.

    Raises
    ------
    CheckpointError : the folder does not exist, or another file is there.
    """
    place = Path(path)
    if not place.parent.is_dir():
        raise CheckpointError(f"{printable(path)} cannot be written: its folder does not exist; create it, or choose "
                              "another one")
    if place.is_file() and place.stat().st_size and not is_marked(place, *marks):
        raise CheckpointError(f"{printable(path)} is in the way, and charrnn did not write it; move it, or choose "
                              "another file")


def check_writable(folder: Path) -> None:
    """Try out that files can be written, flushed and removed in a folder; raise `CheckpointError` if not."""
    try:
        with _temporary(folder / "trial") as (_, fd):
            try:
                _write_all(fd, bytes(4096))
                os.fsync(fd)
            finally:
                os.close(fd)
    except OSError as error:
        raise storage_error(folder, error, "cannot be written to") from None


def sweep_temps(folder: Path) -> None:
    """Remove the temporary files that processes which are dead now left in a folder.

    A writer holds a lock on its temporary file, which the system lets go when the process dies. Unlike a process id
    that tells the truth in containers too, where every run has the same id. Where there are no locks the file stays.
    """
    try:
        leftovers = [entry for entry in folder.iterdir() if _TEMP_NAME.fullmatch(entry.name)]
    except OSError as error:
        raise storage_error(folder, error, "cannot be read") from None
    for temp in leftovers:
        with contextlib.suppress(OSError):
            if stat.S_ISREG(temp.lstat().st_mode) and _is_abandoned(temp):
                temp.unlink()


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a new file beside `path` and its descriptor, which the caller closes; whatever is left of it goes."""
    temp = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.charrnn-tmp")
    # 0o666 leaves the mode to the umask; tempfile would make the file readable by its owner alone.
    fd = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        if sys.platform != "win32":
            with contextlib.suppress(OSError):  # a file system without locks: the file is only not swept
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield temp, fd
    finally:
        with contextlib.suppress(OSError):  # renamed by now, or its folder is gone
            temp.unlink()


def _is_abandoned(temp: Path) -> bool:
    if sys.platform == "win32":
        return True  # a file that is open cannot be removed there
    fd = os.open(temp, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)
    return True


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:  # one call may write a part only, as at a file size limit, and say nothing
        rest = rest[os.write(fd, rest):]


def _verify(fd: int, data: bytes) -> None:
    """Raise an EIO error unless the file holds exactly `data`."""
    os.lseek(fd, 0, os.SEEK_SET)
    position = 0
    while block := os.read(fd, _BLOCK):
        if block != data[position:position + len(block)]:
            break
        position += len(block)
    if position != len(data):
        raise OSError(errno.EIO, "the file reads back differently from what was written")


def _fsync_folder(folder: Path) -> None:
    """Flush a folder's list of names; where the system cannot do that for folders, nothing happens."""
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)
