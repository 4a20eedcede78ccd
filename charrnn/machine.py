"""What a run's figures depend on beside its settings: processor, memory, system and versions."""

from __future__ import annotations

import math
import os
import platform
from importlib import metadata
from pathlib import Path

import charrnn
from charrnn.threads import available_threads, physical_memory

_CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """Return names and values, in the order in which they are to be shown."""
    memory = physical_memory()
    return {
        "processor": _processor(),
        "cores": f"{available_threads()} of {os.cpu_count() or 1}",
        **({"memory": f"{memory / 2**30:.1f} GiB"} if math.isfinite(memory) else {}),
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        "charrnn": charrnn.__version__,
        **{name: metadata.version(name) for name in ("numpy", "numba")},
    }


def _processor() -> str:
    try:
        lines = _CPU_INFO.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
