"""One character at a time through the net: the same as the reference's step, also with cells held."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.config import CellHold, ModelConfig, SampleConfig
from charrnn.errors import ConfigError
from charrnn.generator import Generator, advance, holds_for, scratch_for
from charrnn.kernels.generate import Holds
from charrnn.kernels.share import Share, new_barrier
from charrnn.model import initial_parameters
from charrnn.network import Network
from tests.reference.network import layer_forward

V, H, L = 7, 9, 2


def network(cell: str, seed: int = 0) -> Network:
    config = ModelConfig(vocab_size=V, cell=cell, hidden_size=H, num_layers=L)
    weights = {name: 3 * value for name, value in initial_parameters(config, seed).items()}
    return Network(config, weights, batch_size=1, seq_len=1)


def reference_logits(net: Network, ids: np.ndarray, holds: list[tuple[int, int, float]]) -> np.ndarray:
    """Return the logits (T, V) after each character of (T,), with (layer, unit, value) held, by the equations."""
    cell, weights = net.config.cell, {name: value.astype(np.float64) for name, value in net.named_parameters().items()}
    states = [tuple(np.zeros((1, H)) for _ in net.cell.states) for _ in range(L)]
    logits = []
    for id_ in ids:
        x = np.eye(V)[id_][None, None]
        for k in range(L):
            tape = layer_forward(weights, cell, k, x, states[k])
            state = [part.copy() for part in tape.final]
            for layer, unit, value in holds:
                if layer == k:
                    state[-1][0, unit] = value
                    if cell == "lstm":
                        output_gate = tape.saved[0][3]
                        state[0][0, unit] = output_gate[0, unit] * np.tanh(value)
                    if cell == "lnlstm":
                        q = tape.saved[0][2][3] * np.tanh(state[1])  # of the units held before as well
                        state[0] = q / np.sqrt((q**2).mean() + 1e-5)
            states[k] = tuple(state)
            x = state[0][None]
        logits.append(x[0, 0] @ weights["output.weight"].T + weights["output.bias"])
    return np.array(logits)


@pytest.mark.parametrize("held", [[], [(0, 4, 1.5)], [(0, 0, 0.0), (1, 8, -0.7)]], ids=["none", "one", "two"])
@pytest.mark.parametrize("cell", CELLS)
def test_advance_follows_the_equations_with_cells_held(cell: str, held: list[tuple[int, int, float]]) -> None:
    net = network(cell)
    rows = np.array([[1, 2, 0], [3, 3, 5], [0, 6, 1], [2, 2, 2]])
    scratch = scratch_for(net, np.zeros_like(net.states), 3)
    holds = holds_for(net, [CellHold(*hold) for hold in held])
    found = []
    for current in rows:
        advance(cell)(current.astype(np.int64), net.weights, scratch, holds, Share(0, 3, 0, 1, new_barrier()))
        found.append(scratch.logits[0, :, :V].copy())
    for b in range(3):
        np.testing.assert_allclose(np.array(found)[:, b], reference_logits(net, rows[:, b], held), atol=2e-5)


def test_rows_are_held_apart_and_others_are_left_alone() -> None:
    net = network("gru")
    ids = np.array([1, 2, 3, 4], np.int64)
    scratch = scratch_for(net, np.zeros_like(net.states), 3)
    holds = Holds(np.array([1, 2]), np.array([0, 1]), np.array([3, 5]), np.array([0.9, -0.9], np.float32))
    for id_ in ids:
        scratch.logits[...] = 0
        advance("gru")(np.full(3, id_), net.weights, scratch, holds, Share(1, 3, 0, 1, new_barrier()))
        assert not scratch.logits[0, 0].any()  # row 0 was not asked for
    expected = [reference_logits(net, ids, [held])[-1] for held in ((0, 3, 0.9), (1, 5, -0.9))]
    np.testing.assert_allclose(scratch.logits[0, 1:, :V], expected, atol=2e-5)


def test_a_text_is_written_with_its_cells_held() -> None:
    net = network("lstm")
    start, hold = np.zeros_like(net.states), CellHold(1, 2, 4.0)
    for holds in ((), (hold,)):
        config = SampleConfig(argmax=True, holds=holds)
        ids = Generator(net, start, 0, config).next(20)[0][:, 0]
        logits = reference_logits(net, np.concatenate([[0], ids[:-1]]), list(holds))
        np.testing.assert_array_equal(ids, logits.argmax(axis=1))


@pytest.mark.parametrize("hold", [(2, 0), (0, 9), (-1, 0), (0, -1)])
def test_a_cell_that_is_not_there_cannot_be_held(hold: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"cell {hold[0]}:{hold[1]} .* layers 0 to 1 of units 0 to 8"):
        holds_for(network("rnn"), [CellHold(*hold, 1.0)])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e31])
def test_a_cell_is_held_at_a_number(value: float) -> None:
    with pytest.raises(ConfigError, match="--set-cell"):
        SampleConfig(holds=(CellHold(0, 0, value),))
