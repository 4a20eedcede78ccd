"""The report of runs that are on disk already: what `charrnn report` does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from charrnn.errors import CheckpointError
from charrnn.page.report import report_page
from charrnn.run_folder import RunFolder, find_checkpoint, is_page, is_shipped
from charrnn.run_history import RunHistory, read_history
from charrnn.storage import printable, write_atomically


def write_report(runs: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] | None) -> tuple[Path, int]:
    """Write a page on runs, and return its path and its size in bytes.

    Parameters
    ----------
    runs : run folders or checkpoints in them; none: the newest run, or else the one that comes with the package.
    out : the page (None: `report.html`, in the folder of a single run that is the user's own, or else here).

    Raises
    ------
    CheckpointError : there is no such run, it left nothing to draw, or another file is in the page's place.
    """
    folders = [_folder(os.fspath(run)) for run in runs] or [RunFolder(find_checkpoint(None).parent)]
    histories = [_history(folder, name) for folder, name in zip(folders, _names(folders))]
    own = folders[0].report if len(folders) == 1 and not is_shipped(folders[0].best) else Path("report.html")
    path = own if out is None else Path(out)
    if os.path.lexists(path) and not is_page(path):
        raise CheckpointError(f"{printable(path)} is in the way, and charrnn did not write it; move it, or choose "
                              "another file with --out")
    page = report_page(histories).encode()
    write_atomically(path, page)
    return path, len(page)


def _folder(run: str) -> RunFolder:
    """Return the folder that a user means; one without checkpoints is fine, while its run has only begun."""
    path = Path(run)
    return RunFolder(path) if path.is_dir() else RunFolder(find_checkpoint(run).parent)


def _history(folder: RunFolder, name: str) -> RunHistory:
    history = read_history(folder, name)
    if not len(history.steps) and not len(history.evaluations):
        raise CheckpointError(f"{printable(folder.path)} holds no run with a step in it; give the folder of a run")
    return history


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """Return the folders' names, or where two are the same, their paths."""
    names = [folder.path.resolve().name for folder in folders]
    return [str(folder.path) if names.count(name) > 1 else name for folder, name in zip(folders, names)]
