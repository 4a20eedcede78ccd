"""`charrnn report`: pages on runs that are on disk."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from charrnn.__main__ import main
from charrnn.errors import CheckpointError
from charrnn.reporting import write_report


def _runs(page: Path) -> list[dict[str, Any]]:
    (contents,) = re.findall(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    return list(json.loads(contents)["runs"])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_single_run_gets_its_page_in_its_folder(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = trained / "report.html"
    page.unlink()
    assert main(["report", str(trained)]) == 0
    assert capsys.readouterr().err.startswith(f"report: {page} (")
    (run,) = _runs(page)
    assert run["name"] == "run" and run["evaluations"]["step"] == [4, 8, 12]
    assert run["done"]["reason"] == "max_steps" and run["settings"]["--hidden-size"] == 8


def test_several_runs_get_one_here_and_names_that_differ(trained: Path, tmp_path: Path) -> None:
    other = tmp_path / "run"
    other.mkdir()
    (other / "best.safetensors").write_bytes((trained / "best.safetensors").read_bytes())
    assert main(["report", str(trained), str(other / "best.safetensors"), "python-docs"]) == 0
    assert [run["name"] for run in _runs(Path("report.html"))] == [str(trained), str(other), "python-docs"]


def test_without_a_run_it_is_the_one_that_comes_with_the_package(tmp_path: Path) -> None:
    path, size = write_report([], None)
    assert path == Path("report.html") and size == path.stat().st_size and _runs(path)[0]["evaluations"]["step"]


def test_out_says_where_and_replaces_pages_alone(trained: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main(["report", str(trained), "--out", "page.html"]) == 0
    Path("page.html").write_text("mine")
    with pytest.raises(CheckpointError, match=r"page\.html is in the way.*--out"):
        write_report([trained], "page.html")
    assert Path("page.html").read_text() == "mine"
    with pytest.raises(CheckpointError, match="its folder does not exist"):
        write_report([trained], tmp_path / "no" / "page.html")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="empty holds no run with a step in it"):
        write_report(["empty"], None)
    with pytest.raises(CheckpointError, match="gone does not exist"):
        write_report(["gone"], None)
