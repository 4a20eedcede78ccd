"""One step of each cell, forward and back, against the equations in its module's head and numerical gradients."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
import pytest

from charrnn.cells import CELLS, get_cell
from charrnn.kernels.cell import Cell
from tests.reference.differences import central_difference, relative_error

H = 5


Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(z: Array, u: Array, b_apart: Array, h: Array, c: Array) -> list[Array]:
    i, f, g, o = np.split(z, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return [sigmoid(o) * np.tanh(c), c]


def gru(z: Array, u: Array, b_apart: Array, h: Array) -> list[Array]:
    r, update = (sigmoid(part) for part in np.split(z[:2 * H], 2))
    n = np.tanh(z[2 * H:] + r * (u + b_apart))
    return [(1 - update) * n + update * h]


def rnn(z: Array, u: Array, b_apart: Array, h: Array) -> list[Array]:
    return [np.tanh(z)]


def lnlstm(z: Array, u: Array, b_apart: Array, h: Array, c: Array) -> list[Array]:
    q, c = lstm(z, u, b_apart, h, c)
    return [q / np.sqrt((q**2).mean() + 1e-5), c]


EQUATIONS = {"lstm": lstm, "gru": gru, "rnn": rnn, "lnlstm": lnlstm}


@functools.cache
def compiled(name: str) -> tuple[Any, Any]:
    """Return both halves of a cell as functions that Python can call."""
    cell = get_cell(name)
    forward, backward = cell.forward, cell.backward

    @numba.njit
    def step(z: Any, u: Any, bias_apart: Any, states: Any, t: Any, b: Any, tape: Any) -> None:
        forward(z, u, bias_apart, states, t, b, tape, H)

    @numba.njit
    def back(z: Any, states: Any, t: Any, b: Any, tape: Any, dh: Any, dstates: Any) -> None:
        backward(z, states, t, b, tape, dh, dstates, H)

    return step, back


def draw(cell: Cell) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    gates = len(cell.gates) * H
    return {"z": rng.normal(size=gates), "u": rng.normal(size=cell.apart * H),
            "bias_apart": rng.normal(size=cell.apart * H), "states": rng.normal(size=(len(cell.states), 3, 2, H)),
            "dh": rng.normal(size=H), "dstates": rng.normal(size=(len(cell.states), 2, H))}


def outcome(name: str, given: dict[str, Array]) -> Array:
    """Return the states after the step that `forward` makes from place t = 1 of row 1, by the equations."""
    arguments = [given[key] for key in ("z", "u", "bias_apart")]
    return np.array(EQUATIONS[name](*arguments, *given["states"][:, 1, 1]))


def test_every_cell_has_its_equations_here() -> None:
    assert set(EQUATIONS) == set(CELLS)


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-13), (np.float32, 2e-6)])
@pytest.mark.parametrize("name", CELLS)
def test_forward_follows_the_equations(name: str, dtype: type, tolerance: float) -> None:
    cell = get_cell(name)
    given = draw(cell)
    expected = given["states"].copy()
    expected[:, 2, 1] = outcome(name, given)
    run = {key: array.astype(dtype) for key, array in given.items()}
    tape = np.zeros(cell.kept * H, dtype)
    compiled(name)[0](run["z"], run["u"], run["bias_apart"], run["states"], 1, 1, tape)
    np.testing.assert_allclose(run["states"], expected, rtol=tolerance, atol=tolerance)  # and nothing else was touched


@pytest.mark.parametrize("name", CELLS)
def test_backward_is_the_gradient(name: str) -> None:
    cell = get_cell(name)
    given = draw(cell)

    def objective() -> float:
        states = outcome(name, given)
        return float((states * given["dstates"][:, 1]).sum() + states[0] @ given["dh"])

    numeric = {key: central_difference(objective, given[key]) for key in ("z", "u", "states")}
    z, states, tape = given["z"].copy(), given["states"].copy(), np.zeros(cell.kept * H)
    dstates = given["dstates"].copy()
    step, back = compiled(name)
    step(z, given["u"], given["bias_apart"], states, 1, 1, tape)
    back(z, states, 1, 1, tape, given["dh"], dstates)

    assert relative_error(z, numeric["z"]) < 1e-8
    if cell.apart:
        assert relative_error(tape[:cell.apart * H], numeric["u"]) < 1e-8
    assert relative_error(dstates[:, 1], numeric["states"][:, 1, 1]) < 1e-8
    np.testing.assert_array_equal(dstates[:, 0], given["dstates"][:, 0])  # the other row's
