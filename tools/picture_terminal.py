"""Pictures of a terminal for the README and docs/how-it-works.md, with whatever charrnn shows now.

    python tools/picture_terminal.py CHECKPOINTS

CHECKPOINTS is a folder with the run `linux` that docs/reading-cells.md describes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from terminal import session

DOCS = Path(__file__).resolve().parent.parent / "docs"

SESSION = ("charrnn sample checkpoints/linux --prime 'static int ' --length 205 --temperature 0.5 --seed 2 --color",
           "charrnn inspect-cells checkpoints/linux --sample --prime 'static int ' --length 440 --temperature 0.5 "
           "--seed 2 --cell 0:194")
FLOW = ("charrnn gradient-flow --cell rnn --cell lstm --cell gru --num-layers 1",)

if __name__ == "__main__":
    checkpoints = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that no path of this machine gets into a picture
        Path("checkpoints").symlink_to(checkpoints)
        (DOCS / "terminal.svg").write_text(session(SESSION, 125), encoding="utf-8")
        (DOCS / "gradient-flow-terminal.svg").write_text(session(FLOW), encoding="utf-8")
