"""`charrnn eval`."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import pytest

from charrnn.__main__ import main

from .command_line import TEXT, charrnn_in_shell


def test_the_held_out_text_has_the_reported_loss(trained: Path, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    events = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    plan, best = events[0], min(event["val_loss"] for event in events if event["event"] == "eval")
    held_out = tmp_path / "held-out.txt"
    held_out.write_text(TEXT[-plan["val_characters"]:])
    assert main(["eval", str(trained), str(held_out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"loss", "bpc", "perplexity", "characters", "unknown", "chars_per_second"}
    assert found["loss"] == pytest.approx(best, abs=1e-4)
    assert found["bpc"] == pytest.approx(found["loss"] / math.log(2))


def test_a_folder_by_pattern_and_a_table(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("the fox\n")
    (tmp_path / "b.txt").write_text("över\n")
    (tmp_path / "c.md").write_text("not this one")
    assert main(["eval", str(trained), str(tmp_path), "--glob", "*.txt"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert rows["characters"].strip() == "11"
    assert rows["unknown"].strip() == "1 left out"
    assert "nats per character" in rows["loss"]


@pytest.mark.parametrize("words", ["", " -"])
def test_standard_input(words: str, trained: Path, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"echo 'the fox' | charrnn eval '{trained}'{words} --json", tmp_path)
    assert json.loads(done.stdout)["characters"] == 7


def test_without_a_text_it_says_what_to_do(trained: Path, monkeypatch: pytest.MonkeyPatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["eval", str(trained)]) == 2
    assert "name a text to evaluate, or pipe one in" in capsys.readouterr().err


def test_a_text_with_nothing_known(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("ÄÖÜ")
    assert main(["eval", str(trained), str(tmp_path / "text")]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
