"""The backward pass is compiled by a second process, whose machine code training then finds in the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import charrnn.compiling
from charrnn.threads import available_threads
from tests.compilations import LISTENER

#: Trains for two steps in a new process and prints what it compiled, without what only other kernels call.
PROGRAM = LISTENER + """
import sys
import charrnn

if sys.argv[1] == "alone":
    sys.executable = ""
with numba.core.event.install_listener("numba:compile", Compiled()):
    events = [event.to_json() for event in charrnn.train(
        text="to be or not to be " * 40, out="run", cell="rnn", hidden_size=16, num_layers=2, batch_size=2, seq_len=8,
        max_steps=2, precision="f32", val_fraction=0)]
losses = [event["loss"] for event in events if event["event"] == "step"]
print(json.dumps({"compiled": Compiled.names, "losses": losses}))
"""


needs_two_cores = pytest.mark.skipif(available_threads() < 2, reason="needs a second core")


def trained(folder: Path, how: str) -> dict[str, list]:
    """Train with an empty cache."""
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], cwd=folder, text=True, timeout=300, capture_output=True,
                          env=os.environ | {"CHARRNN_CACHE": str(folder / "cache")})
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@needs_two_cores
def test_the_second_process_compiles_the_backward_pass(tmp_path: Path) -> None:
    beside, alone = (trained(tmp_path / how, how) for how in ("beside", "alone"))
    assert "forward_pass_rnn" in beside["compiled"] and "backward_pass_rnn" not in beside["compiled"]
    assert "backward_pass_rnn" in alone["compiled"]  # without a second process, it is compiled where it is needed
    assert beside["losses"] == alone["losses"] and len(alone["losses"]) == 2
    assert not list((tmp_path / "beside" / "cache").rglob("beside-*"))


@needs_two_cores
def test_a_process_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "beside"], cwd=tmp_path, stdout=subprocess.DEVNULL,
                          env=os.environ | {"CHARRNN_CACHE": str(tmp_path / "cache")}) as first:
        begun = comes_true(lambda: any(name.endswith(".nbi") for _, names in of_the_second(tmp_path) for name in names))
        first.kill()
    assert begun, "the second process compiled nothing"
    assert comes_true(lambda: not of_the_second(tmp_path)), of_the_second(tmp_path)


def of_the_second(folder: Path) -> list[tuple[str, list[str]]]:
    """Return the folders that the second process has, and the files in them, also while they go."""
    return [(path, names) for path, _, names in os.walk(folder) if "beside-" in path]


def comes_true(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, at most two minutes, and tell whether it came true."""
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_cache_that_has_gone_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.compiling, "CACHE_FOLDER", str(tmp_path / "gone"))
    monkeypatch.setattr(charrnn.compiling, "available_threads", lambda: 2)
    happened = []
    with charrnn.compiling.backward_compiled_beside("rnn", "f32", np.dtype(np.uint8)):
        happened.append("the body")
    assert happened and not list(tmp_path.iterdir())
