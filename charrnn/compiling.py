"""Compiling in two processes at once: on a first run, a second one compiles the backward pass beside all the rest.

Numba holds a lock while it compiles, so threads would take turns. The second process has a cache of its own, from which
its machine code is moved into that of this one: where two processes write to one cache at the same time, an index can
end up naming another's file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from charrnn.config import ModelConfig
from charrnn.kernels.jit import CACHE_FOLDER
from charrnn.model import initial_parameters
from charrnn.network import Network
from charrnn.threads import available_threads

#: The second process takes this one's path, not the folder it is started in, where anybody's files may lie.
_PROGRAM = """
import sys
sys.path[:] = {path!r}
from charrnn.compiling import compile_backward, leave_with_the_first
leave_with_the_first({folder!r})
compile_backward{args!r}
"""


@contextlib.contextmanager
def backward_compiled_beside(cell: str, precision: str, ids: np.dtype) -> Iterator[None]:
    """Compile a cell's backward pass while the context's body runs; at its end it is in the cache.

    Where that is impossible, for want of a second core or of a cache, or fails, or where there is such a pass for
    another precision already, nothing is done: what is missing is compiled when it is needed.

    Parameters
    ----------
    ids : dtype of the text.
    """
    pattern = f"*backward_pass_{cell}-*"
    beside = None
    with contextlib.suppress(OSError):  # a cache that is full or has been removed
        if CACHE_FOLDER is not None and available_threads() >= 2 and not any(Path(CACHE_FOLDER).glob(f"*/{pattern}")):
            beside = tempfile.TemporaryDirectory(prefix="beside-", dir=CACHE_FOLDER, ignore_cleanup_errors=True)
    if CACHE_FOLDER is None or beside is None:
        yield
        return
    with beside as folder:
        second = _start(cell, precision, ids, folder)
        try:
            yield
            if second:
                second.wait()
        finally:
            if second:
                second.kill()  # nothing happens to one that has ended
                second.communicate()
        with contextlib.suppress(OSError):
            for path in sorted(Path(folder).rglob(pattern), key=lambda path: path.suffix == ".nbi"):  # an index last
                target = Path(CACHE_FOLDER) / path.parent.name
                target.mkdir(exist_ok=True)
                path.replace(target / path.name)


def _start(cell: str, precision: str, ids: np.dtype, folder: str) -> subprocess.Popen[bytes] | None:
    program = _PROGRAM.format(path=sys.path, args=(cell, precision, ids.name), folder=folder)
    try:
        return subprocess.Popen([sys.executable, "-c", program], env=os.environ | {"CHARRNN_CACHE": folder},
                                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return None


def leave_with_the_first(folder: str) -> None:
    """End this process, and remove the folder, when the one that started it has ended, however it did.

    Its standard input is a pipe from there, on which nothing is ever written: it ends with that process.
    """
    def wait() -> None:
        os.read(0, 1)
        while Path(folder).exists():  # another thread may still be writing there
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)
    threading.Thread(target=wait, daemon=True).start()


def compile_backward(cell: str, precision: str, ids: str) -> None:
    """Compile a cell's backward pass, and little else, with the types that training has."""
    config = ModelConfig(vocab_size=16, cell=cell, hidden_size=16, num_layers=2)
    network = _BackwardAlone(config, initial_parameters(config, 0), batch_size=1, seq_len=1, precision=precision,
                             training=True)
    characters = np.zeros((1, 1), ids)
    network.loss_and_gradient(characters, characters)


class _BackwardAlone(Network):
    """A network that goes back without having gone forward: what it finds means nothing."""

    def pack(self) -> None:
        """Leave the packed weights empty."""
        self._forward = lambda *_: None
