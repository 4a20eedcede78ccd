"""`charrnn inspect-cells`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from charrnn.__main__ import main
from charrnn.inspection.export import ARRAYS_MARK
from charrnn.run_folder import PAGE_MARK
from charrnn.storage import check_output

from .command_line import SMALL

_TEXT = "".join(f'{"    " * (line % 3)}if (count > {line}) print("the quick brown fox");\n' for line in range(2000))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that learned a little code; a tenth of the text, enough to inspect, is held out."""
    folder = tmp_path_factory.mktemp("inspected")
    (folder / "code.txt").write_text(_TEXT)
    words = ["train", str(folder / "code.txt"), "--out", str(folder / "run"), "--max-steps", "3", "--quiet", *SMALL]
    assert main(words) == 0
    return folder / "run"


def _inspect(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[str, str]:
    assert main(["inspect-cells", *map(str, words)]) == 0
    shown = capsys.readouterr()
    return shown.out, shown.err


def test_the_json_is_what_the_interface_promises(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = _inspect(capsys, model, "--json")
    found = json.loads(out)
    assert {"checkpoint", "characters", "seconds", "findings", "none_found"} <= set(found)
    assert found["characters"] == round(len(_TEXT) / 10) and found["checkpoint"] == str(model / "best.safetensors")
    assert f"{model.parent / 'code.txt'}, validation part" in err
    for finding in found["findings"]:
        assert {"layer", "unit", "source", "feature", "metric", "score", "baseline", "untrained", "gain", "p_value",
                "ablation", "units_needed", "label"} <= set(finding)


def test_a_chosen_cell_is_shown(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = _inspect(capsys, model, "--cell", "5", "--context", "60")
    (place,) = [number for number, line in enumerate(out.splitlines()) if line.startswith("0:5 c")]
    text, digits = out.splitlines()[place + 1:place + 3]
    assert "print(" in text and re.fullmatch(r"[0-9 ]+", digits) and len(digits) <= len(text)


def test_connectivity_and_errors_are_shown(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(_inspect(capsys, model, "--json", "--position", "1200", "--context", "40")[0])
    moved = found["connectivity"]
    assert (moved["position"], moved["start"], len(moved["norms"])) == (1200, 1161, 40)
    assert len(moved["expected"]) == 1 and moved["norms"][-1] > 0
    losses = found["losses"]
    assert sum(part["share"] for part in losses["by_class"]) == pytest.approx(1)
    assert {part["name"] for part in losses["by_distance"]} >= {"8-15"}
    out, _ = _inspect(capsys, model, "--position", "1200", "--context", "40")
    assert "after character 1,200" in out and "loss by what comes" in out


def test_another_source_colours_the_text(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = _inspect(capsys, model, "--cell", "0:5", "--source", "o")
    assert "\n0:5 o" in out


def test_text_comes_from_a_file_or_standard_input(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.txt").write_text(_TEXT[:6000] + "é")
    out, err = _inspect(capsys, model, tmp_path / "other.txt", "--json", "--feature", "double quotes")
    assert json.loads(out)["characters"] == 6000
    assert "1 character that the model does not know is left out" in err
    out, err = _inspect(capsys, model, tmp_path / "other.txt", "--json", "--characters", "5500")
    assert json.loads(out)["characters"] == 5500 and "the first 5,500 characters" in err
    with (tmp_path / "other.txt").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        out, err = _inspect(capsys, model, "-", "--json")
    assert json.loads(out)["characters"] == 6000 and "of standard input" in err


def test_a_corpus_that_is_gone_is_told(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = model.parent / "code.txt"
    text = corpus.read_text()
    corpus.unlink()
    try:
        assert main(["inspect-cells", str(model)]) == 1
    finally:
        corpus.write_text(text)
    shown = capsys.readouterr()
    assert shown.out == "" and re.search(r"code\.txt.*; or name another text to inspect", shown.err)


def test_features_of_ones_own(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = _inspect(capsys, model, "--regex", "fox=brown fox", "--feature", "fox", "--json")
    found = json.loads(out)
    assert "fox" in {*(finding["feature"] for finding in found["findings"]), *found["none_found"], *found["dropped"]}


def test_settings_of_generated_text_in_the_environment_do_no_harm(model: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CHARRNN_LENGTH", "5")
    assert json.loads(_inspect(capsys, model, "--json")[0])["characters"]


def test_a_text_that_only_repeats_itself_and_the_name_of_the_model_in_the_box(
        model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text('a "quoted" word, and (so on).\n' * 300)
    out, err = _inspect(capsys, "python-docs", "text", "--json")
    found = json.loads(out)
    assert (found["findings"], found["none_found"]) == ([], []) and found["dropped"]
    assert found["checkpoint"] == "python-docs" and err.startswith("inspecting python-docs on ")
    assert json.loads(_inspect(capsys, model, "text", "--json")[0])["checkpoint"].endswith("best.safetensors")


def test_a_page_and_arrays_are_written(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, arrays = tmp_path / "cells.html", tmp_path / "cells.npz"
    _, err = _inspect(capsys, model, "--html", page, "--export", arrays, "--top", "1")
    assert "<!DOCTYPE html>" in page.read_text(encoding="utf-8")
    check_output(page, PAGE_MARK)  # so they may be replaced
    check_output(arrays, ARRAYS_MARK)
    for option in ("--html", "--export"):
        text = tmp_path / "novel.txt"
        text.write_text("Chapter 1")
        assert main(["inspect-cells", str(model), option, str(text)]) == 1
        assert "inspecting" not in (shown := capsys.readouterr().err) and "is in the way" in shown
        assert text.read_text() == "Chapter 1"
    assert re.search(r"^page: .*cells\.html \(.* kB\)$", err, re.MULTILINE) and "arrays: " in err
    with np.load(arrays) as written:
        assert written["activations"].shape[:2] == (1, 8)


def test_live_text_is_coloured_by_a_cell(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (model, "--sample", "--cell", "0:5", "--length", "30", "--prime", "if (")
    out, err = _inspect(capsys, *words, "--seed", "3")
    rows = out.splitlines()
    assert rows[0].startswith("if (") and re.fullmatch(r"[0-9 ]+", rows[1])
    assert sum(len(row.replace("↵", "n")) for row in rows[::2]) == 34
    assert _inspect(capsys, *words, "--seed", "3")[0] == out
    seed = re.search(r"seed (\d+)", _inspect(capsys, *words)[1])
    assert "seed" not in err and seed


@pytest.mark.parametrize(("words", "message"), [
    (["--cell", "x"], "'x' is no cell"), (["--cell", "1:2"], "units 0 to 7"), (["--cell", "0:8"], "units 0 to 7"),
    (["--layer", "1"], "--layer 1"), (["--layer", "1", "--cell", "0:2"], "contradicts"),
    (["--source", "r"], "--source r"), (["--feature", "quotation"], "no such feature"), (["--length", "5"], "--sample"),
    (["--sample", "--cell", "0:1", "--json"], "leave out --json"), (["--position", "9999999"], "--position 9999999"),
    (["--sample", "--cell", "0:1", "--position", "0"], "leave out --position"), (["--regex", "nothing"], "--regex"),
])
def test_wrong_usage(words: list[str], message: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect-cells", str(model), *words]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and message in shown.err


def test_a_folder_that_is_not_there_is_told_at_once(model: Path, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect-cells", str(model), "--html", str(tmp_path / "no" / "cells.html")]) == 1
    assert "inspecting" not in (err := capsys.readouterr().err) and "cells.html" in err
