"""The inspection as a whole: finds what was planted, calls a false friend one, and finds nothing where nothing is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from charrnn.errors import ConfigError, CorpusError
from charrnn.inspection.findings import LABELS, Ablation
from charrnn.inspection.inspector import inspect
from charrnn.inspection.labels import RULE, gain, label
from tests import planted


@pytest.mark.parametrize("cell, seed", [("lstm", 0), ("lstm", 1), ("gru", 112), ("rnn", 3)])
def test_planted_units_are_found_and_called_cells(cell: str, seed: int) -> None:
    assert planted.missed(cell, seed) == []


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("seed", range(4, 8))
def test_more_planted_units(cell: str, seed: int) -> None:
    assert planted.missed(cell, seed) == []


@pytest.mark.parametrize("cell, seed", [("lstm", 0), ("gru", 1), ("rnn", 2)])
@pytest.mark.parametrize("shuffled", [False, True])
def test_nothing_is_found_where_nothing_is(cell: str, seed: int, shuffled: bool) -> None:
    assert planted.nothing_to_find(cell, seed, shuffled).findings == ()


def test_a_false_friend_is_a_correlate() -> None:
    # Words inside quotes are nearly always in capitals, of which one unit keeps a fading trace; none remembers quotes.
    model = planted.plain("lstm", 32, 1, 5)
    unit = planted.plant_echo(model.weights, 5)
    result = inspect(model, planted.text(5, planted.LENGTH, other_letters=0.97), seed=5, threads=1)
    (finding,) = [finding for finding in result.findings if finding.feature == "double quotes"]
    assert (finding.unit, finding.label) == (unit, "correlate only")
    assert finding.score >= 0.9 and finding.baseline >= 0.9


def test_what_an_inspection_holds() -> None:
    model, plan = planted.plant("lstm", 24, 1, 9)
    ids = planted.text(9, 12_000)
    result = inspect(model, ids, name="model", regexes=["ab=a+b"], threads=2)
    again = inspect(model, ids, name="model", regexes=["ab=a+b"], threads=1)
    assert result.findings == again.findings  # no number of threads changes them
    data = json.loads(json.dumps(result.to_json()))
    assert set(data) >= {"checkpoint", "characters", "seconds", "findings", "none_found"}
    assert (data["checkpoint"], data["characters"]) == ("model", 12_000)
    for finding in data["findings"]:
        assert set(finding) >= {"layer", "unit", "source", "feature", "metric", "score", "baseline", "untrained",
                                "gain", "p_value", "ablation", "units_needed", "label"}
        assert finding["label"] in LABELS and finding["metric"] in ("auc", "r2") and finding["source"] == "c"
        assert finding["interval"][0] - 0.02 <= finding["score"] <= finding["interval"][1] + 0.02
        assert finding["units_needed"] >= 1 and finding["score"] > finding["chance"]
    gains = [finding.gain for finding in result.findings]
    assert gains == sorted(gains, reverse=True)
    judged = {finding.feature for finding in result.findings} | set(result.none_found)
    assert judged == set(result.best) == set(result.features)
    assert "ab" in judged or "ab" in result.dropped
    assert result.text[:50] == model.vocabulary.decode(ids[:50])
    assert result.signals.values(0, plan.counter).shape == result.ids.shape == (12_000,)
    quote = next(finding for finding in result.findings if finding.feature == "double quotes")
    assert quote.ablation is not None and '"' in quote.ablation.predicted
    assert quote.ablation.forced_off > quote.ablation.forced_on
    assert quote.f1 is not None and quote.f1 > 0.95 and quote.units_needed == 1
    assert set(result.gates) == {"i", "f", "o"}
    assert result.gates["f"].open[0, plan.depth] == 1 and result.gates["i"].shut[0, plan.depth] > 0.7
    assert result.predictions.losses.shape == (11_999,)
    assert (np.diff(result.predictions.probabilities, axis=1) <= 0).all()


def test_predictions_are_the_models() -> None:
    from charrnn.evaluation import mean_loss
    from charrnn.network import Network

    model, _ = planted.plant("gru", 24, 2, 3)
    ids = planted.text(3, 6000)
    result = inspect(model, ids, threads=1)
    network = Network(model.model, model.weights, batch_size=1, seq_len=100)
    assert result.predictions.losses.mean() == pytest.approx(mean_loss(network, ids[None]), rel=1e-4)
    network.states[...] = 0
    logits = network.logits(np.ascontiguousarray(ids[:100, None]))[:, 0]
    assert result.predictions.ids[:100, 0].tolist() == logits.argmax(axis=1).tolist()


def test_another_source_is_never_a_cell() -> None:
    model, plan = planted.plant("lstm", 24, 1, 9)
    result = inspect(model, planted.text(9, 12_000), source="h", threads=1)
    assert result.best["double quotes"].unit == plan.quote
    assert {finding.label for finding in result.findings} <= {"candidate", "correlate only"}
    with pytest.raises(ConfigError, match=r"--source 'r': .*states h, c and the gates i, f, g, o"):
        inspect(model, planted.text(9, 6000), source="r")


def test_a_short_text_is_refused() -> None:
    with pytest.raises(CorpusError, match="4999 characters, too few"):
        inspect(planted.plain("rnn", 8, 1, 0), planted.text(0, 4999))


def test_the_rule() -> None:
    hurt = Ablation(delta=1.0, percentile=95.0, random=(0.0,) * 20, forced_on=0.0, forced_off=0.0, predicted="x",
                    characters=30)
    spared = Ablation(delta=1.0, percentile=90.0, random=(0.0,) * 20, forced_on=0.0, forced_off=0.0, predicted="x",
                      characters=30)
    gained = Ablation(delta=-1.0, percentile=100.0, random=(-2.0,) * 20, forced_on=0.0, forced_off=0.0, predicted="x",
                      characters=30)
    strong = ("auc", 0.95, 0.8, 0.7, 0.005)
    assert label(*strong, hurt) == "cell"
    assert label(*strong, spared) == label(*strong, gained) == label(*strong, None) == "candidate"
    assert label("auc", 0.95, 0.94, 0.7, 0.005, hurt) == "correlate only"
    assert label("auc", 0.95, 0.8, 0.94, 0.005, hurt) is None  # an untrained net does as well
    assert label("auc", 0.89, 0.5, 0.5, 0.005, hurt) is None
    assert label("auc", 0.95, 0.8, 0.7, 0.01, hurt) is None
    assert label("r2", 0.8, 0.1, 0.1, 0.005, hurt) == "cell"
    assert label("r2", 0.79, 0.1, 0.1, 0.005, hurt) is None
    assert gain(0.9, 0.5) == pytest.approx(0.8)
    assert gain(0.5, 1.0) == -1
    assert all(name in RULE for name in LABELS)
