"""The loss of a text: against the reference, in blocks of any size, and refusing what cannot be judged."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from charrnn.config import ModelConfig
from charrnn.errors import CorpusError
from charrnn.evaluation import Evaluation, Scored, mean_loss, score, score_streams, summarize
from charrnn.model import initial_parameters
from charrnn.network import Network
from charrnn.vocabulary import Vocabulary
from tests.reference import network as reference

CONFIG = ModelConfig(vocab_size=6, cell="gru", hidden_size=11, num_layers=2)
WEIGHTS = {name: 3 * value for name, value in initial_parameters(CONFIG, 1).items()}
TEXT = np.random.default_rng(2).integers(0, 6, 101).astype(np.uint8)
VOCABULARY = Vocabulary(np.array([ord(char) for char in "abcdef"], np.uint32))
UNKNOWN = np.array([ord("!")], np.uint32)


def network(batch_size: int = 1, seq_len: int = 16, precision: str = "f64") -> Network:
    return Network(CONFIG, WEIGHTS, batch_size=batch_size, seq_len=seq_len, precision=precision)


def by_reference(streams: np.ndarray) -> float:
    """Return the mean loss of streams (B, n), each read at once from its start."""
    weights = {name: value.astype(np.float64) for name, value in WEIGHTS.items()}
    ids = streams.T.astype(int)
    state = reference.zero_state(weights, "gru", ids.shape[1])
    return reference.cross_entropy(reference.forward(weights, "gru", ids[:-1], state).logits, ids[1:])[0]


def scored(net: Network, blocks: list[np.ndarray], unknown_after: int | None = None) -> list[Scored]:
    """Return ids that come in blocks, scored; with an unknown character put after so many of each block."""
    texts = [VOCABULARY.code_points[ids] for ids in blocks]
    if unknown_after is not None:
        texts = [np.concatenate([text[:unknown_after], UNKNOWN, text[unknown_after:]]) for text in texts]
    return list(score(net, VOCABULARY, [("text", text) for text in texts]))


def evaluate(net: Network, blocks: list[np.ndarray], unknown_after: int | None = None) -> Evaluation:
    return summarize(scored(net, blocks, unknown_after))


def test_loss_equals_the_reference() -> None:
    expected = by_reference(TEXT[None])
    result = evaluate(network(), [TEXT])
    assert result.loss == pytest.approx(expected, rel=1e-12)
    assert (result.characters, result.unknown) == (100, 0)
    assert result.bpc == pytest.approx(expected / math.log(2))
    assert result.perplexity == pytest.approx(math.exp(expected))
    assert result.chars_per_second > 0
    assert set(result.to_json()) == {"loss", "bpc", "perplexity", "characters", "unknown", "chars_per_second"}
    assert evaluate(network(precision="f32"), [TEXT]).loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sizes", [[1] * 101, [2, 99], [50, 0, 51], [16, 17, 15, 53], [0, 101, 0]])
@pytest.mark.parametrize("unknown_after", [None, 0, 1, 7, 200])
def test_blocks_of_any_size_give_the_same_loss_whatever_unknown_characters_stand_between(
        sizes: list[int], unknown_after: int | None) -> None:
    borders = np.cumsum([0, *sizes])
    blocks = [TEXT[start:stop] for start, stop in itertools.pairwise(borders)]
    result = evaluate(network(), blocks, unknown_after)
    assert result.loss == pytest.approx(by_reference(TEXT[None]), rel=1e-12)
    assert result.characters == 100
    assert result.unknown == (0 if unknown_after is None else len(sizes))


def test_each_loss_stands_beside_its_character() -> None:
    plain = scored(network(), [TEXT])[0]
    assert math.isnan(plain.losses[0]) and not np.isnan(plain.losses[1:]).any()
    first, second = scored(network(), [TEXT[:40], TEXT[40:]], unknown_after=3)
    for piece, ids, losses in ((first, TEXT[:40], plain.losses[:40]), (second, TEXT[40:], plain.losses[40:])):
        assert piece.known.tolist() == [True] * 3 + [False] + [True] * (len(ids) - 3)
        assert math.isnan(piece.losses[3])
        np.testing.assert_array_equal(piece.code_points[piece.known], VOCABULARY.code_points[ids])
        np.testing.assert_allclose(piece.losses[piece.known], losses, rtol=1e-12)


def test_watchers_see_every_piece() -> None:
    pieces, seen = scored(network(), [TEXT[:9], TEXT[9:]]), []  # type: ignore[var-annotated]
    summarize(pieces, seen.append, seen.append)
    assert [id(piece) for piece in seen] == [id(piece) for piece in pieces for _ in range(2)]


def test_every_evaluation_starts_from_zero_states() -> None:
    net = network()
    first = evaluate(net, [TEXT]).loss
    assert net.states.any()
    assert evaluate(net, [TEXT]).loss == first
    assert mean_loss(net, TEXT[None]) == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize("rows", [1, 4])
def test_streams_are_scored_one_after_the_other(rows: int) -> None:
    streams = TEXT[:100].reshape(rows, -1)
    net = network(rows)
    net.states[...] = 1
    pieces = list(score_streams(net, VOCABULARY, streams, "part"))
    assert [piece.source for piece in pieces] == \
        (["part"] if rows == 1 else [f"part, stream {number}" for number in range(1, 5)])
    for piece, stream in zip(pieces, streams):
        alone = scored(network(), [stream])[0]
        np.testing.assert_allclose(piece.losses, alone.losses, rtol=1e-12)
        np.testing.assert_array_equal(piece.code_points, alone.code_points)
        assert piece.known.all()
    result = summarize(pieces, part="val", split="stream")
    assert result.loss == pytest.approx(by_reference(streams), rel=1e-12)
    assert (result.characters, result.unknown) == (100 - rows, 0)
    assert result.to_json().items() >= {"part": "val", "split": "stream"}.items()


@pytest.mark.parametrize("seq_len", [3, 16, 24, 200])
def test_mean_loss_of_several_streams(seq_len: int) -> None:
    streams = TEXT[:100].reshape(4, 25)
    assert mean_loss(network(4, seq_len), streams) == pytest.approx(by_reference(streams), rel=1e-12)


def test_dropout_is_off() -> None:
    config = CONFIG.replace(dropout=0.5)
    net = Network(config, WEIGHTS, batch_size=1, seq_len=16, precision="f64", training=True)
    assert evaluate(net, [TEXT]).loss == pytest.approx(by_reference(TEXT[None]), rel=1e-12)


@pytest.mark.parametrize("lengths", [[], [0], [1], [0, 1, 0]])
def test_a_text_without_anything_to_predict_is_refused(lengths: list[int]) -> None:
    with pytest.raises(CorpusError, match="fewer than two"):
        evaluate(network(), [TEXT[:length] for length in lengths], unknown_after=0)


def test_a_hopeless_model_has_a_finite_perplexity() -> None:
    weights = {name: np.zeros_like(value) for name, value in WEIGHTS.items()}
    weights["output.bias"] = np.array([1e4, -1e4, 0, 0, 0, 0], np.float32)
    net = Network(CONFIG, weights, batch_size=1, seq_len=16)
    result = evaluate(net, [np.array([0, 1, 1], np.uint8)])
    assert isinstance(result, Evaluation)
    assert result.loss == pytest.approx(2e4)
    assert math.isfinite(result.perplexity)
