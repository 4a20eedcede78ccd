"""Findings on a terminal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from charrnn.console import cells
from charrnn.console.terminal import render
from charrnn.inspection.connectivity import Influences
from charrnn.inspection.labels import RULE
from charrnn.inspection.views import views

from .inspections import TEXT, finding, inspection


def _page(top: int = 5, **changes: object) -> str:
    second = finding(layer=1, unit=2, feature="indentation", metric="r2", label="correlate only", ablation=None)
    found, checkpoint = inspection(TEXT, finding(**changes), second)
    line = found.features["line_position"]
    found = replace(found, features={**found.features, "indentation": line})
    return render(cells.findings_page(found, views(found, checkpoint, top=top, context=80), top))


def test_the_page_has_a_table_excerpts_and_the_rule() -> None:
    lines = _page().splitlines()
    assert lines[0] == "1 cell, 1 mere correlate in 1,140 characters, 1.5 s: runs/made-up"
    (row,) = [line for line in lines if line.split()[:1] == ["0:3"] and "%" in line]
    assert row.split() == ["0:3", "inside", "double", "quotes", "AUC", "0.991", "0.985", "to", "0.996", "0.700",
                           "0.650", "0.620", "0.97", "0.005", "+1.25", ">", "100", "%", "cell"]
    assert "no cell for (score of the best unit): line position 0.42, inside url" in lines
    assert "not judged: inside latex math: fewer than 200 places" in lines
    assert "units that never move: 1 stuck at -1 or 1, 0 elsewhere, of 16" in lines
    (by_class,) = [line for line in lines if line.startswith("loss by what comes, nats: inside a word 1.50 (")]
    assert "newline 1.50 (" in by_class
    assert "loss of closing signs by characters since the opening one: 2-3 1.50, 4-7 1.50" in lines
    place = lines.index('He said "no" twice.↵')
    assert lines[place + 1] == "00000000999000000000"
    assert RULE in lines


def test_of_several_features_that_were_not_judged_the_names_alone_are_shown() -> None:
    found, _ = inspection(TEXT)
    found = replace(found, dropped={"inside_url": "is rare", "capitals": "is rare"})
    assert "\nnot judged, as --json explains: inside url, capitals\n" in render(cells.findings_page(found, [], 5))


def test_what_moved_a_prediction_is_coloured() -> None:
    found, _ = inspection(TEXT)
    moved = Influences(position=7, expected=ord("\n"), start=3, code_points=np.array([*map(ord, "said ")], np.uint32),
                       norms=np.array([0, 0.5, 1, 2, 0.25], np.float32), is_bytes=False)
    lines = render(cells.findings_page(found, [], 5, moved)).splitlines()
    place = lines.index('connectivity  what moved the prediction of "\\n" after character 7 (1: the most)')
    assert lines[place + 1:place + 3] == ["said", "46795"]


def test_the_top_findings_alone_are_shown() -> None:
    assert "indentation" in _page() and "indentation" not in _page(top=1)


def test_nothing_found_is_an_answer() -> None:
    found, _ = inspection(TEXT)
    assert render(cells.findings_page(found, [], 5)).startswith("no cell found in 1,140 characters")


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_a_narrow_terminal_has_fewer_columns(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.console.terminal._LOG_WIDTH", width)
    found, _ = inspection(TEXT, finding())
    shown = render(cells.findings_table(found.findings))
    assert "0.991" in shown and all(len(line) <= width for line in shown.splitlines())
    assert ("held still" in shown) == (width >= 140) and ("gain" in shown) == (width > 60)


def test_a_features_name_neither_drives_the_terminal_nor_is_markup() -> None:
    found, _ = inspection(TEXT, finding(feature="[red]\x1b[2J"))
    assert "[red]\\x1b[2J" in render(cells.findings_table(found.findings))
