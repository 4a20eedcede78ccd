"""The loss of a text: against the reference, in blocks of any size, and refusing what cannot be judged."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.errors import CorpusError
from charrnn.evaluation import Evaluation, evaluate, mean_loss
from charrnn.model import initial_parameters
from charrnn.network import Network
from tests.reference import network as reference

CONFIG = ModelConfig(vocab_size=6, cell="gru", hidden_size=11, num_layers=2)
WEIGHTS = {name: 3 * value for name, value in initial_parameters(CONFIG, 1).items()}
TEXT = np.random.default_rng(2).integers(0, 6, 101).astype(np.uint8)


def network(batch_size: int = 1, seq_len: int = 16, precision: str = "f64") -> Network:
    return Network(CONFIG, WEIGHTS, batch_size=batch_size, seq_len=seq_len, precision=precision)


def by_reference(streams: np.ndarray) -> float:
    """Return the mean loss of streams (B, n), each read at once from its start."""
    weights = {name: value.astype(np.float64) for name, value in WEIGHTS.items()}
    ids = streams.T.astype(int)
    state = reference.zero_state(weights, "gru", ids.shape[1])
    return reference.cross_entropy(reference.forward(weights, "gru", ids[:-1], state).logits, ids[1:])[0]


def test_loss_equals_the_reference() -> None:
    expected = by_reference(TEXT[None])
    result = evaluate(network(), [(TEXT, 0)])
    assert result.loss == pytest.approx(expected, rel=1e-12)
    assert (result.characters, result.unknown) == (100, 0)
    assert result.bpc == pytest.approx(expected / math.log(2))
    assert result.perplexity == pytest.approx(math.exp(expected))
    assert result.chars_per_second > 0
    assert set(result.to_json()) == {"loss", "bpc", "perplexity", "characters", "unknown", "chars_per_second"}
    assert evaluate(network(precision="f32"), [(TEXT, 0)]).loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sizes", [[1] * 101, [2, 99], [50, 0, 51], [16, 17, 15, 53], [0, 101, 0]])
def test_blocks_of_any_size_give_the_same_loss(sizes: list[int]) -> None:
    borders = np.cumsum([0, *sizes])
    blocks = [(TEXT[start:stop], i) for i, (start, stop) in enumerate(itertools.pairwise(borders))]
    result = evaluate(network(), blocks)
    assert result.loss == pytest.approx(by_reference(TEXT[None]), rel=1e-12)
    assert result.characters == 100
    assert result.unknown == sum(range(len(sizes)))


def test_every_evaluation_starts_from_zero_states() -> None:
    net = network()
    first = evaluate(net, [(TEXT, 0)]).loss
    assert net.states.any()
    assert evaluate(net, [(TEXT, 0)]).loss == first
    assert mean_loss(net, TEXT[None]) == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize("seq_len", [3, 16, 24, 200])
def test_mean_loss_of_several_streams(seq_len: int) -> None:
    streams = TEXT[:100].reshape(4, 25)
    assert mean_loss(network(4, seq_len), streams) == pytest.approx(by_reference(streams), rel=1e-12)


def test_dropout_is_off() -> None:
    config = CONFIG.replace(dropout=0.5)
    net = Network(config, WEIGHTS, batch_size=1, seq_len=16, precision="f64", training=True)
    assert evaluate(net, [(TEXT, 0)]).loss == pytest.approx(by_reference(TEXT[None]), rel=1e-12)


@pytest.mark.parametrize("lengths", [[], [0], [1], [0, 1, 0]])
def test_a_text_without_anything_to_predict_is_refused(lengths: list[int]) -> None:
    with pytest.raises(CorpusError, match="fewer than two"):
        evaluate(network(), [(TEXT[:length], 3) for length in lengths])


def test_a_hopeless_model_has_a_finite_perplexity() -> None:
    weights = {name: np.zeros_like(value) for name, value in WEIGHTS.items()}
    weights["output.bias"] = np.array([1e4, -1e4, 0, 0, 0, 0], np.float32)
    net = Network(CONFIG, weights, batch_size=1, seq_len=16)
    result = evaluate(net, [(np.array([0, 1, 1], np.uint8), 0)])
    assert isinstance(result, Evaluation)
    assert result.loss == pytest.approx(2e4)
    assert math.isfinite(result.perplexity)
