"""Courses of training runs, made up for the tests of what is drawn of them."""

from __future__ import annotations

import math
from typing import Any

from charrnn.run_history import RunHistory

from .events import plan

SAMPLES = ("t e  ao\nhtn", "the the cat the\n", "The quick fox walks over 3 lazy dogs.\n")


def history(name: str = "novel", *, steps: int = 200, every: int = 20, better: float = 0.0, ended: bool = True,
            samples: tuple[str, ...] = SAMPLES, command: tuple[str, ...] = ("charrnn", "train", "my novel.txt"),
            **settings: Any) -> RunHistory:
    """Return the history of a run whose losses fall evenly, with an evaluation every so many steps."""
    made = RunHistory(name)
    event = plan(steps=steps).to_json()
    made.take(event | {"config": event["config"] | settings})
    made.take({"event": "session", "step": 0, "started": "2026-03-01T10:20:30+01:00", "command": list(command),
               "sources": ["my novel.txt"], "more_sources": 0, "machine": {"processor": "Abacus 9", "cores": "2 of 4"}})
    for step in range(1, steps + 1):
        where = {"step": step, "epoch": step / 50, "seconds": step * 0.5}
        loss = 1.2 - better + 3.4 * math.exp(-step / (0.12 * steps)) + 0.02 * math.sin(step * 1.7)
        made.take({"event": "step", **where, "loss": loss, "lr": 0.005 * (1 - step / (steps + 1)),
                   "grad_norm": 0.4 + 2 / step + 0.1 * math.cos(step * 2.3),
                   "chars_per_second": 400_000 + 9_000 * math.sin(step)})
        if step % every == 0:
            made.take({"event": "eval", **where, "val_loss": loss + 0.1 + 0.2 * step / steps})
            part = min(int(step / steps * len(samples)), len(samples) - 1)
            if samples:
                made.take({"event": "sample", "step": step, "text": samples[part]})
    if ended:
        made.take({"event": "done", "reason": "epochs", "step": steps})
    return made
