"""Parameters: PyTorch's names and shapes, how they start, and their place in the flat buffer."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.cells import CELLS, get_cell
from charrnn.config import ModelConfig
from charrnn.kernels.tile import LANES
from charrnn.model import Layout, initial_parameters, padded, parameter_count, parameter_shapes
from tests.goldens.make_goldens import Case, shapes

CONFIGS = [
    ModelConfig(vocab_size=7, cell=cell, hidden_size=9, num_layers=num_layers, embedding_size=embedding_size)
    for cell in CELLS for num_layers in (1, 3) for embedding_size in (0, 5)
]


def numbered(config: ModelConfig) -> dict[str, np.ndarray]:
    """Return parameters in which each element is another number, from 1 up."""
    named, start = {}, 1
    for name, shape in parameter_shapes(config).items():
        size = int(np.prod(shape))
        named[name] = np.arange(start, start + size, dtype=np.float32).reshape(shape)
        start += size
    return named


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_names_and_shapes_are_pytorchs(config: ModelConfig) -> None:
    case = Case(7, config.embedding_size, 9, config.num_layers, seq_len=1, batch_size=1)
    assert list(parameter_shapes(config).items()) == list(shapes(config.cell, case).items())
    assert parameter_count(config) == sum(value.size for value in numbered(config).values())


def test_parameter_count_by_hand() -> None:
    assert parameter_count(ModelConfig(vocab_size=65, cell="lstm", hidden_size=128, num_layers=1)) == \
        4 * 128 * (65 + 128 + 2) + 65 * 129
    assert parameter_count(ModelConfig(vocab_size=10, cell="gru", hidden_size=3, num_layers=2, embedding_size=4)) == \
        10 * 4 + 9 * (4 + 3 + 2) + 9 * (3 + 3 + 2) + 10 * 4


@pytest.mark.parametrize("cell", CELLS)
def test_names_are_those_of_torch_modules(cell: str) -> None:
    torch = pytest.importorskip("torch")
    from tests.reference.pytorch import LAYERS

    config = ModelConfig(vocab_size=7, cell=cell, hidden_size=9, num_layers=2, embedding_size=5)
    module = torch.nn.ModuleDict({
        "embedding": torch.nn.Embedding(7, 5), "output": torch.nn.Linear(9, 7),
        "rnn": LAYERS[cell](5, 9, 2)})
    assert {name: tuple(p.shape) for name, p in module.named_parameters()} == parameter_shapes(config)


@pytest.mark.parametrize("cell", CELLS)
def test_initial_parameters(cell: str) -> None:
    config = ModelConfig(vocab_size=50, cell=cell, hidden_size=64, num_layers=2, embedding_size=30)
    parameters = initial_parameters(config, seed=3)
    assert {name: value.shape for name, value in parameters.items()} == parameter_shapes(config)
    forget = get_cell(cell).forget_gate
    for name, value in parameters.items():
        assert value.dtype == np.float32
        if name == "embedding.weight":
            assert value.std() == pytest.approx(1, abs=0.1) and value.mean() == pytest.approx(0, abs=0.1)
            continue
        rows = value.reshape(-1, 64) if name.startswith("rnn.bias") else value
        if name.startswith("rnn.bias") and forget is not None:
            assert (rows[forget] == (1 if "bias_ih" in name else 0)).all(), name
            rows = np.delete(rows, forget, axis=0)
        assert np.abs(rows).max() <= 1 / 8
        assert np.abs(rows).max() > 0.9 / 8 and rows.std() == pytest.approx(1 / 8 / 3**0.5, rel=0.2)
    assert (forget is not None) == ("lstm" in cell)


def test_one_hot_input_weights_start_as_large_as_an_embedding() -> None:
    weights = initial_parameters(ModelConfig(vocab_size=50, hidden_size=64, embedding_size=0), seed=3)
    assert weights["rnn.weight_ih_l0"].std() == pytest.approx(1, abs=0.05)
    assert weights["rnn.weight_ih_l1"].std() == pytest.approx(1 / 8 / 3**0.5, rel=0.05)


def test_initial_parameters_depend_on_the_seed_alone() -> None:
    config = CONFIGS[0]
    first, again, other = (initial_parameters(config, seed) for seed in (1, 1, 2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    assert not np.array_equal(first["output.weight"], other["output.weight"])


def test_recurrent_bias_can_start_at_zero() -> None:
    parameters = initial_parameters(ModelConfig(vocab_size=7, recurrent_bias=False), 0)
    assert not parameters["rnn.bias_hh_l0"].any() and not parameters["rnn.bias_hh_l1"].any()
    assert parameters["rnn.bias_ih_l0"].any()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_layout_brings_back_what_it_was_given(config: ModelConfig) -> None:
    layout, named = Layout(config), numbered(config)
    flat = layout.from_named(named)
    assert flat.shape == (layout.size,) and flat.dtype == np.float32
    back = layout.to_named(flat)
    assert list(back) == list(named)
    for name, value in named.items():
        np.testing.assert_array_equal(back[name], value)
        assert back[name].flags.c_contiguous and not np.shares_memory(back[name], flat)
    # Every parameter has a place of its own, and the rest is zero.
    count = parameter_count(config)
    assert sorted(flat[flat != 0]) == list(range(1, count + 1))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_decayed_are_the_matrices(config: ModelConfig) -> None:
    layout = Layout(config)
    axes = {name: np.full(shape, len(shape)) for name, shape in parameter_shapes(config).items()}
    flat = layout.from_named(axes)
    assert set(flat[:layout.decayed]) == {0, 2} and set(flat[layout.decayed:]) == {0, 1}


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_groups_are_padded_views_without_overlap(config: ModelConfig) -> None:
    layout = Layout(config)
    flat = np.zeros(layout.size, np.float32)
    total = 0
    for name, group in layout.groups(flat).items():
        assert np.shares_memory(group, flat) or not group.size
        if name not in ("table", "embedding"):  # rows of these stand for characters, and no product runs over them
            assert all(size % LANES == 0 for size in group.shape[-1:])
        group += 1
        total += group.size
    assert total == layout.size and (flat == 1).all()


def test_padded() -> None:
    assert [padded(size) for size in (0, 1, LANES, LANES + 1)] == [0, LANES, LANES, 2 * LANES]
