"""The model in training as others see it: how long its evaluation is expected to take."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest

import charrnn.reader
from charrnn.config import ModelConfig
from charrnn.evaluation import CHUNK
from charrnn.model import initial_parameters
from charrnn.network import Network
from charrnn.reader import Reader

MODEL = ModelConfig(vocab_size=5, hidden_size=4, num_layers=1)


def reader_of(characters: int) -> Reader:
    """Return what evaluates a new model on so many characters."""
    network = Network(MODEL, initial_parameters(MODEL, 0), batch_size=1, seq_len=8, training=True)
    return Reader(network, network.flat, np.zeros((1, characters), np.uint8))


@pytest.mark.parametrize("count, expected, timed", [(1, 9.0, 1), (2, 10.0, 2), (100, 9.0 + 99, 2)])
def test_the_first_window_is_no_measure_of_the_others(monkeypatch: pytest.MonkeyPatch, count: int, expected: float,
                                                      timed: int) -> None:
    reader = reader_of(CHUNK * count + 1)
    clock: Iterator[float] = iter([0.0, 9.0, 10.0, 11.0])  # a first window of 9 s, others of 1 s
    read = []
    monkeypatch.setattr(charrnn.reader, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(reader._network, "losses", lambda ids, targets: read.append(len(ids)))
    assert reader.seconds() == expected
    assert read == [CHUNK] * timed


def test_many_short_windows_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = reader_of(CHUNK * 100 + 1)
    times = np.cumsum([0.0, 0.05, 0.02, 0.02, 0.5, 0.02])  # the last but one waited for a core
    clock = iter(times)
    monkeypatch.setattr(charrnn.reader, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(reader._network, "losses", lambda ids, targets: None)
    assert reader.seconds() == pytest.approx(0.05 + 99 * 0.02)


def test_the_threads_are_started_by_a_whole_window(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    monkeypatch.setattr(Network, "losses", lambda self, ids, targets: read.append(len(ids)))
    reader_of(CHUNK * 2)
    assert read == [CHUNK]
