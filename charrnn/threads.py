"""A team of threads that work through the parts of one job together."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.kernels.share import Share


def available_threads() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count(asked: int | None) -> int:
    """Return how many threads to use: those that are asked for, but none that no CPU is there for; None: all."""
    return min(asked, os.cpu_count() or 1) if asked else available_threads()


def physical_memory() -> float:
    """Return the machine's memory in bytes, or infinity where it does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


class Team:
    """`size` threads, the caller's among them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = ThreadPoolExecutor(size - 1, thread_name_prefix="charrnn") if size > 1 else None

    def run(self, job: Callable[[int, int], None]) -> None:
        """Call `job(part, parts)` for every part at once and return when all are done."""
        others = [self._pool.submit(job, part, self.size) for part in range(1, self.size)] if self._pool else []
        try:
            job(0, self.size)
        finally:
            for other in others:
                other.result()

    def run_together(self, job: Callable[[Share], None]) -> bool:
        """As `run`, for jobs whose threads meet (`charrnn.kernels.share`); if one fails, the others are let go.

        Returns whether threads had to wait for one that had no core.
        """
        from charrnn.kernels.share import ALONE, Share, abandon, new_barrier, was_crowded

        if self.size == 1:
            job(ALONE)
            return False
        barrier = new_barrier()

        def work(part: int, parts: int) -> None:
            try:
                job(Share(0, 0, 0, 1, barrier, part, parts))
            except BaseException:
                abandon(barrier)
                raise

        self.run(work)
        return was_crowded(barrier)

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown()
