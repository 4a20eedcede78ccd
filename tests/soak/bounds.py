"""Every kernel once with bounds checks, which compiled code leaves out: training, evaluation and sampling in small."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.command_line import environment
from tests.runs import TEXT
from tests.soak import Outcome

#: Sizes that are multiples of nothing, so that every edge is met.
_TRAIN = ("--hidden-size", "7", "--num-layers", "2", "--batch-size", "3", "--seq-len", "11", "--dropout", "0.2",
          "--max-steps", "5", "--threads", "2", "--quiet")
_SAMPLE = (("--argmax",), ("--top-k", "3"), ("--top-p", "0.5", "--num-samples", "5"), ("--min-p", "0.1"))
_OPTIMIZERS = {"lstm": ("adamw", "sgd"), "gru": ("rmsprop", "adam"), "lnlstm": ("cadamw",), "rnn": ("adagrad",)}


def run(*, quick: bool) -> Iterator[Outcome]:
    """Compile all kernels anew with bounds checks and run them (those of one cell if quick)."""
    outcome = Outcome("kernels with bounds checks on, in tiny models of odd sizes")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "text.txt").write_text(TEXT)
        checked = environment(NUMBA_BOUNDSCHECK="1", CHARRNN_CACHE=str(folder / "cache"))

        def charrnn(*words: str) -> None:
            done = subprocess.run([sys.executable, "-m", "charrnn", *words], cwd=folder, env=checked,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
            outcome.tried += 1
            if done.returncode:
                outcome.failures.append(f"{' '.join(words)}: {done.stderr[-500:]}")

        for cell, optimizers in list(_OPTIMIZERS.items())[-1 if quick else 0:]:
            for optimizer in optimizers:
                for embedding in ("0", "5"):
                    charrnn("train", "text.txt", "--out", "run", "--overwrite", "--cell", cell,
                            "--optimizer", optimizer, "--embedding-size", embedding, *_TRAIN)
            charrnn("eval", "run", "text.txt")
            for options in _SAMPLE:
                charrnn("sample", "run", "--length", "50", "--prime", "The", *options)
    yield outcome
