"""Holding a unit changes the losses as the equations say, whichever layer it is in."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from charrnn.cells import get_cell
from charrnn.generator import scratch_for
from charrnn.inspection import intervention
from charrnn.inspection.feature import Tracked
from charrnn.inspection.intervention import Interventions
from charrnn.inspection.scoring import halves
from charrnn.inspection.survey import SNAPSHOT, survey
from charrnn.threads import Team
from tests import planted
from tests.reference.network import layer_forward

HIDDEN, LAYERS, UNIT = 24, 3, 5
FIRST, STRETCHES = 8, 16  # the stretches in which the feature is on: so many as are looked at


def reference_losses(cell: str, weights: dict[str, np.ndarray], ids: np.ndarray, states: np.ndarray,
                     held: tuple[int, float] | None) -> np.ndarray:
    """Return the losses (T, B) over `ids` (T + 1, B) from `states` (B, L, S, H), with `UNIT` of a layer held."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    current = [tuple(states[:, k].transpose(1, 0, 2).astype(np.float64)) for k in range(LAYERS)]
    losses = []
    for now, following in itertools.pairwise(ids):
        x = np.eye(planted.V)[now][None]
        for k in range(LAYERS):
            tape = layer_forward(weights, cell, k, x, current[k])
            state = [part.copy() for part in tape.final]
            if held is not None and held[0] == k:
                state[-1][:, UNIT] = held[1]
                if cell == "lstm":
                    state[0][:, UNIT] = tape.saved[0][3][:, UNIT] * np.tanh(held[1])
            current[k], x = tuple(state), state[0][None]
        logits = x[0] @ weights["output.weight"].T + weights["output.bias"]
        losses.append(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(now)), following])
    return np.array(losses)


def test_what_two_features_ask_alike_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids, team = planted.plain("gru", HIDDEN, LAYERS, 3), planted.text(3, 6000), Team(1)
    own = survey(model.model, model.weights, ids, "h", team)
    held, rows = Interventions(model.model, model.weights, ids, own, halves(len(ids), 200), planted.ALPHABET, team,
                               "f32", 0), []
    monkeypatch.setattr(intervention, "scratch_for", lambda network, states, count: (
        rows.append(count), scratch_for(network, states, count))[1])
    position = np.arange(len(ids), dtype=np.float32) % 50
    first = held.ablate(Tracked("position", position, " "), 1, UNIT)
    assert held.ablate(Tracked("share", position / 50, " "), 1, UNIT) == first
    assert rows == [(3 + intervention.RANDOM_UNITS) * STRETCHES]
    # Of a feature that is on in the same places and has other extremes, these alone are read.
    other = held.ablate(Tracked("long line", position > position.mean(), " "), 1, UNIT)
    assert other is not None and first is not None and (other.delta, other.random) == (first.delta, first.random)
    assert rows[1:] == [2 * STRETCHES] and other.forced_on != first.forced_on
    assert held.ablate(Tracked("position", position, " "), 2, UNIT) != first


@pytest.mark.parametrize("layer", range(LAYERS))
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_losses_change_as_the_equations_say(cell: str, layer: int) -> None:
    model = planted.plain(cell, HIDDEN, LAYERS, 3)
    weights = {name: 3 * value for name, value in model.weights.items()}
    ids, team = planted.text(3, 6000), Team(2)
    own = survey(model.model, weights, ids, get_cell(cell).states[-1], team)
    split = halves(len(ids), 200)
    starts = (FIRST + np.arange(STRETCHES)) * SNAPSHOT
    on = np.zeros(len(ids), bool)
    on[starts[0]:starts[-1] + SNAPSHOT] = True
    interventions = Interventions(model.model, weights, ids, own, split, planted.ALPHABET, team, "f32", 0)
    found = interventions.ablate(Tracked("spaces", on, " "), layer, UNIT)
    team.close()
    mean = own.signals.values(layer, UNIT).mean(dtype=np.float64)
    places = starts + np.arange(SNAPSHOT)[:, None]
    states = own.snapshots[starts // SNAPSHOT]
    free, held = (reference_losses(cell, weights, ids[starts + np.arange(SNAPSHOT + 1)[:, None]], states, hold)
                  for hold in (None, (layer, np.arctanh(mean) if cell == "lstm" else mean)))
    counted = np.isin(places, split.report) & (ids[places + 1] == planted.IDS[" "])
    assert found is not None and found.characters == np.count_nonzero(counted)
    assert found.delta == pytest.approx((held - free)[counted].mean(), abs=2e-5)
    assert abs(found.delta) > 1e-3  # enough to tell
