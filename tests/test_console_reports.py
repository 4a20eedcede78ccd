"""A run as lines for a log."""

from __future__ import annotations

import dataclasses
import io
import sys

import pytest

from charrnn.console import reports
from charrnn.console.display import Display
from charrnn.console.plan import plan_rows
from charrnn.console.reports import Lines, Report, report_for
from charrnn.events import CompileEvent, SampleEvent, WarningEvent

from .events import RUN, done, evaluated, plan, step


def _shown(report: Report, capsys: pytest.CaptureFixture[str], *events: object) -> list[str]:
    for event in events:
        report.show(event)  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()


def test_the_plan_says_what_will_happen() -> None:
    rows = dict(plan_rows(plan(), RUN.sources, RUN.folder))
    assert rows["text"] == "fox.txt"
    assert rows["size"] == "1,115,394 characters, 65 different ones"
    assert rows["split"] == "1,003,854 to train on, 111,540 to validate on (tail)"
    assert rows["model"] == "2 × 256 LSTM, one-hot, 870,465 parameters"
    assert rows["length"] == "3,140 steps; a step is 50 streams × 64 characters"
    estimated = dict(plan_rows(dataclasses.replace(plan(), estimated_seconds=245.0), ("a",), "run"))
    assert estimated["length"].startswith("3,140 steps, about 4:05; ")
    assert rows["optimizer"] == "adamw at 0.002, cosine schedule, clip norm 1, weight decay 0.01"
    noisy = dict(plan_rows(plan(garble=0.005), RUN.sources, RUN.folder))
    assert noisy["optimizer"] == rows["optimizer"] + ", garble 0.005"
    assert rows["machine"] == "2 threads, precision auto, about 120 MB of memory"
    assert rows["saved in"] == "checkpoints/my fox" and "why" not in rows
    assert dict(plan_rows(dataclasses.replace(plan(), reason="so much time"), ("a",), "run"))["why"] == "so much time"


def test_the_plan_names_what_is_not_the_default() -> None:
    rows = dict(plan_rows(plan(steps=None, max_time=90.0, batch_size=1, clip_norm=0.0, clip_value=5.0),
                          tuple("abcde"), "a\nb"))
    assert rows["text"] == "a, b, c and 2 more"
    assert rows["length"] == "1:30 of training; a step is 1 stream × 64 characters"
    assert rows["optimizer"] == "adamw at 0.002, cosine schedule, clip value 5, weight decay 0.01"
    assert rows["saved in"] == "a\\nb"


def test_a_log_has_one_line_for_everything(capsys: pytest.CaptureFixture[str]) -> None:
    report = Lines(RUN)
    assert "model: 2 × 256 LSTM, one-hot, 870,465 parameters" in _shown(report, capsys, plan())
    assert _shown(report, capsys, CompileEvent(seconds=None), CompileEvent(seconds=11.4)) == [
        "compiling the kernels for this machine, once; later runs start at once", "compiled in 11 s"]
    facts = "step 785 of 3,140, epoch 2.50, loss 1.6235, 412k characters/s, 3:00 left"
    assert _shown(report, capsys, step()) == [facts]
    assert _shown(report, capsys, evaluated()) == [f"{facts}, val loss 1.7123 (best so far)"]
    assert _shown(report, capsys, evaluated(best=False)) == [f"{facts}, val loss 1.7123"]
    assert _shown(report, capsys, SampleEvent(step=785, text="To be,\n\n\tor \x1b[2J\na\nb\nc")) == [
        "  | To be,", "  |     or \\x1b[2J", "  | a", "  | b"]
    assert _shown(report, capsys, WarningEvent(message="disk \x1b full")) == ["warning: disk \\x1b full"]
    assert _shown(report, capsys, done()) == [
        "all epochs done: 3,140 steps in 4:05, 410k characters/s",
        "best val loss: 1.5123 nats per character (tail split)",
        "saved in: checkpoints/my fox", "to sample: charrnn sample 'checkpoints/my fox'"]


def test_a_log_hears_of_steps_only_now_and_then(capsys: pytest.CaptureFixture[str],
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(reports.time, "monotonic", lambda: now)
    report = Lines(RUN)
    assert len(_shown(report, capsys, step(1), step(2), step(3))) == 1
    now += 16
    assert len(_shown(report, capsys, step(4), step(5))) == 1


def test_an_interrupted_run_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _shown(Lines(RUN), capsys, plan(), done("interrupted", best=None))
    assert "to go on: charrnn train fox.txt --resume --out 'checkpoints/my fox'" in lines
    assert not [line for line in lines if line.startswith("best val loss")]


def test_stopping_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(RUN).stopping()
    assert capsys.readouterr().err == "finishing the step and saving (press Ctrl-C again to quit at once)\n"


def test_a_quiet_report_shows_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    report = report_for(RUN, quiet=True)
    report.stopping()
    assert _shown(report, capsys, plan(), step(), evaluated(), WarningEvent(message="the disk is full"), done()) == [
        "warning: the disk is full"]


@pytest.mark.parametrize(("terminal", "term", "kind"), [(True, "xterm", Display), (True, "dumb", Lines),
                                                        (False, "xterm", Lines)])
def test_the_live_display_is_for_terminals(terminal: bool, term: str, kind: type,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", term)
    assert type(report_for(RUN, quiet=False)) is kind


def test_time_left_is_unknown_before_anything_is_done() -> None:
    for first, left in ((step(progress=0.0), "?"), (step(progress=0.001), "?"), (step(progress=1.0), "0:00")):
        assert reports.time_left(first, first) == left


def test_a_slow_first_step_is_no_measure_of_those_to_come(capsys: pytest.CaptureFixture[str],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    report, times = Lines(RUN), iter((1000.0, 1000.0, 1020.0, 1020.0))
    monkeypatch.setattr(reports.time, "monotonic", lambda: next(times))
    lines = _shown(report, capsys, dataclasses.replace(step(1, 0.001), seconds=30.0),
                   dataclasses.replace(step(101, 0.101), seconds=32.0))
    assert [line.rpartition(", ")[2] for line in lines] == ["? left", "0:18 left"]
