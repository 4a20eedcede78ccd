"""kill -9 at random instants of training processes, which are then resumed: the course of a run must not change."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from charrnn.__main__ import main
from charrnn.checkpoint import load_checkpoint
from charrnn.errors import CheckpointError
from tests.runs import TEXT
from tests.soak import Outcome

#: Every cell, optimizer, split and schedule, both kinds of dropout, noise, averaged weights; an epoch has about thirty
#: steps, so most kills fall within one.
RUNS = (
    "--cell lstm --optimizer adamw --dropout 0.3 --num-layers 2 --average 0.3",
    "--cell gru --optimizer adam --split stream --embedding-size 5 --lr-schedule step",
    "--cell rnn --optimizer rmsprop --lr-schedule constant --dropout 0.2",
    "--cell lstm --optimizer adagrad --split stream --clip-value 5",
    "--cell gru --optimizer sgd --dropout 0.1 --recurrent-dropout 0.2 --num-layers 2",
    "--cell lnlstm --optimizer cadamw --dropout 0.1 --num-layers 2 --garble 0.3",
)
_STEPS = 400
_COMMON = ("--hidden-size", "16", "--num-layers", "1", "--batch-size", "4", "--seq-len", "20",
           "--max-steps", str(_STEPS), "--save-every", "3", "--eval-every", "50", "--sample-every", "100",
           "--val-fraction", "0.2", "--quiet")


def _words(corpus: Path, folder: Path, words: str, threads: int) -> list[str]:
    """Return the command that starts a run, or that goes on with it once it has been saved."""
    run = ["--out", str(folder), "--threads", str(threads)]
    if (folder / "last.safetensors").exists():
        return ["train", "--resume", "--quiet", *run]
    return ["train", str(corpus), "--overwrite", *_COMMON, *words.split(), *run]


def _start(words: list[str]) -> int:
    """Return the id of a process that runs a command.

    It is a copy of this one, which has loaded all kernels, so that nearly every instant of it is one of training.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads, of which none runs Python
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        code = main(words)
    finally:
        os._exit(code)


def _finish(words: list[str]) -> None:
    """Run a command to its end."""
    code = os.waitstatus_to_exitcode(os.waitpid(_start(words), 0)[1])
    if code:
        raise RuntimeError(f"exit code {code}: {' '.join(words)}")


def _state(folder: Path) -> dict[str, np.ndarray]:
    """Return all arrays of a run's checkpoints."""
    found = {}
    for name in ("best", "last"):
        checkpoint = load_checkpoint(folder / f"{name}.safetensors", training_state=True)
        arrays = checkpoint.weights | checkpoint.training_state
        found |= {f"{name} {key}": array for key, array in arrays.items()}
    return found


def _killed(corpus: Path, folder: Path, words: str, seconds: float, chance: random.Random, steps: list[int]) -> str:
    """Kill a run at one or two random instants, resume it to its end, and return what was found broken on the way.

    `steps` gets the last saved step of each process that was killed before it had ended.
    """
    for _ in range(chance.choice((1, 1, 2))):
        process = _start(_words(corpus, folder, words, chance.choice((1, 2))))
        time.sleep(chance.uniform(0, seconds))
        os.kill(process, signal.SIGKILL)
        ended = not os.WIFSIGNALED(os.waitpid(process, 0)[1])
        saved = 0
        for path in folder.glob("*.safetensors"):
            try:
                saved = max(saved, load_checkpoint(path, training_state=True).progress["step"])
            except CheckpointError as error:
                return str(error)
        steps += [] if ended else [saved]
    _finish(_words(corpus, folder, words, 1))
    litter = [path.name for path in folder.glob(".*") if path.name != ".charrnn.lock"]
    return f"left behind {litter}" if litter else ""


def run(*, quick: bool) -> Iterator[Outcome]:
    """Kill 200 runs (3 if quick) and compare all that they come to with runs that nobody disturbed."""
    outcome = Outcome("kill -9 at random instants, resumed: weights, moments and states bit for bit",
                      tried=3 if quick else 200)
    chance = random.Random(20)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        corpus = root / "corpus.txt"
        corpus.write_text(TEXT)
        wanted, seconds = [], []
        for number, words in enumerate(RUNS[:outcome.tried]):
            # Here first, which loads the kernels.
            main(_words(corpus, root / f"here{number}", words, 1))
            begin = time.monotonic()
            _finish(_words(corpus, root / f"whole{number}", words, 1))
            seconds.append(time.monotonic() - begin)
            wanted.append(_state(root / f"whole{number}"))
        steps: list[int] = []
        for trial in range(outcome.tried):
            which, folder = trial % len(wanted), root / f"killed{trial}"
            broken = _killed(corpus, folder, RUNS[which], seconds[which], chance, steps)
            state = _state(folder)
            if not broken and (state.keys() != wanted[which].keys() or any(
                    not np.array_equal(state[name], array) for name, array in wanted[which].items())):
                broken = "differs from the run that was not interrupted"
            if broken:
                outcome.failures.append(f"{RUNS[which]} (trial {trial}): {broken}")
    saved = sorted(steps) or [0]
    outcome.measured = (f"{len(steps)} kills, the last saved step 0 to {saved[-1]} of {_STEPS}, "
                        f"in the middle {saved[len(saved) // 2]}")
    yield outcome
