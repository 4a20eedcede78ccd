"""The first look at the model in the box, against an inspection in full."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from charrnn.__main__ import main
from charrnn.activations import read
from charrnn.checkpoint import Checkpoint, load_checkpoint
from charrnn.inspection.first_look import FirstLook, encode_findings, findings_file, first_look
from charrnn.inspection.inspector import CHARACTERS, inspect
from charrnn.inspection.texts import held_out_text
from charrnn.run_folder import DEFAULT_SHIPPED, find_checkpoint
from tests.compilations import LISTENER


@pytest.fixture(scope="module")
def path() -> Path:
    return find_checkpoint(DEFAULT_SHIPPED)


@pytest.fixture(scope="module")
def checkpoint(path: Path) -> Checkpoint:
    return load_checkpoint(path)


def _look(path: Path, checkpoint: Checkpoint, top: int = 5) -> FirstLook:
    look = first_look(path, checkpoint, top=top, context=300)
    assert look is not None
    return look


def test_what_came_with_the_model_is_what_an_inspection_finds(path: Path, checkpoint: Checkpoint,
                                                              tmp_path: Path) -> None:
    text = held_out_text(checkpoint, CHARACTERS)
    if not text.name.endswith("validation part"):
        pytest.skip("this Python's built-in text is not the one that the model was inspected on")
    inspection = inspect(checkpoint, text.ids)
    look = _look(path, checkpoint)
    assert look.characters == inspection.characters
    assert json.loads(findings_file(path).read_bytes()).keys() == json.loads(encode_findings(inspection, path)).keys()
    assert [(found.layer, found.unit, found.feature, found.label) for found in look.findings] == \
        [(found.layer, found.unit, found.feature, found.label) for found in inspection.findings]
    for kept, found in zip(look.findings, inspection.findings):
        # Products are rounded in another order, and to bfloat16 where the CPU has it.
        assert kept.score == pytest.approx(found.score, abs=1e-3)
        assert kept.gain == pytest.approx(found.gain, abs=5e-3)
    # Through the file, every field comes back as it was.
    copy = tmp_path / "best.safetensors"
    shutil.copy(path, copy)
    findings_file(copy).write_bytes(encode_findings(inspection, copy))
    assert [asdict(found) for found in _look(copy, checkpoint).findings] == \
        [asdict(found) for found in inspection.findings]


def test_its_colours_are_those_of_the_kernels(path: Path, checkpoint: Checkpoint) -> None:
    look = _look(path, checkpoint)
    cells = [(view.layer, view.unit) for view in look.views]
    assert cells and sorted(cells) == sorted({(found.layer, found.unit) for found in look.findings
                                              if found.label != "correlate only"})
    states = np.zeros((len(look.text.ids), checkpoint.model.num_layers, checkpoint.model.hidden_size), np.float32)
    for piece in read(checkpoint.model, checkpoint.weights, look.text.ids, rows=1):
        piece.store(np.moveaxis(piece.states["c"], 0, 2), states)
    for view in look.views:
        stretch = slice(view.start, view.start + 300)
        np.testing.assert_allclose(view.values, np.tanh(states[stretch, view.layer, view.unit]), atol=1e-4)
        np.testing.assert_array_equal(view.code_points, checkpoint.vocabulary.code_points[look.text.ids[stretch]])


def test_findings_about_another_model_are_not_shown(path: Path, checkpoint: Checkpoint, tmp_path: Path) -> None:
    copy = tmp_path / "best.safetensors"
    shutil.copy(path, copy)
    assert first_look(copy, checkpoint, top=5, context=300) is None
    shutil.copy(findings_file(path), findings_file(copy))
    assert first_look(copy, checkpoint, top=5, context=300) is not None
    copy.write_bytes(copy.read_bytes() + b" ")
    assert first_look(copy, checkpoint, top=5, context=300) is None


def test_only_where_nothing_is_asked_for(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHARRNN_SEED", "3")
    assert main(["inspect-cells", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    assert "0:80" in out and "when this model was made" in out
    assert err.startswith("a first look at python-docs, which comes with charrnn; `charrnn inspect-cells python-docs`")
    assert main(["inspect-cells", "--top", "1", "--characters", "6000"]) == 0
    out, err = capsys.readouterr()
    assert "in 6,000 characters" in out and err.startswith("inspecting python-docs on the first 6,000 characters")
    run = tmp_path / "checkpoints" / "own"
    run.mkdir(parents=True)
    shutil.copy(path, run)
    assert main(["inspect-cells"]) == 0
    assert capsys.readouterr().err.startswith("inspecting checkpoints/own")


#: Takes a first look in a new process, calls a kernel, and prints what was compiled.
PROGRAM = LISTENER + """
from charrnn.__main__ import main
with numba.core.event.install_listener("numba:compile", Compiled()):
    code = main(["inspect-cells"])
    first = list(Compiled.names)
    numba.njit(lambda: 1)()
print()
print(json.dumps({"code": code, "first": first, "then": Compiled.names}))
"""


def test_nothing_is_compiled(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env=os.environ | {"CHARRNN_CACHE": str(tmp_path / "cache")})
    compiled = json.loads(done.stdout.splitlines()[-1])
    assert (compiled["code"], compiled["first"]) == (0, [])
    assert compiled["then"], "the listener hears nothing"
