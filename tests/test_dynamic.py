"""Dynamic evaluation: each window against the reference, and that it predicts before it learns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from charrnn.__main__ import main
from charrnn.cells import CELLS
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.dynamic import WINDOW, DynamicNetwork
from charrnn.evaluation import mean_loss, score_streams, summarize
from charrnn.language_model import LanguageModel
from charrnn.model import initial_parameters
from charrnn.network import Network
from charrnn.streams import windows
from charrnn.vocabulary import Vocabulary
from tests.reference import network as reference

TEXT = np.random.default_rng(3).integers(0, 6, (1, 3 * WINDOW - 4)).astype(np.uint8)  # the last window is shorter


def checkpoint(cell: str = "lstm", **settings: float) -> Checkpoint:
    model = ModelConfig(vocab_size=6, cell=cell, hidden_size=11, num_layers=2, **settings)  # type: ignore[arg-type]
    return Checkpoint(model=model, vocabulary=Vocabulary(np.array([ord(char) for char in "abcdef"], np.uint32)),
                      text=TextConfig(), train=TrainConfig(), weights=initial_parameters(model, 1))


@pytest.mark.parametrize("cell", CELLS)
def test_windows_are_predicted_and_then_learned_from_as_the_reference_does(cell: str) -> None:
    start = checkpoint(cell, dropout=0.5, recurrent_dropout=0.5)
    network = DynamicNetwork(start, rate=0.03, decay=0.1)
    trained = {name: value.astype(np.float64) for name, value in start.weights.items()}
    weights, square = {name: value.copy() for name, value in trained.items()}, dict.fromkeys(trained, 0.0)
    state, read = reference.zero_state(weights, cell, 1), 0.0
    for ids, targets in windows(TEXT, WINDOW):
        tape, gradients = reference.loss_and_gradients(weights, cell, ids.astype(int), targets.astype(int), state)
        expected = -np.take_along_axis(reference.log_softmax(tape.logits), targets[..., None].astype(int), -1)[..., 0]
        np.testing.assert_allclose(network.losses(ids, targets), expected, rtol=2e-4)
        share = len(ids) / WINDOW
        read += share
        square = {name: square[name] + (g * g - square[name]) * share / read for name, g in gradients.weights.items()}
        mean = sum(s.sum() for s in square.values()) / sum(s.size for s in square.values())
        for name, g in gradients.weights.items():
            weights[name] -= 0.03 * share * g / (np.sqrt(square[name]) + np.sqrt(mean))
            weights[name] += 0.1 * share * (trained[name] - weights[name])
        state = tape.final_state
    assert share < 1
    for name, value in network._network.named_parameters().items():
        np.testing.assert_allclose(value, weights[name], rtol=2e-3, atol=2e-4, err_msg=name)
    assert max(np.abs(weights[name] - trained[name]).max() for name in weights) > 0.02


def test_without_a_rate_it_is_plain_evaluation_and_padding_stays_zero() -> None:
    start = checkpoint()
    plain = Network(start.model, start.weights, batch_size=1, seq_len=512)
    assert mean_loss(plain, TEXT) == pytest.approx(mean_loss(DynamicNetwork(start, rate=0.0), TEXT), rel=1e-6)
    learning = DynamicNetwork(start)
    for window in windows(TEXT, WINDOW):
        learning.losses(*window)
    flat = learning._network.flat
    real = learning._network.layout.from_named({name: np.ones_like(value) for name, value in start.weights.items()})
    assert not flat[real == 0].any() and flat[real == 1].all()


def test_what_recurs_is_learned_and_the_model_left_alone() -> None:
    model = LanguageModel(checkpoint())
    text = "abcadfacebadfeedcab" * 100
    before = model.loss(text)
    blocks = model.vocabulary.encode(text)[None]
    network = DynamicNetwork(model.checkpoint, rate=0.02, decay=0.0)
    pieces = list(score_streams(network, model.vocabulary, blocks, "text"))
    assert summarize(pieces).loss < 0.8 * before
    assert np.nanmean(pieces[0].losses[:WINDOW]) == pytest.approx(model.loss(text[:WINDOW]), rel=1e-4)
    assert model.loss(text) == before


@pytest.mark.parametrize("part", [[], ["--part", "val"]])
def test_the_option(part: list[str], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("lazy fox lazy dog\n" * 200)
    words = ["eval", str(trained), *(part or [str(text)])]
    found = []
    for more in ([], ["--dynamic"], []):
        assert main([*words, "--json", *more]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[1]["dynamic"] is True and "dynamic" not in found[0]
    assert found[0]["loss"] == found[2]["loss"] != found[1]["loss"]
    if not part:
        assert found[1]["loss"] < found[0]["loss"]
    assert main([*words, "--dynamic"]) == 0
    assert "learning from the text (--dynamic)" in capsys.readouterr().out
