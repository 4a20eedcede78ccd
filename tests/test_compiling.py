"""The backward pass is compiled by a second process, whose machine code training then finds in the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.threads import available_threads

#: Trains for two steps in a new process and prints what it compiled, without what only other kernels call.
PROGRAM = """
import json, sys
import charrnn, charrnn.kernels.jit  # which sets Numba up, so it comes first
import numba.core.event

class Compiled(numba.core.event.Listener):
    depth, names = 0, []

    def on_start(self, event):
        if not self.depth:
            self.names.append(event.data["dispatcher"].py_func.__qualname__)
        self.depth += 1

    def on_end(self, event):
        self.depth -= 1

if sys.argv[1] == "alone":
    sys.executable = ""
with numba.core.event.install_listener("numba:compile", Compiled()):
    events = [event.to_json() for event in charrnn.train(
        text="to be or not to be " * 40, out="run", cell="rnn", hidden_size=16, num_layers=2, batch_size=2, seq_len=8,
        max_steps=2, precision="f32", val_fraction=0)]
losses = [event["loss"] for event in events if event["event"] == "step"]
print(json.dumps({"compiled": Compiled.names, "losses": losses}))
"""


def trained(folder: Path, how: str) -> dict[str, list]:
    """Train with an empty cache."""
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], cwd=folder, text=True, timeout=300, capture_output=True,
                          env=os.environ | {"CHARRNN_CACHE": str(folder / "cache")})
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(available_threads() < 2, reason="needs a second core")
def test_the_second_process_compiles_the_backward_pass(tmp_path: Path) -> None:
    beside, alone = (trained(tmp_path / how, how) for how in ("beside", "alone"))
    assert "forward_pass_rnn" in beside["compiled"] and "backward_pass_rnn" not in beside["compiled"]
    assert "backward_pass_rnn" in alone["compiled"]  # without a second process, it is compiled where it is needed
    assert beside["losses"] == alone["losses"] and len(alone["losses"]) == 2
    assert not list((tmp_path / "beside" / "cache").rglob("beside-*"))
