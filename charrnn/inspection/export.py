"""An inspection as arrays for notebooks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.inspection.findings import Inspection
from charrnn.kernels.signals import LEVELS
from charrnn.storage import storage_error

ARRAYS_MARK = b"code_points.npy"  #: near the beginning of what `export` writes


def export(path: str | os.PathLike[str], inspection: Inspection) -> None:
    """Write an inspection as a NumPy archive, which `np.load(path)` reads.

    It holds `code_points` (N,) of the characters and their `ids` (N,); `activations` (L, H, N) float16, values of the
    signal `source`; `losses` (N - 1,); every feature's values (N,) as `feature_NAME`; the gates' shares of time as
    `shut_GATE` and `open_GATE` (L, H); and the object of `--json` as a text, `findings`.

    Raises
    ------
    CheckpointError : the file cannot be written.
    """
    levels = inspection.signals.levels
    activations = np.empty(levels.shape, np.float16)
    half = np.float32(LEVELS // 2)
    for layer in range(len(levels)):  # one at a time, since float32 takes twice the room
        activations[layer] = levels[layer] / half - np.float32(1)
    arrays: dict[str, Any] = {
        "code_points": np.array([ord(char) for char in inspection.text], np.uint32), "ids": inspection.ids,
        "activations": activations, "source": np.array(inspection.signals.source),
        "losses": inspection.predictions.losses, "findings": np.array(json.dumps(inspection.to_json())),
        **{f"feature_{name}": values for name, values in inspection.features.items()},
        **{f"shut_{name}": use.shut for name, use in inspection.gates.items()},
        **{f"open_{name}": use.open for name, use in inspection.gates.items()},
    }
    try:
        with Path(path).open("wb") as file:  # np.savez would put .npz after another suffix
            np.savez(file, **arrays)
    except OSError as error:
        raise storage_error(path, error) from None
