"""Gradient flow: the followed gradients against numerical ones, and the facts that textbooks tell of the cells."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.checkpoint import load_checkpoint
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import ConfigError, CorpusError
from charrnn.gradient_flow.flow import GradientFlow, LayerFlow
from charrnn.gradient_flow.measure import _FollowedNetwork, measure
from charrnn.gradient_flow.models import Text, flow_of, text_for, untrained_flow
from charrnn.model import initial_parameters
from charrnn.run_folder import find_checkpoint
from tests.reference import network as reference

from .command_line import TEXT

IDS = np.frombuffer(b"the quick brown fox jumps over the lazy dog\n" * 60, np.uint8) % 32
PROSE = Text("prose", np.frombuffer(b"the quick brown fox jumps over the lazy dog, and runs.\n" * 60, np.uint8))


def loss_moved(weights: reference.Weights, cell: str, ids: np.ndarray, target: int, layer: int, step: int,
               delta: np.ndarray) -> float:
    """Return the loss after the last step where `delta` (H,) is added to h of a layer after a step."""
    state = reference.zero_state(weights, cell, 1)
    for t, character in enumerate(ids):
        x = np.eye(len(weights["output.bias"]))[[character]]
        for k, old in enumerate(state):
            new = reference.layer_forward(weights, cell, k, x[None], old).final
            if (k, t) == (layer, step):
                new = (new[0] + delta, *new[1:])
            state[k], x = new, new[0]
    logits = x @ weights["output.weight"].T + weights["output.bias"]
    return float(-reference.log_softmax(logits)[0, target])


@pytest.mark.parametrize("cell", CELLS)
def test_the_norms_are_those_of_numerical_gradients(cell: str) -> None:
    config = ModelConfig(vocab_size=6, cell=cell, hidden_size=5, num_layers=3)
    weights = {name: array.astype(np.float64) * 1.5 for name, array in initial_parameters(config, 3).items()}
    ids = np.random.default_rng(0).integers(0, 6, (7, 2)).astype(np.uint8)
    network = _FollowedNetwork(config, weights, batch_size=2, seq_len=6, precision="f64", training=True)
    found = network.gradient_norms(ids[:6].copy(), ids[6:].copy())
    assert found.shape == (3, 6, 2)
    for layer, step, row in ((0, 0, 0), (0, 5, 1), (1, 2, 1), (1, 4, 0), (2, 0, 1), (2, 5, 0)):
        gradient = [(loss_moved(weights, cell, ids[:6, row], int(ids[6, row]), layer, step, 1e-5 * unit)
                     - loss_moved(weights, cell, ids[:6, row], int(ids[6, row]), layer, step, -1e-5 * unit)) / 2e-5
                    for unit in np.eye(5)]
        assert found[layer, step, row] == pytest.approx(np.linalg.norm(gradient), rel=1e-6)


def one_layer(cell: str, hidden_size: int = 24) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    config = ModelConfig(vocab_size=32, cell=cell, hidden_size=hidden_size, num_layers=1)
    return config, initial_parameters(config, 0)


def flow(config: ModelConfig, weights: dict[str, np.ndarray], reach: int = 40) -> LayerFlow:
    return measure(config, weights, TrainConfig(), IDS, name="it", trained=False, reach=reach, threads=1).layers[0]


def orthogonal(size: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(0).standard_normal((size, size)))[0].astype(np.float32)


@pytest.mark.parametrize("factor", [0.8, 0.95, 1.1, 1.5])
def test_a_plain_net_near_zero_vanishes_or_explodes_at_the_rate_of_its_recurrent_norm(factor: float) -> None:
    config, weights = one_layer("rnn")
    for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
        weights[f"rnn.{name}"][:] = 0  # h stays 0, where the slope of tanh is 1
    weights["rnn.weight_hh_l0"][:] = factor * orthogonal(24)
    found = flow(config, weights)
    assert found.norms / found.norms[0] == pytest.approx(factor ** np.arange(41), rel=1e-4)
    assert found.factor == pytest.approx(factor, rel=1e-5)
    assert found.singular_values["n"] == pytest.approx([factor] * 5, rel=1e-5)
    assert found.falls_to(0.1) == (math.ceil(math.log(0.1, factor)) if factor**40 < 0.1 else None)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_no_step_of_a_plain_net_exceeds_the_largest_singular_value(scale: float) -> None:
    config, weights = one_layer("rnn")
    weights["rnn.weight_hh_l0"] *= scale
    found = flow(config, weights)
    largest = found.singular_values["n"][0]
    assert largest == pytest.approx(np.linalg.norm(weights["rnn.weight_hh_l0"], 2), rel=1e-5)
    assert np.all(found.norms[1:] / found.norms[:-1] < largest)
    assert np.all(found.low <= found.norms) and np.all(found.norms <= found.high)


@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.0, 4.0])
def test_an_lstm_holds_its_gradient_as_its_forget_gate_says(bias: float) -> None:
    config, weights = one_layer("lstm")
    for name in ("weight_ih_l0", "bias_ih_l0", "bias_hh_l0"):
        weights[f"rnn.{name}"][:] = 0
    weights["rnn.weight_hh_l0"] *= 1e-3  # h has to have some way back into c
    weights["rnn.bias_ih_l0"][24:48] = bias
    found = flow(config, weights)
    kept = 1 / (1 + math.exp(-bias))
    assert found.norms[2:] / found.norms[1:-1] == pytest.approx(np.full(39, kept), rel=2e-3)
    assert found.keep and found.keep.name == "f" and found.keep.mean == pytest.approx(kept, rel=1e-3)
    assert found.keep.memory_of(0.5) == pytest.approx(-1 / math.log(kept), rel=1e-2)
    assert (found.keep.open, found.keep.shut) == (float(kept > 0.9), 0)


def test_an_lstm_with_forget_bias_1_holds_its_gradient_several_times_as_long_as_a_plain_net() -> None:
    lasts = {}
    for cell, bias in (("rnn", None), ("lstm", 0.0), ("lstm", 1.0)):
        config, weights = one_layer(cell, 64)
        if bias is not None:
            assert np.all(weights["rnn.bias_ih_l0"][64:128] == 1)  # so it is from the start
            weights["rnn.bias_ih_l0"][64:128] = bias
        lasts[cell, bias] = -1 / math.log(flow(config, weights).factor)  # steps to fall to 1/e
    assert lasts["lstm", 1.0] > 3 * lasts["rnn", None]
    assert lasts["lstm", 1.0] > 1.5 * lasts["lstm", 0.0]


def test_what_overflows_is_infinite_and_null_in_json() -> None:
    config, weights = one_layer("rnn")
    weights["rnn.weight_ih_l0"][:] = 0
    weights["rnn.bias_ih_l0"][:] = weights["rnn.bias_hh_l0"][:] = 0
    weights["rnn.weight_hh_l0"][:] = 1e3 * orthogonal(24)
    found = measure(config, weights, TrainConfig(), IDS, name="it", trained=False, reach=40, threads=1)
    assert np.isinf(found.layers[0].norms[-1]) and found.layers[0].factor == pytest.approx(1e3, rel=1e-3)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["layers"][0]["norms"][-1] is None


def test_when_the_norm_has_fallen() -> None:
    def falls(*norms: float) -> tuple[int | None, int | None]:
        layer = LayerFlow(norms=np.array(norms), low=np.array(norms), high=np.array(norms), singular_values={},
                          keep=None)
        return layer.falls_to(0.1), layer.falls_to(0.01)

    assert falls(1, 0.5, 0.05, 0.005) == (2, 3)
    assert falls(1, 0.05, 0.5, 0.05) == (3, None)  # for good
    assert falls(1, math.inf, 0.5, 0.0) == (3, 3)


def test_clipping_is_counted(trained: Path) -> None:
    checkpoint = load_checkpoint(find_checkpoint(str(trained)))
    text = text_for([checkpoint], None)
    assert text.name.endswith("validation part") and len(text.code_points) == round(len(TEXT) / 10)
    ids, _ = checkpoint.vocabulary.encode_code_points(np.frombuffer(TEXT.encode(), np.uint8))

    def clipping(**limits: float) -> GradientFlow:
        return flow_of(replace(checkpoint, train=checkpoint.train.replace(**limits)), ids, name="it", reach=20,
                       threads=1)

    found = clipping(clip_norm=1.0).clipping
    steps = [event["grad_norm"] for event in checkpoint.history if event["event"] == "step"]
    assert found.recorded.tolist() == steps and len(found.norms) == 20 and found.cut == 0
    middle = float(np.sort(found.norms)[14] + np.sort(found.norms)[15]) / 2
    assert clipping(clip_norm=middle).clipping.clipped(found.norms) == 0.25
    assert clipping(clip_norm=0.0).clipping.clipped(found.norms) == 0
    few, many = clipping(clip_value=0.05).clipping.cut, clipping(clip_value=0.01).clipping.cut
    assert 0 < few < many < 1
    assert clipping(clip_norm=found.norms.min() / 100, clip_value=0.05).clipping.cut == 0  # the norm acts first


def test_untrained_nets_are_of_the_text_or_like_a_model(trained: Path) -> None:
    alone = untrained_flow(PROSE, "gru", hidden_size=8, reach=10, threads=1)
    assert (alone.name, alone.trained, alone.model.cell) == ("untrained gru", False, "gru")
    assert (alone.model.vocab_size, alone.model.hidden_size, alone.model.num_layers) == (30, 8, 2)
    assert alone.positions == 64 and [len(layer.norms) for layer in alone.layers] == [11, 11]
    like = load_checkpoint(find_checkpoint(str(trained)))
    beside = untrained_flow(PROSE, "rnn", like, num_layers=2, reach=10, threads=1)
    assert (beside.model.vocab_size, beside.model.hidden_size, beside.seq_len) == (28, 8, 8)
    assert all(layer.keep is None for layer in beside.layers)


def test_texts_that_will_not_do(trained: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(find_checkpoint(str(trained)))
    with pytest.raises(CorpusError, match=r"30 characters that the model knows.*takes 42: .*smaller --reach"):
        measure(*one_layer("rnn"), TrainConfig(), IDS[:30], name="it", trained=False, reach=40)
    with pytest.raises(ConfigError, match="measure them apart"):
        text_for([checkpoint, replace(checkpoint, text=checkpoint.text.replace(bytes=True))])
    (tmp_path / "a.txt").write_text("fox\n" * 20)
    assert len(text_for([], str(tmp_path / "a.txt"), 50).code_points) == 50


def test_the_shortest_text_that_will_do() -> None:
    found = measure(*one_layer("lstm"), TrainConfig(), IDS[:42], name="it", trained=False, reach=40, threads=1)
    assert found.positions == 1 and np.all(found.layers[0].norms > 0)
