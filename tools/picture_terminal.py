"""Pictures of a terminal for the README and docs/, with whatever charrnn shows now.

    python tools/picture_terminal.py

For the README a small net learns the corpus `brackets` first, as docs/tutorial.md says; that takes some minutes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from terminal import session

from charrnn.__main__ import main

DOCS = Path(__file__).resolve().parent.parent / "docs"

#: The tutorial's commands.
TRAINING = ("corpus get brackets", "train corpora/brackets.txt --hidden-size 128 --num-layers 1 --max-steps 6000 "
                                   "--out checkpoints/brackets")
SESSION = ("charrnn sample checkpoints/brackets --length 350 --temperature 0.8 --seed 4 --color",
           "charrnn inspect-cells checkpoints/brackets --top 3 --context 350")
FLOW = ("charrnn gradient-flow --cell rnn --cell lstm --cell gru --num-layers 1",)

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that no path of this machine gets into a picture
        for words in TRAINING:
            assert main(words.split()) == 0
        (DOCS / "terminal.svg").write_text(session(SESSION), encoding="utf-8")
        (DOCS / "gradient-flow-terminal.svg").write_text(session(FLOW), encoding="utf-8")
