"""What is looked at of an inspection: its findings of a kind, and stretches of text with what one cell does there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.errors import ConfigError
from charrnn.inspection.excerpts import excerpt
from charrnn.inspection.findings import BestUnit, Finding, Inspection


@dataclass(frozen=True, kw_only=True)
class View:
    """A stretch of text and what one cell does there.

    Attributes
    ----------
    layer, unit, source : which state or gate of which cell.
    feature, metric, score, label : what was found about it, as in `Finding`; a label of None: nothing was; a feature of
        None: none was looked at.
    start : place of the first character in the text.
    code_points : (n,) of the characters, or bytes where `is_bytes`.
    values : (n,) float32, after each of them.
    """

    layer: int
    unit: int
    source: str
    feature: str | None
    metric: str | None
    score: float | None
    label: str | None
    start: int
    code_points: np.ndarray
    values: np.ndarray
    is_bytes: bool


def chosen(inspection: Inspection, *, layer: int | None = None, unit: int | None = None,
           feature: str | None = None, top: int | None = None) -> Inspection:
    """Return an inspection with the findings about a layer, a unit and a feature alone, and of these the best.

    Raises
    ------
    ConfigError : no such feature was looked for.
    """
    if feature is not None:
        known = {_key(name): name for name in (*inspection.features, *inspection.dropped)}
        if _key(feature) not in known:
            close = _nearest(_key(feature), known)
            hint = f"did you mean {' or '.join(known[key] for key in close)}? " if close else ""
            raise ConfigError(f"--feature {feature}: no such feature was looked for; {hint}there are "
                              f"{', '.join(inspection.features)}")
        feature = known[_key(feature)]
    found = tuple(finding for finding in inspection.findings
                  if (layer is None or finding.layer == layer) and (unit is None or finding.unit == unit)
                  and (feature is None or finding.feature == feature))
    return replace(inspection, findings=found[:top],
                   best={name: unit for name, unit in inspection.best.items() if feature in (None, name)},
                   none_found=tuple(name for name in inspection.none_found if feature in (None, name)),
                   dropped={name: why for name, why in inspection.dropped.items() if feature in (None, name)})


def best_cell(inspection: Inspection) -> tuple[int, int]:
    """Return (layer, unit) of the best finding; raise `ConfigError` where there is none."""
    if not inspection.findings:
        raise ConfigError("no cell was found to colour the text by: choose one with --cell")
    return inspection.findings[0].layer, inspection.findings[0].unit


def views(inspection: Inspection, checkpoint: Checkpoint, *, top: int, context: int,
          cell: tuple[int, int] | None = None) -> list[View]:
    """Return an excerpt for each of the `top` best findings; without any, for a chosen cell or the best for a feature.

    Parameters
    ----------
    context : characters of an excerpt.
    cell : (layer, unit), shown even if nothing was found about it.
    """
    shown: list[tuple[int, int, str | None, Finding | BestUnit | None]] = [
        (one.layer, one.unit, one.feature, one) for one in inspection.findings[:top]]
    if cell is not None and not shown:
        shown = [(*cell, None, None)]
    elif len(inspection.best) == 1 and not shown:
        shown = [(one.layer, one.unit, name, one) for name, one in inspection.best.items()]
    code_points = checkpoint.vocabulary.code_points[inspection.ids]
    newlines = code_points == ord("\n")
    result = []
    for layer, unit, feature, found in shown:
        signal = inspection.signals.values(layer, unit)
        guide = signal if feature is None else inspection.features[feature]
        start, stop = excerpt(guide, context, newlines=newlines, typical=guide.dtype != bool)
        result.append(View(layer=layer, unit=unit, source=inspection.signals.source, feature=feature,
                           metric=found.metric if found else None, score=found.score if found else None,
                           label=found.label if isinstance(found, Finding) else None, start=start,
                           code_points=code_points[start:stop], values=signal[start:stop],
                           is_bytes=checkpoint.vocabulary.bytes))
    return result


def _nearest(word: str, names: Iterable[str]) -> list[str]:
    """Return up to three of the names that are like a word, or else that hold it, or one like it."""
    names = list(names)
    parts = get_close_matches(word, {part for name in names for part in name.split()}, 1) or [word]
    return get_close_matches(word, names, 3) or [name for name in names if parts[0] in name][:3]


def _key(feature: str) -> str:
    """Return what is left of a feature's name however it is typed."""
    return feature.replace("_", " ").strip().casefold()
