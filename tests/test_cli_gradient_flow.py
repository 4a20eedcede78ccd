"""`charrnn gradient-flow`, on a terminal, as JSON and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from charrnn.__main__ import main
from charrnn.run_folder import PAGE_MARK
from charrnn.storage import check_output

from .command_line import TEXT, charrnn_in_shell


def flow(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[str, str]:
    assert main(["gradient-flow", *map(str, words)]) == 0
    shown = capsys.readouterr()
    return shown.out, shown.err


def test_a_model_on_a_page(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = flow(capsys, trained, "--reach", "20")
    assert "geometric mean over" in out and "steps back, k (dotted: training looks back 8)" in out
    assert re.search(r"^run +\d\.\d{3} .* i \d.*  f \d.*  g \d.*  o \d", out, re.MULTILINE)
    assert re.search(r"^run +f +0\.\d\d", out, re.MULTILINE)
    assert re.search(r"above the limit of 1; \d+% of \d+ recorded steps were in training", out)
    assert "following gradients over 176 characters" in err and "validation part" in err
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_json_is_an_object_a_line(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = flow(capsys, trained, "--cell", "rnn", "--cell", "gru", "--num-layers", "2", "--reach", "5", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["name"] for one in found] == ["run", "untrained rnn", "untrained gru"]
    assert [len(one["layers"]) for one in found] == [1, 2, 2]
    assert {len(layer["norms"]) for one in found for layer in one["layers"]} == {6}
    keeps = [one["layers"][0]["keep_gate"] for one in found]
    assert (keeps[0]["name"], keeps[1], keeps[2]["name"]) == ("f", None, "z")
    assert found[1]["model"]["hidden_size"] == 8  # as the model beside it
    assert set(found[0]["layers"][0]["singular_values"]) == set("ifgo")
    assert found[0]["clipping"]["recorded_steps"] > 0 == found[1]["clipping"]["recorded_steps"]


def test_several_models_read_one_text(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text(TEXT[:200] + "ß")
    out, err = flow(capsys, trained, trained, "--text", tmp_path / "text.txt", "--reach", "5", "--json")
    assert [json.loads(line)["characters"] for line in out.splitlines()] == [200, 200]
    assert err.count("note: 1 character unknown to run: left out") == 2
    done = charrnn_in_shell(f"charrnn gradient-flow '{trained}' '{trained}' --text - --reach 5 --json < text.txt",
                            tmp_path)
    assert done.stdout == out


def test_an_untrained_net_alone_reads_the_built_in_text(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = flow(capsys, "--cell", "rnn", "--hidden-size", "8", "--num-layers", "1", "--reach", "9")
    assert "following gradients over 200,000 characters of the built-in text" in err
    assert "untrained rnn" in out and "memory" not in out and "recorded" not in out


def test_the_model_in_the_box(tmp_path: Path) -> None:
    done = charrnn_in_shell("charrnn gradient-flow --reach 30", tmp_path)
    # The validation part where this Python is the one the model was trained on, otherwise the end of its own text.
    assert "python-docs" in done.stdout
    assert re.search(r"over [\d,]+ characters of python-docs(, validation part| of this Python, its end)\n",
                     done.stderr)


def test_a_page_of_html(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, err = flow(capsys, trained, "--cell", "rnn", "--reach", "12", "--html", tmp_path / "flow.html")
    check_output(tmp_path / "flow.html", PAGE_MARK)  # so it may be replaced
    assert main(["gradient-flow", "--html", str(trained / "metrics.jsonl")]) == 1
    assert "is in the way" in capsys.readouterr().err and (trained / "metrics.jsonl").read_text().startswith("{")
    page = (tmp_path / "flow.html").read_text(encoding="utf-8")
    assert f"page: {tmp_path / 'flow.html'}" in err
    assert page.count("<polyline") == 2 and page.count("<polygon") == 2 and "<script" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert "training looks back 8" in page and "<td>untrained rnn</td>" in page and "NaN" not in page


@pytest.mark.parametrize(("words", "code", "message"), [
    (["--hidden-size", "8"], 2, "--hidden-size is about untrained nets: give --cell too"),
    (["--reach", "0"], 2, "--reach"),
    (["--cell", "lsmt"], 2, "lstm"),
    (["nowhere"], 1, "nowhere does not exist"),
    (["--html", "no/such/flow.html"], 1, "its folder does not exist"),
    (["--text", "missing.txt"], 1, "missing.txt"),
])
def test_mistakes(words: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["gradient-flow", *words]) == code
    assert message in capsys.readouterr().err


def test_too_short_a_text(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gradient-flow", str(trained), "--reach", "1000"]) == 1
    assert "176 characters" in capsys.readouterr().err
