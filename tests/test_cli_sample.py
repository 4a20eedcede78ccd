"""`charrnn sample`."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from charrnn.__main__ import main

from .command_line import SMALL, TEXT, charrnn_in_shell


def _sample(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    assert main(["sample", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_a_text_has_the_length_asked_for(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = _sample(capsys, trained, "--length", "70", "--seed", "1")
    assert len(text) == 70 and set(text) <= set(TEXT)


def test_the_prime_comes_first_unless_told_otherwise(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (trained, "--length", "20", "--seed", "1", "--prime", "the quick ")
    with_prime, without = _sample(capsys, *words), _sample(capsys, *words, "--no-echo-prime")
    assert with_prime == "the quick " + without and len(without) == 20


def test_a_prime_is_cleaned_like_the_text_of_the_model(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _sample(capsys, trained, "--length", "0", "--prime", "the\r\nfox") == "the\nfox"


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_a_prime_can_come_from_a_file(way: str, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "prime.txt").write_bytes(b"the quick\r\n")
    words = f"charrnn sample '{trained}' --length 0 --prime-file"
    done = charrnn_in_shell(f"{words} prime.txt" if way == "file" else f"{words} - < prime.txt", tmp_path)
    assert (done.returncode, done.stdout) == (0, "the quick\n")  # cleaned like the model's own text


def test_the_newest_model_is_the_default(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(trained)
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "--length", "5"]) == 0
    shown = capsys.readouterr()
    assert len(shown.out) == 5
    assert f"model: {Path('checkpoints/mine/best.safetensors')}\n" in shown.err


def test_a_seed_that_was_chosen_is_said_and_gives_the_text_again(trained: Path,
                                                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(trained), "--length", "50"]) == 0
    shown = capsys.readouterr()
    seed = re.search(r"^seed: (\d+)$", shown.err, re.MULTILINE)
    assert seed
    assert _sample(capsys, trained, "--length", "50", "--seed", seed[1]) == shown.out
    assert main(["sample", str(trained), "--length", "50"]) == 0
    assert capsys.readouterr().out != shown.out


def test_argmax_needs_no_seed(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(trained), "--length", "5", "--argmax"]) == 0
    first = capsys.readouterr()
    assert "seed" not in first.err
    assert _sample(capsys, trained, "--length", "5", "--argmax") == first.out


def test_several_samples_and_json(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (trained, "--length", "30", "--num-samples", "3", "--seed", "5", "--prime", "fox")
    objects = [json.loads(line) for line in _sample(capsys, *words, "--json").splitlines()]
    assert _sample(capsys, *words) == "\n---------------\n".join(found["text"] for found in objects)
    for found in objects:
        assert set(found) == {"text", "seed", "characters", "chars_per_second", "loss", "stop"}
        assert (len(found["text"]), found["characters"], found["stop"]) == (33, 30, None)
        alone = (trained, "--length", "30", "--seed", str(found["seed"]), "--prime", "fox")
        assert _sample(capsys, *alone) == found["text"]
    assert objects[0]["seed"] == 5


def test_logprobs_of_the_generated_characters(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (trained, "--length", "30", "--seed", "5", "--prime", "fox", "--no-echo-prime", "--json", "--logprobs")
    found = json.loads(_sample(capsys, *words))
    assert len(found["logprobs"]) == len(found["text"]) == 30
    assert -sum(found["logprobs"]) / 30 == pytest.approx(found["loss"])


def test_a_text_can_end_with_a_line(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_sample(capsys, trained, "--seed", "1", "--until-line", "2", "--json"))
    assert found["stop"] == "\n" and found["text"].endswith("\n") and found["text"].count("\n") == 2


def test_beam_search_needs_no_seed_and_finds_what_is_more_probable(trained: Path,
                                                                   capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(trained), "--length", "40", "--beam", "4", "--num-samples", "2", "--json"]) == 0
    shown = capsys.readouterr()
    best, second = map(json.loads, shown.out.splitlines())
    greedy = json.loads(_sample(capsys, trained, "--length", "40", "--argmax", "--json"))
    assert "seed" not in shown.err
    assert best["loss"] < second["loss"] and best["loss"] <= greedy["loss"]


def test_cells_can_be_held(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (trained, "--length", "60", "--seed", "1", "--temperature", "0.1")
    free, held = _sample(capsys, *words), _sample(capsys, *words, "--set-cell", "0:3=-9", "--set-cell", "0:1=9")
    assert free != held and len(held) == 60
    zero = ("--set-cell", "0:2=0", "--set-cell", "0:3=0")
    assert _sample(capsys, *words, "--zero-cell", "0:2", "--zero-cell", "0:3") == _sample(capsys, *words, *zero)


def test_colours_are_for_terminals_that_want_them(trained: Path, capsys: pytest.CaptureFixture[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    words = ["sample", str(trained), "--length", "80", "--seed", "1", "--color"]
    plain = _sample(capsys, *words[1:])
    assert "\x1b" not in plain
    monkeypatch.setenv("TERM", "xterm-256color")
    for no_colour in ("", "1"):
        monkeypatch.setenv("NO_COLOR", no_colour)
        terminal = Terminal()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", terminal)
            assert main(words) == 0
        assert ("\x1b[" in terminal.getvalue()) == (not no_colour)
        assert re.sub("\x1b\\[[0-9;]*m", "", terminal.getvalue()) == plain + "\n"


def test_how_much_of_a_text_stands_in_a_corpus(trained: Path, tmp_path: Path,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    words = (trained, "--length", "40", "--seed", "1", "--num-samples", "2", "--prime", "t", "--no-echo-prime")
    texts = [json.loads(line)["text"] for line in _sample(capsys, *words, "--json").splitlines()]
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(f"t{texts[0]}XXXX{texts[1][:25]}XXXX")
    words = (*words, "--novelty", corpus)
    found = [json.loads(line)["novelty"] for line in _sample(capsys, *words, "--json").splitlines()]
    assert (found[0]["longest_run"], found[0]["ngram_share"]) == (40, 1.0)  # the prime is not judged
    assert found[1]["longest_run"] >= 25 and 6 / 21 <= found[1]["ngram_share"] < 1
    assert main(["sample", *map(str, words)]) == 0
    shown = capsys.readouterr()
    assert "novelty of sample 1: its longest run that stands in the corpus has 40 characters: " in shown.err
    assert "; 100.0% of its 20-grams stand there\n" in shown.err and "novelty" not in shown.out
    assert _sample(capsys, *words[:-2]) == shown.out


def test_a_corpus_that_is_not_there_is_known_before_anything_is_written(
        trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(trained), "--seed", "1", "--novelty", "no such file"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: no such file: ")
    assert main(["sample", str(trained), "--interactive", "--novelty", "no such file"]) == 2


def test_a_stop_text_ends_a_sample(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_sample(capsys, trained, "--seed", "1", "--stop", "e", "--stop", " ", "--json"))
    assert found["stop"] in ("e", " ") and found["text"].endswith(found["stop"])
    assert not set(found["text"][:-1]) & set("e ")


def test_unknown_characters_of_the_prime(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(trained), "--prime", "fóx€"]) == 1
    message = capsys.readouterr().err
    assert "'ó' (U+00F3) at 1, nearest known 'o'" in message and "--on-unknown" in message
    prime = (trained, "--length", "0", "--prime", "fóxÉ")
    assert _sample(capsys, *prime, "--on-unknown", "skip") == "fx"
    assert main(["sample", *map(str, prime), "--on-unknown", "nearest"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "foxe" and "the model reads 'ó' as 'o', 'É' as 'e'" in shown.err


@pytest.mark.parametrize(("words", "message"), [
    (["--prime", "a", "--prime-file", "b"], "exclude each other"), (["--temperature", "0"], "--temperature must be"),
    (["--top-p", "nan"], "--top-p must be"), (["--stop", ""], "--stop must not be empty"),
    (["--threads", "0"], "--threads"), (["--seed", "-1"], "--seed must be"), (["--until-line", "0"], "--until-line"),
    (["--interactive", "--prime", "a"], "--interactive and --prime exclude each other"),
    (["--interactive", "--json"], "--interactive and --json exclude"), (["--logprobs"], "--json"),
    (["--beam", "2", "--argmax"], "exclude each other"),
    (["--beam", "2", "--num-samples", "3"], "--beam of at least 3"),
    (["--set-cell", "0:1"], "write 0:43=1.5"), (["--set-cell", "0:1=x"], "write 0:43=1.5"),
    (["--zero-cell", "0:1=0"], "write 0:43 ("), (["--zero-cell", "1:0"], "cell 1:0 cannot be held"),
    (["--zero-cell", "0:1", "--set-cell", "0:1=2"], "name a cell twice"), (["--set-cell", "0:0=nan"], "--set-cell"),
])
def test_wrong_usage(words: list[str], message: str, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(trained), *words]) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1) and message in shown.err


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "no such model"]) == 1
    assert capsys.readouterr().err.startswith("error: no such model does not exist")


def test_learned_control_characters_are_shown_on_a_terminal_and_raw_in_a_pipe(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    (tmp_path / "text").write_text("\x1b[2J" * 300)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "text"), "--out", str(run), "--max-steps", "1", "--quiet", *SMALL]) == 0
    words = ["sample", str(run), "--length", "100", "--seed", "1"]
    raw = _sample(capsys, *words[1:])
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main(words) == 0
    assert "\x1b" in raw and "\x1b" not in terminal.getvalue()
    assert terminal.getvalue() == raw.replace("\x1b", "\\x1b") + "\n"


def test_a_closed_pipe_ends_the_text_quietly(trained: Path, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"charrnn sample '{trained}' --length 1000000 --seed 1 | head -c 10 | wc -c; "
                            "echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout.split(), done.stderr) == (["10", "0"], "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_one_line(trained: Path, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"charrnn sample '{trained}' --seed 1 > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (
        1, "error: cannot write to standard output: No space left on device; the rest of it is lost\n")
