"""Where a run stands, and what of it goes into a checkpoint and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.averaging import Average
from charrnn.checkpoint import load_checkpoint
from charrnn.errors import CheckpointError
from charrnn.network import Network
from charrnn.optimizers import Optimizer
from charrnn.training_state import Progress, buffers, restore, state_arrays, stored_progress
from tests.runs import train


def trained(folder: Path) -> Path:
    """Return the folder of a run that stopped in the middle of a pass."""
    train(folder / "run", max_steps=7, average=0.3)
    return folder / "run"


def test_a_pass_ends_with_its_last_window() -> None:
    progress = Progress()
    places = []
    for _ in range(5):
        progress.read(characters=40, loss=2.0, windows=2)
        places.append((progress.epoch, progress.window))
    assert places == [(0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    assert (progress.step, progress.characters, progress.loss_sum, progress.loss_steps) == (5, 200, 10.0, 5)


def test_what_is_restored_is_what_was_saved(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(trained(tmp_path) / "last.safetensors", training_state=True)
    network = Network(checkpoint.model, checkpoint.weights, batch_size=checkpoint.train.batch_size,
                      seq_len=checkpoint.train.seq_len, training=True)
    optimizer = Optimizer(checkpoint.train, network.flat, network.layout.decayed)
    average = Average(0.3, network.flat)
    state = buffers(network, optimizer, average)
    assert restore(checkpoint, network, state) == {}
    assert not np.array_equal(average.flat, network.flat)
    np.testing.assert_array_equal(average.flat, network.layout.from_named(checkpoint.weights))
    assert np.abs(network.states).max() > 0 and np.abs(optimizer.second).max() > 0
    found = state_arrays(network, state)
    assert found.keys() == checkpoint.training_state.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, checkpoint.training_state[name])


def test_a_checkpoint_of_weights_alone_is_refused(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(trained(tmp_path) / "best.safetensors", training_state=True)
    network = Network(checkpoint.model, checkpoint.weights, batch_size=checkpoint.train.batch_size, seq_len=2)
    optimizer = Optimizer(checkpoint.train, network.flat, network.layout.decayed)
    with pytest.raises(CheckpointError, match="--init-from"):
        restore(checkpoint, network, buffers(network, optimizer, Average(0.0, network.flat)))


def test_where_a_run_stands_is_what_was_saved(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(trained(tmp_path) / "last.safetensors", training_state=True)
    assert dataclasses.asdict(stored_progress(checkpoint, 99)) == checkpoint.progress
    with pytest.raises(CheckpointError, match=r"stands at window 7 of 7; start .* --init-from"):
        stored_progress(checkpoint, 7)


@pytest.mark.parametrize(("name", "value"), [
    ("step", -1), ("step", "a"), ("step", True), ("step", 1.5), ("step", None), ("step", 10**60), ("window", -3),
    ("loss_sum", []), ("seconds", -1e308), ("worse", None), ("best_val_loss", "\x1b[2J"), ("\x1b[2J", 1), ("more", {})])
def test_what_no_run_can_have_written_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    checkpoint = load_checkpoint(trained(tmp_path) / "last.safetensors", training_state=True)
    hostile = dataclasses.replace(checkpoint, progress=checkpoint.progress | {name: value})
    with pytest.raises(CheckpointError, match="is no place where a run can stand; start") as refusal:
        stored_progress(hostile, 99)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(("name", "value"), [
    ("train.first.output.weight", np.nan), ("train.states", np.nan), ("train.second.output.weight", -1)])
def test_moments_and_states_that_are_no_numbers_are_refused(tmp_path: Path, name: str, value: float) -> None:
    checkpoint = load_checkpoint(trained(tmp_path) / "last.safetensors", training_state=True)
    checkpoint.training_state[name].flat[1] = value
    with pytest.raises(CheckpointError, match=f"its tensor {name} holds what no training writes"):
        stored_progress(checkpoint, 99)
