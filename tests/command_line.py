"""What the tests of the command line share: ways to run it, and a small model's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def charrnn_in_shell(script: str, folder: Path, *, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `charrnn` is the program."""
    return subprocess.run(["bash", "-c", f'charrnn() {{ "{sys.executable}" -m charrnn "$@"; }}; {script}'], cwd=folder,
                          env=environment(), capture_output=True, text=True, timeout=timeout, check=False)
