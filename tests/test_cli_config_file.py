"""Options from a file and from the environment, and which of them wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from charrnn.__main__ import main

from .command_line import TEXT


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fox.txt").write_text(TEXT)
    return tmp_path


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return the settings that a run on the text would have."""
    assert main(["train", "fox.txt", "--dry-run", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)["config"]  # type: ignore[no-any-return]


def test_every_kind_of_option_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text('hidden-size = 8\nnum_layers = 1\ncell = "gru"\nmax-time = "2m"\nlr = 1e-3\nepochs = 2\n'
                              "recurrent-bias = false\n")
    config = planned(capsys, "--config", "a.toml")
    names = ("hidden_size", "num_layers", "cell", "max_time", "lr", "epochs", "recurrent_bias")
    assert [config[name] for name in names] == [8, 1, "gru", 120.0, 1e-3, 2.0, False]


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
        folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text("hidden-size = 8\nseq-len = 8\nbatch-size = 2\n")
    monkeypatch.setenv("CHARRNN_SEQ_LEN", "9")
    monkeypatch.setenv("CHARRNN_BATCH_SIZE", "3")
    config = planned(capsys, "--config", "a.toml", "--batch-size", "4")
    assert (config["hidden_size"], config["seq_len"], config["batch_size"]) == (8, 9, 4)


def test_what_a_file_or_the_environment_gives_wins_over_a_preset(
        folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text('preset = "min-char-rnn"\nhidden-size = 8\n')
    monkeypatch.setenv("CHARRNN_SEQ_LEN", "9")
    config = planned(capsys, "--config", "a.toml")
    assert (config["optimizer"], config["hidden_size"], config["seq_len"]) == ("adagrad", 8, 9)


def test_sample_reads_a_file_and_the_environment(trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text('length = 30\nnum-samples = 2\nstop = ["XYZ", "ZYX"]\njson = true\n')
    monkeypatch.setenv("CHARRNN_SEED", "5")
    assert main(["sample", str(trained), "--config", "a.toml"]) == 0
    samples = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sample["characters"] for sample in samples] == [30, 30] and samples[0]["seed"] == 5


@pytest.mark.parametrize(("content", "message"), [
    ('out = "a\\u0000b"', "a.toml: out holds a NUL character"),
    ("hiden-size = 8", "a.toml: 'hiden-size' is no option of charrnn train; did you mean hidden-size?"),
    ("xyzzy = 8", "a.toml: 'xyzzy' is no option of charrnn train"),
    ('config = "b.toml"', "a.toml: 'config' is no option of charrnn train"),
    ("[train]", "a.toml: [train] is a table; write options at the top of the file, such as threads = 2"),
    ("hidden-size = 3.5", "invalid value for '--hidden-size' in a.toml: '3.5' is not a valid integer"),
    ("hidden-size = true", "a.toml: hidden-size must be a number or a text"),
    ("bytes = 1", "a.toml: bytes must be true or false"),
    ("lr = [1, 2]", "a.toml: lr must be a number or a text"),
    ('cell = "cnn"', "invalid value for '--cell' in a.toml: 'cnn' is not one of"),
    ("hidden-size = 0", "--hidden-size must be a whole number from 1"),
    ("hidden-size 8", "a.toml is no valid TOML"),
])
def test_a_wrong_file_is_one_clear_line(content: str, message: str, folder: Path,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.toml").write_text(content)
    assert main(["train", "fox.txt", "--dry-run", "--config", "a.toml"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {message}") and shown.count("\n") == 1


def test_a_wrong_variable_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CHARRNN_THREADS", "many")
    for words in (["train", "fox.txt"], ["sample"], ["eval", "x", "y"]):
        assert main(words) == 2
        assert "'--threads' in the environment (CHARRNN_THREADS): 'many'" in capsys.readouterr().err


def test_a_missing_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "--config", "nope.toml"]) == 2
    assert capsys.readouterr().err.startswith("error: nope.toml cannot be read: No such file")
