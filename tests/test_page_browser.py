"""The page of cells in a browser, without a window; skipped where there is no Chromium that can be driven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charrnn.inspection.findings import Inspection
from charrnn.page.cells import cell_page
from charrnn.page.document import write_page

from .browser import OpenPage, chromium, needs_browser, webdriver
from .inspections import TEXT, finding, inspection

pytestmark = needs_browser

_STRANGE = "</script><script>document.title = 'run'</script>\0\x1b &amp; שלום e\u0301 漢字 👩\u200d💻 \u202e\n" * 8


class _Page(OpenPage):
    """The page of some findings."""

    def show(self, found: Inspection, checkpoint: Any, fragment: str = "") -> None:
        write_page(self.path, cell_page(found, checkpoint, "2 × 8 LSTM"))
        self.go(fragment)

    def hover(self, position: int) -> None:
        self.run("change({at: 0}); scrollTo(arguments[0])", position)
        self.settle()
        character = self.run("return [...document.querySelectorAll('.line s')]"
                             ".find(element => element.position === arguments[0])", position)
        webdriver.ActionChains(self.driver, duration=0).move_to_element(character).perform()

    def address(self) -> str:
        """Return the fragment of the address, which follows a change a little later."""
        return str(self.run("writeAddress(); return location.hash"))


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(driver: Any, tmp_path: Path) -> Iterator[_Page]:
    opened = _Page(driver, tmp_path)
    opened.show(*inspection(TEXT, finding(), finding(layer=1, unit=2, feature="line_position", metric="r2", score=0.8,
                                                     gain=0.5, label="candidate", ablation=None)))
    yield opened
    assert opened.problems() == []


def test_the_text_is_coloured_by_the_best_finding(page: _Page) -> None:
    assert page.text("#headline strong") == "Cell 0:3"
    shown = page.run("return [...document.querySelectorAll('.line')].slice(0, 3)"
                     ".map(line => line.querySelector('span').textContent)")
    assert "".join(shown).replace("↵", "\n") in TEXT
    colours = dict(page.run("return [...document.querySelectorAll('.line s')].map(s => [s.position, "
                            "s.style.background])"))
    red, green, blue = page.run("return rgb[254]")
    assert red > blue
    for place, colour in colours.items():
        inside = TEXT[:place + 1].count('"') % 2
        assert (colour == f"rgb({red}, {green}, {blue})") == bool(inside)


def test_pointing_shows_value_gates_and_what_was_expected(page: _Page) -> None:
    place = TEXT.index('"') + 1
    page.hover(place)
    assert "n" in page.text("#here .glyph") and f"character {place}" in page.text("#here")
    assert "+1.00" in page.text("#here .rows")
    gates = page.run("return [...document.querySelectorAll('#here .rows')][1].textContent")
    assert [gate in gates for gate in "ifo"] == [True] * 3 and gates.count("≈") == 3
    right = page.run("return [...document.querySelectorAll('.expected .name.true')].map(name => name.textContent)")
    assert right == [TEXT[place + 1]]
    assert "✓" in page.text(".expected .amount.true")


def test_a_true_character_that_was_not_expected_comes_last(page: _Page) -> None:
    page.hover(TEXT.index("."))
    names = page.run("return [...document.querySelectorAll('.expected .name')].map(name => name.textContent)")
    assert len(names) == 6 and names[-1] == "↵"
    assert page.text(".expected .amount.true") == "22 % ✓"  # 1.5 nats


def test_the_list_is_searched_and_sorted(page: _Page) -> None:
    page.press("#filter", "line")
    assert page.run("return [...list.children].map(item => item.finding.feature)") == ["line_position"]
    assert page.text("#shown") == "1 of 2 findings"
    page.press("#filter", "\ue003" * 4, "1:2")
    assert page.run("return list.children.length") == 1
    page.press("#filter", "\ue003" * 3)
    page.run("controls.least.value = 0.9; controls.least.dispatchEvent(new Event('input'))")
    assert page.run("return [...list.children].map(item => cellName(item.finding.cell))") == ["0:3"]
    page.run("controls.least.value = 0; controls.sort.value = 'feature'; "
             "controls.sort.dispatchEvent(new Event('input'))")
    page.run("step(1)")
    assert page.text("#headline strong") == "Cell 1:2" and "feature=line_position" in page.address()


def test_the_nearest_unit_of_a_feature_without_a_cell_can_be_chosen(page: _Page) -> None:
    page.run("document.querySelector('#none button').click()")
    assert page.text("#none button") == "line positionR² 0.42 · 1:6" and page.text("#headline strong") == "Cell 1:6"


def test_a_selected_stretch_finds_the_cell_that_is_on_there(page: _Page) -> None:
    first = TEXT.index('"')
    page.go(f"cell=1:2&select={first}-{TEXT.index(chr(34), first + 1)}")
    assert page.text("#selected li button .mono") == "0:3"
    page.run("document.querySelector('#selected li button').click()")
    assert page.text("#headline strong") == "Cell 0:3"


def test_text_is_selected_by_dragging_and_by_keys(page: _Page) -> None:
    page.hover(TEXT.index("twice"))
    start = page.run("return [...document.querySelectorAll('.line s')].find(s => s.position === arguments[0])",
                     TEXT.index("twice"))
    stop = page.run("return [...document.querySelectorAll('.line s')].find(s => s.position === arguments[0])",
                    TEXT.index("twice") + 4)
    webdriver.ActionChains(page.driver, duration=0).click_and_hold(start).move_to_element(stop).release().perform()
    assert page.text("#selected .text") == "twice"
    page.press("body", "\ue00c")
    assert page.text("#selected") == ""
    page.press("#text", "\ue014", "\ue008\ue014\ue014")  # right, then with shift twice
    at = page.run("return state.at")
    assert page.run("return state.selection") == [at - 2, at + 1]


def test_a_view_can_be_linked_to(page: _Page) -> None:
    page.go("cell=1:4&with=0:3&at=25&select=20-30&view=gates&palette=1")
    assert page.run("return [cellName(state.cell), cellName(state.other), state.at, state.selection, state.view, "
                    "state.palette]") == ["1:4", "0:3", 25, [20, 30], "gates", 1]
    assert page.run("return location.hash") == "#cell=1:4&with=0:3&at=25&select=20-30&view=gates&palette=1"
    assert page.run("return document.querySelectorAll('#gates circle').length") == 3 * 16
    page.run("location.hash = '#cell=9:9&at=99999999&select=x&with=nothing'")
    page.run("readAddress()")
    assert page.run("return [cellName(state.cell), state.at, state.selection, state.other, state.view]") == [
        "0:3", len(TEXT) - 1, None, None, "text"]


def test_many_changes_write_the_address_once(page: _Page) -> None:
    written = page.driver.execute_async_script("""
        const done = arguments[0], written = [], write = history.replaceState;
        history.replaceState = (...words) => { written.push(words[2]); write.apply(history, words); };
        for (let t = 0; t < 500; t++) change({ at: t });
        const look = () => (location.hash.endsWith("at=499") ? done(written) : setTimeout(look, 20));
        look();""")
    assert len(written) == 1


def test_two_cells_are_compared(page: _Page) -> None:
    page.press("#with", "0:3", "\ue007")
    page.press("#cell", "\ue003" * 5, "0:3", "\ue007")
    assert "correlation +1.00" in page.text("#notice")
    assert "linear-gradient" in page.run("return document.querySelector('.line s').style.background")
    page.press("#with", "\ue003" * 5, "5:1", "\ue007")
    assert page.run("return document.getElementById('with').getAttribute('aria-invalid')") == "true"


def test_the_text_is_coloured_by_what_moved_a_prediction(page: _Page) -> None:
    place = page.run("return moved.start + 40")
    page.go(f"cell=0:3&at={place}&moved=1")
    assert "moved the prediction of" in page.text("#notice")
    shares = page.run("return Array.from({length: 8}, (_, back) => influence(arguments[0] - back, arguments[0]))",
                      place)
    colours = page.run("return Array.from({length: 8}, (_, back) => [...document.querySelectorAll('.line s')]"
                       ".find(s => s.position === arguments[0] - back).style.background)", place)
    assert max(shares) == 1
    red, green, blue = page.run("return rgb[254]")
    assert colours[shares.index(1)] == f"rgb({red}, {green}, {blue})"
    assert page.run("return influence(arguments[0] + 1, arguments[0])", place) is None
    page.press("body", "m")
    assert page.address() == f"#cell=0:3&feature=inside_double_quotes&at={place}"
    page.press("body", "m")
    page.run("change({at: 0})")
    assert "is kept for characters" in page.text("#notice")
    page.run("document.querySelector('#notice button').click()")
    assert page.run("return state.at === moved.start")


def test_losses_are_shown(page: _Page) -> None:
    page.press("body", "l")
    assert page.run("return [state.view, document.getElementById('view-text').hidden]") == ["loss", True]
    rows = page.run("return [...document.querySelectorAll('#losses tbody tr')].map(row => row.textContent)")
    assert len(rows) == page.run("return page.loss_by[0].length + page.loss_by[1].length") and "1.50" in rows[0]
    page.press("#tab-loss", "\ue014")  # right: round to the first
    assert page.run("return state.view") == "text"


def test_keys_reach_everything(page: _Page) -> None:
    page.press("body", "j")
    assert page.text("#headline strong") == "Cell 1:2"
    page.press("body", "k", "c", "p", "g")
    assert page.run("return [cellName(state.cell), cellName(state.other), state.palette, state.view]") == [
        "0:3", "0:3", 1, "gates"]
    page.press("body", "g", "/")
    assert page.run("return document.activeElement.id") == "filter"
    page.press("#filter", "j", "\ue00c")
    assert page.text("#headline strong") == "Cell 0:3"  # a letter in a field is a letter
    page.press("body", "?")
    assert page.run("return document.getElementById('guide').open")


def test_text_is_found(page: _Page) -> None:
    page.press("#find", "once", "\ue007")
    assert page.text("#selected .text") == "once"
    assert page.run("return state.at") == TEXT.index("once", page.run("return page.start") + 1)
    page.press("#find", "\ue007")
    assert page.run("return state.at") == TEXT.index("once", TEXT.index("once", page.run("return page.start") + 1) + 1)


def test_the_theme_changes_neutral_and_ink(page: _Page) -> None:
    before = page.run("return [css[127], getComputedStyle(document.body).color]")
    page.run("document.getElementById('theme').click()")
    after = page.run("return [css[127], getComputedStyle(document.body).color]")
    assert before[0] != after[0] and before[1] != after[1]


def test_a_strange_text_is_shown_as_text(driver: Any, tmp_path: Path) -> None:
    opened = _Page(driver, tmp_path)
    found, checkpoint = inspection(_STRANGE)
    opened.show(replace(found, checkpoint="<b>x</b>"), checkpoint)
    shown = opened.run("return [...document.querySelectorAll('.line span')].map(row => row.textContent).join('')")
    for char, spelt_out in (("\0", "␀"), ("\x1b", "␛"), ("\u200d", r"\u200d"), ("\u202e", r"\u202e")):
        shown = shown.replace(spelt_out, char)
    assert shown.replace("↵", "\n") == _STRANGE
    assert opened.run("return document.title") == "Cells of <b>x</b>"
    assert opened.problems() == []


def test_a_long_text_puts_few_rows_into_the_document(driver: Any, tmp_path: Path) -> None:
    opened = _Page(driver, tmp_path)
    opened.show(*inspection(TEXT * 80, finding()))
    assert opened.run("return length") == 80 * len(TEXT)
    for place in (0, 0.5, 1):
        opened.run("textPane.scrollTop = arguments[0] * textPane.scrollHeight; drawRows()", place)
        assert 10 < opened.run("return document.querySelectorAll('.line').length") < 80
    assert opened.run("return [...document.querySelectorAll('.line')].some(line => line.textContent.includes('once'))")
    assert opened.problems() == []
