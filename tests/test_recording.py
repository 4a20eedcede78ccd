"""The report that a run keeps up to date in its folder."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from charrnn import recording
from charrnn.errors import CheckpointError
from charrnn.events import SampleEvent, WarningEvent
from charrnn.recording import Recorder
from charrnn.run_folder import RunFolder
from charrnn.training_run import train

from .events import done, evaluated, plan, step
from .runs import TEXT

_SMALL: dict[str, Any] = {"hidden_size": 8, "num_layers": 1, "batch_size": 2, "seq_len": 8, "threads": 1,
                          "precision": "f32", "eval_every": 3}


def _data(folder: RunFolder) -> dict[str, Any]:
    (contents,) = re.findall(r'id="data">(.*?)</script>', folder.report.read_text("utf-8"), re.DOTALL)
    data: dict[str, Any] = json.loads(contents)
    return data


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "run")
    made.path.mkdir()
    return made


@pytest.fixture
def recorder(folder: RunFolder) -> Recorder:
    return Recorder(folder, ["fox.txt"], ["charrnn", "train", "fox.txt"], resumed=False)


def _take(recorder: Recorder, *events: Any) -> list[WarningEvent]:
    return [warning for event in events for warning in recorder.take(event)]


def test_a_run_without_a_step_leaves_nothing(folder: RunFolder, recorder: Recorder) -> None:
    assert not _take(recorder, plan(), done("interrupted"))
    recorder.close()
    assert not list(folder.path.iterdir())


def test_the_page_is_there_from_the_first_step_on(folder: RunFolder, recorder: Recorder) -> None:
    assert not _take(recorder, plan(), step(1))
    data = _data(folder)
    assert data["reload"] and data["runs"][0]["steps"]["step"] == [1]
    assert data["runs"][0]["sessions"][0]["command"] == ["charrnn", "train", "fox.txt"]
    assert data["runs"][0]["machine"]["processor"]


def test_it_is_drawn_anew_only_when_its_share_of_time_allows(folder: RunFolder, recorder: Recorder,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    now, takes = [1000.0], 0.5

    def page(*_: Any, **__: Any) -> str:
        now[0] += takes
        drawn.append(now[0])
        return ""

    drawn: list[float] = []
    monkeypatch.setattr(recording, "report_page", page)
    monkeypatch.setattr(recording, "is_page", lambda path: True)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for number in range(1, 400):
        now[0] += 0.5
        _take(recorder, step(number))
    assert len(drawn) == 4 and drawn[1] - drawn[0] >= takes / recording.SHARE
    takes = 0.001
    before = len(drawn)
    now[0] += 100
    for number in range(400, 500):
        now[0] += 0.5
        _take(recorder, step(number))
    assert [round(later - earlier) for earlier, later in zip(drawn[before:], drawn[before + 1:])] == [10] * 4


def test_the_last_page_has_everything_and_stands_still(folder: RunFolder, recorder: Recorder) -> None:
    _take(recorder, plan(), step(1), evaluated(), SampleEvent(step=785, text="The fox"), step(2), done())
    data = _data(folder)
    (run,) = data["runs"]
    assert data["reload"] is None and run["done"]["reason"] == "epochs"
    assert run["steps"]["step"] == [1, 2] and run["evaluations"]["val_loss"] == [1.71234]
    assert run["samples"] == [{"step": 785, "text": "The fox"}]


def test_a_run_that_breaks_off_is_drawn_to_its_end(folder: RunFolder, recorder: Recorder) -> None:
    _take(recorder, plan(), step(1), step(2))
    recorder.close()
    data = _data(folder)
    assert data["reload"] is None and data["runs"][0]["steps"]["step"] == [1, 2] and data["runs"][0]["done"] is None


@pytest.mark.parametrize("hindrance", ["foreign", "unwritable"])
def test_a_hindrance_is_told_once(hindrance: str, folder: RunFolder, recorder: Recorder,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PERIOD", -1.0)
    monkeypatch.setattr(recording, "SHARE", 1e9)

    def refuse(path: Path, data: bytes) -> None:
        raise CheckpointError(f"{path.name} cannot be written")

    with monkeypatch.context() as patched:
        if hindrance == "foreign":
            folder.report.write_text("mine")
        else:
            patched.setattr(recording, "write_atomically", refuse)
        (warning,) = _take(recorder, plan(), step(1), step(2), step(3))
        assert "report.html" in warning.message and "training goes on" in warning.message
        assert hindrance != "foreign" or folder.report.read_text() == "mine"
    folder.report.unlink(missing_ok=True)
    assert not _take(recorder, step(4)) and _data(folder)["runs"][0]["steps"]["step"] == [1, 2, 3, 4]


def test_a_real_run_is_recorded_and_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    run = train(text=TEXT, out=folder.path, max_steps=9, **_SMALL)
    run.command = ("python", "first.py")
    list(run)
    first = _data(folder)["runs"][0]
    assert first["evaluations"]["step"] == [3, 6, 9] == [sample["step"] for sample in first["samples"]]
    list(train(text=TEXT, out=folder.path, resume=True, max_steps=15, eval_every=3))
    data = _data(folder)
    (both,) = data["runs"]
    assert both["evaluations"]["step"] == [3, 6, 9, 12, 15] == [sample["step"] for sample in both["samples"]]
    assert both["samples"][:3] == first["samples"] and both["steps"]["loss"][:2] == first["steps"]["loss"][:2]
    assert [(session["step"], session["command"]) for session in both["sessions"]] == [(0, ["python", "first.py"]),
                                                                                       (9, [])]
    assert both["sessions"][0]["sources"] == ["the given text"] and data["reload"] is None
