"""`charrnn export` and `charrnn import`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from charrnn.__main__ import main
from charrnn.checkpoint import load_checkpoint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_and_back(trained: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main(["export", str(trained), "--format", "pytorch"]) == 0
    shown = capsys.readouterr()
    assert "written to run.pt (" in shown.err
    done = subprocess.run([sys.executable, "-c", shown.out], capture_output=True, text=True, timeout=120, check=True)
    assert len(done.stdout.removesuffix("\n")) == 1
    assert main(["import", "run.pt"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "checkpoints/run\n"
    assert shown.err == "1 × 8 LSTM, one-hot, 28 characters; write with it: charrnn sample checkpoints/run\n"
    ours, theirs = load_checkpoint(trained / "best.safetensors"), load_checkpoint("checkpoints/run/best.safetensors")
    assert ours.vocabulary == theirs.vocabulary
    assert main(["sample", "checkpoints/run", "--seed", "1", "--length", "40"]) == 0
    written = capsys.readouterr().out
    assert main(["sample", str(trained), "--seed", "1", "--length", "40"]) == 0
    assert capsys.readouterr().out == written


def test_onnx(trained: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    assert main(["export", str(trained / "last.safetensors"), "--format", "onnx", "--out", "a b.onnx"]) == 0
    code = capsys.readouterr().out
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert len(done.stdout.removesuffix("\n")) == 1


def test_files_and_runs_are_not_replaced_unasked(trained: Path, folder: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    Path("run.pt").write_text("mine")
    assert main(["export", str(trained), "--format", "pytorch"]) == 2
    assert capsys.readouterr().err == ("error: run.pt exists already; replace it with --overwrite, or choose another "
                                       "file with --out\n")
    assert main(["export", str(trained), "--format", "pytorch", "--overwrite"]) == 0
    assert main(["import", "run.pt", "--out", "there"]) == 0
    assert main(["import", "run.pt", "--out", "there"]) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert main(["import", "run.pt", "--out", "there", "--overwrite"]) == 0


def test_a_file_of_anything_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    Path("x.pt").write_bytes(b"\x1b[2J" * 100)
    assert main(["import", "x.pt"]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: x.pt is no file of weights") and shown.err.count("\n") == 1
    assert not Path("checkpoints").exists()


def test_without_the_library(trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch,
                             capsys: pytest.CaptureFixture[str]) -> None:
    for module, kind in (("torch", "pytorch"), ("onnx", "onnx")):
        monkeypatch.setitem(sys.modules, module, None)
        assert main(["export", str(trained), "--format", kind]) == 1
        assert f'pip install "charrnn[{module}]"' in capsys.readouterr().err
