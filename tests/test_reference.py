"""The reference implementations, against numerical gradients, against PyTorch's goldens and against PyTorch itself."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.goldens import make_goldens
from tests.goldens.make_goldens import CASES, LR, Case, draw
from tests.reference import min_char_rnn, network, optimizers
from tests.reference.differences import central_difference, relative_error

CELLS = tuple(network.GATES)
GOLDENS = [(cell, case) for cell in CELLS for case in CASES]


def assert_close(got: Any, expected: Any, name: str = "") -> None:
    """Require all but the rounding that float64 leaves between two ways to compute the same numbers."""
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12, err_msg=name)


def assert_same_window(tape: network.Tape, gradients: network.Gradients, expected: dict[str, Any]) -> None:
    """Compare everything one window gives: logits, loss, final state, all gradients."""
    assert_close(tape.logits, expected["logits"])
    assert gradients.loss == pytest.approx(expected["loss"], rel=1e-12)
    assert set(gradients.weights) == set(expected["gradients"])
    for name, gradient in gradients.weights.items():
        assert_close(gradient, expected["gradients"][name], name)
    for got, wanted in ((tape.final_state, expected["final"]), (gradients.state, expected["dstate"])):
        assert_close(np.array(got), np.array(wanted))


def test_reference_imports_nothing_from_the_package() -> None:
    files = sorted((Path(__file__).parent / "reference").glob("*.py"))
    imported = set()
    for node in itertools.chain.from_iterable(ast.walk(ast.parse(file.read_text("utf-8"))) for file in files):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert "numpy" in imported
    assert imported <= {"__future__", "collections", "dataclasses", "math", "numpy", "torch", "typing"}


@pytest.mark.parametrize("embedding_size, dropout", [(0, 0.0), (3, 0.4)])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_every_weight_and_state(cell: str, num_layers: int, embedding_size: int, dropout: float) -> None:
    window = draw(cell, Case(4, embedding_size, 3, num_layers, seq_len=4, batch_size=2, dropout=dropout), seed=3)
    weights, state = window["weights"], window["state"]
    rng = np.random.default_rng(4)
    dfinal = [tuple(rng.normal(size=array.shape) for array in layer) for layer in state]

    def objective() -> float:
        # The window's loss, and a linear stand-in for whatever else depends on its final state.
        tape = network.forward(weights, cell, window["ids"], state, window["masks"])
        pairs = zip(itertools.chain(*tape.final_state), itertools.chain(*dfinal))
        return network.cross_entropy(tape.logits, window["targets"])[0] + sum(float((a * d).sum()) for a, d in pairs)

    tape = network.forward(weights, cell, window["ids"], state, window["masks"])
    gradients = network.backward(tape, window["targets"], dfinal)
    assert set(gradients.weights) == set(weights)
    for name, array in weights.items():
        assert relative_error(gradients.weights[name], central_difference(objective, array)) < 1e-6, name
    for k, layer in enumerate(state):
        for array, gradient in zip(layer, gradients.state[k]):
            assert relative_error(gradient, central_difference(objective, array)) < 1e-6, f"state of layer {k}"


@pytest.mark.parametrize("cell", CELLS)
def test_gradient_of_a_layers_inputs(cell: str) -> None:
    window = draw(cell, Case(4, 0, 3, 1, seq_len=4, batch_size=2), seed=5)
    weights, state = window["weights"], window["state"][0]
    rng = np.random.default_rng(6)
    inputs, doutputs = rng.normal(size=(4, 2, 4)), rng.normal(size=(4, 2, 3))

    def objective() -> float:
        return float((network.layer_forward(weights, cell, 0, inputs, state).outputs * doutputs).sum())

    tape = network.layer_forward(weights, cell, 0, inputs, state)
    dinputs, _, _ = network.layer_backward(weights, cell, 0, tape, doutputs, tuple(np.zeros_like(a) for a in state))
    assert relative_error(dinputs, central_difference(objective, inputs)) < 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_two_windows_joined_by_their_state_equal_one(cell: str) -> None:
    window = draw(cell, Case(5, 2, 4, 2, seq_len=6, batch_size=3), seed=7)
    weights, ids, targets = window["weights"], window["ids"], window["targets"]
    whole, expected = network.loss_and_gradients(weights, cell, ids, targets, window["state"])

    first = network.forward(weights, cell, ids[:4], window["state"])
    second, of_second = network.loss_and_gradients(weights, cell, ids[4:], targets[4:], first.final_state)
    assert_close(np.concatenate([first.logits, second.logits]), whole.logits)

    # The loss is a mean over characters: of these, 4 in 6 lie in the first window and 2 in 6 in the second.
    dfinal = [tuple(array * 2 / 4 for array in layer) for layer in of_second.state]
    of_first = network.backward(first, targets[:4], dfinal)
    for name, gradient in expected.weights.items():
        joined = of_first.weights[name] * 4 / 6 + of_second.weights[name] * 2 / 6
        assert_close(joined, gradient, name)
    assert_close(np.array(of_first.state) * 4 / 6, np.array(expected.state))


def test_window_without_targets_passes_on_only_what_its_state_receives() -> None:
    window = draw("gru", Case(5, 0, 4, 2, seq_len=3, batch_size=2), seed=8)
    tape = network.forward(window["weights"], "gru", window["ids"], window["state"])
    dfinal = [tuple(np.ones_like(array) for array in layer) for layer in window["state"]]
    silent, with_loss = network.backward(tape, None, dfinal), network.backward(tape, window["targets"], dfinal)
    loss_alone = network.backward(tape, window["targets"])
    assert silent.loss == 0
    assert not silent.weights["output.weight"].any()
    for name, gradient in silent.weights.items():
        assert_close(gradient + loss_alone.weights[name], with_loss.weights[name], name)


def test_loss_of_extreme_logits_is_finite() -> None:
    loss, dlogits = network.cross_entropy(np.array([[[1e4, -1e4, 0.0]]]), np.array([[1]]))
    assert loss == 2e4
    np.testing.assert_array_equal(dlogits, [[[1.0, -1.0, 0.0]]])


@pytest.mark.parametrize("cell, case", GOLDENS)
def test_window_equals_golden(cell: str, case: str) -> None:
    golden = make_goldens.load(cell, case)
    tape, gradients = network.loss_and_gradients(golden["weights"], cell, golden["ids"], golden["targets"],
                                                 golden["state"], golden["masks"])
    assert_same_window(tape, gradients, golden)


@pytest.mark.parametrize("name", LR)
@pytest.mark.parametrize("cell", CELLS)
def test_five_updates_equal_golden(cell: str, name: str) -> None:
    golden = make_goldens.load(cell, "embedded")
    weights, expected = golden["weights"], golden["optimizers"][name]
    optimizer = optimizers.Optimizer(name, beta1=make_goldens.BETA1, beta2=make_goldens.BETA2,
                                     weight_decay=make_goldens.WEIGHT_DECAY)
    for step in range(make_goldens.STEPS):
        _, gradients = network.loss_and_gradients(weights, cell, golden["ids"], golden["targets"], golden["state"])
        clipped, norm = optimizers.clip_norm(gradients.weights, make_goldens.CLIP_NORM[cell])
        assert gradients.loss == pytest.approx(expected["losses"][step], rel=1e-10)
        assert norm == pytest.approx(expected["norms"][step], rel=1e-10)
        optimizer.step(weights, clipped, LR[name])
    for weight_name, weight in weights.items():
        assert_close(weight, expected["weights"][weight_name], weight_name)


@pytest.mark.parametrize("cell", CELLS)
def test_goldens_clip_some_updates_and_not_others(cell: str) -> None:
    recorded = make_goldens.load(cell, "embedded")["optimizers"]
    assert list(recorded) == list(LR)
    clipped = np.concatenate([expected["norms"] for expected in recorded.values()]) > make_goldens.CLIP_NORM[cell]
    assert clipped.any() and not clipped.all()


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("embedding_size, num_layers", [(0, 1), (6, 3)])
@pytest.mark.parametrize("cell", CELLS)
def test_window_equals_pytorch(cell: str, embedding_size: int, num_layers: int, dropout: float, seed: int) -> None:
    pytest.importorskip("torch")
    from tests.reference import pytorch

    window = draw(cell, Case(11, embedding_size, 8, num_layers, seq_len=9, batch_size=5, dropout=dropout), seed)
    result = pytorch.run(pytorch.Model(cell, window["weights"]), window["ids"], window["targets"], window["state"],
                         window["masks"])
    tape, gradients = network.loss_and_gradients(window["weights"], cell, window["ids"], window["targets"],
                                                 window["state"], window["masks"])
    assert_same_window(tape, gradients, result)


@pytest.mark.parametrize("name", LR)
def test_forty_updates_equal_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    from tests.reference import pytorch

    window = draw("lstm", Case(6, 3, 5, 2, seq_len=5, batch_size=2), seed=9)
    args = window["ids"], window["targets"], window["state"]
    weights, model = window["weights"], pytorch.Model("lstm", window["weights"])
    settings = {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1}
    optimizer = optimizers.Optimizer(name, **settings)
    theirs = pytorch.make_optimizer(name, model, LR[name], **settings)
    for _ in range(40):
        gradients = network.loss_and_gradients(weights, "lstm", *args)[1].weights
        optimizer.step(weights, optimizers.clip_value(gradients, 0.01), LR[name])
        pytorch.run(model, *args)
        torch.nn.utils.clip_grad_value_(model.parameters(), 0.01)
        theirs.step()
    for weight_name, weight in model.weights().items():
        np.testing.assert_allclose(weights[weight_name], weight, rtol=1e-8, atol=1e-10, err_msg=weight_name)


def test_clipping_leaves_small_gradients_alone() -> None:
    gradients = {"a": np.array([0.3, -0.4]), "b": np.array([[0.0]])}
    clipped, norm = optimizers.clip_norm(gradients, 1.0)
    assert norm == pytest.approx(0.5)
    np.testing.assert_array_equal(clipped["a"], gradients["a"])
    np.testing.assert_array_equal(optimizers.clip_value(gradients, 0.35)["a"], [0.3, -0.35])


def test_unknown_optimizer_is_refused() -> None:
    with pytest.raises(ValueError, match="'lion'"):
        optimizers.Optimizer("lion").step({"w": np.ones(1)}, {"w": np.ones(1)}, 0.1)


@pytest.mark.parametrize("schedule, progress, expected", [
    ("constant", 0.05, 0.5), ("constant", 1.0, 1.0),
    ("cosine", 0.0, 0.0), ("cosine", 0.1, 1.0), ("cosine", 0.55, 0.5), ("cosine", 1.0, 0.0),
    ("step", 0.05, 0.5), ("step", 0.39, 1.0), ("step", 0.41, 0.1), ("step", 0.99, 0.01),
])
def test_learning_rate_course(schedule: str, progress: float, expected: float) -> None:
    assert optimizers.lr_factor(schedule, progress, 0.1) == pytest.approx(expected, abs=1e-12)


def min_char_rnn_weights(rng: np.random.Generator, vocab_size: int, hidden_size: int,
                         scale: float) -> dict[str, np.ndarray]:
    shapes = ((hidden_size, vocab_size), (hidden_size, hidden_size), (hidden_size,), (vocab_size, hidden_size),
              (vocab_size,))
    return {name: scale * rng.normal(size=shape) for name, shape in zip(min_char_rnn.NAMES, shapes)}


def test_min_char_rnn_gradients() -> None:
    rng = np.random.default_rng(10)
    weights = min_char_rnn_weights(rng, 5, 4, 0.5)
    window, h = rng.integers(0, 5, 8), rng.normal(size=4)
    _, gradients, _ = min_char_rnn.loss_and_gradients(weights, window, h)
    for name, weight in weights.items():
        numeric = central_difference(lambda: min_char_rnn.loss_and_gradients(weights, window, h)[0], weight)
        assert relative_error(gradients[name], numeric) < 1e-6, name


def test_min_char_rnn_window_is_the_networks_with_one_stream() -> None:
    rng = np.random.default_rng(11)
    weights = min_char_rnn_weights(rng, 5, 4, 0.5)
    window, h = rng.integers(0, 5, 8), rng.normal(size=4)
    loss, gradients, h_after = min_char_rnn.loss_and_gradients(weights, window, h)
    tape, expected = network.loss_and_gradients(weights | {"rnn.bias_hh_l0": np.zeros(4)}, "rnn", window[:-1, None],
                                                window[1:, None], [(h[None],)])
    assert loss == pytest.approx(7 * expected.loss, rel=1e-12)
    assert_close(h_after[None], tape.final_state[0][0])
    for name, gradient in gradients.items():
        assert_close(gradient, 7 * expected.weights[name], name)


def test_min_char_rnn_carries_its_state_and_starts_again_from_zero() -> None:
    rng = np.random.default_rng(12)
    weights = min_char_rnn_weights(rng, 3, 4, 0.5)
    ids = rng.integers(0, 3, 12)
    windows = [ids[0:6], ids[5:11]]  # the third would need 16 characters
    expected, h = [], np.zeros(4)
    for window in windows:
        loss, _, h = min_char_rnn.loss_and_gradients(weights, window, h)
        expected.append(loss)
    frozen = min_char_rnn.MinCharRNN(weights, ids, seq_len=5, lr=0.0)
    assert [frozen.step() for _ in range(5)] == [*expected, *expected, expected[0]]
    one_less = min_char_rnn.MinCharRNN(weights, ids[:11], seq_len=5, lr=0.0)  # nothing follows the second window
    assert [one_less.step() for _ in range(2)] == [expected[0], expected[0]]


def test_min_char_rnn_updates() -> None:
    rng = np.random.default_rng(13)
    weights = min_char_rnn_weights(rng, 3, 4, 0.5)
    ids = rng.integers(0, 3, 12)
    run = min_char_rnn.MinCharRNN(weights, ids, seq_len=5, limit=0.2)
    squares, h = dict.fromkeys(weights, np.zeros(())), np.zeros(4)
    for window in (ids[0:6], ids[5:11]):
        loss, gradients, h = min_char_rnn.loss_and_gradients(weights, window, h)
        assert max(np.abs(gradient).max() for gradient in gradients.values()) > 0.2
        clipped = {name: np.clip(gradient, -0.2, 0.2) for name, gradient in gradients.items()}
        squares = {name: squares[name] + d**2 for name, d in clipped.items()}
        weights = {name: weights[name] - 0.1 * d / np.sqrt(squares[name] + 1e-8) for name, d in clipped.items()}
        assert run.step() == pytest.approx(loss, rel=1e-10)
        for name, weight in run.weights.items():
            assert_close(weight, weights[name], name)


def test_min_char_rnn_learns_a_short_cycle() -> None:
    weights = min_char_rnn_weights(np.random.default_rng(14), 4, 20, 0.01)
    ids = np.tile([0, 1, 2, 2, 3], 60)
    run = min_char_rnn.MinCharRNN(weights, ids)
    losses = [run.step() for _ in range(300)]
    assert losses[0] == pytest.approx(25 * np.log(4), rel=1e-2)
    assert np.mean(losses[-10:]) < 1


def test_min_char_rnn_needs_a_whole_window() -> None:
    weights = min_char_rnn_weights(np.random.default_rng(15), 3, 4, 0.5)
    with pytest.raises(ValueError, match="27 characters, not 26"):
        min_char_rnn.MinCharRNN(weights, np.zeros(26, int))
