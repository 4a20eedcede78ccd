"""The compiled network: against the NumPy reference, PyTorch's goldens, numerical gradients and PyTorch itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import ConfigError
from charrnn.kernels.random import drop, mix
from charrnn.kernels.tile import HAS_BF16
from charrnn.model import initial_parameters, parameter_shapes
from charrnn.network import Network, check_precision, choose_precision, memory_needed, useful_threads
from charrnn.optimizers import Optimizer
from tests.goldens import make_goldens
from tests.reference import network as reference
from tests.reference.differences import relative_error

GOLDENS = [(cell, case) for cell in CELLS for case in make_goldens.CASES]

#: (V, E, H, L, T, B): odd sizes, one row and several, vocabularies below and above a vector's lanes.
SIZES = [
    pytest.param((5, 0, 9, 1, 6, 1), id="onehot-1x9"),
    pytest.param((65, 0, 17, 2, 5, 7), id="onehot-2x17"),
    pytest.param((5, 3, 20, 3, 4, 7), id="embedded-3x20"),
    pytest.param((65, 18, 33, 2, 3, 1), id="embedded-2x33"),
]


def model(cell: str, size: tuple[int, ...], **settings: Any) -> ModelConfig:
    vocab_size, embedding_size, hidden_size, num_layers = size[:4]
    return ModelConfig(vocab_size=vocab_size, cell=cell, hidden_size=hidden_size, num_layers=num_layers,
                       embedding_size=embedding_size, **settings)


def draw(config: ModelConfig, steps: int, batch: int, seed: int = 1) -> dict[str, Any]:
    """Return random weights and states, exact in float32, and a window of text."""
    rng = np.random.default_rng(seed)

    def uniform(*shape: int) -> np.ndarray:
        return rng.uniform(-0.5, 0.5, shape).astype(np.float32).astype(np.float64)

    weights = {name: uniform(*shape) for name, shape in parameter_shapes(config).items()}
    if config.cell == "lnlstm":
        # Its h is several times as large as an LSTM's: with as much smaller weights as much goes into the gates, and
        # rounding is blown up no more than there.
        for name in weights.keys() - {"embedding.weight", "rnn.weight_ih_l0"}:
            weights[name] = (weights[name] * (0.25 if "weight" in name else 1)).astype(np.float32).astype(np.float64)
    if not config.recurrent_bias:
        for layer in range(config.num_layers):
            weights[f"rnn.bias_hh_l{layer}"][:] = 0
    kinds = 2 if "lstm" in config.cell else 1
    state = [tuple(uniform(batch, config.hidden_size) for _ in range(kinds)) for _ in range(config.num_layers)]
    text = rng.integers(0, config.vocab_size, (steps + 1, batch)).astype(np.uint8)
    return {"weights": weights, "state": state, "ids": text[:-1].copy(), "targets": text[1:].copy()}


def build(config: ModelConfig, window: dict[str, Any], precision: str = "f64", **settings: Any) -> Network:
    """Return a network that stands at the window's start."""
    steps, batch = window["ids"].shape
    settings = {"seq_len": steps, "training": True} | settings
    network = Network(config, window["weights"], batch_size=batch, precision=precision, **settings)
    network.states[..., :config.hidden_size] = np.array(window["state"])
    return network


def dropout_masks(config: ModelConfig, steps: int, batch: int, key: int) -> np.ndarray | None:
    """Return what the network leaves out, (L, T, B, H), as the reference takes it."""
    if not config.dropout:
        return None
    return np.stack([mask_of(layer, config.hidden_size, config.dropout, steps, batch, key)
                     for layer in range(config.num_layers)])


def embedded_mask(config: ModelConfig, steps: int, batch: int, key: int) -> np.ndarray | None:
    """Return what the network leaves out of embedded characters, (T, B, E)."""
    if not config.dropout or not config.embedding_size:
        return None
    return mask_of(2 * config.num_layers, config.embedding_size, config.dropout, steps, batch, key)


def mask_of(number: int, size: int, dropout: float, steps: int, batch: int, key: int) -> np.ndarray:
    """Return the mask (T, B, size) that is drawn under a number."""
    mask = np.ones((steps, batch, size))
    for t, b in np.ndindex(steps, batch):
        place = np.uint64(key)
        for part in (number, t, b):
            place = np.uint64(mix(place, np.uint64(part)))
        drop(mask[t, b], place, dropout)
    return mask


def connection_masks(config: ModelConfig, key: int) -> dict[str, np.ndarray]:
    """Return what the network leaves out of its recurrent weights, (G * H, H) under each one's name."""
    masks = {}
    for layer in range(config.num_layers):
        mask = np.ones(parameter_shapes(config)[f"rnn.weight_hh_l{layer}"])
        for row in range(len(mask)):
            gate, unit = divmod(row, config.hidden_size)
            of_layer = np.uint64(mix(np.uint64(key), np.uint64(config.num_layers + layer)))
            drop(mask[row], np.uint64(mix(of_layer, np.uint64(gate * 2**20 + unit))), config.recurrent_dropout)
        masks[f"rnn.weight_hh_l{layer}"] = mask
    return masks


def assert_matches(network: Network, loss: float, expected: dict[str, Any], *, rtol: float, atol: float) -> None:
    """Compare all that a window leaves behind: loss, final states, every gradient."""
    hidden = network.config.hidden_size
    assert loss == pytest.approx(expected["loss"], rel=rtol)
    np.testing.assert_allclose(network.states[..., :hidden], np.array(expected["final"]), rtol, atol, err_msg="final")
    np.testing.assert_allclose(network._window.dstates[..., :hidden], np.array(expected["dstate"]), rtol, atol,
                               err_msg="initial states")
    gradients = network.layout.to_named(network.gradient)
    assert list(gradients) == list(parameter_shapes(network.config))
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, expected["gradients"][name], rtol, atol, err_msg=name)


def by_reference(config: ModelConfig, window: dict[str, Any], key: int = 0) -> dict[str, Any]:
    masks = dropout_masks(config, *window["ids"].shape, key)
    thinned = connection_masks(config, key) if config.recurrent_dropout else {}
    weights = window["weights"] | {name: window["weights"][name] * mask for name, mask in thinned.items()}
    tape, gradients = reference.loss_and_gradients(weights, config.cell, window["ids"].astype(int),
                                                   window["targets"].astype(int), window["state"], masks,
                                                   embedded_mask(config, *window["ids"].shape, key))
    for name, mask in thinned.items():
        gradients.weights[name] *= mask  # by the chain rule, through weights * mask
    return {"logits": tape.logits, "loss": gradients.loss, "final": tape.final_state, "dstate": gradients.state,
            "gradients": gradients.weights}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", CELLS)
def test_float64_equals_the_reference(cell: str, size: tuple[int, ...], dropout: float) -> None:
    config = model(cell, size, dropout=dropout)
    window = draw(config, *size[4:])
    network = build(config, window)
    loss = network.loss_and_gradient(window["ids"], window["targets"], key=7)
    assert_matches(network, loss, by_reference(config, window, key=7), rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("cell", CELLS)
def test_connections_are_left_out_of_an_update_and_of_nothing_else(cell: str) -> None:
    config = model(cell, (65, 0, 17, 2), dropout=0.3, recurrent_dropout=0.4)
    window = draw(config, steps=5, batch=3)
    masks = connection_masks(config, key=7)
    assert np.mean(masks["rnn.weight_hh_l0"] == 0) == pytest.approx(0.4, abs=0.1)
    assert not np.array_equal(*masks.values())
    network = build(config, window)
    for key in (7, 8, 7):
        network.states[..., :17] = np.array(window["state"])
        loss = network.loss_and_gradient(window["ids"], window["targets"], key=key)
        assert_matches(network, loss, by_reference(config, window, key=key), rtol=1e-9, atol=1e-13)
    whole = build(config.replace(dropout=0.0, recurrent_dropout=0.0), window)
    network.states[...] = whole.states
    np.testing.assert_array_equal(network.losses(window["ids"], window["targets"]),
                                  whole.losses(window["ids"], window["targets"]))
    network.loss_and_gradient(window["ids"], window["targets"], key=7)
    network.states[...] = whole.states = build(config, window).states
    np.testing.assert_array_equal(network.logits(window["ids"]), whole.logits(window["ids"]))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", CELLS)
def test_float32_equals_the_reference(cell: str, size: tuple[int, ...]) -> None:
    config = model(cell, size, dropout=0.3)
    window = draw(config, *size[4:])
    network = build(config, window, "f32")
    loss = network.loss_and_gradient(window["ids"], window["targets"], key=7)
    assert_matches(network, loss, by_reference(config, window, key=7), rtol=1e-5, atol=2e-6)


@pytest.mark.skipif(not HAS_BF16, reason="this CPU has no bfloat16 dot product")
@pytest.mark.parametrize("cell", CELLS)
def test_bfloat16_is_near_the_reference(cell: str) -> None:
    config = model(cell, (65, 0, 17, 2))
    window = draw(config, 5, 7)
    network = build(config, window, "bf16")
    loss = network.loss_and_gradient(window["ids"], window["targets"])
    expected = by_reference(config, window)
    assert loss == pytest.approx(expected["loss"], rel=2e-3)
    for name, gradient in network.layout.to_named(network.gradient).items():
        assert relative_error(gradient, expected["gradients"][name]) < 0.02, name


@pytest.mark.parametrize("precision, rtol, atol", [("f64", 1e-9, 1e-13), ("f32", 1e-5, 2e-6)])
@pytest.mark.parametrize("cell, case", [pair for pair in GOLDENS if pair[1] != "dropout"])
def test_goldens(cell: str, case: str, precision: str, rtol: float, atol: float) -> None:
    golden = make_goldens.load(cell, case)
    size = make_goldens.CASES[case]
    config = model(cell, (size.vocab_size, size.embedding_size, size.hidden_size, size.num_layers))
    ids, targets = golden["ids"].astype(np.uint8), golden["targets"].astype(np.uint8)
    window = golden | {"ids": ids}
    np.testing.assert_allclose(build(config, window, precision).logits(ids), golden["logits"], rtol, atol)
    network = build(config, window, precision)
    assert_matches(network, network.loss_and_gradient(ids, targets), golden, rtol=rtol, atol=atol)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("embedding_size", [0, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_by_central_difference(cell: str, embedding_size: int, num_layers: int, dropout: float) -> None:
    config = model(cell, (4, embedding_size, 3, num_layers), dropout=dropout, recurrent_dropout=dropout / 2)
    window = draw(config, steps=4, batch=2, seed=5)
    network = build(config, window)
    start = network.states.copy()

    def objective() -> float:
        network.states[...] = start
        network.pack()
        return network.loss_and_gradient(window["ids"], window["targets"], key=3)

    objective()
    gradient, dstates = network.gradient.copy(), network._window.dstates.copy()
    numeric, numeric_states = np.zeros_like(gradient), np.zeros_like(dstates)
    real = network.layout.from_named({name: np.ones(shape) for name, shape in parameter_shapes(config).items()})
    epsilon = 1e-5
    for array, places, result in (
            (network.flat, [(i,) for i in np.flatnonzero(real)], numeric),
            (start, list(np.ndindex(*start.shape[:3], config.hidden_size)), numeric_states)):
        for place in places:
            value = array[place]
            array[place] = value + epsilon
            above = objective()
            array[place] = value - epsilon
            result[place] = (above - objective()) / (2 * epsilon)
            array[place] = value

    numeric_by_name = network.layout.to_named(numeric)
    for name, exact in network.layout.to_named(gradient).items():
        assert np.abs(exact).max() > 0, f"{name}: nothing to compare"
        assert relative_error(exact, numeric_by_name[name]) < 1e-6, name
    for layer, kind in np.ndindex(dstates.shape[:2]):
        assert relative_error(dstates[layer, kind], numeric_states[layer, kind]) < 1e-6, (layer, kind)


@pytest.mark.parametrize("cell", CELLS)
def test_tied_weights_have_the_gradient_of_both_and_stay_equal(cell: str) -> None:
    config = model(cell, (21, 9, 9, 2), dropout=0.3, tie_weights=True)
    window = draw(config, steps=6, batch=3)
    window["weights"]["embedding.weight"] = window["weights"]["output.weight"]
    apart = by_reference(config, window, key=3)["gradients"]
    network = build(config, window)
    network.loss_and_gradient(window["ids"], window["targets"], key=3)
    gradients = network.layout.to_named(network.gradient)
    for name in ("embedding.weight", "output.weight"):
        np.testing.assert_allclose(gradients.pop(name), apart["embedding.weight"] + apart["output.weight"], 1e-9, 1e-13)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, apart[name], 1e-9, 1e-13, err_msg=name)

    network = Network(config, initial_parameters(config, 0), batch_size=3, seq_len=6, training=True, threads=2)
    optimizer = Optimizer(TrainConfig(optimizer="adamw"), network.flat, network.layout.decayed)
    for key in range(3):
        network.loss_and_gradient(window["ids"], window["targets"], key)
        optimizer.step(network.gradient, 0.1, 6, network.team, network.pack_share)
        weights = network.named_parameters()
        np.testing.assert_array_equal(weights["embedding.weight"], weights["output.weight"])
    network.team.close()
    assert np.abs(weights["output.weight"] - initial_parameters(config, 0)["output.weight"]).mean() > 0.1


PRECISIONS = ["f32", "f64", pytest.param("bf16", marks=pytest.mark.skipif(not HAS_BF16, reason="no bfloat16 here"))]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cell, embedding_size", [("lstm", 0), ("lstm", 5), ("gru", 0), ("rnn", 5)])
def test_threads_change_no_bit(cell: str, embedding_size: int, precision: str) -> None:
    # More rows than one summation block of the weight gradient, and matrices of several panels.
    config = model(cell, (65, embedding_size, 49, 2), dropout=0.2, recurrent_dropout=0.3)
    window = draw(config, steps=43, batch=7)
    results = []
    for threads in (1, 2, 3, 9):
        network = build(config, window, precision, threads=threads)
        loss = network.loss_and_gradient(window["ids"], window["targets"], key=1)
        results.append((loss, network.gradient, network.states, network._window.dstates,
                        network.losses(window["ids"], window["targets"])))
        network.team.close()
    for other in results[1:]:
        for expected, got in zip(results[0], other):
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("embedding_size", [0, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_padding_stays_zero(cell: str, embedding_size: int) -> None:
    config = model(cell, (5, embedding_size, 9, 2), dropout=0.3, recurrent_dropout=0.3)
    window = draw(config, steps=6, batch=3)
    network = build(config, window, "f32")
    optimizer = Optimizer(TrainConfig(optimizer="adamw", weight_decay=0.1), network.flat, network.layout.decayed)
    before = network.flat.copy()
    for key in range(5):
        network.loss_and_gradient(window["ids"], window["targets"], key)
        optimizer.step(network.gradient, 0.1, 6, network.team)
        network.pack()
    real = network.layout.from_named({name: np.ones(shape) for name, shape in parameter_shapes(config).items()}) == 1
    assert 0 < real.sum() < real.size
    for array in (network.flat, network.gradient, optimizer.first, optimizer.second):
        assert not array[~real].any()
        assert array[real].any()
    assert (network.flat != before)[real].mean() > 0.9
    assert not network.states[..., config.hidden_size:].any()
    assert not network._window.dstates[..., config.hidden_size:].any()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cell", CELLS)
def test_carried_windows_equal_one_long_run(cell: str, precision: str) -> None:
    config = model(cell, (65, 0, 17, 2))
    window = draw(config, steps=13, batch=3)
    long = build(config, window, precision)
    short = build(config, window, precision, seq_len=5)
    expected, losses = long.logits(window["ids"]), build(config, window, precision)
    parts = [short.logits(window["ids"][start:start + 5]) for start in (0, 5, 10)]  # the last has three steps
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    np.testing.assert_array_equal(short.states, long.states)
    short.states = build(config, window, precision).states
    parts = [short.losses(window["ids"][start:start + 5], window["targets"][start:start + 5]) for start in (0, 5, 10)]
    np.testing.assert_array_equal(np.concatenate(parts), losses.losses(window["ids"], window["targets"]))


@pytest.mark.parametrize("embedding_size", [0, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_a_short_window_leaves_nothing_of_the_long_one_before(cell: str, embedding_size: int) -> None:
    config = model(cell, (5, embedding_size, 9, 2), dropout=0.25)
    long, short = draw(config, steps=6, batch=3), draw(config, steps=2, batch=3, seed=2)
    network = build(config, long)
    network.loss_and_gradient(long["ids"], long["targets"], key=1)
    network.states[...] = 0
    network.states[..., :9] = np.array(short["state"])
    loss = network.loss_and_gradient(short["ids"], short["targets"], key=2)
    expected = by_reference(config, short | {"weights": long["weights"]}, key=2)
    assert_matches(network, loss, expected, rtol=1e-9, atol=1e-13)


def test_losses_and_logits_agree_with_the_reference_and_drop_nothing() -> None:
    config = model("gru", (65, 0, 17, 2), dropout=0.5)
    window = draw(config, steps=5, batch=7)
    tape = reference.forward(window["weights"], "gru", window["ids"].astype(int), window["state"])
    np.testing.assert_allclose(build(config, window).logits(window["ids"]), tape.logits, rtol=1e-10)
    by_step = -np.take_along_axis(reference.log_softmax(tape.logits), window["targets"][..., None].astype(int), -1)
    losses = build(config, window).losses(window["ids"], window["targets"])
    np.testing.assert_allclose(losses, by_step[..., 0], rtol=1e-10)
    for training in (False, True):
        network = build(config, window, training=training)
        assert network.losses(window["ids"], window["targets"]).mean() == pytest.approx(by_step.mean(), rel=1e-12)


def test_dropout_leaves_out_its_share_and_scales_the_rest() -> None:
    config = model("rnn", (5, 0, 200, 2), dropout=0.3)
    window = draw(config, steps=20, batch=10)
    network = build(config, window)
    losses, outputs = [], []
    for key in (1, 2, 1):
        network.states[..., :200] = np.array(window["state"])
        losses.append(network.loss_and_gradient(window["ids"], window["targets"], key))
        outputs.append(network._window.outputs[..., :200].copy())
    assert losses[0] == losses[2] != losses[1]
    # 40,000 draws a layer: a standard deviation of 0.0023.
    for layer in range(2):
        assert (outputs[0][layer] == 0).mean() == pytest.approx(0.3, abs=0.01)
    hidden = network._window.states[:, 0, 1:, :, :200]
    kept = outputs[2] != 0
    np.testing.assert_allclose(outputs[2][kept], hidden[kept] / 0.7, rtol=1e-12)
    different = (outputs[0] != 0) != (outputs[1] != 0)
    assert different.mean() == pytest.approx(2 * 0.3 * 0.7, abs=0.01)  # as for independent draws


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_bias_can_be_kept_at_zero(cell: str) -> None:
    config = model(cell, (5, 0, 9, 2), recurrent_bias=False)
    window = draw(config, steps=6, batch=3)
    network = build(config, window)
    loss = network.loss_and_gradient(window["ids"], window["targets"])
    expected = by_reference(config, window)
    for layer in range(2):
        assert expected["gradients"][f"rnn.bias_hh_l{layer}"].any()
        expected["gradients"][f"rnn.bias_hh_l{layer}"][:] = 0
    assert_matches(network, loss, expected, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("embedding_size", [0, 5])
def test_named_parameters_come_back_as_given(embedding_size: int) -> None:
    config = model("lstm", (65, embedding_size, 17, 3))
    window = draw(config, steps=2, batch=1)
    named = build(config, window, "f32").named_parameters()
    assert list(named) == list(parameter_shapes(config))
    for name, array in window["weights"].items():
        np.testing.assert_array_equal(named[name], array)


def test_bf16_without_support_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.network.HAS_BF16", False)
    with pytest.raises(ConfigError, match="--precision f32"):
        check_precision("bf16")
    with pytest.raises(ConfigError, match="--precision f32"):
        choose_precision("bf16")
    check_precision("f32")


@pytest.mark.parametrize("supported, chosen", [(True, "bf16"), (False, "f32")])
def test_precision_is_chosen_by_what_the_cpu_has(supported: bool, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.network.HAS_BF16", supported)
    assert choose_precision("auto") == chosen
    assert choose_precision("f32") == "f32"


def test_memory_grows_with_what_it_is_made_of() -> None:
    config = ModelConfig(vocab_size=65)
    base = memory_needed(config, 50, 64)
    assert base < memory_needed(config, 100, 64) < memory_needed(config, 100, 640)
    assert memory_needed(config.replace(hidden_size=512), 1, 1) > 3.5 * memory_needed(config, 1, 1)
    window = 4 * 50 * 64 * 2 * 6 * 256  # z and states of both layers
    parameters = 4 * 12 * 856_640
    assert window + parameters < base < 1.25 * (window + parameters)


def test_a_tiny_step_is_not_shared_out() -> None:
    assert useful_threads(ModelConfig(vocab_size=65, hidden_size=8, num_layers=1), 1, 5, threads=4) == 1
    assert useful_threads(ModelConfig(vocab_size=65), 50, 64, threads=4) == 4


@pytest.mark.parametrize("embedding_size", [0, 6])
@pytest.mark.parametrize("cell", CELLS)
def test_checkpoint_in_pytorch_gives_the_same_logits(cell: str, embedding_size: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from tests.reference.pytorch import LAYERS
    from tests.runs import train

    train(tmp_path, cell=cell, embedding_size=embedding_size, hidden_size=33, num_layers=2, max_steps=20, lr=0.02)
    weights = load_file(tmp_path / "best.safetensors")
    below = weights["embedding.weight"].shape[1] if embedding_size else weights["output.weight"].shape[0]
    rnn = LAYERS[cell](below, 33, 2)
    vocab_size = len(weights["output.bias"])
    output = torch.nn.Linear(33, vocab_size)
    for module, prefix in ((rnn, "rnn."), (output, "output.")):
        module.load_state_dict({name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)})

    ids = np.random.default_rng(3).integers(0, vocab_size, (40, 3)).astype(np.uint8)
    chosen = torch.from_numpy(ids.astype(np.int64))
    one_hot = torch.nn.functional.one_hot(chosen, vocab_size)
    embedded = weights["embedding.weight"][chosen] if embedding_size else one_hot
    with torch.no_grad():
        zeros = torch.zeros(2, 3, 33)
        start = (zeros, zeros) if "lstm" in cell else zeros
        expected = output(rnn(embedded.float(), start)[0]).numpy()

    config = ModelConfig(vocab_size=vocab_size, cell=cell, hidden_size=33, num_layers=2, embedding_size=embedding_size)
    network = Network(config, {name: w.numpy() for name, w in weights.items()}, batch_size=3, seq_len=40)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(network.logits(ids), expected, rtol=0, atol=1e-5)
