"""The page of runs in a browser, without a window; skipped where there is no Chromium that can be driven."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from charrnn.page.document import write_page
from charrnn.page.report import report_page
from charrnn.run_history import RunHistory

from .browser import OpenPage, chromium, needs_browser, webdriver
from .histories import history

pytestmark = needs_browser

_LEFT, _RIGHT, _HOME, _END = "\ue012", "\ue014", "\ue011", "\ue010"


class _Report(OpenPage):
    """A report that is open in the browser."""

    def show(self, *histories: RunHistory, fragment: str = "", going_on: bool = False) -> None:
        write_page(self.path, report_page(histories, going_on=going_on))
        self.go(fragment)

    def tip(self) -> list[str]:
        """Return the rows of values that are shown, with the place on the axis first."""
        return [str(row) for row in self.run(
            "return [...document.querySelectorAll('.tip:not([hidden]) > *')].map(row => row.innerText)")]

    def count(self, selector: str) -> int:
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(driver: Any, tmp_path: Path) -> Iterator[_Report]:
    opened = _Report(driver, tmp_path)
    opened.show(history())
    yield opened
    driver.set_window_size(1400, 900)
    assert opened.problems() == []


def test_a_run_and_its_curves_are_shown(page: _Report) -> None:
    assert page.text(".card h2") == "novel"
    assert "at step 140" in page.text(".card dd") and "all epochs done" in page.text(".card")
    assert page.run("return charts.map(chart => chart.svg.querySelectorAll('.curve').length)") == [2, 1, 1, 1]
    assert page.run("return [...document.querySelectorAll('.end')].map(end => end.textContent).sort()") == [
        "train", "val"]
    assert page.count(".plot .dot.val") == 10


def test_pointing_shows_the_values_there(page: _Report) -> None:
    plot = page.driver.find_element("css selector", ".plot")
    webdriver.ActionChains(page.driver, duration=0).move_to_element(plot).perform()
    at = page.run("return view.at")
    assert 90 < at < 110
    where, train, val = page.tip()
    loss = page.run("return page.runs[0].steps.loss[view.at - 1]")
    assert where == f"step {at}" and train.startswith(f"train\n{loss:.4f}")
    held = page.run("return page.runs[0].evaluations.val_loss[Math.floor(view.at / 20) - 1]")  # the last one before it
    assert val.startswith(f"val\n{held:.4f}")
    assert page.run("return charts.every(chart => chart.line.getAttribute('d'))")  # the others show the place, too
    webdriver.ActionChains(page.driver, duration=0).move_to_element(
        page.driver.find_element("css selector", "header")).perform()
    assert page.tip() == [] and page.run("return view.at") is None


def test_keys_move_along_a_curve_and_its_values_are_said(page: _Report) -> None:
    page.press(".plot", _HOME)
    assert page.tip()[0] == "step 1" and len(page.tip()) == 2  # no evaluation yet
    page.press(".plot", _RIGHT, _RIGHT, _LEFT)
    assert page.tip()[0] == "step 2" and page.text("#said").startswith("step 2, train, ")
    page.press(".plot", _END)
    assert page.tip()[0] == "step 200" and page.text("#said").count("bits") == 2
    page.press(".plot", "\ue00c")
    assert page.tip() == []


def test_the_axis_can_be_epochs_or_time_and_in_powers_of_ten(page: _Report) -> None:
    page.run("element('axis').value = 'seconds'; element('axis').dispatchEvent(new Event('change'))")
    page.press(".plot", _END)
    assert page.tip()[0] == "1:40" and page.run("return location.hash") == "#by=seconds"
    page.press("body", "l")
    assert page.run("return [view.log, element('log').getAttribute('aria-pressed')]") == [True, "true"]
    page.go("by=epoch&log=1")
    page.press(".plot", _HOME)
    assert page.tip()[0] == "epoch 0.02"
    page.go("by=constructor&log=maybe")
    assert page.run("return [view.axis, view.log]") == ["step", False]


def test_a_straight_axis_leaves_the_beginning_out_of_the_range(page: _Report) -> None:
    first = page.run("return page.runs[0].steps.loss[0]")
    assert page.run("return charts[0].range[1]") < first
    page.go("log=1")
    assert page.run("return charts[0].range[1]") > first


def test_where_gradients_are_clipped_is_marked(page: _Report) -> None:
    page.show(history(clip_norm=0.45))
    assert "clipped above 0.45" in page.run("return charts[2].svg.textContent")
    page.show(history(clip_norm=0.0))
    assert "clipped" not in page.run("return charts[2].svg.textContent")


def test_several_runs_lie_over_one_another_and_can_be_hidden(page: _Report) -> None:
    page.show(history("lstm"), history("gru", better=0.1, cell="gru", every=40), history("rnn", cell="rnn"))
    assert page.run("return charts[0].svg.querySelectorAll('.curve').length") == 6
    assert page.run("return [...charts[0].svg.querySelectorAll('.end')].map(end => end.textContent).sort()") == [
        "A", "B", "C"]
    page.press(".plot", _END)
    assert [row.partition("\n")[0] for row in page.tip()] == ["step 200", "A train", "A val", "B train", "B val",
                                                             "C train", "C val"]
    page.run("document.querySelectorAll('.card button')[1].click()")
    assert page.run("return charts[0].svg.querySelectorAll('.curve').length") == 4
    assert page.run("return document.querySelectorAll('.card button')[1].getAttribute('aria-pressed')") == "false"
    table = page.run("return [...document.querySelectorAll('table tr')].map(row => [...row.cells].map(cell => "
                     "cell.textContent))")
    assert table == [["", "A lstm", "B gru", "C rnn"], ["--cell", "lstm", "gru", "rnn"]]


def test_names_of_curves_that_end_together_do_not_lie_over_one_another(page: _Report) -> None:
    page.show(*(history(name) for name in "abcdefg"))
    for chart in range(4):
        places = page.run("return [...charts[arguments[0]].svg.querySelectorAll('.end')].map(end => "
                          "+end.getAttribute('y')).sort((a, b) => a - b)", chart)
        assert all(later - earlier > 12.5 for earlier, later in pairwise(places))
        assert places[-1] <= page.run("return charts[arguments[0]].height", chart)


def test_samples_get_better_and_more_of_them_can_be_shown(page: _Report) -> None:
    shown = "return [...document.querySelectorAll('#samples li:not([hidden])')].map(item => item.innerText)"
    items = page.run(shown)
    assert len(items) == 6 and items[0].startswith("step 20\nval loss ") and "The quick fox" in items[-1]
    page.run("document.querySelector('#samples button').click()")
    assert len(page.run(shown)) == 10 and page.count("#samples button") == 0


def test_plan_machine_and_command_are_told(page: _Report) -> None:
    told = page.text("#facts")
    assert "my novel.txt" in told and "Abacus 9" in told and "--hidden-size256" in told
    assert page.text(".command pre") == "charrnn train 'my novel.txt'"
    assert page.text(".command h3") == "Command, 2026-03-01 10:20"


def test_a_strange_text_is_shown_as_text(page: _Report) -> None:
    strange = "</script><b onclick=x>bold</b>\0\x1b[2J\u202eturned\u200d &amp; e\u0301 漢字 \ud800\n\ttab"
    page.show(history("<i>n</i>", samples=(strange,), command=("$(evil)", "it's"), cell="<u>"))
    shown = page.text("#samples pre")
    assert shown == "</script><b onclick=x>bold</b>␀␛[2J\\u202eturned\\u200d &amp; e\u0301 漢字 \\ud800\n\ttab"
    assert page.text(".card h2") == "<i>n</i>" and page.text(".command pre") == """'$(evil)' 'it'"'"'s'"""
    assert page.count("main b[onclick], main i:not(.key), main u") == 0


def test_a_page_of_little_is_whole(page: _Report) -> None:
    page.show(RunHistory("empty"))
    assert page.run("return [...document.querySelectorAll('figure')].every(figure => figure.hidden)")
    page.show(history(steps=1, every=1))
    assert page.count(".plot circle.dot") >= 4
    page.press(".plot", _END)
    assert page.tip()[0] == "step 1"
    page.show(history(steps=30, every=50))  # no evaluation
    assert "val loss" not in page.text("main")


def test_a_run_that_is_going_on_reloads_its_page_unless_somebody_points_at_it(page: _Report) -> None:
    page.show(history(ended=False), going_on=True)
    assert page.text("#when").startswith("in training, as of ") and "in training" in page.text(".card")
    assert page.run("return page.reload") == 15
    page.show(history(ended=False))
    assert page.text("#when").startswith("drawn ") and "not finished" in page.text(".card")


def test_a_page_that_has_had_no_news_for_long_does_not_say_that_its_run_is_in_training(page: _Report) -> None:
    shown = report_page([history(ended=False)], going_on=True)
    write_page(page.path, re.sub(r'"written": ?"[^"]+"', '"written": "2020-02-02T02:02:02+00:00"', shown))
    page.go("")
    assert page.text("#when").startswith("in training, as of ") and "may have been killed" in page.text("#when")
    assert "not finished" in page.text(".card")
    page.show(history(ended=False), going_on=True)
    assert "killed" not in page.text("#when")


@pytest.mark.parametrize("width", [360, 700, 1400])
def test_nothing_is_wider_than_the_window(page: _Report, width: int) -> None:
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False})
    try:
        page.show(history("n" * 90), history("gru", samples=("x" * 500,), command=("y" * 300,)))
        page.press(".plot", _END)
        assert page.run("return document.documentElement.scrollWidth") <= width
        drawn = page.run("return charts.map(chart => chart.svg.getBoundingClientRect().width - chart.body.clientWidth)")
        assert max(drawn) <= 0.5
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_theme_changes(page: _Report) -> None:
    colours = ("return ['body', '.curve'].map(name => getComputedStyle(document.querySelector(name)))"
               ".map(style => style.color + style.stroke)")
    before = page.run(colours)
    page.press("body", "t")
    after = page.run(colours)
    assert before[0] != after[0] and before[1] != after[1]
