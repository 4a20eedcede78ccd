"""Corpora that every Python installation carries, so that training works at once and without a network.

Both change a little from one Python version to the next.
"""

from __future__ import annotations

import importlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from charrnn.errors import CorpusError
from charrnn.storage import printable

#: The built-in corpora: name and description. The first one is what `charrnn train` reads when no corpus is named.
BUILTIN = {
    "python-docs": "the Python language reference: half a megabyte of technical English prose",
    "python-source": "the source code of Python's standard library: about ten megabytes",
}
DEFAULT_BUILTIN = next(iter(BUILTIN))

#: Where `python-source` stops, in characters: some distributions put far more than the library beside it.
MAX_SOURCE_CHARACTERS = 64 * 2**20

_NO_LIBRARY = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "ensurepip", "pydoc_data"}


def read_builtin(name: str) -> Iterator[str]:
    """Yield a built-in corpus in pieces, the same ones in the same order with the same Python.

    Parameters
    ----------
    name : one of `BUILTIN`.

    Raises
    ------
    CorpusError : there is no such corpus, or this installation was stripped of it.
    """
    if name == "python-docs":
        return _python_docs()
    if name == "python-source":
        return _python_source(Path(sysconfig.get_paths()["stdlib"]))
    raise CorpusError(f"there is no built-in corpus {printable(repr(name))}; there are {', '.join(BUILTIN)}")


def _python_docs() -> Iterator[str]:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError):
        raise CorpusError("this Python lacks pydoc_data.topics, the text of the built-in corpus python-docs; "
                          "name a text file, or install Python's full standard library") from None
    for topic in sorted(topics):
        yield topics[topic].strip() + "\n\n\n"


def _python_source(library: Path) -> Iterator[str]:
    room = MAX_SOURCE_CHARACTERS
    found = False
    for folder, subfolders, files in os.walk(library):
        subfolders[:] = sorted(name for name in subfolders if name not in _NO_LIBRARY and not name.startswith("."))
        for file in sorted(files):
            if not file.endswith(".py"):
                continue
            try:
                text = Path(folder, file).read_text(encoding="utf-8")
            except (OSError, UnicodeError):  # the few files in an older encoding are not worth decoding
                continue
            if len(text) > room:
                return
            room -= len(text)
            if text.strip():
                found = True
                yield text.rstrip() + "\n\n\n"
    if not found:
        raise CorpusError(f"this Python has no source files in {printable(library)}, from which the built-in corpus "
                          "python-source is read; name a text file, or install Python's full standard library")
