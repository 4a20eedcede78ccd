"""States and gates over a text: equal to the reference, and the same in stretches as in one."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.activations import ROWS, WARM_UP, read, record
from charrnn.cells import CELLS, get_cell
from charrnn.config import ModelConfig
from charrnn.model import initial_parameters
from tests.reference import network as reference

RANDOM = np.random.default_rng(3)
TEXT = RANDOM.integers(0, 6, 5000).astype(np.uint8)


def model(cell: str, embedding_size: int = 0) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    config = ModelConfig(vocab_size=6, cell=cell, hidden_size=11, num_layers=2, embedding_size=embedding_size)
    return config, {name: 1.5 * value for name, value in initial_parameters(config, 1).items()}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding_size", [0, 3])
def test_states_equal_the_reference(cell: str, embedding_size: int) -> None:
    config, weights = model(cell, embedding_size)
    text = TEXT[:150]
    exact = {name: value.astype(np.float64) for name, value in weights.items()}
    expected = reference.forward(exact, cell, text[:, None].astype(int), reference.zero_state(exact, cell, 1))
    recorded = record(config, weights, text, precision="f64")
    assert list(recorded) == list(get_cell(cell).states)
    assert recorded["h"].shape == (2, 150, 11) and recorded["h"].dtype == np.float32
    assert recorded["h"][1] == pytest.approx(expected.outputs[:, 0], abs=1e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("length", [1, 63, 65, 3 * WARM_UP, 4 * WARM_UP + 5, 5000])
def test_stretches_equal_one_long_reading(cell: str, length: int) -> None:
    config, weights = model(cell)
    names = tuple(dict.fromkeys(get_cell(cell).states + get_cell(cell).gates))
    whole = record(config, weights, TEXT[:length], names=names, rows=1)
    cut = record(config, weights, TEXT[:length], names=names, rows=7, threads=2)
    for name in names:
        assert np.isfinite(cut[name]).all() and cut[name].any(axis=2).all()
        assert cut[name] == pytest.approx(whole[name], abs=1e-3)


def test_gates_and_states_of_an_lstm_fit_together() -> None:
    config, weights = model("lstm")
    r = record(config, weights, TEXT[:900], names=("h", "c", "i", "f", "g", "o"), rows=1)
    assert r["h"] == pytest.approx(r["o"] * np.tanh(r["c"]), abs=1e-5)
    assert r["c"][:, 1:] == pytest.approx(r["f"][:, 1:] * r["c"][:, :-1] + r["i"][:, 1:] * r["g"][:, 1:], abs=1e-5)


def test_logits_belong_to_their_place() -> None:
    config, weights = model("gru")
    text = TEXT[:4000]
    logits = np.zeros((len(text), 6), np.float32)
    seen = np.zeros(len(text), np.int64)
    for piece in read(config, weights, text, rows=2):
        assert piece.logits.shape[1:] == (2, 6)
        piece.store(piece.logits, logits)
        one = np.ones(piece.logits.shape[:2], np.int64)
        counted = np.zeros_like(seen)
        piece.store(one, counted)
        seen += counted
    assert (seen == 1).all()
    top = record(config, weights, text, rows=2)["h"][1]
    assert logits == pytest.approx(top @ weights["output.weight"].T + weights["output.bias"], abs=1e-3)


def test_a_long_text_is_read_in_many_stretches() -> None:
    config, weights = model("rnn")
    text = np.zeros(ROWS * 3 * WARM_UP, np.uint8)
    assert len(next(iter(read(config, weights, text))).positions) == 1  # quick enough as one
    piece = next(iter(read(config, weights, text, rows=ROWS)))
    assert len(piece.positions) == ROWS
    assert piece.skip.tolist() == [0] + [64] * (ROWS - 1)
