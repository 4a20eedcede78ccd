"""An inspection as arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from charrnn.errors import CheckpointError
from charrnn.inspection.export import export

from .inspections import TEXT, finding, inspection


def test_the_archive_holds_activations_features_and_findings(tmp_path: Path) -> None:
    found, checkpoint = inspection(TEXT, finding())
    export(tmp_path / "cells.npz", found)
    with np.load(tmp_path / "cells.npz") as arrays:
        assert "".join(map(chr, arrays["code_points"])) == TEXT
        assert checkpoint.vocabulary.decode(arrays["ids"]) == TEXT
        assert arrays["activations"].shape == found.signals.levels.shape and str(arrays["source"]) == "c"
        assert np.allclose(arrays["activations"][0, 3], np.where(arrays["feature_inside_double_quotes"], 1, -1))
        assert np.allclose(arrays["activations"][1, 2], found.signals.values(1, 2), atol=1e-3)
        assert np.array_equal(arrays["open_f"], found.gates["f"].open)
        assert json.loads(str(arrays["findings"]))["findings"][0]["unit"] == 3


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        export(tmp_path / "missing" / "cells.npz", inspection(TEXT)[0])
