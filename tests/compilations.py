"""What a new process compiles."""

from __future__ import annotations

#: The beginning of a program: `Compiled()` is a listener to install, whose `names` are then those of the kernels that
#: are compiled, without those that only other kernels call.
LISTENER = """
import json
import charrnn.kernels.jit  # which sets Numba up, so it comes first
import numba.core.event

class Compiled(numba.core.event.Listener):
    depth, names = 0, []

    def on_start(self, event):
        if not self.depth:
            self.names.append(event.data["dispatcher"].py_func.__qualname__)
        self.depth += 1

    def on_end(self, event):
        self.depth -= 1
"""
