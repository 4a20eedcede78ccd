"""`charrnn eval`."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import pytest

from charrnn.__main__ import main

from .command_line import SMALL, TEXT, charrnn_in_shell


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
    assert rows["unknown"].strip().startswith("1 (8.33%) left out: not read, not predicted")
    assert "nats per character" in rows["loss"]


@pytest.mark.parametrize("words", ["", " -"])
def test_standard_input(words: str, trained: Path, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"echo 'the fox' | charrnn eval '{trained}'{words} --json", tmp_path)
    assert json.loads(done.stdout)["characters"] == 7


def test_a_text_in_another_encoding_than_the_models_own(trained: Path, tmp_path: Path,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text"
    text.write_bytes(TEXT.encode("utf-16-le"))
    found = []
    for words in ([], ["--encoding", "utf-16-le"]):
        assert main(["eval", str(trained), str(text), "--json", *words]) == 0
        found.append(json.loads(capsys.readouterr().out)["unknown"])
    assert found == [len(TEXT), 0]
    assert main(["eval", str(trained), str(text), "--encoding", "latin-16"]) == 2
    assert "latin-16" in capsys.readouterr().err
    assert main(["eval", str(trained), str(text), "--encoding", "ascii", "--part", "val"]) == 2
    assert "--encoding and --part exclude each other" in capsys.readouterr().err


def test_without_a_text_it_says_what_to_do(trained: Path, monkeypatch: pytest.MonkeyPatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["eval", str(trained)]) == 2
    assert "name a text to evaluate, or pipe one in" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["tail", "stream"])
def test_the_held_out_part_comes_with_its_split(split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fox.txt").write_text(TEXT)
    words = ["train", "fox.txt", "--out", "run", "--max-steps", "2", "--split", split, "--json", *SMALL]
    assert main(words) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(["eval", "run", "--part", "val", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["loss"] == pytest.approx(events[-1]["best_val_loss"], rel=1e-6)
    assert (result["part"], result["split"]) == ("val", split)
    assert main(["eval", "run", "fox.txt", "--part", "val"]) == 0
    assert f"(--split {split})\n" in capsys.readouterr().out
    assert main(["eval", "run", "--part", "test"]) == 2
    assert "--test-fraction 0" in capsys.readouterr().err


def test_every_character_in_a_file_and_the_worst_lines(trained: Path, tmp_path: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    text, log = tmp_path / "text", tmp_path / "log.jsonl"
    text.write_text("the fox\nQ jumps over\nthe dog\n")
    words = ["eval", str(trained), str(text), "--per-char", str(log)]
    assert main([*words, "--worst", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    objects = [json.loads(line) for line in log.read_text().splitlines()]
    assert "".join(found["char"] for found in objects) == text.read_text()
    losses = [found["loss"] for found in objects if found["loss"] is not None]
    assert sum(losses) / len(losses) == pytest.approx(result["loss"], abs=1e-5)
    assert [found["char"] for found in objects if found.get("unknown")] == ["Q"]
    assert [set(line) for line in result["worst"]] == [{"source", "line", "loss", "text"}] * 2
    assert result["worst"][0]["text"] in text.read_text().splitlines()
    assert main([*words, "--worst", "1"]) == 0
    shown = capsys.readouterr().out
    assert f"{text}, line {result['worst'][0]['line']}\n" in shown and "\x1b" not in shown


def test_a_file_that_cannot_be_written(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["eval", str(trained), str(trained.parent / "fox.txt"), "--per-char", str(tmp_path / "no" / "log")]
    assert main(words) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and "its folder does not exist" in message and message.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_disk_that_is_full(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(trained), str(trained.parent / "fox.txt"), "--per-char", "/dev/full"]) == 1
    assert capsys.readouterr().err.startswith("error: /dev/full cannot be written: the disk is full")


def test_a_text_is_not_written_over(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, log = tmp_path / "text", tmp_path / "log"
    text.write_text("the fox\n")
    assert main(["eval", str(trained), "--part", "val", "--per-char", str(text)]) == 1
    assert "is in the way" in capsys.readouterr().err and text.read_text() == "the fox\n"
    for _ in range(2):  # the second time over the first
        assert main(["eval", str(trained), str(text), "--per-char", str(log)]) == 0
    assert log.read_text().count("\n") == 8


@pytest.mark.parametrize("words", ["", "--json", "--per-char /dev/stdout"])
def test_a_closed_pipe_ends_quietly(words: str, trained: Path, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"charrnn eval '{trained}' '{trained.parent / 'fox.txt'}' {words} | head -c 0; "
                            "echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_nothing_is_compiled_that_training_compiled_already(trained: Path, tmp_path: Path) -> None:
    for words in ("eval 'RUN' fox.txt", "sample 'RUN' --length 5 --seed 1"):
        done = charrnn_in_shell(f"cd '{trained.parent}'; charrnn {words.replace('RUN', str(trained))}", tmp_path)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_text_with_nothing_known(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("ÄÖÜ")
    assert main(["eval", str(trained), str(tmp_path / "text")]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1
