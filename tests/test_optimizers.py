"""Update rules, clipping and the course of the learning rate: against the reference and PyTorch's goldens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from charrnn.config import DEFAULT_BETA1, DEFAULT_LR, LR_SCHEDULES, OPTIMIZERS, ModelConfig, TrainConfig
from charrnn.model import Layout, parameter_shapes
from charrnn.network import Network
from charrnn.optimizers import Optimizer, learning_rate
from charrnn.threads import Team
from tests.goldens import make_goldens
from tests.reference import optimizers as reference

CONFIG = ModelConfig(vocab_size=7, cell="lstm", hidden_size=9, num_layers=2, embedding_size=5)

#: Large enough for several threads to have several chunks each.
LARGE = CONFIG.replace(hidden_size=57)


def draw(seed: int, scale: float = 1.0, config: ModelConfig = CONFIG) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: scale * rng.standard_normal(shape) for name, shape in parameter_shapes(config).items()}


def run(threads: int = 1, seq_len: int = 10, steps: int = 6, scale: float = 1.0, dtype: type = np.float64,
        model: ModelConfig = CONFIG, **settings: Any) -> tuple[dict[str, np.ndarray], list[float], Optimizer]:
    """Return the weights after a few updates with random gradients, and the gradients' norms."""
    layout = Layout(model)
    optimizer = Optimizer(TrainConfig(**settings), layout.from_named(draw(0, 1.0, model), dtype), layout.decayed)
    team = Team(threads)
    norms = [optimizer.step(layout.from_named(draw(1 + i, scale, model), dtype), 0.02 / (1 + i), seq_len, team)
             for i in range(steps)]
    team.close()
    return layout.to_named(optimizer.flat), norms, optimizer


def by_reference(name: str, steps: int = 6, scale: float = 1.0, clip_norm: float = 0.0, limit: float = 0.0,
                 **settings: float) -> tuple[dict[str, np.ndarray], list[float]]:
    weights, norms, optimizer = draw(0), [], reference.Optimizer(name, **settings)
    for i in range(steps):
        gradients = draw(1 + i, scale)
        gradients, norm = reference.clip_norm(gradients, clip_norm or math.inf)
        norms.append(norm)
        optimizer.step(weights, reference.clip_value(gradients, limit or math.inf), 0.02 / (1 + i))
    return weights, norms


def assert_same(got: dict[str, np.ndarray], expected: dict[str, np.ndarray], rtol: float = 1e-10) -> None:
    for name, weight in expected.items():
        np.testing.assert_allclose(got[name], weight, rtol, atol=rtol / 10, err_msg=name)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rules_equal_the_reference(name: str, weight_decay: float) -> None:
    got, _, _ = run(optimizer=name, weight_decay=weight_decay, beta1=0.8, beta2=0.95, clip_norm=0)
    expected, _ = by_reference(name, weight_decay=weight_decay, beta1=0.8, beta2=0.95)
    assert_same(got, expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_follows_float64(name: str) -> None:
    got, _, _ = run(optimizer=name, dtype=np.float32)
    expected, _, _ = run(optimizer=name)
    assert_same(got, expected, rtol=2e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_five_steps_equal_pytorch(cell: str, name: str) -> None:
    golden = make_goldens.load(cell, "embedded")
    size = make_goldens.CASES["embedded"]
    config = ModelConfig(vocab_size=size.vocab_size, cell=cell, hidden_size=size.hidden_size,
                         num_layers=size.num_layers, embedding_size=size.embedding_size)
    network = Network(config, golden["weights"], batch_size=size.batch_size, seq_len=size.seq_len, precision="f64",
                      training=True)
    settings = TrainConfig(optimizer=name, beta1=make_goldens.BETA1, beta2=make_goldens.BETA2,
                           weight_decay=make_goldens.WEIGHT_DECAY, clip_norm=make_goldens.CLIP_NORM[cell])
    optimizer = Optimizer(settings, network.flat, network.layout.decayed)
    expected = golden["optimizers"][name]
    ids, targets = golden["ids"].astype(np.uint8), golden["targets"].astype(np.uint8)
    clipped = set()
    for step in range(make_goldens.STEPS):
        network.states[..., :size.hidden_size] = np.array(golden["state"])
        assert network.loss_and_gradient(ids, targets) == pytest.approx(expected["losses"][step], rel=1e-7)
        norm = optimizer.step(network.gradient, make_goldens.LR[name], len(ids), network.team)
        assert norm == pytest.approx(expected["norms"][step], rel=1e-6)
        clipped.add(norm > settings.clip_norm)
        network.pack()
    assert True in clipped  # the limit took part
    assert_same(network.named_parameters(), expected["weights"], rtol=1e-6)


@pytest.mark.parametrize("scale", [0.001, 1.0])
def test_clip_norm(scale: float) -> None:
    got, norms, _ = run(optimizer="sgd", scale=scale, clip_norm=2.5, weight_decay=0)
    expected, expected_norms = by_reference("sgd", scale=scale, clip_norm=2.5)
    assert_same(got, expected)
    assert norms == pytest.approx(expected_norms, rel=1e-12)
    assert (norms[0] > 2.5) == (scale == 1.0)


@pytest.mark.parametrize("seq_len", [1, 25])
def test_clip_value_is_meant_for_the_loss_summed_over_a_window(seq_len: int) -> None:
    got, _, _ = run(optimizer="sgd", clip_value=5.0, clip_norm=0, weight_decay=0, seq_len=seq_len)
    assert_same(got, by_reference("sgd", limit=5.0 / seq_len)[0])
    both, _, _ = run(optimizer="sgd", clip_value=1.0, clip_norm=20.0, weight_decay=0, seq_len=seq_len)
    assert_same(both, by_reference("sgd", clip_norm=20.0, limit=1.0 / seq_len)[0])  # the norm first


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_leaves_biases_alone(name: str) -> None:
    with_decay, _, _ = run(optimizer=name, weight_decay=0.3)
    without, _, _ = run(optimizer=name, weight_decay=0)
    for parameter, value in without.items():
        assert np.array_equal(with_decay[parameter], value) == ("bias" in parameter), parameter


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_threads_change_no_bit(name: str) -> None:
    results = [run(threads, optimizer=name, dtype=np.float32, model=LARGE) for threads in (1, 2, 3)]
    for weights, norms, _ in results[1:]:
        assert norms == results[0][1]
        for parameter, value in results[0][0].items():
            np.testing.assert_array_equal(weights[parameter], value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_no_number_changes_nothing(bad: float) -> None:
    _, _, optimizer = run(optimizer="adamw", dtype=np.float32)
    before = [array.copy() for array in (optimizer.flat, optimizer.first, optimizer.second)]
    gradient = np.ones_like(optimizer.flat)
    gradient[3] = bad
    assert not math.isfinite(optimizer.step(gradient, 0.1, 10, Team(1)))
    assert optimizer.step_count == 6
    for array, old in zip((optimizer.flat, optimizer.first, optimizer.second), before):
        np.testing.assert_array_equal(array, old)


def test_adagrad_starts_from_the_initial_accumulator() -> None:
    layout = Layout(CONFIG)
    optimizer = Optimizer(TrainConfig(optimizer="adagrad", initial_accumulator=9.0, clip_norm=0, weight_decay=0),
                          np.zeros(layout.size), layout.decayed)
    optimizer.step(np.full(layout.size, 4.0), 0.5, 1, Team(1))
    np.testing.assert_allclose(optimizer.flat, -0.5 * 4 / 5)  # the root of 16 + 9


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_learning_rate_follows_the_reference(schedule: str, warmup: float) -> None:
    config = TrainConfig(lr=0.4, lr_schedule=schedule, warmup=warmup)
    for progress in (0.0, 0.05, 0.1, 0.2, 0.5, 0.75, 0.9, 0.999):
        expected = 0.4 * reference.lr_factor(schedule, progress, warmup)
        assert learning_rate(config, progress) == pytest.approx(expected, rel=1e-12), progress


def test_learning_rate_by_hand() -> None:
    cosine, step = TrainConfig(lr=1.0, warmup=0.2), TrainConfig(lr=1.0, warmup=0.0, lr_schedule="step")
    assert [learning_rate(cosine, x) for x in (0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.5, 1.0, 0.5, 0.0], abs=1e-15)
    assert [learning_rate(step, x) for x in (0.3, 0.4, 0.7, 1.0)] == pytest.approx([1.0, 0.1, 0.01, 0.01])
    assert learning_rate(cosine, 7.0) == learning_rate(cosine, 1.0)  # a run a little over its end does not turn up
    assert learning_rate(TrainConfig(lr_schedule="constant", optimizer="sgd"), 0.5) == DEFAULT_LR["sgd"]


def test_a_cautious_step_goes_against_no_gradient_and_leaves_some_out() -> None:
    layout = Layout(CONFIG)
    optimizer = Optimizer(TrainConfig(optimizer="cadamw", weight_decay=0), np.zeros(layout.size), layout.decayed)
    for i in range(5):
        gradient = layout.from_named(draw(1 + i), np.float64)
        before = optimizer.flat.copy()
        optimizer.step(gradient, 0.1, 1, Team(1))
        moved = optimizer.flat - before
        assert not (moved * gradient > 0).any()
    stayed = (moved == 0) & (gradient != 0)
    assert 0.2 < stayed.sum() / (gradient != 0).sum() < 0.6


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_rule_has_a_decay_of_its_own(name: str) -> None:
    assert TrainConfig(optimizer=name).momentum == DEFAULT_BETA1[name] == (0.7 if name == "cadamw" else 0.9)
    assert TrainConfig(optimizer=name, beta1=0.5).momentum == 0.5
    by_default, given, other = (run(optimizer=name, **beta1)[0] for beta1 in (
        {}, {"beta1": DEFAULT_BETA1[name]}, {"beta1": 0.5}))
    assert all(np.array_equal(by_default[parameter], given[parameter]) for parameter in given)
    uses_it = name not in ("rmsprop", "adagrad")
    assert uses_it != all(np.array_equal(given[parameter], other[parameter]) for parameter in given)
