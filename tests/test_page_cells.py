"""The page of cells: what it holds, and that it stays small and whole."""

from __future__ import annotations

import base64
import configparser
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.activations import record
from charrnn.errors import CheckpointError
from charrnn.inspection.connectivity import connectivity
from charrnn.inspection.findings import Finding
from charrnn.page import cells as page_module
from charrnn.page.cells import cell_page
from charrnn.page.document import write_page

from .inspections import TEXT, finding, inspection


def _page(text: str = TEXT, *findings: Finding, **shape: Any) -> str:
    return cell_page(*inspection(text, *findings, **shape), "a model & a text")


def _data(page: str) -> dict[str, Any]:
    """Return what the page's script reads."""
    (contents,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data: dict[str, Any] = json.loads(contents)
    return data


def _array(text: str, dtype: str = "u1") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def test_the_text_can_be_read_back() -> None:
    data = _data(_page())
    assert "".join(chr(data["code_points"][id_]) for id_ in _array(data["ids"])) == TEXT


def test_a_large_vocabulary_takes_two_bytes_a_character() -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) * 3
    data = _data(_page(text))
    assert "".join(chr(data["code_points"][id_]) for id_ in _array(data["ids"], "<u2")) == text
    assert _array(data["expected"], "<u2").shape == (5 * len(text),)


def test_values_are_kept_in_127ths() -> None:
    found, checkpoint = inspection(TEXT, finding())
    data = _data(cell_page(found, checkpoint, ""))
    stored, nearest = data["stored"]
    assert (nearest["layer"], nearest["unit"]) == (1, 6)  # the best unit for a feature without a cell
    assert (stored["layer"], stored["unit"]) == (0, 3)
    assert _array(stored["values"], "i1").tolist() == [127 if on else -127 for on in
                                                        found.features["inside_double_quotes"]]
    everything = _array(data["excerpt"]["values"], "i1").reshape(2, 8, -1)
    start, length = data["excerpt"]["start"], data["excerpt"]["length"]
    for layer, unit in ((0, 3), (1, 7)):
        expected = found.signals.values(layer, unit)[start:start + length]
        assert np.abs(everything[layer, unit] / 127 - expected).max() <= 0.5 / 127 + 1e-4


def test_gates_are_kept_in_15ths_two_a_byte() -> None:
    found, checkpoint = inspection(TEXT + "!", finding())  # an odd number of characters
    data = _data(cell_page(found, checkpoint, ""))
    packed = _array(data["stored"][0]["gates"]).reshape(3, -1)
    gates = np.stack([packed & 15, packed >> 4], axis=2).reshape(3, -1)[:, :len(found.ids)] / 15
    own = record(checkpoint.model, checkpoint.weights, found.ids, names=("i", "f", "o"))
    for gate, name in enumerate("ifo"):
        assert np.abs(gates[gate] - own[name][0, :, 3]).max() <= 0.5 / 15 + 1e-5


def test_what_was_expected_is_kept() -> None:
    data = _data(_page())
    assert _array(data["shares"]).reshape(-1, 5)[0].tolist() == [153, 51, 26, 13, 3]
    losses = _array(data["losses"])
    assert losses[0] == 24 and losses[-1] == 0


def test_saturation_is_kept_for_each_gate_and_unit() -> None:
    found, checkpoint = inspection(TEXT)
    below = _array(_data(cell_page(found, checkpoint, ""))["below"]).reshape(3, 2, 8)
    assert np.abs(below[1] / 255 - found.gates["f"].shut).max() <= 0.5 / 255 + 1e-6


def test_what_moved_the_predictions_of_a_stretch_is_kept_as_shares_of_the_most() -> None:
    found, checkpoint = inspection(TEXT, finding())
    moved = _data(cell_page(found, checkpoint, ""))["moved"]
    shares = _array(moved["values"]).reshape(moved["length"], moved["reach"])
    assert (moved["length"], moved["reach"]) == (300, 100) and moved["start"] >= 99
    for row in (0, 37, 299):  # beyond a batch, and the last
        position = moved["start"] + row
        norms = connectivity(checkpoint.model, checkpoint.weights, found.ids, position,
                             int(found.predictions.ids[position, 0]), reach=100)[::-1]
        assert np.abs(shares[row] / 255 - norms / norms.max()).max() <= 0.5 / 255 + 1e-5


def test_what_moved_the_predictions_of_a_short_text_is_kept_where_there_is_enough_before() -> None:
    moved = _data(_page("ab" * 30))["moved"]
    assert (moved["start"], moved["length"], moved["reach"]) == (59, 1, 60)


def test_the_losses_are_kept_by_class_and_distance() -> None:
    by_class, by_distance = _data(_page())["loss_by"]
    assert {part["name"] for part in by_class} >= {"inside a word", "newline"}
    assert by_class[0]["loss"] == pytest.approx(1.5)
    assert [part["name"] for part in by_distance] == ["2-3", "4-7"]


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_have_their_own_gates(cell: str) -> None:
    data = _data(_page(TEXT, finding(source="h"), cell=cell))
    assert data["gates"] == {"gru": ["r", "z"], "rnn": []}[cell] and data["signal"] == "h"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_largest_page_stays_below_ten_megabytes(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The room is a matter of shapes alone, so the model need not be run: 3 layers of 512 and a large vocabulary.
    findings = [finding(layer=place % 3, unit=place, gain=1 - place / 1000) for place in range(600)]
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 1000))) * 101
    found, checkpoint = inspection(text, *findings, layers=1, units=4, cell=cell)
    config = checkpoint.model.replace(num_layers=3, hidden_size=512)
    levels = np.broadcast_to(found.signals.levels[0, :1], (3, 512, len(text)))
    use = {name: replace(one, shut=np.ones((3, 512)), open=np.ones((3, 512))) for name, one in found.gates.items()}
    found = replace(found, signals=replace(found.signals, levels=levels), gates=use)
    monkeypatch.setattr(page_module, "connectivity_of_stretch", lambda *_, reach, **__: np.ones(
        (300, reach), np.float32))
    monkeypatch.setattr(page_module, "record_gates", lambda config, weights, ids, cells, gates, threads: np.ones(
        (len(cells), len(gates), len(ids)), np.float32))
    page = cell_page(found, replace(checkpoint, model=config), "")
    data = _data(page)
    assert 9e6 < len(page.encode()) < 10e6
    assert len(_array(data["ids"], "<u2")) == 100_000
    assert len(data["stored"]) >= 8 and data["excerpt"]["length"] >= 1000
    assert all(len(_array(one["values"])) == 100_000 for one in data["stored"])


def test_nothing_in_the_text_ends_the_data() -> None:
    text = "</script><script>alert(1)</script><!-- <b>\0&amp;" * 5
    found, checkpoint = inspection(text)
    page = cell_page(replace(found, none_found=("</script><b>",)), checkpoint, "")
    assert len(re.findall("</script", page, re.IGNORECASE)) == 2
    assert _data(page)["none_found"] == ["</script><b>"]
    assert "\0" not in page


def test_a_name_is_text_in_the_title() -> None:
    found, checkpoint = inspection(TEXT)
    page = cell_page(replace(found, checkpoint="<b>&"), checkpoint, "")
    assert "<title>Cells of &lt;b&gt;&amp;</title>" in page


def test_the_page_may_run_its_own_script_and_load_nothing() -> None:
    page = _page()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    script, style = (re.findall(pattern, page, re.DOTALL)[0] for pattern in (r"<script>(.*?)</script>",
                                                                             r"<style>(.*?)</style>"))
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page) and "@import" not in style


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    assert write_page(tmp_path / "page.html", "é") == 2
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_page(tmp_path / "no" / "page.html", "")


def test_the_assets_come_with_the_package() -> None:
    config = configparser.ConfigParser()
    config.read(Path(__file__).parent.parent / "setup.cfg")
    packed = config["options.package_data"]["charrnn.page"].split()
    assets = Path(page_module.__file__).parent / "assets"
    assert packed == ["assets/*"] and {path.suffix for path in assets.iterdir()} == {".html", ".css", ".js"}
