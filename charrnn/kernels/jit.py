"""How every kernel is compiled: one set of flags, one cache that cannot go stale, one way to specialise.

Numba's own cache looks at the file a function stands in, not at the files of the functions it calls, so an edit to a
helper could bring back old machine code. Here the cache folder's name holds a hash over all sources that kernels are
made of.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

# LLVM's third level of optimisation takes longer than the second, and training steps are no faster for it (see
# benchmarks/README.md). Numba reads this when it is first imported.
os.environ.setdefault("NUMBA_OPT", "2")

import numba
import numba.core.config
import numba.core.event

#: LLVM may contract, reassociate and approximate; it may not assume that NaN and infinity never occur, since the checks
#: for a diverged run rest on seeing them.
FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

_PACKAGE = Path(__file__).parent.parent


def _sources() -> list[Path]:
    return [path for folder in ("kernels", "cells") for path in sorted((_PACKAGE / folder).glob("*.py"))]


def _source_hash() -> str:
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(f"{numba.__version__} {sys.version}".encode())
    return digest.hexdigest()[:16]


def _user_cache() -> Path:
    if "CHARRNN_CACHE" in os.environ:
        return Path(os.environ["CHARRNN_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "charrnn"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "charrnn"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "charrnn"


def _cache_folder() -> str | None:
    """Return the folder for compiled kernels, made if need be, or None where nothing can be written."""
    try:
        folder = _user_cache() / _source_hash()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError):  # RuntimeError: no home folder is known
        return None


CACHE_FOLDER = _cache_folder()
_CPU = "".join(os.environ.get(name, "") for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"))


def jit(function: Callable[..., Any] | None = None, *, inner: bool = False, **options: Any) -> Any:
    """Compile a kernel with the project's flags: no Python objects, no lock held, kept in the cache across runs.

    What only other kernels call, `inner` or by a name that starts with an underscore, gets no wrapper for Python, which
    for arguments of many arrays takes longer to compile than the kernel.
    """
    if function is None:
        return lambda function: jit(function, inner=inner, **options)
    compiler: Any = numba.njit
    return _with_cache_folder(lambda: compiler(
        function, fastmath=FASTMATH, nogil=True, error_model="numpy", no_cfunc_wrapper=True,
        no_cpython_wrapper=inner or function.__name__.startswith("_"),
        cache=CACHE_FOLDER is not None and not options.get("inline"), **options))


def _with_cache_folder(compile_: Callable[[], Any]) -> Any:
    # The one setting by which Numba takes a cache folder; it is read when a function is decorated, and put back.
    settings: Any = numba.core.config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = CACHE_FOLDER or before
    try:
        return compile_()
    finally:
        settings.CACHE_DIR = before


def specialise(template: Callable[..., Any], name: str, **functions: Any) -> Any:
    """Compile `template` with some of its global names bound to other functions.

    The sweep over time is written once and calls `cell_forward` and `cell_backward`, which this binds to a cell's own.
    Passing them as arguments or in a closure would compile as well, but Numba cannot cache either across processes.
    """
    return jit(_bind(template, name, functions))


def _bind(template: Callable[..., Any], name: str, names: dict[str, Any]) -> FunctionType:
    assert isinstance(template, FunctionType)
    bound = FunctionType(template.__code__, {**template.__globals__, **names}, template.__name__)
    bound.__qualname__ = f"{template.__qualname__}_{name}"  # the cache tells specialisations apart by this name
    bound.__module__ = template.__module__
    bound.__doc__ = template.__doc__
    return bound


class _Compilations(numba.core.event.Listener):
    """Calls a function when the first compilation begins; what comes from the cache is none."""

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun: Callable[[], None] | None = begun

    def on_start(self, event: Any) -> None:
        begun, self._begun = self._begun, None
        if begun:
            begun()

    def on_end(self, event: Any) -> None:
        pass


@contextlib.contextmanager
def noticing_compilation(begun: Callable[[], None]) -> Iterator[None]:
    """Call `begun`, once, if something has to be compiled within the context, before it is."""
    with numba.core.event.install_listener("numba:compile", _Compilations(begun)):
        yield


def compile_c(template: Callable[..., Any], name: str, signature: Any, **globals_: Any) -> Any:
    """Compile `template`, specialised, to a function that machine code can call by its address."""
    return _with_cache_folder(lambda: numba.cfunc(signature, cache=CACHE_FOLDER is not None, fastmath=FASTMATH,
                                                  error_model="numpy")(_bind(template, name, globals_)))


def is_compiled(task: str) -> bool:
    """Tell whether everything that `task` needs was compiled by an earlier process and is in the cache."""
    return CACHE_FOLDER is not None and _mark(CACHE_FOLDER, task).exists()


def mark_compiled(task: str) -> None:
    """Note that everything `task` needs is in the cache."""
    if CACHE_FOLDER is not None:
        with contextlib.suppress(OSError):
            _mark(CACHE_FOLDER, task).touch()


def _mark(folder: str, task: str) -> Path:
    """Return the file that stands for `task` being compiled from these very sources.

    Numba takes no machine code of files in another place, or that were written since, though all are the same: after
    another installation everything is compiled again.
    """
    installed = f"{_PACKAGE} {[path.stat().st_mtime_ns for path in _sources()]}"
    return Path(folder) / f"{task}{_CPU}-{hashlib.sha256(installed.encode()).hexdigest()[:16]}.done"
