"""The page of a run, or of several to compare: their curves, what they wrote on the way, and what they were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from charrnn.config import option
from charrnn.page.document import document
from charrnn.run_history import Evaluation, RunHistory, Steps

#: Seconds after which the page of a run that is going on is loaded anew, unless somebody is pointing at something.
RELOAD = 15

_STYLES = ("base.css", "report.css")
_SCRIPTS = ("base.js", "scale.js", "chart.js", "report.js")
_DIGITS = 6


def report_page(histories: Sequence[RunHistory], *, going_on: bool = False) -> str:
    """Return a page on one run, or on several whose curves lie over one another, as one HTML document.

    Parameters
    ----------
    going_on : the page will be written again soon, so it is to reload itself.
    """
    title = " and ".join(history.name for history in histories[:2])
    title += f" and {len(histories) - 2} more" if len(histories) > 2 else ""
    contents = {
        "runs": [_run(history) for history in histories], "reload": RELOAD if going_on else None,
        "written": datetime.now().astimezone().isoformat("T", "seconds"),
    }
    return document("report.html", f"Training of {title}", contents, styles=_STYLES, scripts=_SCRIPTS)


def _run(history: RunHistory) -> dict[str, Any]:
    plan, sessions = history.plan or {}, history.sessions
    return {
        "name": history.name, "steps": _columns(Steps, history.steps),
        "evaluations": _columns(Evaluation, history.evaluations), "done": history.done,
        "samples": [sample._asdict() for sample in history.samples],
        "plan": {name: value for name, value in plan.items() if name not in ("event", "config")},
        "settings": {option(name): value for name, value in _object(plan.get("config")).items() if value is not None},
        "sessions": sessions, "machine": _object(sessions[-1].get("machine")) if sessions else {},
    }


def _columns(kind: type[NamedTuple], rows: Any) -> dict[str, list[float]]:
    """Return rows as a list for each field, with as many digits as a picture needs."""
    columns = list(zip(*rows)) or [()] * len(kind._fields)
    return {name: [_short(value) for value in column] for name, column in zip(kind._fields, columns)}


def _short(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
