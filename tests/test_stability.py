"""A run that diverges: how it is noticed, what it goes back to, and that this too is resumed exactly."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn.reader
import charrnn.training
from charrnn.checkpoint import load_checkpoint
from charrnn.errors import TrainingError
from charrnn.events import EvalEvent, Event, StepEvent, WarningEvent
from charrnn.kernels.random import mix
from charrnn.network import Network
from charrnn.stability import MOST_SETBACKS, Guard
from charrnn.training_state import Progress
from tests.runs import train, trainer


def guard() -> tuple[Guard, Progress, np.ndarray]:
    weights, progress = np.zeros(3, np.float32), Progress()
    return Guard({"trained": weights}, progress), progress, weights


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_what_is_no_number_is_a_divergence(loss: float, norm: float) -> None:
    watching, progress, _ = guard()
    assert watching.diverged(1.0, 1.0, 2000) == ""
    assert "no longer a number" in watching.diverged(loss, norm, 2000)
    assert math.isfinite(progress.recent_loss + progress.usual_loss)


def noticed_after(losses: list[float], characters: int) -> int | None:
    """Return how many of the losses pass before the run is seen to have diverged."""
    watching, _, _ = guard()
    return next((i for i, loss in enumerate(losses) if watching.diverged(loss, 1.0, characters)), None)


def test_a_loss_far_above_the_usual_is_a_divergence_once_it_has_lasted() -> None:
    falling = [1.4 + 2.8 * math.exp(-i / 100) for i in range(1000)]
    assert noticed_after(falling, 2000) is None
    noticed = noticed_after(falling + [4.2] * 100, 2000)
    assert noticed is not None and 1010 < noticed < 1040


def test_a_hard_passage_a_short_one_or_small_steps_are_none() -> None:
    usual = [1.5] * 1000
    assert noticed_after(usual + [2.5] * 1000, 2000) is None
    assert noticed_after((usual + [9.0] * 4) * 3, 2000) is None
    assert noticed_after(([1.5] * 900 + [7.0] * 100) * 10, 25) is None  # 2,500 characters in another language
    assert noticed_after([4.0, 1.0, 0.1, 4.0] * 500, 25) is None


def test_each_setback_halves_the_rate_and_goes_back_to_what_was_good() -> None:
    watching, progress, weights = guard()
    weights[:], progress.step = 1, 10
    watching.keep()
    weights[:], progress.step = np.nan, 13
    message = watching.go_back("so", 0.1)
    assert "step 13" in message and "step 10" in message and "0.5 of the rate" in message
    np.testing.assert_array_equal(weights, 1)
    assert watching.rate == 0.5
    progress.recent_loss, progress.usual_loss, weights[:] = 3.0, 1.5, 2
    watching.keep()  # on its way up: not a good state
    for _ in range(MOST_SETBACKS - 1):
        watching.go_back("so", 0.1)
    np.testing.assert_array_equal(weights, 1)
    assert watching.rate == 0.5**MOST_SETBACKS
    with pytest.raises(TrainingError, match=r"diverged at step 13: so.*--lr than 0.1"):
        watching.go_back("so", 0.1)


def test_a_high_loss_alone_never_ends_a_run() -> None:
    watching, progress, _ = guard()
    progress.setbacks = MOST_SETBACKS
    assert not any(watching.diverged(loss, 1.0, 2000) for loss in [1.0] * 500 + [20.0] * 500)


# In a run


def break_at(steps: Collection[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the gradients of these steps, counted from 0, hold a NaN."""
    keys = {int(mix(np.uint64(0), np.uint64(step))) for step in steps}
    compute = Network.loss_and_gradient

    def broken(self: Network, ids: np.ndarray, targets: np.ndarray, key: int = 0) -> float:
        loss = compute(self, ids, targets, key)
        if key in keys:
            self.gradient[0] = np.nan
            return math.nan
        return loss

    monkeypatch.setattr(Network, "loss_and_gradient", broken)


def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


SETTINGS = {"max_steps": 24, "eval_every": 5, "lr": 0.01, "lr_schedule": "constant", "warmup": 0.0, "average": 0.3}


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charrnn.training, "REPORT_SECONDS", 0.0)


def test_a_run_goes_on_from_its_last_good_state_at_half_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                 every_step: None) -> None:
    break_at({12}, monkeypatch)
    run = trainer(tmp_path / "run", **SETTINGS)
    good: dict[str, np.ndarray] = {}
    for event in run.run():
        if isinstance(event, StepEvent):
            assert event.lr == (0.01 if event.step <= 13 else 0.005)
            assert event.step == 13 or math.isfinite(event.loss)
        if isinstance(event, EvalEvent) and event.step == 10:
            good = {name: buffer.copy() for name, buffer in run._learner._buffers.items()}
        if isinstance(event, WarningEvent):
            assert "step 13" in event.message and "weights of step 10" in event.message
            assert not run._learner._network.states.any()
            assert set(good) == {"average", "trained", "first", "second"}
            for name, buffer in run._learner._buffers.items():
                np.testing.assert_array_equal(buffer, good[name])
            good = {}
    assert not good and run._progress.step == 24
    assert np.isfinite(load_checkpoint(tmp_path / "run" / "best.safetensors").weights["output.weight"]).all()


@pytest.mark.parametrize("stop_at", [8, 11, 12, 15, 18])
def test_a_setback_before_or_after_a_stop_is_resumed_exactly(stop_at: int, tmp_path: Path, every_step: None,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    break_at({12, 16}, monkeypatch)
    train(tmp_path / "whole", **SETTINGS)
    first = trainer(tmp_path / "parts", **SETTINGS)
    for event in first.run():
        if isinstance(event, StepEvent) and event.step == stop_at:
            first.stop()
    list(trainer(tmp_path / "parts", resume=True, **SETTINGS).run())
    whole, parts = (load_checkpoint(tmp_path / run / "last.safetensors", training_state=True)
                    for run in ("whole", "parts"))
    assert whole.progress["setbacks"] == 2
    untimed = {"seconds": 0, "reserve": 0}
    assert whole.progress | untimed == parts.progress | untimed
    expected, got = whole.weights | whole.training_state, parts.weights | parts.training_state
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)


def test_an_earlier_state_is_saved_only_where_it_is_another(tmp_path: Path) -> None:
    for steps, kept in ((10, 10), (13, 10)):
        train(tmp_path / "run", val_fraction=0, **SETTINGS | {"max_steps": steps, "save_every": steps})
        last = load_checkpoint(tmp_path / "run" / "last.safetensors", training_state=True)
        assert last.progress["kept_step"] == kept
        assert any(name.startswith("train.kept.") for name in last.training_state) == (steps > kept)


def test_a_validation_loss_that_is_no_number_is_never_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure, calls = charrnn.reader.mean_loss, []

    def broken(network: Network, streams: np.ndarray) -> float:
        calls.append(0)
        return math.nan if len(calls) == 2 else measure(network, streams)

    monkeypatch.setattr(charrnn.reader, "mean_loss", broken)
    events = train(tmp_path / "run", **SETTINGS)
    assert "validation loss" in of(WarningEvent, events)[0].message
    assert [event.step for event in of(EvalEvent, events)] == [5, 10, 15, 20, 24]
    assert all(math.isfinite(event.val_loss) for event in of(EvalEvent, events))


def test_a_run_that_cannot_be_saved_ends_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_at(range(3, 24), monkeypatch)
    with pytest.raises(TrainingError, match=r"diverged at step 9: .*no longer a number.*--lr"):
        train(tmp_path / "run", **SETTINGS)
