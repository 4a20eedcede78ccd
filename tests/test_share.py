"""How threads divide a step: each column once, in step with each other, and none left waiting for one that failed."""

from __future__ import annotations

import threading

import numba
import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.config import ModelConfig, SampleConfig
from charrnn.generator import Generator
from charrnn.kernels.share import Share, abandon, meet, new_barrier, was_crowded
from charrnn.model import initial_parameters
from charrnn.network import SHARED_PARAMETERS, Network


@numba.njit(nogil=True)
def take_turns(share: Share, counts: np.ndarray, rounds: int) -> bool:
    """Count up one's own number round after round; tell whether all numbers were equal whenever all had met."""
    equal = True
    for _ in range(rounds):
        counts[share.part] += 1
        meet(share)
        for part in range(share.parts):
            equal = equal and counts[part] == counts[share.part]
        meet(share)
    return equal


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_nobody_passes_before_all_have_come(parts: int) -> None:
    barrier, counts, results = new_barrier(), np.zeros(parts, np.int64), []
    threads = [threading.Thread(target=lambda p=part: results.append(
        take_turns(Share(0, 1, p, parts, barrier), counts, 2000))) for part in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * parts
    assert counts.tolist() == [2000] * parts


def test_who_waits_for_one_that_failed_is_let_go() -> None:
    barrier = new_barrier()
    meet(Share(0, 1, 0, 1, barrier))  # compiled before the clock runs
    waiting = threading.Thread(target=lambda: take_turns(Share(0, 1, 0, 2, barrier), np.zeros(2, np.int64), 3))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    abandon(barrier)
    waiting.join(30)
    assert not waiting.is_alive()


def test_waiting_long_is_noticed_and_meeting_at_once_is_not() -> None:
    barrier, counts = new_barrier(), np.zeros(1, np.int64)
    take_turns(Share(0, 1, 0, 1, barrier), counts, 50)
    assert not was_crowded(barrier)
    waiting = threading.Thread(target=lambda: take_turns(Share(0, 1, 0, 2, barrier), np.zeros(2, np.int64), 1))
    waiting.start()
    waiting.join(0.2)
    abandon(barrier)
    waiting.join(30)
    assert was_crowded(barrier)


def test_a_crowded_machine_is_worked_on_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    network, parts = wide("rnn", 2), []
    monkeypatch.setattr("charrnn.kernels.share.was_crowded", lambda barrier: len(parts) == 2)
    monkeypatch.setattr("charrnn.network.CROWDED_JOBS", 3)
    for _ in range(5):
        network.share_out(1, lambda share: parts.append(share.parts))
    assert parts == [2, 2, 1, 1, 1, 2, 2]
    network.team.close()


def wide(cell: str, threads: int) -> Network:
    """Return a network of one row that is large enough for threads to share its columns."""
    config = ModelConfig(vocab_size=70, cell=cell, hidden_size=240, num_layers=3)
    network = Network(config, initial_parameters(config, 1), batch_size=1, seq_len=20, threads=threads)
    assert network.layout.size > SHARED_PARAMETERS
    return network


@pytest.mark.parametrize("cell", CELLS)
def test_sharing_columns_changes_no_bit(cell: str) -> None:
    random = np.random.default_rng(2)
    ids, targets = (random.integers(0, 70, (20, 1)).astype(np.uint8) for _ in range(2))
    outcomes = []
    for threads in (1, 2, 3, 7):
        network = wide(cell, threads)
        losses = [network.losses(ids, targets), network.losses(targets, ids)]
        written = Generator(network, network.states, 3, SampleConfig(seed=4)).next(50)
        outcomes.append([*losses, network.states.copy(), *written])
        network.team.close()
    for outcome in outcomes[1:]:
        for found, expected in zip(outcome, outcomes[0]):
            np.testing.assert_array_equal(found, expected)


def test_a_failing_thread_ends_the_job_with_its_error() -> None:
    network = wide("rnn", 2)

    def job(share: Share) -> None:
        if share.part == 1:
            raise RuntimeError("failed")
        meet(share)

    with pytest.raises(RuntimeError, match="failed"):
        network.share_out(1, job)
    network.team.close()
