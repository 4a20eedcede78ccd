"""A model that a command works with, and word about the wait when its kernels have to be compiled first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charrnn.console.reports import compiling
from charrnn.console.stdio import say
from charrnn.kernels.jit import noticing_compilation
from charrnn.language_model import LanguageModel, load
from charrnn.run_folder import find_checkpoint, is_shipped


def model_line(path: Path) -> str:
    """Return words for the model that was taken since none was named."""
    own = "which comes with charrnn; `charrnn train` makes one of your own"
    return f"model: {model_name(path)}, {own}" if is_shipped(path) else f"model: {path}"


def model_name(path: Path) -> str:
    """Return what CHECKPOINT may be to mean a model: its path, or the name of one that comes with charrnn."""
    return path.parent.name if is_shipped(path) else str(path)


@contextmanager
def loaded(argument: str | None, threads: int | None) -> Iterator[tuple[Path, LanguageModel]]:
    """Yield a checkpoint's path and its model.

    Parameters
    ----------
    argument : the CHECKPOINT of the command line.
    threads : CPU threads (None: all that the process may use).
    """
    path = find_checkpoint(argument)
    with noticing_compilation(lambda: say(compiling(None))):
        yield path, load(path, threads)
