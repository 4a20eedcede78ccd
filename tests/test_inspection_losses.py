"""Losses by class and distance, and the gradient of a prediction by what was read, against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.config import ModelConfig
from charrnn.inspection.connectivity import connectivity
from charrnn.inspection.losses import loss_by_class, loss_by_distance
from charrnn.model import initial_parameters
from tests.reference import network as reference


def test_loss_by_class() -> None:
    text = "ab (c1)\n."
    losses = np.arange(1.0, 9.0)
    found = {part.name: part for part in loss_by_class(text, losses)}
    assert {name: part.loss for name, part in found.items()} == {
        "inside a word": 1, "space": 2, "opening sign": 3, "start of a word": 4, "digit": 5, "closing sign": 6,
        "newline": 7, "punctuation": 8}
    assert next(iter(found)) == "punctuation"
    assert sum(part.share for part in found.values()) == pytest.approx(1)
    assert found["digit"].share == pytest.approx(5 / 36)


def test_loss_by_distance() -> None:
    text = '(a)[[b]"c"}{ ]'
    losses = np.zeros(len(text) - 1)
    for place, loss in ((2, 1.0), (6, 3.0), (9, 5.0), (13, 7.0)):
        losses[place - 1] = loss
    assert [(part.name, part.characters, part.loss) for part in loss_by_distance(text, losses)] == [
        ("2-3", 3, 3.0), ("8-15", 1, 7.0)]
    assert loss_by_distance("abc", np.zeros(2)) == []
    assert [part.name for part in loss_by_distance("()", np.ones(1))] == ["1"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding_size", [0, 5])
def test_connectivity_is_the_gradient_of_the_logit(cell: str, embedding_size: int) -> None:
    config = ModelConfig(vocab_size=7, cell=cell, hidden_size=9, num_layers=2, embedding_size=embedding_size)
    weights = initial_parameters(config, 3)
    ids = np.random.default_rng(1).integers(0, 7, 14).astype(np.uint8)
    found = connectivity(config, weights, ids, 11, 4, reach=5)

    exact = {name: value.astype(np.float64) for name, value in weights.items()}
    # An input of its own for every step, as an embedding that the characters 0 to 11 have.
    inputs = exact.pop("embedding.weight")[ids] if embedding_size else np.eye(7)[ids]

    def logit(inputs: np.ndarray) -> float:
        steps = np.arange(12)[:, None]
        state = reference.zero_state(exact, cell, 1)
        return float(reference.forward(exact | {"embedding.weight": inputs}, cell, steps, state).logits[-1, 0, 4])

    for step in range(7, 12):
        gradient = []
        for k in range(inputs.shape[1]):
            change = np.zeros_like(inputs)
            change[step, k] = 1e-5
            gradient.append((logit(inputs + change) - logit(inputs - change)) / 2e-5)
        assert found[step - 7] == pytest.approx(np.linalg.norm(gradient), rel=1e-3)
    assert found.shape == (5,)
    assert connectivity(config, weights, ids, 3, 0).shape == (4,)
