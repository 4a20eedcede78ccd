"""The page of runs: what it holds, and that it stays small and whole."""

from __future__ import annotations

import json
import re
from typing import Any

from charrnn.page.report import RELOAD, report_page
from charrnn.run_folder import is_page
from charrnn.run_history import RunHistory

from .histories import history


def _data(page: str) -> dict[str, Any]:
    """Return what the page's script reads."""
    (contents,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(contents)
    return data


def test_the_curves_are_kept_with_six_digits() -> None:
    (run,) = _data(report_page([history(steps=50, every=10)]))["runs"]
    assert run["steps"]["step"] == list(range(1, 51)) and len(run["steps"]["grad_norm"]) == 50
    assert all(len(f"{loss}") <= 7 for loss in run["steps"]["loss"])
    assert run["evaluations"]["step"] == [10, 20, 30, 40, 50]
    assert [sample["step"] for sample in run["samples"]] == [10, 20, 30, 40, 50]


def test_plan_machine_command_and_settings_are_kept() -> None:
    (run,) = _data(report_page([history(cell="gru")]))["runs"]
    assert run["settings"]["--cell"] == "gru" and "--max-time" not in run["settings"]  # which is not set
    assert run["plan"]["parameters"] == 870_465 and "config" not in run["plan"]
    assert run["sessions"][0]["command"] == ["charrnn", "train", "my novel.txt"]
    assert run["machine"] == {"processor": "Abacus 9", "cores": "2 of 4"}


def test_a_run_that_has_told_nothing_yet_makes_a_page() -> None:
    (run,) = _data(report_page([RunHistory("run")]))["runs"]
    assert run["steps"]["loss"] == [] and run["samples"] == [] and run["machine"] == {}


def test_only_a_run_that_is_going_on_reloads_its_page() -> None:
    assert _data(report_page([history()], going_on=True))["reload"] == RELOAD
    assert _data(report_page([history()]))["reload"] is None


def test_the_title_names_the_runs() -> None:
    titles = [re.findall("<title>(.*?)</title>", report_page([history(name) for name in names]))[0]
              for names in (["<b>&"], ["a", "b"], ["a", "b", "c", "d"])]
    assert titles == ["Training of &lt;b&gt;&amp;", "Training of a and b", "Training of a and b and 2 more"]


def test_the_longest_run_makes_a_small_page() -> None:
    long = history(steps=30_000, every=10, samples=("x" * 200,))
    assert len(report_page([long])) < 400_000


def test_nothing_of_a_run_can_end_the_data_or_become_markup() -> None:
    evil = "</script><img src=x onerror=alert(1)><!--\u2028"
    page = report_page([history(evil, samples=(evil,), command=(evil,), cell=evil)])
    assert len(re.findall("</script", page, re.IGNORECASE)) == 2 and "<img" not in page
    assert _data(page)["runs"][0]["samples"][0]["text"] == evil


def test_it_is_known_as_a_page_of_charrnn_and_loads_nothing(tmp_path: Any) -> None:
    page = report_page([history()])
    (tmp_path / "report.html").write_text(page)
    assert is_page(tmp_path / "report.html")
    assert "default-src 'none'" in page and "unsafe" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page) and "@import" not in page
