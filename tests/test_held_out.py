"""The held-out part of a run: evaluated again, it has the loss that the run reported."""

from __future__ import annotations

from pathlib import Path

import pytest

import charrnn
from charrnn.checkpoint import read_description
from charrnn.errors import ConfigError, CorpusError
from charrnn.events import EvalEvent
from charrnn.held_out import held_out
from charrnn.language_model import load

from .runs import TEXT, train


@pytest.mark.parametrize("split", ["tail", "stream"])
def test_the_reported_loss_comes_out_again(split: str, tmp_path: Path) -> None:
    events = train(tmp_path / "run", max_steps=6, eval_every=3, split=split, test_fraction=0.2)
    reported = min(event.val_loss for event in events if isinstance(event, EvalEvent))
    model = load(tmp_path / "run")
    result = model.evaluate_held_out()  # the checkpoint knows where the text was
    assert result.loss == pytest.approx(reported, rel=1e-6)
    assert (result.part, result.split, result.unknown) == ("val", split, 0)
    val, test = (held_out(model.checkpoint, part).streams for part in ("val", "test"))
    rows = 1 if split == "tail" else 4
    assert len(val) == len(test) == rows
    assert result.characters == val.size - rows
    tested = model.evaluate_held_out("test", [tmp_path / "corpus.txt"])
    assert (tested.part, tested.characters) == ("test", test.size - rows)
    held = model.vocabulary.decode(test[0])
    assert held == TEXT[-len(held):] if split == "tail" else held in TEXT[:len(TEXT) // 4]


def test_another_text_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1)
    run = read_description(tmp_path / "run" / "best.safetensors")
    other = tmp_path / "other.txt"
    for text, message in ((TEXT[:-1], "is not the text that the model was trained on, of which the val part was"),
                          (TEXT + "é", "this is not the text that the model was trained on: .*U\\+00E9")):
        other.write_text(text, encoding="utf-8")
        with pytest.raises(CorpusError, match=message):
            held_out(run, "val", [other])


def test_a_run_that_held_nothing_out(tmp_path: Path) -> None:
    train(tmp_path / "run", max_steps=1, val_fraction=0.0)
    run = read_description(tmp_path / "run" / "best.safetensors")
    for part in ("val", "test"):
        with pytest.raises(ConfigError, match=f"has no {part} part: it was trained with --{part}-fraction 0"):
            held_out(run, part)


def test_a_text_that_was_not_in_a_file_has_to_be_named(tmp_path: Path) -> None:
    for _ in charrnn.train(text=TEXT, out=tmp_path / "run", max_steps=1, hidden_size=8, num_layers=1):
        pass
    run = read_description(tmp_path / "run" / "best.safetensors")
    with pytest.raises(ConfigError, match="cannot be found again: name it"):
        held_out(run, "val")
    (tmp_path / "text").write_text(TEXT)
    assert held_out(run, "val", [tmp_path / "text"]).split == "tail"
