"""The folder of a training run: what is in it, who may write to it, and how it is found again.

A run folder holds `best.safetensors`, `last.safetensors`, `metrics.jsonl`, `account.jsonl` and `report.html`, and the
lock that keeps a second trainer out. Whoever only reads needs no lock, since checkpoints are replaced whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from charrnn.checkpoint import is_checkpoint
from charrnn.errors import CheckpointError
from charrnn.event_log import append_events, is_foreign, truncate_events
from charrnn.storage import check_writable, is_marked, printable, storage_error, sweep_temps

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

ROOT = Path("checkpoints")

#: The runs that come with the package, and the one of them that stands in where there is no other.
SHIPPED = Path(__file__).with_name("checkpoints")
DEFAULT_SHIPPED = "python-docs"

#: The event files in `RunFolder.tensorboard`.
EVENT_FILES = "events.out.tfevents.*.charrnn"

#: What a page that charrnn wrote has near its beginning.
PAGE_MARK = b'<meta name="generator" content="charrnn">'

_LOCK_BYTE = 2**30  # where Windows locks: beyond the text, which others could not read otherwise
_LONGEST_NAME = 60
_CORPUS_SUFFIXES = (".gz", ".txt")


class RunFolder:
    """A folder that holds, or is to hold, one training run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._locked = False

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest validation loss."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The newest checkpoint, with what training needs to go on."""
        return self.path / "last.safetensors"

    @property
    def metrics(self) -> Path:
        """The run's events, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def account(self) -> Path:
        """What the metrics leave out, one JSON object a line: how the run was started, and samples."""
        return self.path / "account.jsonl"

    @property
    def report(self) -> Path:
        """A page that shows the run."""
        return self.path / "report.html"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files, where such were asked for."""
        return self.path / "tensorboard"

    def holds_run(self) -> bool:
        """Tell whether a run has left anything here."""
        return any(os.path.lexists(path) for path in (self.best, self.last, self.metrics))

    def checkpoint(self) -> Path | None:
        """Return the best checkpoint, or else the last, or None."""
        return next((path for path in (self.best, self.last) if path.is_file()), None)

    def last_saved(self) -> Path:
        """Return the checkpoint to go on from; raise `CheckpointError` where there is none."""
        if not self.last.exists():
            what = "ended before it was first saved: start it again with --overwrite" if self.metrics.exists() else \
                "is not there: leave --resume out to start it"
            raise CheckpointError(f"the run in {printable(self.path)} {what}")
        return self.last

    def create(self, *, overwrite: bool) -> None:
        """Make the folder, and empty it for a new run.

        Parameters
        ----------
        overwrite : remove the run that is there; files that charrnn did not write are never removed.

        Raises
        ------
        CheckpointError : the folder holds a run (without `overwrite`) or foreign files under a run's names, is in use,
            or cannot be written to.
        """
        with self.lock():
            if self.holds_run() and not overwrite:
                raise CheckpointError(f"{printable(self.path)} already holds a run; continue it with --resume, replace "
                                      "it with --overwrite, or choose another folder with --out")
            self._refuse_foreign_files()
            more = [self.report] if is_page(self.report) else []
            more += sorted(self.tensorboard.glob(EVENT_FILES))
            for path in (self.last, self.best, self.metrics, self.account, *more):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise storage_error(path, error, "cannot be removed") from None

    @contextlib.contextmanager
    def lock(self) -> Iterator[bool]:
        """Keep other trainers out of the folder, which is made if need be, for as long as the context lasts.

        At the start it is tried out that the folder can be written to, and what crashes left there is swept away.

        The system releases the lock when the process dies, so a crash leaves nothing that blocks. The lock file itself
        stays: removing it could let two processes hold locks on two files of one name. A context within another of the
        same object does nothing. On a file system without locks the context yields False and keeps nobody out.

        Raises
        ------
        CheckpointError : another process holds the lock, or the folder cannot be made or written to.
        """
        if self._locked:
            yield True
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path / ".charrnn.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except FileExistsError as error:
            path = printable(error.filename or self.path)
            raise CheckpointError(f"{path} is a file, not a folder; choose another --out") from None
        except OSError as error:
            raise storage_error(self.path, error, "cannot be used as a run folder") from None
        try:
            try:
                _lock(fd)
                self._locked = True
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise CheckpointError(f"{printable(self.path)} is in use by {_holder(fd)}; wait for it to end, or "
                                          "choose another folder with --out") from None
            if self._locked:
                with contextlib.suppress(OSError):  # a full disk: the lock only goes without its holder's name
                    os.ftruncate(fd, 0)
                    os.write(fd, json.dumps({"host": socket.gethostname(), "pid": os.getpid()}).encode())
            check_writable(self.path)
            sweep_temps(self.path)
            yield self._locked
        finally:
            self._locked = False
            os.close(fd)

    def append_metrics(self, *events: dict[str, Any]) -> None:
        """Append events to the metrics, a whole line each or nothing; raise `CheckpointError` if that fails."""
        append_events(self.metrics, *events)

    def append_account(self, *events: dict[str, Any]) -> None:
        """Append events to the account, likewise."""
        append_events(self.account, *events)

    def truncate_events(self, step: int) -> None:
        """Drop the events after a step that training goes on from, and a last line that was left unfinished."""
        for path in (self.metrics, self.account):
            truncate_events(path, step)

    def _refuse_foreign_files(self) -> None:
        for path in (self.best, self.last):
            if os.path.lexists(path) and not is_checkpoint(path):
                raise _foreign(path)
        for path in (self.metrics, self.account):
            if is_foreign(path):
                raise _foreign(path)


def default_run_folder(sources: Sequence[str], root: Path = ROOT) -> Path:
    """Return a folder for a run on these corpora: named after them, with a number if that name has a run already."""
    name = _corpus_name(sources[0]) if sources else "builtin"
    if len(sources) > 1:
        name += f"-and-{len(sources) - 1}-more"
    folder, number = root / name, 1
    while RunFolder(folder).holds_run() or (os.path.lexists(folder) and not folder.is_dir()):
        number += 1
        folder = root / f"{name}-{number}"
    return folder


def find_checkpoint(argument: str | None, root: Path = ROOT) -> Path:
    """Return the checkpoint that a user means.

    Parameters
    ----------
    argument : a checkpoint file; or a run folder (its best checkpoint, or else its last); or, where there is no such
        file, the name of a model that comes with the package; or None (the newest run's, and where there is no run,
        that of the package).
    root : where runs are kept.

    Raises
    ------
    CheckpointError : there is none.
    """
    try:
        if argument is None:
            return _newest(root) or _shipped(DEFAULT_SHIPPED) or _no_model(root)
        path = Path(argument)
        if argument and path.is_dir():
            found = RunFolder(path).checkpoint()
            if found is None:
                raise CheckpointError(f"{printable(argument)} holds no best.safetensors and no last.safetensors; give "
                                      "a checkpoint file or the folder of a run")
            return found
        if not argument or not path.exists():
            shipped = _shipped(argument)
            if shipped:
                return shipped
            hint = f"did you mean {printable(root / argument)}?" if argument and (root / argument).exists() else \
                "give a checkpoint file or the folder of a run, or train a model first"
            raise CheckpointError(f"{printable(argument) or 'an empty path'} does not exist; {hint}")
        return path
    except OSError as error:
        raise storage_error(argument or root, error, "cannot be read") from None


def is_page(path: Path) -> bool:
    """Tell whether a file is a page that charrnn wrote; raise `CheckpointError` if it cannot be read."""
    return is_marked(path, PAGE_MARK)


def is_shipped(checkpoint: Path) -> bool:
    """Tell whether a checkpoint came with the package."""
    return checkpoint.is_relative_to(SHIPPED)


def _shipped(name: str) -> Path | None:
    """Return the checkpoint that comes with the package under a name, if there is one."""
    known = name and name == Path(name).name and (SHIPPED / name).is_dir()
    return RunFolder(SHIPPED / name).checkpoint() if known else None


def _no_model(root: Path) -> NoReturn:
    raise CheckpointError(f"there is no trained model under {printable(root)}; run `charrnn train`, or give a "
                          "checkpoint file")


def _newest(root: Path) -> Path | None:
    """Return the checkpoint of the run that wrote one last, if there is one."""
    runs: list[tuple[float, str, Path]] = []
    for folder in root.iterdir() if root.is_dir() else ():
        with contextlib.suppress(OSError):  # a run that vanishes meanwhile, or is not ours to read
            run = RunFolder(folder)
            found = run.checkpoint()
            if found:
                runs.append((max(path.stat().st_mtime for path in (run.best, run.last) if path.exists()), folder.name,
                             found))
    return max(runs)[2] if runs else None


def _corpus_name(source: str) -> str:
    """Return a corpus's name as a folder's name: letters, digits and `._-`, the suffixes of texts left out."""
    name = "stdin" if source == "-" else Path(source).name
    if name in ("", ".."):
        name = Path(source).resolve().name
    for suffix in _CORPUS_SUFFIXES:
        name = name.removesuffix(suffix)
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name)
    return safe.strip("._-")[:_LONGEST_NAME] or "run"


def _lock(fd: int) -> None:
    """Take the lock of an open file without waiting; it ends with the file's closing."""
    if sys.platform == "win32":
        os.lseek(fd, _LOCK_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(fd: int) -> str:
    """Return words for the process that holds the lock of an open file."""
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        holder = json.loads(os.read(fd, 1000))
        return printable(f"process {holder['pid']} on {holder['host']}", 200)
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"


def _foreign(path: Path) -> CheckpointError:
    return CheckpointError(f"{printable(path)} is in the way, and charrnn did not write it; move it, or choose another "
                           "folder with --out")
