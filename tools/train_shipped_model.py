"""Trains the model that comes with the package, and puts it into its place; takes some minutes on two idle cores.

    python tools/train_shipped_model.py

The text is the built-in corpus `python-docs`, which differs a little from one Python to the next, so run this with the
Python that the present model names: `charrnn info python-docs` shows the number of characters and all settings.
`python tools/inspect_shipped_model.py` is to follow.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from charrnn.__main__ import main
from charrnn.checkpoint import encode_checkpoint, load_checkpoint
from charrnn.run_folder import SHIPPED

NAME = "python-docs"
MAX_BYTES = 2_000_000
MAX_STEPS = 200  # of the history; on a slow machine a run tells of thousands
SETTINGS = ("--cell lstm --num-layers 1 --hidden-size 280 --embedding-size 0 --dropout 0.4 --recurrent-dropout 0.2 "
            "--batch-size 32 --seq-len 64 --optimizer adamw --lr 5e-3 --max-steps 6000 --eval-every 500 --average 0.1 "
            "--garble 0 --seed 0")


def run() -> int:
    """Train, check the size, and replace the model."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that no path of this machine gets into the model's history
        code = main(["train", NAME, "--out", NAME, *SETTINGS.split()])
        if code:
            return code
        best = load_checkpoint(Path(folder, NAME, "best.safetensors"))
    data = encode_checkpoint(replace(best, history=_shortened(best.history)))
    if len(data) > MAX_BYTES:
        sys.stderr.write(f"not replaced: {len(data):,} bytes are more than {MAX_BYTES:,}\n")
        return 1
    target = SHIPPED.resolve() / NAME / "best.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    sys.stderr.write(f"replaced: {target}\n")
    return 0


def _shortened(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a history with few of its steps, evenly chosen, and all other events."""
    steps = [event for event in history if event["event"] == "step"]
    every = -(-len(steps) // MAX_STEPS)
    left_out = {id(event) for i, event in enumerate(steps) if i % every}
    return [event for event in history if id(event) not in left_out]


if __name__ == "__main__":
    sys.exit(run())
