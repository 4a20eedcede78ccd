"""A checkpoint as tables."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from charrnn.checkpoint import Description
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.console import terminal
from charrnn.console.results import description_json, description_page
from charrnn.console.terminal import render
from charrnn.vocabulary import Vocabulary


def _description(**changes: object) -> Description:
    vocabulary = Vocabulary(np.array([0x0A, 0x1B, 0x20, 0x61], np.uint32))
    history = [{"event": "eval", "step": 10 * i, "epoch": i / 2, "val_loss": 3.0 / i, "bpc": 4.0 / i, "best": True,
                "seconds": 5.0 * i} for i in range(1, 13)]
    given = {"model": ModelConfig(vocab_size=4, cell="gru", hidden_size=8, num_layers=2, embedding_size=3),
             "vocabulary": vocabulary,
             "text": TextConfig(), "train": TrainConfig(epochs=2.0, optimizer="adagrad"), "history": history}
    return Description(**{**given, **changes})  # type: ignore[arg-type]


def _page(description: Description) -> str:
    return render(description_page(description, Path("runs/a\x1bb.safetensors"), 12_345))


def test_a_checkpoint() -> None:
    page = _page(_description())
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert "checkpoint runs/a\\x1bb.safetensors" in lines
    assert "file 12.3 kB, written by charrnn 0.1.0" in lines
    assert "model 2 × 8 GRU, over 3 embedded" in lines
    assert "embedding weight 4×3 12 1.5%" in lines
    layer = "weight_ih_l0 24×3, weight_hh_l0 24×8, bias_ih_l0 24, bias_hh_l0 24"
    assert f"layer 0 {layer} 312 39.4%" in lines
    assert "output weight 4×8, bias 4 36 4.5%" in lines
    assert "total 792" in lines
    assert "4 characters: \\n \\x1b \\x20 a" in lines
    assert any(line.startswith("encoding utf-8") for line in lines)
    assert "lr 0.1" in " ".join(lines) and "beta1 0.9" in " ".join(lines)  # the optimizer's own; none were given
    assert "120 6.00 0.2500 0.3333 1:00" in lines
    assert "40 2.00 0.7500 1.0000 0:20" not in lines  # only the last evaluations are listed
    assert "\x1b" not in page


def test_the_history_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = "val loss 3.0000 → 0.2500, best 0.2500 at step 120"
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert f"█▄▃▂▂▂▁▁▁▁▁▁  {summary}" in _page(_description())
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert f"  {summary}" in _page(_description()) and "█" not in _page(_description())


def test_a_narrow_page_keeps_every_value_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_LOG_WIDTH", 40)
    page = _page(_description())
    assert max(map(len, page.splitlines())) <= 40
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert "initial-accumulator 0" in lines and "lr-schedule cosine" in lines and "optimizer adagrad" in lines
    assert "120 6.00 0.2500 0.3333 1:00" in lines


def test_a_history_may_hold_anything() -> None:
    strange = {"event": "eval", "step": "1", "epoch": None, "val_loss": [], "bpc": 1, "seconds": 1}
    history = [{}, {"event": "eval"}, strange]
    assert "History" not in _page(_description(history=history))


def test_a_large_vocabulary_is_cut_short() -> None:
    page = _page(_description(vocabulary=Vocabulary(np.arange(0x4E00, 0x4E00 + 1000, dtype=np.uint32)),
                              model=ModelConfig(vocab_size=1000, hidden_size=4)))
    assert "1,000 characters: 一 " in page and "and 600 more" in page


def test_a_description_as_json() -> None:
    found = json.loads(json.dumps(description_json(_description(), Path("runs/best.safetensors"), 12_345)))
    assert found["checkpoint"] == "runs/best.safetensors"
    assert found["bytes"] == 12_345
    assert found["parameters"] == sum(int(np.prod(shape)) for shape in found["tensors"].values())
    assert found["tensors"]["rnn.weight_hh_l1"] == [24, 8]
    assert found["model"]["cell"] == "gru"
    assert found["train"]["epochs"] == 2.0
    assert found["vocabulary"] == {"bytes": False, "code_points": [10, 27, 32, 97]}
    assert len(found["history"]) == 12
