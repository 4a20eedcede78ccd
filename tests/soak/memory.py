"""Long work in flat memory: an hour of training and of sampling side by side, ten million characters evaluated."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from charrnn.checkpoint import read_description
from tests.command_line import SMALL, environment
from tests.runs import TEXT
from tests.soak import Outcome

FLAT = 5e6  # bytes
FILLING = 10**6  # characters; an evaluation of fewer takes up to 5 MB less, as its buffers are not full


def _memory(process: subprocess.Popen[bytes]) -> float:
    """Return the memory that a process holds now, in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS")), 0.0)
    except OSError:
        return 0.0


class _Reader(threading.Thread):
    """Reads what a process writes, and counts its bytes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        self.process, self.count = process, 0

    def run(self) -> None:
        assert self.process.stdout
        while piece := self.process.stdout.read1(2**16):  # type: ignore[attr-defined]
            self.count += len(piece)


def _watched(test: str, words: list[str | Path], folder: Path, seconds: float) -> Outcome:
    """Watch a command's memory until it ends, or for so long, and compare its growth after the first third."""
    outcome = Outcome(test, tried=1)
    with subprocess.Popen([sys.executable, "-m", "charrnn", *map(str, words)], cwd=folder, env=environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        reader = _Reader(process)
        reader.start()
        begin, held = time.monotonic(), []
        while time.monotonic() - begin < seconds and process.poll() is None:
            held.append(_memory(process))
            time.sleep(min(1.0, seconds / 60))
        process.terminate()
        assert process.stderr
        said = process.stderr.read().decode(errors="replace")
        reader.join(60)
    held = [number for number in held if number]
    later = held[len(held) // 3:]
    grown = max(later) - later[0]
    minutes = (time.monotonic() - begin) / 60
    outcome.measured = f"{minutes:.1f} minutes, {later[0] / 1e6:.0f} MB {grown / 1e6:+.1f} MB" + (
        f", {reader.count:,} bytes of output" if reader.count > 1e4 else "")
    if process.returncode not in (0, -15, 143):
        outcome.failures.append(f"exit code {process.returncode}: {said[-300:]}")
    if grown > FLAT:
        outcome.failures.append(f"memory grew by {grown / 1e6:.1f} MB after the first third")
    return outcome


def _peak(words: list[str | Path], folder: Path, outcome: Outcome) -> float:
    """Run a command to its end and return the most memory it held, in bytes."""
    peak = 0.0
    with subprocess.Popen([sys.executable, "-m", "charrnn", *map(str, words)], cwd=folder, env=environment(),
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _memory(process))
            time.sleep(0.02)
    if process.returncode:
        outcome.failures.append(f"exit code {process.returncode}")
    return peak


def _compared(length: int, folder: Path) -> Outcome:
    """Compare the most memory that an evaluation holds with a text that fills all its buffers and with a longer one."""
    outcome = Outcome(f"{length:,} characters evaluated: memory flat within 5 MB", tried=1)
    peaks = []
    for characters in (FILLING, length):
        path = folder / f"{characters}.txt"
        path.write_text(TEXT * (characters // len(TEXT) + 1))
        peaks.append(_peak(["eval", "run", path], folder, outcome))
    grown = peaks[1] - peaks[0]
    outcome.measured = f"{peaks[0] / 1e6:.0f} MB with {FILLING:,} of them, {grown / 1e6:+.1f} MB with all"
    if grown > FLAT:
        outcome.failures.append(f"memory grew by {grown / 1e6:.1f} MB with the text")
    return outcome


def run(*, quick: bool, minutes: float) -> Iterator[Outcome]:
    """Train and sample side by side for so many minutes, and evaluate 10^7 characters (2 * 10^6 if quick)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "text.txt").write_text(TEXT * 10)
        for words in (["train", "text.txt", "--out", "short", "--max-steps", "40", *SMALL],
                      ["sample", "short", "--length", "9"], ["eval", "short", "text.txt"]):  # compile
            subprocess.run([sys.executable, "-m", "charrnn", *words], cwd=folder, env=environment(),
                           capture_output=True, check=True)
        train = ["train", "text.txt", "--out", "run", "--max-time", f"{minutes:.2f}m", "--save-every", "5s", *SMALL]
        sample = ["sample", "short", "--length", "2147483647"]
        with ThreadPoolExecutor() as both:
            trained = both.submit(_watched, "training, saved every 5 s: memory flat within 5 MB", train, folder,
                                  60 * minutes + 120)
            sampled = both.submit(_watched, "sampling without end: memory flat within 5 MB", sample, folder,
                                  60 * minutes)
        steps = read_description(folder / "run" / "last.safetensors").progress["step"]
        trained.result().measured += f", {steps:,} steps"
        yield trained.result()
        yield sampled.result()
        yield _compared(2 * 10**6 if quick else 10**7, folder)
