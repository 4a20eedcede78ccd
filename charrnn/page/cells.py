"""The page of a model's cells: its data, in as few bytes as show the same picture, put into its template.

The size of the page is bounded by what it holds, not by luck: what the model expects is kept for the whole text; of
the room that is left, the cells that follow a feature best get theirs for the whole text as far as it reaches, and
every cell gets its values over an excerpt as long as still fits.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

import numpy as np

from charrnn.activations import takes_long
from charrnn.checkpoint import Checkpoint
from charrnn.inspection.connectivity import connectivity_of_stretch
from charrnn.inspection.excerpts import excerpt
from charrnn.inspection.findings import Inspection
from charrnn.inspection.labels import RULE
from charrnn.inspection.losses import loss_by_class, loss_by_distance
from charrnn.kernels.tile import HAS_BF16
from charrnn.page.document import document
from charrnn.page.gates import record_gates

#: Bytes of arrays on a page; base64 makes four of three, and so the page stays below 10 MB.
ROOM = 7_000_000

#: Characters of a text that a page shows at most, and findings that it lists.
MAX_CHARACTERS, MAX_FINDINGS = 100_000, 500

#: Predictions of which the page knows what moved them, and characters that it looks back over for each.
_MOVED, _REACH = 300, 100

#: Share of the room left beside the predictions that goes to cells over the whole text.
_WHOLE = 0.6

#: What the largest whole number of a share, a loss in nats and a gate stands for: 1, 15.9 and 1.
_SHARE_STEPS, _LOSS_STEPS, _GATE_STEPS = 255, 16, 15

_STYLES = ("base.css", "cells.css")
_SCRIPTS = ("base.js", "data.js", "colour.js", "text.js", "list.js", "details.js", "gates.js", "loss.js", "main.js")


def cell_page(inspection: Inspection, checkpoint: Checkpoint, facts: str, *, threads: int | None = None) -> str:
    """Return a page on what was found, as one HTML document of at most 10 MB.

    Parameters
    ----------
    checkpoint : the model that was inspected.
    facts : the model and the text in a line.
    threads : CPU threads (None: all that the process may use).
    """
    return document("cells.html", f"Cells of {inspection.checkpoint}",
                    _contents(inspection, checkpoint, facts, threads), styles=_STYLES, scripts=_SCRIPTS)


def _contents(inspection: Inspection, checkpoint: Checkpoint, facts: str, threads: int | None) -> dict[str, Any]:
    config, vocabulary, predictions = checkpoint.model, checkpoint.vocabulary, inspection.predictions
    ids, findings = inspection.ids[:MAX_CHARACTERS], inspection.findings[:MAX_FINDINGS]
    levels, gates = inspection.signals.levels[..., :len(ids)], list(inspection.gates)
    start = _opening(inspection, len(ids))
    runners_up = sorted(inspection.best.values(), key=lambda unit: -unit.gain)
    found = [(one.layer, one.unit) for one in findings] + [(one.layer, one.unit) for one in runners_up]
    cells = list(dict.fromkeys(found)) or [(0, 0)]
    choices = predictions.ids.shape[1]
    cells, first, length = _fitted(cells, len(ids), start, levels.shape[0] * levels.shape[1], len(gates),
                                   1 + choices + (1 + choices) * ids.itemsize)
    opened = record_gates(config, checkpoint.weights, ids, cells, gates, threads)
    losses = np.append(predictions.losses, 0.0)[:len(ids)]
    by_class, by_distance = (part(inspection.text, predictions.losses) for part in (loss_by_class, loss_by_distance))
    return {
        "facts": facts, "layers": config.num_layers, "units": config.hidden_size, "gates": gates, "start": start,
        "signal": _signal(inspection),
        "code_points": vocabulary.code_points.tolist(), "bytes": vocabulary.bytes, "choices": choices,
        "ids": _base64(ids), "expected": _base64(predictions.ids[:len(ids)].astype(ids.dtype)),
        "shares": _steps(predictions.probabilities[:len(ids)], _SHARE_STEPS), "losses": _steps(losses, _LOSS_STEPS),
        "stored": [{"layer": layer, "unit": unit, "values": _base64(_signed(levels[layer, unit])),
                    "gates": _base64(_nibbles(values))} for (layer, unit), values in zip(cells, opened)],
        "excerpt": {"start": first, "length": length, "values": _base64(_signed(levels[..., first:first + length]))},
        "below": _steps(np.array([use.shut for use in inspection.gates.values()]), _SHARE_STEPS),
        "above": _steps(np.array([use.open for use in inspection.gates.values()]), _SHARE_STEPS),
        "moved": _moved(inspection, checkpoint, len(ids), start, threads),
        "loss_by": [[asdict(part) for part in parts] for parts in (by_class, by_distance)],
        "findings": [finding.to_json() for finding in findings], "none_found": list(inspection.none_found),
        "best": {name: asdict(unit) for name, unit in inspection.best.items()}, "dropped": inspection.dropped,
        "rule": RULE,
    }


def _signal(inspection: Inspection) -> str:
    """Return what the values are."""
    source, squashed = inspection.signals.source, inspection.signals.squashed
    return f"gate {source}" if source in inspection.gates else f"tanh {source}" if squashed else source


def _opening(inspection: Inspection, characters: int) -> int:
    """Return the character that the page opens at: where the best finding's feature changes."""
    if not inspection.findings:
        return 0
    values = inspection.features[inspection.findings[0].feature][:characters]
    newlines = np.array([char == "\n" for char in inspection.text[:characters]])
    return excerpt(values, 400, newlines=newlines, typical=values.dtype != bool)[0]


def _moved(inspection: Inspection, checkpoint: Checkpoint, characters: int, start: int,
           threads: int | None) -> dict[str, Any]:
    """Return how much each character moved the predictions after it, for those of a stretch from `start` on."""
    config, reach = checkpoint.model, min(_REACH, characters)
    first = max(reach - 1, min(start, characters - _MOVED))
    targets = inspection.predictions.ids[first:min(first + _MOVED, characters), 0]
    norms = connectivity_of_stretch(config, checkpoint.weights, inspection.ids, first, targets, reach=reach,
                                    threads=threads,
                                    precision="bf16" if HAS_BF16 and takes_long(config, len(inspection.ids)) else "f32")
    norms /= np.maximum(norms.max(axis=1, keepdims=True), np.float32(1e-30))
    return {"start": first, "length": len(targets), "reach": reach, "values": _steps(norms, _SHARE_STEPS)}


def _fitted(cells: list[tuple[int, int]], characters: int, middle: int, units: int, gates: int,
            a_character: int) -> tuple[list[tuple[int, int]], int, int]:
    """Return the cells that the page has room for over the whole text, and start and length of the excerpt for all.

    Parameters
    ----------
    middle : of the excerpt, if possible.
    units : number of all cells.
    a_character : bytes that each character takes beside the values of cells.
    """
    room = max(ROOM - characters * a_character - 2 * gates * units, 0)
    a_cell = characters + gates * ((characters + 1) // 2)
    cells = cells[:max(1, int(_WHOLE * room / a_cell))]
    length = min(characters, max(100, (room - len(cells) * a_cell) // units))
    return cells, min(max(middle - length // 2, 0), characters - length), length


def _steps(values: np.ndarray, steps: int) -> str:
    """Return numbers from 0 on as whole `steps`-ths, at most 255, in base64."""
    return _base64(np.minimum(np.rint(values * steps), 255).astype(np.uint8))


def _signed(levels: np.ndarray) -> np.ndarray:
    """Return signals as whole numbers from -127 to 127."""
    return np.rint(levels.astype(np.float32) * np.float32(254 / 65534) - np.float32(127)).astype(np.int8)


def _nibbles(gates: np.ndarray) -> np.ndarray:
    """Return gates (G, N) as whole numbers from 0 to 15, two characters a byte, the first in the lower half."""
    steps = np.rint(gates * _GATE_STEPS).astype(np.uint8)
    even = np.pad(steps, ((0, 0), (0, steps.shape[1] % 2)))
    return even[:, ::2] | even[:, 1::2] << 4


def _base64(array: np.ndarray) -> str:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")
