"""The run folder: who may write to it, what is removed from it, and how runs are found again."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import run_folder
from charrnn.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.errors import CheckpointError
from charrnn.model import parameter_shapes
from charrnn.page.report import report_page
from charrnn.run_folder import SHIPPED, RunFolder, default_run_folder, find_checkpoint, is_shipped
from charrnn.vocabulary import Vocabulary

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "hello")


def names(folder: RunFolder) -> list[str]:
    """What a user sees in a run folder."""
    return sorted(path.name for path in folder.path.iterdir() if not path.name.startswith("."))


def save(path: Path, seconds: float | None = None) -> None:
    """Write a small checkpoint, last changed at a given time."""
    model = ModelConfig(vocab_size=2, cell="rnn", hidden_size=1, num_layers=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, Checkpoint(
        model=model, vocabulary=Vocabulary(np.array([104, 105])), text=TextConfig(), train=TrainConfig(),
        weights={name: np.zeros(shape, np.float32) for name, shape in parameter_shapes(model).items()}))
    if seconds is not None:
        os.utime(path, (seconds, seconds))


HOLD_THE_LOCK = """
import sys
from charrnn.run_folder import RunFolder
with RunFolder(sys.argv[1]).lock():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_trainer(folder: RunFolder) -> Iterator[subprocess.Popen[str]]:
    """A second process that holds the folder's lock."""
    with subprocess.Popen([sys.executable, "-c", HOLD_THE_LOCK, str(folder.path)], cwd=Path(__file__).parents[1],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


class TestCreate:
    def test_makes_the_folder_and_its_parents(self, folder: RunFolder) -> None:
        folder.create(overwrite=False)
        assert folder.path.is_dir()
        assert names(folder) == []

    def test_accepts_a_folder_with_other_files(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        (folder.path / "notes.txt").write_text("mine")
        folder.create(overwrite=True)
        assert names(folder) == ["notes.txt"]

    @pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors", "metrics.jsonl"])
    def test_refuses_a_folder_that_holds_a_run(self, folder: RunFolder, name: str) -> None:
        folder.path.mkdir(parents=True)
        (folder.path / name).write_bytes(b"")
        with pytest.raises(CheckpointError, match=r"already holds a run.*--resume.*--overwrite.*--out"):
            folder.create(overwrite=False)
        assert names(folder) == [name]

    def test_overwriting_removes_the_run_and_nothing_else(self, folder: RunFolder) -> None:
        save(folder.best)
        save(folder.last)
        folder.append_metrics({"event": "step", "step": 1})
        folder.append_account({"event": "session", "step": 0})
        folder.report.write_text(report_page([]))
        (folder.path / "notes.txt").write_text("mine")
        folder.create(overwrite=True)
        assert names(folder) == ["notes.txt"]

    def test_overwriting_keeps_a_page_that_charrnn_did_not_write(self, folder: RunFolder) -> None:
        save(folder.best)
        folder.report.write_text("<p>My results</p>")
        folder.create(overwrite=True)
        assert names(folder) == ["report.html"]

    def test_overwriting_removes_a_run_that_was_damaged_or_never_wrote_an_event(self, folder: RunFolder) -> None:
        save(folder.best)
        folder.best.write_bytes(folder.best.read_bytes()[:-1])
        folder.metrics.write_bytes(b"")
        folder.create(overwrite=True)
        assert names(folder) == []

    @pytest.mark.parametrize(("name", "content"), [
        ("best.safetensors", b""), ("last.safetensors", b'\x08\0\0\0\0\0\0\0{"a":{}}'), ("metrics.jsonl", b"my data\n"),
        ("metrics.jsonl", b'{"mine": 1}\n'), ("account.jsonl", b"what I spent\n"),
    ])
    def test_overwriting_refuses_files_that_charrnn_did_not_write(
            self, folder: RunFolder, name: str, content: bytes) -> None:
        save(folder.best)
        save(folder.last)
        (folder.path / name).write_bytes(content)
        before = names(folder)
        with pytest.raises(CheckpointError, match=rf"{name} is in the way.*did not write it"):
            folder.create(overwrite=True)
        assert names(folder) == before
        assert (folder.path / name).read_bytes() == content

    @posix
    def test_overwriting_refuses_what_is_no_file_without_waiting_for_it(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        os.mkfifo(folder.metrics)
        with pytest.raises(CheckpointError, match="in the way"):
            folder.create(overwrite=True)
        os.mkfifo(folder.best)
        with pytest.raises(CheckpointError, match="in the way"):
            folder.create(overwrite=True)

    def test_refuses_a_file_in_the_folders_place(self, folder: RunFolder) -> None:
        folder.path.parent.mkdir(parents=True)
        folder.path.write_text("mine")
        with pytest.raises(CheckpointError, match=r"hello is a file, not a folder"):
            folder.create(overwrite=True)
        assert folder.path.read_text() == "mine"

    def test_reports_a_folder_that_cannot_be_written_to(
            self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        save(folder.best)

        def fail(fd: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match="hello cannot be written to: the disk is full"):
            folder.create(overwrite=True)
        assert folder.best.exists()


class TestLock:
    def test_a_second_process_keeps_a_trainer_out_and_is_named(
            self, folder: RunFolder, other_trainer: subprocess.Popen[str]) -> None:
        with pytest.raises(CheckpointError, match=rf"in use by process {other_trainer.pid} on .*--out"), folder.lock():
            raise AssertionError("both hold the lock")
        with pytest.raises(CheckpointError, match="in use"):
            folder.create(overwrite=True)

    @posix
    def test_a_killed_process_leaves_nothing_that_blocks(
            self, folder: RunFolder, other_trainer: subprocess.Popen[str]) -> None:
        other_trainer.send_signal(signal.SIGKILL)
        other_trainer.wait()
        with folder.lock() as held:
            assert held

    def test_is_released_at_the_end_and_after_an_error(self, folder: RunFolder) -> None:
        with pytest.raises(ZeroDivisionError), folder.lock():
            raise ZeroDivisionError
        with RunFolder(folder.path).lock() as held:
            assert held

    def test_two_objects_of_one_process_exclude_each_other(self, folder: RunFolder) -> None:
        with folder.lock(), pytest.raises(CheckpointError, match=f"in use by process {os.getpid()}"):
            RunFolder(folder.path).create(overwrite=True)

    def test_the_holder_may_enter_again(self, folder: RunFolder) -> None:
        with folder.lock():
            with folder.lock() as held:
                assert held
            folder.create(overwrite=False)
            with pytest.raises(CheckpointError, match="in use"), RunFolder(folder.path).lock():
                raise AssertionError("the inner context released the lock")

    def test_a_lock_file_with_any_content_does_no_harm(
            self, folder: RunFolder, other_trainer: subprocess.Popen[str]) -> None:
        for content in (b"", b"\xff[[[", b"[1]", b'{"pid": "\\u001b[31m", "host": {}}'):
            (folder.path / ".charrnn.lock").write_bytes(content)
            with pytest.raises(CheckpointError, match="in use by") as caught:
                folder.create(overwrite=False)
            assert str(caught.value).isprintable()

    def test_a_file_system_without_locks_is_told(self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(fd: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("charrnn.run_folder._lock", fail)
        with folder.lock() as held:
            assert not held

    def test_sweeps_what_crashes_left(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        leftover = folder.path / ".last.safetensors.123-0123abcd.charrnn-tmp"
        leftover.write_bytes(b"half")
        with folder.lock():
            assert not leftover.exists()


class TestMetrics:
    def lines(self, folder: RunFolder) -> list[Any]:
        return [json.loads(line) for line in folder.metrics.read_text("utf-8").splitlines()]

    def fill(self, folder: RunFolder) -> list[dict[str, Any]]:
        events = [{"event": "plan"}, {"event": "step", "step": 10}, {"event": "checkpoint", "step": 10, "path": "é\n"},
                  {"event": "step", "step": 20}, {"event": "warning"}, {"event": "step", "step": 30}]
        folder.path.mkdir(parents=True)
        for event in events:
            folder.append_metrics(event)
        return events

    def test_one_object_a_line_in_order(self, folder: RunFolder) -> None:
        events = self.fill(folder)
        assert self.lines(folder) == events
        assert list(self.lines(folder)[2]) == ["event", "step", "path"]

    def test_nan_and_infinity_become_null(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        folder.append_metrics({"loss": float("nan"), "grad_norm": float("inf"), "config": {"lr": [-float("inf"), 0.5]}})
        assert self.lines(folder) == [{"loss": None, "grad_norm": None, "config": {"lr": [None, 0.5]}}]

    def test_failing_to_write_is_reported(self, folder: RunFolder) -> None:
        with pytest.raises(CheckpointError, match=r"metrics\.jsonl cannot be written: its folder does not exist"):
            folder.append_metrics({"event": "step"})

    @posix
    def test_a_full_disk_leaves_no_part_of_a_line(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        result = subprocess.run([sys.executable, "-c", """
import resource, sys
from charrnn.errors import CheckpointError
from charrnn.run_folder import RunFolder
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    for step in range(100): RunFolder(sys.argv[1]).append_metrics({"event": "step", "step": step})
except CheckpointError as error: print(error)
""", str(folder.path)], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
        assert "metrics.jsonl cannot be written" in result.stdout, result.stderr
        folder.append_metrics({"event": "step", "step": 3})
        assert [event["step"] for event in self.lines(folder)] == [0, 1, 2, 3]

    @pytest.mark.parametrize(("step", "kept"), [(0, 1), (10, 3), (15, 3), (20, 5), (30, 6), (31, 6)])
    def test_truncating_drops_what_came_after_a_step(self, folder: RunFolder, step: int, kept: int) -> None:
        events = self.fill(folder)
        folder.truncate_events(step)
        assert self.lines(folder) == events[:kept]

    def test_truncating_drops_a_torn_last_line_but_no_other(self, folder: RunFolder) -> None:
        events = self.fill(folder)
        with folder.metrics.open("ab") as file:
            file.write(b'edited by hand\n{"event": "step", "st')
        folder.truncate_events(30)
        assert folder.metrics.read_text().splitlines()[len(events):] == ["edited by hand"]

    def test_truncating_cuts_the_account_alike(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        folder.append_account({"event": "session", "step": 0}, {"event": "sample", "step": 10, "text": "a"},
                              {"event": "sample", "step": 20, "text": "b"})
        folder.truncate_events(15)
        assert [json.loads(line)["step"] for line in folder.account.read_text().splitlines()] == [0, 10]

    def test_truncating_what_is_not_there_does_nothing(self, folder: RunFolder) -> None:
        folder.path.mkdir(parents=True)
        folder.truncate_events(5)
        assert names(folder) == []


class TestDefaultRunFolder:
    @pytest.mark.parametrize(("sources", "name"), [
        ([], "builtin"), (["hamlet.txt"], "hamlet"), (["/data/war and peace.txt.gz"], "war-and-peace"),
        (["-"], "stdin"), (["src/linux/"], "linux"), (["a.py", "b.py", "c.py"], "a.py-and-2-more"),
        (["Чехов.txt"], "Чехов"), (["\x1b[31m\n.txt"], "31m"), (["..."], "run"), ([".hidden"], "hidden"),
        (["x\udcff.txt"], "x"), (["n" * 300], "n" * 60), ([".txt"], "run"),
    ])
    def test_is_named_after_the_corpus(self, tmp_path: Path, sources: list[str], name: str) -> None:
        assert default_run_folder(sources, tmp_path) == tmp_path / name

    def test_the_current_folder_has_a_name_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "poems" / "deep").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "poems" / "deep")
        assert default_run_folder(["."], tmp_path).name == "deep"
        assert default_run_folder([".."], tmp_path).name == "poems"

    def test_a_name_that_has_a_run_gets_a_number(self, tmp_path: Path) -> None:
        save(tmp_path / "a" / "last.safetensors")
        (tmp_path / "a-2").write_text("a file")
        (tmp_path / "a-3").mkdir()
        assert default_run_folder(["a.txt"], tmp_path) == tmp_path / "a-3"


class TestFindCheckpoint:
    def test_a_file_is_meant_as_it_is(self, tmp_path: Path) -> None:
        save(tmp_path / "my.model")
        assert find_checkpoint(str(tmp_path / "my.model"), tmp_path) == tmp_path / "my.model"

    def test_a_folder_means_its_best_or_else_its_last(self, tmp_path: Path) -> None:
        save(tmp_path / "a" / "last.safetensors")
        assert find_checkpoint(str(tmp_path / "a"), tmp_path) == tmp_path / "a" / "last.safetensors"
        save(tmp_path / "a" / "best.safetensors")
        assert find_checkpoint(str(tmp_path / "a"), tmp_path) == tmp_path / "a" / "best.safetensors"

    def test_nothing_means_the_run_that_was_saved_last(self, tmp_path: Path) -> None:
        save(tmp_path / "a" / "best.safetensors", 1000)
        save(tmp_path / "a" / "last.safetensors", 4000)
        save(tmp_path / "b" / "best.safetensors", 2000)
        save(tmp_path / "b" / "last.safetensors", 3000)
        (tmp_path / "README.md").write_text("no run")
        (tmp_path / "empty").mkdir()
        assert find_checkpoint(None, tmp_path) == tmp_path / "a" / "best.safetensors"
        os.utime(tmp_path / "b" / "last.safetensors", (5000, 5000))
        assert find_checkpoint(None, tmp_path) == tmp_path / "b" / "best.safetensors"

    @pytest.mark.parametrize("exists", [True, False])
    def test_no_run_at_all(self, tmp_path: Path, exists: bool) -> None:
        root = tmp_path if exists else tmp_path / "gone"
        assert find_checkpoint(None, root) == SHIPPED / "python-docs" / "best.safetensors"

    def test_a_model_of_the_package_by_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found = find_checkpoint("python-docs", tmp_path)
        assert is_shipped(found) and found.stat().st_size <= 2_000_000
        history = load_checkpoint(found).history
        assert history and not [event for event in history if Path(event.get("path", "")).is_absolute()]
        monkeypatch.chdir(tmp_path)
        save(Path("python-docs") / "best.safetensors")
        assert not is_shipped(find_checkpoint("python-docs", tmp_path))
        with pytest.raises(CheckpointError):
            find_checkpoint("../checkpoints/python-docs", tmp_path)

    def test_a_package_without_its_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(run_folder, "SHIPPED", tmp_path / "stripped")
        with pytest.raises(CheckpointError, match=r"no trained model.*charrnn train"):
            find_checkpoint(None, tmp_path)

    def test_what_is_not_there_is_named_with_what_may_be_meant(self, tmp_path: Path) -> None:
        (tmp_path / "poems").mkdir()
        with pytest.raises(CheckpointError, match=r"nowhere\\n does not exist; give a checkpoint file"):
            find_checkpoint("nowhere\n", tmp_path)
        with pytest.raises(CheckpointError, match=r"did you mean .*poems\?"):
            find_checkpoint("poems", tmp_path)
        with pytest.raises(CheckpointError, match="an empty path does not exist"):
            find_checkpoint("", tmp_path)
        with pytest.raises(CheckpointError, match=r"cannot be read|does not exist"):
            find_checkpoint("x" * 5000, tmp_path)

    def test_a_folder_without_a_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match=r"holds no best\.safetensors"):
            find_checkpoint(str(tmp_path), tmp_path)
