"""What the tests of the command line share: running it, and a small model that it trained."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.__main__ import main

ROOT = Path(__file__).parent.parent
SMALL = ("--hidden-size", "8", "--num-layers", "1", "--batch-size", "2", "--seq-len", "8", "--threads", "1")
TEXT = "the quick brown fox jumps over the lazy dog\n" * 40


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a process that finds the package and is told nothing about its terminal."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "FORCE_COLOR")}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def charrnn(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    options = {"env": environment(), "stdin": subprocess.DEVNULL, "timeout": 300, "capture_output": True, **options}
    return subprocess.run([sys.executable, "-m", "charrnn", *map(str, words)], text=True, check=False,
                          **options)  # type: ignore[call-overload, no-any-return]


def charrnn_in_shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `charrnn` is the program."""
    return subprocess.run(["bash", "-c", f'charrnn() {{ "{sys.executable}" -m charrnn "$@"; }}; {script}'], cwd=folder,
                          env=environment(), capture_output=True, text=True, timeout=300, check=False)


@functools.cache
def _train(folder: Path, *options: str) -> Path:
    text = folder / "fox.txt"
    text.write_text(TEXT)
    run = folder / "run"
    assert main(["train", str(text), "--out", str(run), "--max-steps", "12", "--eval-every", "4", "--quiet", *SMALL,
                 *options]) == 0
    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run, trained once for all tests."""
    folder = tmp_path_factory.getbasetemp() / "trained"
    folder.mkdir(exist_ok=True)
    return _train(folder)


@pytest.fixture(scope="session")
def trained_on_bytes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run on bytes."""
    folder = tmp_path_factory.getbasetemp() / "trained-on-bytes"
    folder.mkdir(exist_ok=True)
    return _train(folder, "--bytes")
