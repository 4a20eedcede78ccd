"""The course of a run, gathered from events and from files that may hold anything."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CheckpointError
from charrnn.run_folder import RunFolder
from charrnn.run_history import POINTS, Evaluation, RunHistory, Sample, Steps, read_history

from .events import done, evaluated, plan, step


def _write(path: Path, *lines: Any) -> None:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))


def test_events_are_gathered() -> None:
    history = RunHistory("run")
    assert all(history.take(event.to_json()) for event in (plan(), step(), evaluated(), done()))
    assert list(history.steps) == [Steps(785, 2.5, 60.0, 1.62345, 0.002, 0.3, 412_345.0)]
    assert list(history.evaluations) == [Evaluation(785, 2.5, 61.0, 1.71234)]
    assert history.plan and history.plan["config"]["hidden_size"] == 256
    assert history.done and history.done["reason"] == "epochs"
    history.take(plan(steps=9000).to_json())
    assert history.done is None and history.plan["steps"] == 9000


def test_a_long_run_is_thinned_without_losing_what_matters() -> None:
    history = RunHistory("run")
    for number in range(1, 10_001):
        norm = 90.0 if number == 1234 else 0.5
        history.take(replace(step(number), loss=float(number % 2), grad_norm=norm).to_json())
        history.take(replace(evaluated(), step=number, val_loss=0.5 if number == 4321 else 1.0).to_json())
    steps, evaluations = list(history.steps), list(history.evaluations)
    assert POINTS / 2 < len(steps) <= POINTS and POINTS / 2 < len(evaluations) <= POINTS
    assert {point.loss for point in steps} == {0.5} and max(point.grad_norm for point in steps) == 90
    assert steps[-1].step == 10_000
    assert min(evaluations, key=lambda point: point.val_loss) == Evaluation(4321, 2.5, 61.0, 0.5)


def test_samples_are_kept_in_bounded_number_and_size() -> None:
    history = RunHistory("run")
    kept = [number for number in range(1, 100_001)
            if history.take({"event": "sample", "step": number, "text": "x" * 5000})]
    assert kept[:50] == [*range(1, 51)] and 300 < len(kept) < 450 and kept[-1] > 98_000
    assert [sample.step for sample in history.samples] == kept
    assert {len(sample.text) for sample in history.samples} == {2000}


def test_the_usual_twenty_samples_are_all_kept() -> None:
    history = RunHistory("run")
    assert all(history.take({"event": "sample", "step": 160 * number, "text": ""}) for number in range(1, 21))


@pytest.mark.parametrize("event", [
    {}, {"event": ["step"]}, {"event": "step", "step": 1}, {"event": "checkpoint", "step": 1},
    step().to_json() | {"loss": None}, step().to_json() | {"lr": "0.1"}, step().to_json() | {"step": True},
    evaluated().to_json() | {"val_loss": 10**400}, {"event": "sample", "step": 1, "text": 5},
    {"event": "sample", "step": None, "text": "a"},
])
def test_what_is_no_event_is_passed_over(event: dict[str, Any]) -> None:
    history = RunHistory("run")
    assert not history.take(event)
    assert not len(history.steps) and not len(history.evaluations) and not history.samples


def test_an_oversized_event_is_cut() -> None:
    history = RunHistory("run")
    history.take({"event": "session", "command": ["x" * 10**5] * 1000, "machine": {"a": {"b": 1}, "cpu": "y" * 10**5}})
    (session,) = history.sessions
    assert len(session["command"]) == 200 and {len(word) for word in session["command"]} == {2000}
    assert list(session["machine"]) == ["cpu"] and len(session["machine"]["cpu"]) == 2000


def test_a_folder_is_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    _write(folder.metrics, plan().to_json(), step(1).to_json(), "no JSON", "[1]",
           json.dumps(step(9).to_json()) + " " * 2**20, step(2).to_json())  # a line too long is no event
    with folder.metrics.open("a") as file:
        file.write('{"event": "done", "reason": "torn')
    _write(folder.account, {"event": "session", "step": 0, "command": ["charrnn"]},
           {"event": "sample", "step": 1, "text": "a\n"})
    history = read_history(folder, "it")
    assert [point.step for point in history.steps] == [1, 2] and history.done is None
    assert history.samples == [Sample(1, "a\n")] and history.sessions[0]["command"] == ["charrnn"]


def test_without_its_files_a_run_is_read_from_its_checkpoint(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes((trained / "best.safetensors").read_bytes())
    history = read_history(RunFolder(tmp_path), "it")
    assert history.plan and len(history.steps) and len(history.evaluations)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl cannot be read"):
        read_history(RunFolder(tmp_path), "it")
