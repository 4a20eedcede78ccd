"""Trains the model that comes with the package, and puts it into its place; takes about three minutes on two cores.

    python tools/train_shipped_model.py

The text is the built-in corpus `python-docs`, which differs a little from one Python to the next, so run this with the
Python that the present model names: `charrnn info python-docs` shows the number of characters and all settings.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from charrnn.__main__ import main
from charrnn.run_folder import SHIPPED

NAME = "python-docs"
MAX_BYTES = 2_000_000
SETTINGS = "--cell lstm --hidden-size 256 --num-layers 1 --max-steps 3200 --seed 0"


def run() -> int:
    """Train, check the size, and replace the model."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that no path of this machine gets into the model's history
        code = main(["train", NAME, "--out", NAME, *SETTINGS.split()])
        best = Path(folder, NAME, "best.safetensors")
        if code or best.stat().st_size > MAX_BYTES:
            sys.stderr.write(f"not replaced: exit code {code}, or larger than {MAX_BYTES:,} bytes\n")
            return 1
        target = SHIPPED.resolve() / NAME / best.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(best, target)
    sys.stderr.write(f"replaced: {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(run())
