"""A first look at the model in the box, within a second: the cells that were found when it was made, at work now.

To find cells takes an inspection, and on a new machine the compiler before it. Which cell follows what is a property of
the model, so the findings come along with it, in `findings.json` beside the checkpoint; what a cell does on a text, the
model shows here and now, without compiled kernels.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.cells import get_cell
from charrnn.checkpoint import Checkpoint
from charrnn.inspection.excerpts import excerpt
from charrnn.inspection.findings import Ablation, Finding, Inspection
from charrnn.inspection.texts import Text, held_out_text
from charrnn.inspection.views import View
from charrnn.plain import STEPS, PlainNet

#: Characters that are read; excerpts are chosen among them.
CHARACTERS = 4_000


@dataclass(frozen=True, kw_only=True)
class FirstLook:
    """Findings of an earlier inspection, and what their cells do on a text now.

    Attributes
    ----------
    characters : length of the text of the earlier inspection.
    findings : all that it found, as in `Inspection`.
    views : an excerpt for each cell among the best findings, but for mere correlates.
    text : what the model read for them.
    """

    characters: int
    findings: tuple[Finding, ...]
    views: tuple[View, ...]
    text: Text


def findings_file(checkpoint: Path) -> Path:
    """Return where the findings about a checkpoint are that come with it, if any do."""
    return checkpoint.with_name("findings.json")


def encode_findings(inspection: Inspection, checkpoint: Path) -> bytes:
    """Return what `findings_file` holds after an inspection of the checkpoint at a path."""
    kept = {"sha256": _hash(checkpoint), "characters": inspection.characters,
            "findings": [finding.to_json() for finding in inspection.findings]}
    return (json.dumps(kept, indent=1) + "\n").encode()


def first_look(path: Path, checkpoint: Checkpoint, *, top: int, context: int) -> FirstLook | None:
    """Return what is known about the model at `path`, or None where nothing is that would still hold.

    Parameters
    ----------
    top : findings among which the cells are that get an excerpt.
    context : characters of an excerpt.

    Raises
    ------
    CorpusError : the text that was held out from the model's training is not to be had.
    """
    try:
        kept = json.loads(findings_file(path).read_bytes())
    except FileNotFoundError:
        return None
    if kept["sha256"] != _hash(path) or checkpoint.model.cell not in STEPS:
        return None
    findings = tuple(map(_finding, kept["findings"]))
    text = held_out_text(checkpoint, CHARACTERS)
    return FirstLook(characters=kept["characters"], findings=findings,
                     views=_views(checkpoint, findings[:top], text.ids, context), text=text)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _finding(fields: dict[str, Any]) -> Finding:
    """Return the finding whose `to_json` went through JSON."""
    ablation = fields["ablation"]
    if ablation is not None:
        ablation = Ablation(**ablation | {"random": tuple(ablation["random"])})
    return Finding(**fields | {"ablation": ablation, "interval": tuple(fields["interval"]),
                               "probes": {int(units): score for units, score in fields["probes"].items()}})


def _views(checkpoint: Checkpoint, findings: tuple[Finding, ...], ids: np.ndarray, context: int) -> tuple[View, ...]:
    """Read a text (N,) from zero states, and return of each cell the stretch in which it changes most."""
    first = {(found.layer, found.unit): found for found in reversed(findings)}  # the best one about each cell
    findings = tuple(found for found in findings
                     if found.label != "correlate only" and found is first[found.layer, found.unit])
    net, code_points = PlainNet(checkpoint.model, checkpoint.weights), checkpoint.vocabulary.code_points[ids]
    cell = get_cell(checkpoint.model.cell)
    values, states = np.zeros((len(findings), len(ids)), np.float32), net.start()
    for t, id_ in enumerate(ids.tolist()):
        states = net.read(id_, states)
        for k, found in enumerate(findings):
            values[k, t] = states[found.layer][cell.states.index(found.source)][found.unit]
    views = []
    for found, signal in zip(findings, values):
        signal = signal if cell.is_bounded(found.source) else np.tanh(signal)
        start, stop = excerpt(signal, context, newlines=code_points == ord("\n"))
        views.append(View(layer=found.layer, unit=found.unit, source=found.source, feature=found.feature,
                          metric=found.metric, score=found.score, label=found.label, start=start,
                          code_points=code_points[start:stop], values=signal[start:stop],
                          is_bytes=checkpoint.vocabulary.bytes))
    return tuple(views)
