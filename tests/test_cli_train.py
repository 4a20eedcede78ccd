"""`charrnn train`, from the words of the command line to the files of the run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.__main__ import main
from charrnn.checkpoint import read_description
from charrnn.cli import train
from charrnn.console.reports import Report
from charrnn.events import CheckpointEvent, Event, SampleEvent
from charrnn.presets import PRESETS

from .command_line import SMALL, TEXT, charrnn, charrnn_in_shell, environment
from .events import RUN, done, plan, step


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A short text in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fox.txt"
    path.write_text(TEXT)
    return path


def _plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    """Return the configuration that the words of a command line make."""
    assert main(["train", "--dry-run", "--json", *words]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


class _Trainer:
    """A run whose steps nobody computes."""

    def __init__(self, steps: int = 3) -> None:
        self.plan = plan()
        self.steps = steps
        self.stopped = False

    def __iter__(self) -> Iterator[Event]:
        yield self.plan
        for number in range(self.steps):
            yield step(number)
            if self.stopped:
                break
        yield SampleEvent(step=3, text="a text")
        yield CheckpointEvent(path="last", step=3, kind="last")
        yield done("interrupted" if self.stopped else "epochs")

    def stop(self) -> None:
        self.stopped = True

    def save(self) -> None:
        pass


def _follow(trainer: _Trainer, report: Report | None = None, *, as_json: bool = False) -> int:
    return train._follow(trainer, report or Report(RUN), as_json)  # type: ignore[arg-type]


def test_json_is_one_object_a_line_and_what_the_metrics_hold(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(corpus), "--out", "run", "--max-steps", "6", "--json", *SMALL]) == 0
    shown = capsys.readouterr()
    events = [json.loads(line) for line in shown.out.splitlines()]
    metrics = [json.loads(line) for line in (corpus.parent / "run" / "metrics.jsonl").read_text().splitlines()]
    assert events == metrics
    names = [event["event"] for event in events if event["event"] != "compile"]
    assert names[0] == "plan" and names[-1] == "done" and {"step", "eval", "checkpoint"} <= set(names)
    assert events[-1]["reason"] == "max_steps"
    assert "to sample: charrnn sample run" in shown.err


def test_the_default_run_folder_is_named_after_the_text(corpus: Path) -> None:
    assert main(["train", str(corpus), "--max-steps", "1", "--quiet", *SMALL]) == 0
    assert (corpus.parent / "checkpoints" / "fox" / "last.safetensors").is_file()


def test_quiet_says_nothing(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(corpus), "--max-steps", "1", "--quiet", *SMALL]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_dry_run_prints_the_plan_and_leaves_nothing(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(corpus), "--dry-run", *SMALL]) == 0
    shown = capsys.readouterr()
    assert "model      1 × 8 LSTM, one-hot, " in shown.out
    assert shown.err == ""
    assert [path.name for path in corpus.parent.iterdir()] == ["fox.txt"]


def test_options_reach_the_configurations(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _plan(capsys, str(corpus), "--cell", "gru", "--lr", "0.01", "--max-time", "1h30m", "--no-recurrent-bias",
                   "--normalize", "nfc", "--val-fraction", "0.25", *SMALL)["config"]
    assert isinstance(config, dict)
    wanted = {"cell": "gru", "lr": 0.01, "max_time": 5400.0, "recurrent_bias": False, "normalize": "nfc",
              "val_fraction": 0.25, "hidden_size": 8, "threads": 1}
    assert {name: config[name] for name in wanted} == wanted


def test_a_preset_fills_in_and_options_win(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _plan(capsys, str(corpus), "--preset", "min-char-rnn", "--seq-len", "10", "--clip-norm", "1.0")["config"]
    assert isinstance(config, dict)
    wanted = {**PRESETS["min-char-rnn"], "seq_len": 10, "clip_norm": 1.0}
    assert {name: config[name] for name in wanted} == wanted


def test_standard_input_is_a_corpus(corpus: Path) -> None:
    done = charrnn_in_shell("charrnn train - --dry-run --json < fox.txt", corpus.parent)
    assert json.loads(done.stdout)["characters"] == len(TEXT)


def test_a_run_is_not_overwritten_by_accident(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", str(corpus), "--out", "run", "--max-steps", "1", "--quiet", *SMALL]
    assert main(words) == 0
    assert main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_a_run_is_resumed_with_its_settings(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(corpus), "--out", "run", "--max-steps", "4", "--lr", "0.01", "--quiet", *SMALL]) == 0
    assert main(["train", str(corpus), "--out", "run", "--resume", "--max-steps", "7", "--quiet"]) == 0
    description = read_description(corpus.parent / "run" / "last.safetensors")
    assert (description.progress["step"], description.train.lr, description.model.hidden_size) == (7, 0.01, 8)


def test_resuming_finds_the_text_itself(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (corpus.parent / "texts").mkdir()
    for name in ("a.txt", "b.txt", "c.py"):
        (corpus.parent / "texts" / name).write_text(TEXT)
    words = ["train", "fox.txt", "texts", "--glob", "*.txt", "--out", "run", "--max-steps", "2", "--quiet", *SMALL]
    assert main(words) == 0
    again = ["train", "--out", "run", "--resume", "--max-steps", "3", "--quiet"]
    assert main(again) == 0
    assert read_description(corpus.parent / "run" / "last.safetensors").progress["step"] == 3
    (corpus.parent / "texts" / "b.txt").write_text(TEXT.replace("fox", "cat"))
    assert main(again) == 1
    assert "the text is not the one that the run in run was trained on: give that text" in capsys.readouterr().err
    (corpus.parent / "fox.txt").rename("gone.txt")
    assert main(again) == 1
    assert capsys.readouterr().err.startswith("error: fox.txt: cannot be read: there is no such file")


def test_resuming_needs_a_piped_text_again(corpus: Path) -> None:
    script = ("charrnn train - --out run --max-steps 2 --quiet --hidden-size 8 --num-layers 1 < fox.txt;"
              "charrnn train --out run --resume --max-steps 3 --quiet; echo $?;"
              "charrnn train - --out run --resume --max-steps 3 --quiet < fox.txt; echo $?")
    done = charrnn_in_shell(script, corpus.parent)
    assert done.stdout.split() == ["2", "0"]
    assert "cannot be found again: name it, or pipe it in once more" in done.stderr


def test_resuming_refuses_a_text_with_other_characters(trained: Path, corpus: Path,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    corpus.write_text(TEXT + "äöü")
    assert main(["train", str(corpus), "--out", str(trained), "--resume", "--max-steps", "20"]) == 1
    message = capsys.readouterr().err
    assert "the text is not the one" in message and "--init-from" in message and message.count("\n") == 1


def test_resuming_a_finished_run_says_that_nothing_is_left(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "fox.txt", "--out", "run", "--max-steps", "2", "--quiet", *SMALL]) == 0
    before = (corpus.parent / "run" / "last.safetensors").read_bytes()
    assert main(["train", "--out", "run", "--resume", "--quiet"]) == 0
    assert capsys.readouterr().err == ("warning: nothing is left to train: all steps are done; go on with a larger "
                                       "--max-steps\n")
    assert (corpus.parent / "run" / "last.safetensors").read_bytes() == before


@pytest.mark.parametrize(("left", "words"), [([], "leave --resume out"), (["metrics.jsonl"], "--overwrite")])
def test_resuming_what_was_never_saved(left: list[str], words: str, corpus: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    (corpus.parent / "run").mkdir()
    for name in left:
        (corpus.parent / "run" / name).write_text('{"event": "plan"}\n')
    assert main(["train", "fox.txt", "--out", "run", "--resume"]) == 1
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert main(["train", "fox.txt", "--out", "run", "--max-steps", "1", "--overwrite", "--quiet", *SMALL]) == 0


@pytest.mark.parametrize(("words", "message"), [
    (["--hidden-size", "16"], "--hidden-size 16 contradicts the run that is resumed: --hidden-size 8; leave it out"),
    (["--lr", "0.5"], "--lr 0.5 contradicts the run that is resumed: --lr 0.02;"),
    (["--bytes"], "--bytes contradicts the run that is resumed: --no-bytes;"),
    (["--preset", "min-char-rnn"], "leave out --preset"), (["--overwrite"], "leave out --overwrite"),
    (["--init-from", "run"], "leave out --init-from"),
])
def test_resuming_refuses_other_settings(words: list[str], message: str, trained: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(trained.parent / "fox.txt"), "--out", str(trained), "--resume", *words]) == 2
    assert message in capsys.readouterr().err


def test_resuming_takes_the_same_setting_given_again(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = _plan(capsys, str(trained.parent / "fox.txt"), "--out", str(trained), "--resume", "--hidden-size", "8",
                 "--lr", "0.02")
    assert plan["steps"] == 12


def test_resuming_needs_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume"]) == 2
    assert "--resume needs --out DIR" in capsys.readouterr().err


def test_another_run_starts_from_a_checkpoint(trained: Path, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _plan(capsys, str(corpus), "--init-from", str(trained), "--lr", "0.3")["config"]
    assert isinstance(config, dict)
    assert (config["hidden_size"], config["lr"]) == (8, 0.3)  # the model of the checkpoint, settings of its own
    assert main(["train", str(corpus), "--init-from", str(trained), "--cell", "gru"]) == 2
    assert "--cell gru contradicts the checkpoint of --init-from: --cell lstm" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--hidden-size", "0"], ["--lr", "nan"], ["--max-time", "0"], ["--seed", "-1"],
                                   ["--dropout", "1"], ["--val-fraction", "1"], ["--encoding", "base64"],
                                   ["--tie-weights", "--embedding-size", "7"]])
def test_values_that_cannot_work_are_wrong_usage(words: list[str], corpus: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(corpus), *words]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {words[0]}") and message.count("\n") == 1


def test_a_text_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "no such\x1b file"]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: no such\\x1b file: ") and message.count("\n") == 1


def test_notices_about_the_text_are_passed_on(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.write_bytes(TEXT.replace("\n", "\r\n").encode())
    assert main(["train", str(corpus), "--dry-run", *SMALL]) == 0
    assert capsys.readouterr().err == f"note: {corpus}: line ends CRLF are read as LF\n"


def test_a_signal_ends_the_run_with_its_exit_code() -> None:
    class Interrupting(Report):
        def show(self, event: Event) -> None:
            if event.name == "step":
                os.kill(os.getpid(), signal.SIGTERM)

    trainer = _Trainer()
    assert _follow(trainer, Interrupting(RUN)) == 143
    assert trainer.stopped


def test_a_signal_too_late_to_matter_changes_nothing() -> None:
    class Late(Report):
        def show(self, event: Event) -> None:
            if event.name == "done":
                os.kill(os.getpid(), signal.SIGTERM)

    assert _follow(_Trainer(), Late(RUN)) == 0


def test_a_closed_pipe_stops_the_run_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def isatty(self) -> bool:
            return False

    class Listening(Report):
        def show(self, event: Event) -> None:
            shown.append(event.name)

    monkeypatch.setattr(sys, "stdout", Closed())
    trainer = _Trainer()
    assert _follow(trainer, Listening(RUN), as_json=True) == 141
    assert shown == ["plan", "step", "sample", "checkpoint", "done"]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs POSIX signals")
def test_a_real_run_answers_signals(corpus: Path) -> None:
    words = ["train", str(corpus), "--out", "run", "--max-time", "120", "--json", *SMALL]
    process = subprocess.Popen([sys.executable, "-m", "charrnn", *words], env=environment(), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["event"] == "step":
            break
    process.send_signal(signal.SIGUSR1)
    for line in process.stdout:
        if json.loads(line)["event"] == "checkpoint":
            break
    process.send_signal(signal.SIGINT)
    rest, messages = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(rest.splitlines()[-1])["reason"] == "interrupted"
    assert "finishing the step and saving (press Ctrl-C again to quit at once)\n" in messages
    assert f"to go on: charrnn train {corpus} --resume --out run\n" in messages
    assert charrnn("train", corpus, "--out", "run", "--resume", "--max-time", "1", "--quiet").returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_there_is_one_live_display(corpus: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "charrnn", "train", str(corpus), "--out", "run", "--max-time", "120", *SMALL]
    process = subprocess.Popen(words, env=environment(TERM="xterm", COLUMNS="80", LINES="40"), stdin=follower,
                               stdout=follower, stderr=follower, start_new_session=True)
    os.close(follower)
    screen, deadline = b"", time.monotonic() + 120
    while "━".encode() not in screen and time.monotonic() < deadline:
        screen += os.read(leader, 65536)
    process.send_signal(signal.SIGINT)
    try:
        while True:
            screen += os.read(leader, 65536)
    except OSError:  # the process has ended
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 130
    shown = screen.decode()
    assert shown.count("1 × 8 LSTM") == 1
    assert "\x1b[?25l" in shown and shown.rstrip().endswith("charrnn sample run")
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_a_pipe_that_is_closed_ends_the_run_saved_and_not_as_if_it_were_done(corpus: Path) -> None:
    script = (f"charrnn train fox.txt --out run --max-time 120 --json {' '.join(SMALL)} | head -n 1; "
              "echo ${PIPESTATUS[0]}; charrnn train --out run --resume --dry-run > plan; echo $?")
    done = charrnn_in_shell(script, corpus.parent)
    plan, *codes = done.stdout.splitlines()
    assert json.loads(plan)["event"] == "plan" and codes == ["141", "0"]
    assert "to go on: charrnn train fox.txt --resume --out run\n" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_compiling_stops_at_once(number: int, code: int, corpus: Path) -> None:
    words = [sys.executable, "-m", "charrnn", "train", "fox.txt", "--out", "run", "--json", *SMALL]
    empty = environment(CHARRNN_CACHE=str(corpus.parent / "cache"))
    process = subprocess.Popen(words, env=empty, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["event"] == "compile":
            break
    process.send_signal(number)
    rest, messages = process.communicate(timeout=60)
    assert (process.returncode, rest) == (code, "")
    assert messages.endswith("stopped before the first step; nothing was lost\n")
    assert [path.name for path in (corpus.parent / "run").iterdir()] == [".charrnn.lock"]
