"""How two pieces of work are compared, and what is said of the machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """One row of the table.

    Attributes
    ----------
    work, peer : what was done, and against what.
    ours, theirs : medians over all rounds, in `unit`.
    ratio, low, high : median, smallest and largest of the rounds' ratios, above 1 when charrnn is better.
    target : what the ratio is to reach, or None.
    """

    work: str
    peer: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    low: float
    high: float
    target: float | None


def seconds_per_call(call: Callable[[], object], duration: float) -> float:
    """Return the median time of a call, over calls that together take at least `duration` seconds."""
    times: list[float] = []
    end = time.perf_counter() + duration
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare(work: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object], *, characters: int,
            target: float | None, rounds: int = 5, duration: float = 1.0) -> Result:
    """Return characters a second of both, in alternating rounds; `characters` is what one call of either does."""
    for call in (ours, theirs):  # compile, allocate, warm the caches
        call()
        call()
    speeds = []
    for _ in range(rounds):
        pair = []
        for call in (ours, theirs):
            time.sleep(0.3)  # the peer's idle threads spin for a while before they sleep
            pair.append(characters / seconds_per_call(call, duration))
        speeds.append(pair)
    ratios = [own / other for own, other in speeds]
    return Result(work, peer, statistics.median(own for own, _ in speeds),
                  statistics.median(other for _, other in speeds), "char/s",
                  statistics.median(ratios), min(ratios), max(ratios), target)


def machine() -> dict[str, str]:
    """Return what the figures depend on: processor, cores, versions."""
    from charrnn.kernels.tile import HAS_BF16, VECTOR_BYTES
    from charrnn.threads import available_threads

    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), model)
    versions = {}
    for package in ("numpy", "numba", "torch", "onnxruntime"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {"cpu": model, "threads": str(available_threads()), "vector": f"{8 * VECTOR_BYTES} bit",
            "bf16": str(HAS_BF16), "python": platform.python_version(), **versions}
