"""The average of the weights: what it is, what it is used for, and that threads do not change it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from charrnn.averaging import Average
from charrnn.checkpoint import load_checkpoint
from charrnn.events import EvalEvent
from charrnn.language_model import load
from charrnn.threads import Team
from tests.runs import train, trainer


def averaged(values: np.ndarray, share: float, threads: int = 1) -> np.ndarray:
    """Return the average after the weights have had the values (steps, size)."""
    weights = np.zeros(values.shape[1], np.float32)
    average, team = Average(share, weights), Team(threads)
    for step, value in enumerate(values, start=1):
        weights[:] = value
        average.update(step, team)
    team.close()
    return average.flat


def test_a_share_of_one_is_the_mean_of_all_steps() -> None:
    values = np.random.default_rng(1).normal(3, 1, (50, 7)).astype(np.float32)
    np.testing.assert_allclose(averaged(values, 1.0), values.mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_it_begins_without_bias_and_looks_back_a_share_of_the_steps(share: float) -> None:
    same = np.full((9, 3), 2.5, np.float32)
    np.testing.assert_array_equal(averaged(same, share), same[0])
    steps = np.arange(1, 2001, dtype=np.float32)[:, None]
    # The mean age of what is averaged over t steps is that of an exponential average with a horizon of share * t,
    # which itself grows: share / (1 + share) of t.
    age = 2000 - averaged(steps, share)[0]
    assert age == pytest.approx(2000 * share / (1 + share), rel=0.02)


def test_without_a_share_it_is_the_weights_themselves() -> None:
    weights = np.ones(3, np.float32)
    assert Average(0.0, weights).flat is weights


def test_threads_change_no_bit() -> None:
    values = np.random.default_rng(2).normal(0, 1, (5, 4096 * 5 + 77)).astype(np.float32)
    for threads in (2, 3):
        np.testing.assert_array_equal(averaged(values, 0.3, threads), averaged(values, 0.3))


def test_a_run_evaluates_and_saves_the_average_and_trains_as_without(tmp_path: Path) -> None:
    settings = {"lr_schedule": "constant", "warmup": 0.0, "lr": 0.01, "optimizer": "sgd"}
    states = []
    for steps in range(1, 7):
        train(tmp_path / str(steps), max_steps=steps, **settings)
        states.append(load_checkpoint(tmp_path / str(steps) / "last.safetensors").weights["output.weight"])
    events = train(tmp_path / "run", max_steps=6, eval_every=6, average=0.5, **settings)
    expected = averaged(np.array([state.ravel() for state in states]), 0.5).reshape(states[0].shape)
    for file in ("best", "last"):
        saved = load_checkpoint(tmp_path / "run" / f"{file}.safetensors", training_state=True)
        np.testing.assert_allclose(saved.weights["output.weight"], expected, rtol=0, atol=1e-7)
        assert np.abs(expected - states[-1]).max() > 1e-5
    np.testing.assert_array_equal(saved.training_state["train.trained.output.weight"], states[-1])
    found = load(tmp_path / "run").evaluate_held_out("val", [tmp_path / "corpus.txt"]).loss
    assert found == pytest.approx([event for event in events if isinstance(event, EvalEvent)][-1].val_loss, abs=1e-6)


def test_a_run_samples_from_the_average(tmp_path: Path) -> None:
    run = trainer(tmp_path / "run", max_steps=3, average=0.5)
    list(run.run())
    run._learner._average.flat[...] = 0
    run._learner._network.layout.groups(run._learner._average.flat)["output_bias"][2] = 50
    assert set(run._sample().text) == {run.corpus.vocabulary.decode(np.array([2]))}
