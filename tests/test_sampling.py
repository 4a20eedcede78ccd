"""Drawing characters: the right distribution, the right ones left out, texts that end where they should."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, SampleConfig, TextConfig, TrainConfig
from charrnn.errors import ConfigError, UnknownCharacterError
from charrnn.generator import Generator, sample_seed
from charrnn.kernels.generate import Choice, choose
from charrnn.kernels.random import mix, uniform
from charrnn.kernels.tile import HAS_BF16
from charrnn.language_model import LanguageModel, load
from charrnn.model import initial_parameters
from charrnn.sampling import CHUNK, Sample, generate
from charrnn.vocabulary import Vocabulary

LETTERS = "\n abcdefghij"

#: A distribution with a tie and with parts that no filter of the tests cuts through by rounding.
KNOWN = np.array([0.30, 0.02, 0.25, 0.13, 0.13, 0.10, 0.07])


@numba.njit
def _draws(logits: np.ndarray, choice: Any, key: Any, count: int) -> np.ndarray:
    counts, order = np.zeros(logits.size, np.int64), np.zeros(logits.size, np.int64)
    for i in range(count):
        counts[choose(logits.copy(), order, choice, uniform(mix(key, i)))[0]] += 1
    return counts


def draws(probabilities: np.ndarray, count: int, **settings: Any) -> np.ndarray:
    """Return how often each character is chosen, by the kernel that generation uses."""
    config = SampleConfig(**settings)
    choice = Choice(config.argmax, float(config.temperature), config.top_k, float(config.top_p), float(config.min_p))
    return _draws(np.log(probabilities).astype(np.float32), choice, np.uint64(config.seed), count)


def assert_drawn_from(counts: np.ndarray, probabilities: np.ndarray) -> None:
    """Require a chi-square as chance gives it but for once in 10^5 times, and no impossible draw."""
    probabilities = probabilities / probabilities.sum()
    possible = probabilities > 0
    assert not counts[~possible].any()
    expected = probabilities[possible] * counts.sum()
    chi_square = ((counts[possible] - expected) ** 2 / expected).sum()
    freedom = possible.sum() - 1
    if freedom:
        # Wilson and Hilferty: the cube root is nearly normal.
        z = ((chi_square / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
        assert -4.5 < z < 4.5, (z, counts, expected)


def language_model(seed: int = 0, cell: str = "lstm", scale: float = 4.0, letters: str = LETTERS,
                   **settings: Any) -> LanguageModel:
    """Return a model whose random weights are large enough for it to have preferences."""
    config = ModelConfig(vocab_size=len(letters), cell=cell, hidden_size=12, num_layers=2, **settings)
    weights = {name: scale * value for name, value in initial_parameters(config, seed).items()}
    vocabulary = Vocabulary(np.array(sorted(map(ord, letters)), np.uint32))
    return LanguageModel(Checkpoint(model=config, vocabulary=vocabulary, text=TextConfig(), train=TrainConfig(),
                                    corpus={"most_frequent": 2}, weights=weights), threads=2)


def constant_model(probabilities: np.ndarray, letters: str) -> LanguageModel:
    """Return a model that gives the same distribution whatever it reads."""
    model = language_model(letters=letters)
    weights = {name: np.zeros_like(value) for name, value in model.checkpoint.weights.items()}
    weights["output.bias"] = np.log(np.maximum(probabilities, 1e-30)).astype(np.float32)
    return LanguageModel(replace(model.checkpoint, weights=weights), threads=1)


def bytes_model(text: str = "aé€\n", seed: int = 0) -> LanguageModel:
    """Return a model of the bytes of a text's UTF-8."""
    data = text.encode()
    model = language_model(seed, letters="".join(chr(byte) for byte in sorted(set(data))))
    vocabulary = Vocabulary(np.array(sorted(set(data)), np.uint32), bytes=True)
    return LanguageModel(replace(model.checkpoint, vocabulary=vocabulary, text=TextConfig(bytes=True)), threads=1)


def samples(model: LanguageModel, prime: str = "", **settings: Any) -> list[Sample]:
    """Return finished samples, checked against the pieces that they came in."""
    texts: dict[int, str] = {}
    logprobs: dict[int, list[float]] = {}
    finished: dict[int, Sample] = {}
    for piece in generate(model, prime, SampleConfig(**settings)):
        assert piece.sample not in finished, "a piece after the end"
        assert len(piece.logprobs) == len(piece.text)
        texts[piece.sample] = texts.get(piece.sample, "") + piece.text
        logprobs.setdefault(piece.sample, []).extend(piece.logprobs)
        if piece.finished:
            finished[piece.sample] = piece.finished
    assert {i: sample.text for i, sample in finished.items()} == texts
    assert {i: list(sample.logprobs) for i, sample in finished.items()} == logprobs
    return [finished[i] for i in sorted(finished)]


# The distribution


def test_a_million_draws_follow_the_distribution() -> None:
    assert_drawn_from(draws(KNOWN, 1_000_000), KNOWN)


@pytest.mark.parametrize("temperature", [0.3, 0.8, 1.5, 10.0])
def test_temperature_divides_the_logits(temperature: float) -> None:
    assert_drawn_from(draws(KNOWN, 1_000_000, temperature=temperature), KNOWN ** (1 / temperature))


@pytest.mark.parametrize("settings", [{"argmax": True}, {"temperature": 1e-3}, {"temperature": 1e-300}])
def test_temperature_towards_0_equals_argmax(settings: dict[str, Any]) -> None:
    assert draws(KNOWN, 1000, **settings)[0] == 1000
    near = np.array([0.2, 0.399, 0.401])
    assert draws(near, 1000, **settings)[2] > 990


def test_among_equals_argmax_takes_the_first() -> None:
    assert draws(np.array([0.2, 0.4, 0.4]), 10, argmax=True)[1] == 10


def kept(*indices: int) -> np.ndarray:
    return np.where(np.isin(np.arange(len(KNOWN)), indices), KNOWN, 0)


@pytest.mark.parametrize("settings, indices", [
    ({"top_k": 1}, [0]), ({"top_k": 2}, [0, 2]), ({"top_k": 3}, [0, 2, 3]),  # of the two equal ones, the first
    ({"top_k": 4}, [0, 2, 3, 4]), ({"top_k": 7}, range(7)), ({"top_k": 99}, range(7)),
    ({"top_p": 0.01}, [0]), ({"top_p": 0.29}, [0]), ({"top_p": 0.31}, [0, 2]), ({"top_p": 0.56}, [0, 2, 3]),
    ({"top_p": 0.97}, [0, 2, 3, 4, 5, 6]), ({"top_p": 0.99}, range(7)), ({"top_p": 1.0}, range(7)),
    ({"min_p": 1.0}, [0]), ({"min_p": 0.5}, [0, 2]), ({"min_p": 0.4}, [0, 2, 3, 4]), ({"min_p": 0.05}, range(7)),
    # One after the other, each on what the last one left: 0.30 of 0.68 is less than 0.5, 0.30 of 0.55 more.
    ({"top_k": 3, "top_p": 0.5}, [0, 2]), ({"top_k": 2, "top_p": 0.5}, [0]),
    ({"top_p": 0.9, "min_p": 0.4}, [0, 2, 3, 4]), ({"top_k": 5, "min_p": 0.2}, [0, 2, 3, 4, 5]),
    # The temperature comes first: at 0.5 the shares of 0.30 and 0.25 are 0.45 and 0.31.
    ({"temperature": 0.5, "top_p": 0.44}, [0]), ({"temperature": 0.5, "top_p": 0.46}, [0, 2]),
    # All of them, in the documented order: at 2.0 the shares of the five left are 0.26, 0.24, 0.17, 0.17 and 0.15 of
    # their sum, of which four reach 0.8; at least 0.7 of the largest are two.
    ({"temperature": 2.0, "top_k": 5, "top_p": 0.8}, [0, 2, 3, 4]),
    ({"temperature": 2.0, "top_k": 5, "top_p": 0.8, "min_p": 0.7}, [0, 2]),
    # In another order they would leave others: top p before top k five characters, the temperature last three.
    ({"temperature": 2.0, "top_k": 4, "top_p": 0.7}, [0, 2, 3]),
])
def test_filters_keep_exactly_their_set(settings: dict[str, Any], indices: Any) -> None:
    counts = draws(KNOWN, 1_000_000, **settings)
    assert set(np.flatnonzero(counts)) == set(indices)
    assert_drawn_from(counts, kept(*indices) ** (1 / settings.get("temperature", 1)))


def test_huge_logits_are_drawn_from_safely() -> None:
    logits = np.array([1e4, -1e4, 1e4, 0], np.float32)
    counts = _draws(logits, Choice(False, 1.0, 0, 1.0, 0.0), np.uint64(0), 10_000)
    assert_drawn_from(counts, np.array([0.5, 0, 0.5, 0]))
    assert _draws(logits, Choice(False, 1e-6, 0, 0.9, 0.1), np.uint64(0), 100)[[1, 3]].sum() == 0


def test_generation_draws_from_the_model() -> None:
    letters = "abcdefg"
    text = samples(constant_model(KNOWN, letters), length=100_000, seed=5)[0].text
    assert_drawn_from(np.array([text.count(letter) for letter in letters]), KNOWN)
    pairs = np.array([text.count(a + b) for a, b in ("ac", "ca", "ad", "da", "cd", "dc")])  # draws do not hang together
    expected = 100_000 * np.array([0.075, 0.075, 0.039, 0.039, 0.0325, 0.0325])
    assert (np.abs(pairs - expected) < 5 * np.sqrt(expected)).all()


# The model's part


@pytest.mark.parametrize("embedding_size", [0, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_generation_continues_what_the_network_computes(cell: str, embedding_size: int) -> None:
    model = language_model(cell=cell, embedding_size=embedding_size)
    sample = samples(model, "abba", length=70, argmax=True)[0]
    text = "abba" + sample.text
    ids = model.vocabulary.encode(text)
    model.network.states[...] = 0
    logits = model.network.logits(np.ascontiguousarray(ids[:-1, None]))[:, 0].astype(np.float64)
    assert model.vocabulary.decode(logits[3:].argmax(axis=1)) == sample.text
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    taken = log_probabilities[np.arange(len(ids) - 1), ids[1:]]
    assert sample.loss == pytest.approx(-taken[3:].mean(), abs=1e-5)
    np.testing.assert_allclose(model.logprobs(text), taken, atol=1e-5)
    assert model.loss(text) == pytest.approx(-taken.mean(), abs=1e-5)


def test_loss_is_the_models_own_whatever_the_temperature() -> None:
    model = language_model()
    for settings in ({"temperature": 0.4}, {"temperature": 3.0}, {"top_k": 3}, {"argmax": True}):
        sample = samples(model, "abc", length=50, **settings)[0]
        expected = -model.logprobs("abc" + sample.text)[2:].mean()
        assert sample.loss == pytest.approx(expected, abs=1e-5)


def test_reading_at_once_equals_reading_one_by_one() -> None:
    model = language_model()
    ids = model.vocabulary.encode("abcdefghij\n" * 60)  # longer than a chunk
    at_once = model.read(ids).copy()
    model.network.states[...] = 0
    for id_ in ids:
        model.network.logits(np.array([[id_]], ids.dtype))
    np.testing.assert_array_equal(at_once, model.network.states)
    assert at_once.any()


@pytest.mark.skipif(not HAS_BF16, reason="needs a CPU with bfloat16 products")
def test_bfloat16_writes_with_nearly_the_same_probabilities() -> None:
    model = load("python-docs")
    for settings in ({"seed": 2}, {"argmax": True}, {"beam": 2, "length": 200}):
        text = samples(model, "The quick", **{"length": 2000, "precision": "auto"} | settings)[0]
        difference = text.logprobs - model.logprobs("The quick" + text.text)[8:]
        assert np.sqrt((difference**2).mean()) < 0.02 and abs(difference.mean()) < 1e-3
        assert np.abs(difference[-100:]).max() > 1e-4  # it was not written in float32


def test_bfloat16_is_refused_where_the_cpu_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charrnn.network.HAS_BF16", False)
    model = language_model()
    with pytest.raises(ConfigError, match="--precision f32"):
        samples(model, precision="bf16")
    assert samples(model, precision="auto")[0].text == samples(model)[0].text


def test_without_a_prime_a_newline_or_the_most_frequent_character_comes_first() -> None:
    assert samples(language_model(), length=40)[0].text == samples(language_model(), "\n", length=40)[0].text
    model = language_model(letters="abcdefghijkl")
    assert samples(model, length=40)[0].text == samples(model, "c", length=40)[0].text
    assert samples(model, length=40)[0].text != samples(model, "d", length=40)[0].text


def test_an_unknown_character_in_the_prime_is_named() -> None:
    with pytest.raises(UnknownCharacterError, match="Q"):
        samples(language_model(), "abQ")


# Seeds and several texts


def test_the_seed_fixes_the_text() -> None:
    model = language_model()
    first, again, other = (samples(model, "ab", length=100, seed=seed)[0] for seed in (3, 3, 4))
    assert first.text == again.text != other.text
    assert first.seed == 3


@pytest.mark.parametrize("cell", CELLS)
def test_sample_k_is_the_same_text_whatever_their_number(cell: str) -> None:
    model = language_model(cell=cell)
    texts = [sample.text for sample in samples(model, "ab", length=50, num_samples=9)]
    assert len(set(texts)) == 9
    for number in (1, 2, 5):
        assert [s.text for s in samples(model, "ab", length=50, num_samples=number)] == texts[:number]


def test_every_sample_is_made_again_by_its_own_seed() -> None:
    model = language_model()
    together = samples(model, "ab", length=50, num_samples=6, seed=11)
    assert together[0].seed == 11 and len({sample.seed for sample in together}) == 6
    for sample in together:
        alone = samples(model, "ab", length=50, seed=sample.seed)[0]
        assert (alone.text, alone.seed) == (sample.text, sample.seed)
        np.testing.assert_array_equal(alone.logprobs, sample.logprobs)
        assert sample.seed < 2**53  # a JSON number that every program reads exactly


def test_seeds_next_to_each_other_share_no_samples() -> None:
    seeds = {sample_seed(seed, sample) for seed in range(50) for sample in range(50)}
    assert len(seeds) == 2500


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = language_model()
    whole = samples(model, "ab", length=40, num_samples=7)
    monkeypatch.setattr("charrnn.sampling.BATCH", 3)
    parts = samples(model, "ab", length=40, num_samples=7)
    assert [(sample.text, sample.seed) for sample in parts] == [(sample.text, sample.seed) for sample in whole]


def test_chunks_change_nothing() -> None:
    model = language_model()
    config = SampleConfig(seed=2)
    whole = Generator(model.network, model.read(model.vocabulary.encode("ab")), 3, config).next(50)
    parts = Generator(model.network, model.read(model.vocabulary.encode("ab")), 3, config)
    pieces = [parts.next(count) for count in (1, 9, 40)]
    for i in range(2):
        np.testing.assert_array_equal(np.concatenate([piece[i] for piece in pieces]), whole[i])


# Length and stop texts


@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 100])
def test_length_is_exact(length: int) -> None:
    for sample in samples(language_model(), "ab", length=length, num_samples=2):
        assert len(sample.text) == sample.characters == length
        assert sample.stop is None
        assert math.isnan(sample.loss) == (length == 0)
        assert (sample.to_json()["loss"] is None) == (length == 0)


def test_a_text_ends_after_the_first_stop_text() -> None:
    model = language_model()
    whole = samples(model, "ab", length=200, seed=1)[0].text
    # Every pair of characters of the text, so those across the border of two chunks too.
    for end in range(2, 80):
        stop = whole[end - 2:end]
        first = whole.index(stop) + 2
        sample = samples(model, "ab", length=200, seed=1, stop=(stop,))[0]
        assert (sample.text, sample.stop, sample.characters) == (whole[:first], stop, first)
    assert any(whole.index(whole[end - 2:end]) + 2 == CHUNK + 1 for end in range(2, 80)), "no border was crossed"


def test_of_several_stop_texts_the_first_to_appear_counts() -> None:
    model = language_model()
    whole = samples(model, "ab", length=100, seed=1)[0].text
    sample = samples(model, "ab", length=100, seed=1, stop=(whole[40:44], whole[10:13]))[0]
    assert sample.text == whole[:whole.index(whole[10:13]) + 3]
    assert samples(model, "ab", length=100, seed=1, stop=("never",))[0].text == whole
    # The prime is no part of the text, and a stop text does not reach back into it.
    assert samples(model, "ab", length=100, seed=1, stop=("b" + whole[:2],))[0].text != whole[:2]


def test_a_stop_ends_its_own_sample_alone() -> None:
    model = language_model()
    texts = [sample.text for sample in samples(model, "ab", length=90, num_samples=4)]
    stop = texts[2][5:9]
    stopped = samples(model, "ab", length=90, num_samples=4, stop=(stop,))
    for text, sample in zip(texts, stopped):
        expected = text[:text.index(stop) + 4] if stop in text else text
        assert sample.text == expected
    assert stopped[2].stop == stop


@pytest.mark.parametrize("seed", range(5))
def test_stops_and_bytes(seed: int) -> None:
    # Where a character's bytes lie in two chunks, and where a stop text does; valid and invalid UTF-8 mixed.
    model = bytes_model(seed=seed)
    whole = samples(model, "a", length=3 * CHUNK + 5, seed=seed)[0]
    data = whole.text.encode("utf-8", "surrogateescape")
    assert len(data) == whole.characters == 3 * CHUNK + 5
    for stop in ("é", "€", "\n", "a", "\na", "aa"):
        sample = samples(model, "a", length=3 * CHUNK + 5, seed=seed, stop=(stop,))[0]
        end = data.find(stop.encode()) + len(stop.encode())
        expected = data[:end].decode("utf-8", "surrogateescape") if stop.encode() in data else whole.text
        assert sample.text == expected and sample.stop == (stop if stop.encode() in data else None)
        assert sample.characters == len(expected.encode("utf-8", "surrogateescape"))
        assert -sum(sample.logprobs) / sample.characters == pytest.approx(sample.loss)
    of_bytes = model.logprobs("a" + whole.text)
    assert sum(whole.logprobs) == pytest.approx(of_bytes.sum(), abs=1e-3)
    first = len(whole.text[0].encode("utf-8", "surrogateescape"))
    assert whole.logprobs[0] == pytest.approx(of_bytes[:first].sum(), abs=1e-4)


def test_bytes_that_are_no_text_are_one_character_each_in_json() -> None:
    whole = samples(bytes_model(), "a", length=200)[0]
    shown = whole.to_json(logprobs=True)
    assert "\ufffd" in shown["text"] and len(shown["text"]) == len(shown["logprobs"]) == len(whole.text)
    assert "logprobs" not in whole.to_json()


@pytest.mark.parametrize("lines", [1, 2, 5, 9])
def test_a_text_ends_with_its_last_line(lines: int) -> None:
    model = language_model()
    whole = samples(model, "ab", length=400, seed=4)[0].text
    parts = whole.split("\n")
    assert len(parts) > 10, "the model writes too few lines"
    sample = samples(model, "ab", length=400, seed=4, until_line=lines)[0]
    assert (sample.text, sample.stop) == ("\n".join(parts[:lines]) + "\n", "\n")
    # Whatever comes first ends the text.
    stop = parts[1][:3]
    assert samples(model, "ab", length=400, seed=4, until_line=lines, stop=(stop,))[0].text == min(
        (whole[:whole.index(stop) + 3], sample.text), key=len)
    short = samples(model, "ab", length=len(parts[0]), seed=4, until_line=lines)[0]
    assert (short.text, short.stop) == (parts[0], None)


def test_logprobs_are_those_of_the_characters() -> None:
    model = language_model()
    for settings in ({}, {"stop": ("c",)}, {"temperature": 0.5, "num_samples": 3}):
        for sample in samples(model, "ab", length=70, **settings):
            expected = model.logprobs("ab" + sample.text)[1:]
            np.testing.assert_allclose(sample.logprobs, expected, atol=1e-5)


def test_settings_that_cannot_work_are_refused() -> None:
    for settings in ({"temperature": 0.0}, {"temperature": math.nan}, {"top_p": 0.0}, {"min_p": 1.5}, {"length": -1},
                     {"stop": ("",)}, {"num_samples": 0}, {"until_line": 0}, {"top_k": -1}):
        with pytest.raises(ConfigError):
            SampleConfig(**settings)


def test_a_text_that_is_not_kept_is_the_same_text() -> None:
    model, config = language_model(), SampleConfig(length=100, seed=2)
    kept, passed = list(generate(model, "", config)), list(generate(model, "", config, whole=False))
    assert "".join(piece.text for piece in passed) == "".join(piece.text for piece in kept)
    first, second = kept[-1].finished, passed[-1].finished
    assert first is not None and second is not None
    assert (second.loss, second.characters) == (pytest.approx(first.loss, abs=1e-12), first.characters)
    assert first.text and second.text == "" and second.logprobs.size == 0
