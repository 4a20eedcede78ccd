"""`charrnn info`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from charrnn.__main__ import main


def test_a_page(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(trained)]) == 0
    page = capsys.readouterr().out
    assert "1 × 8 LSTM, one-hot" in page
    assert "28 characters: \\n \\x20 a b c d" in page
    assert "best " in page and "at step" in page
    assert not [line for line in page.splitlines() if line != line.rstrip()]


def test_json(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(trained / "last.safetensors"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"]["hidden_size"], found["train"]["max_steps"], found["parameters"]) == (8, 12, 1_468)
    assert [event["event"] for event in found["history"]].count("eval") == 3


def test_a_damaged_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\x1b[2J" * 100)
    assert main(["info", str(tmp_path / "x.safetensors")]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1) and "\x1b" not in shown.err


def test_json_has_the_settings_that_were_used(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(trained), "--json"]) == 0
    settings = json.loads(capsys.readouterr().out)["train"]
    assert settings["lr"] > 0 and settings["precision"] in ("f32", "bf16")


def test_a_flipped_bit_among_the_weights(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (trained / "best.safetensors").read_bytes()
    (tmp_path / "flipped").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert main(["info", str(tmp_path / "flipped")]) == 1
    assert "does not match its checksum" in capsys.readouterr().err
