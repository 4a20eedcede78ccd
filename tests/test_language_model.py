"""A model as Python uses it: what it writes, what a text costs it, and what its units do."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

import charrnn
from charrnn.cells import CELLS, get_cell
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, SampleConfig, TextConfig, TrainConfig
from charrnn.errors import CheckpointError, ConfigError, CorpusError, UnknownCharacterError
from charrnn.language_model import LanguageModel
from charrnn.model import initial_parameters
from charrnn.vocabulary import Vocabulary

from .command_line import TEXT
from .reference import network as reference

LETTERS = "abcdef"


def language_model(cell: str = "lstm") -> LanguageModel:
    config = ModelConfig(vocab_size=len(LETTERS), cell=cell, hidden_size=11, num_layers=2)
    weights = {name: 3 * value for name, value in initial_parameters(config, 5).items()}
    vocabulary = Vocabulary(np.array([ord(letter) for letter in LETTERS], np.uint32))
    return LanguageModel(Checkpoint(model=config, vocabulary=vocabulary, text=TextConfig(), train=TrainConfig(),
                                    weights=weights), threads=1)


@pytest.mark.parametrize("words", ["run", "run/best.safetensors", None])
def test_loading(words: str | None, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "run").symlink_to(trained)
    monkeypatch.chdir(tmp_path)
    model = charrnn.load(words and tmp_path / "checkpoints" / words)
    assert repr(model) == "<LanguageModel: 1 x 8 lstm, 28 characters>"
    assert "".join(sorted(set(TEXT))) == model.vocabulary.decode(range(28))


def test_loading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        charrnn.load(tmp_path / "none")


def test_a_text_comes_piece_by_piece_and_goes_on_as_long_as_it_is_asked_for() -> None:
    pieces = list(language_model().generate("abc", length=100, seed=3))
    assert len(pieces) > 1 and len("".join(pieces)) == 100
    endless = language_model().generate("abc", length=2**31 - 1, seed=3)
    assert "".join(pieces).startswith("".join(itertools.islice(endless, 2)))


def test_options_of_a_text_are_those_of_the_configuration() -> None:
    model = language_model()
    greedy = "".join(model.generate("ab", length=9, argmax=True))
    assert greedy == "".join(model.generate("ab", length=9, top_k=1, seed=8))
    with pytest.raises(ConfigError, match="--top-p"):
        model.generate(top_p=0.0)
    with pytest.raises(TypeError, match="temprature"):
        model.generate(temprature=1.0)
    with pytest.raises(UnknownCharacterError):
        list(model.generate("ab!"))
    assert SampleConfig().length == len("".join(model.generate()))


def test_losses_and_log_probabilities_agree() -> None:
    model, text = language_model(), "abcdefedcba" * 60
    logprobs = model.logprobs(text)
    assert logprobs.shape == (len(text) - 1,) and logprobs.dtype == np.float32
    assert model.loss(text) == pytest.approx(-logprobs.mean(dtype=np.float64), rel=1e-6)
    np.testing.assert_allclose(model.logprobs(text[:50]), logprobs[:49], rtol=1e-5)
    total = sum(math.exp(model.logprobs("abc" + letter)[-1]) for letter in LETTERS)
    assert total == pytest.approx(1, rel=1e-5)
    assert model.logprobs("a").shape == model.logprobs("").shape == (0,)
    with pytest.raises(CorpusError, match="fewer than two"):
        model.loss("a")
    for judge in (model.loss, model.logprobs, model.states):
        with pytest.raises(UnknownCharacterError, match="'!'"):
            judge("ab!")


@pytest.mark.parametrize("cell", CELLS)
def test_states_are_those_of_the_reference(cell: str) -> None:
    model, text = language_model(cell), "abcdefedcba" * 9
    weights = {name: value.astype(np.float64) for name, value in model.checkpoint.weights.items()}
    ids = model.vocabulary.encode(text).astype(int)
    expected = reference.forward(weights, cell, ids[:, None], reference.zero_state(weights, cell, 1)).outputs[:, 0]
    states = model.states(text)
    assert set(states) == {*get_cell(cell).states, *get_cell(cell).gates}
    for values in states.values():
        assert values.shape == (len(text), 2, 11) and values.dtype == np.float32
    np.testing.assert_allclose(states["h"][:, 1], expected, atol=1e-5)
    (alone,) = model.states(text, ["h"]).values()
    np.testing.assert_array_equal(alone, states["h"])
    assert model.states("")["h"].shape == (0, 2, 11)


def test_gates_of_an_lstm_make_its_states() -> None:
    found = language_model().states("abcdef" * 20)
    np.testing.assert_allclose(found["h"], found["o"] * np.tanh(found["c"]), atol=1e-5)
    after = found["f"][1:] * found["c"][:-1] + found["i"][1:] * found["g"][1:]
    np.testing.assert_allclose(found["c"][1:], after, atol=1e-5)


def test_states_of_another_cell() -> None:
    with pytest.raises(ConfigError, match="the cell gru has no state or gate 'c'; it has h, r, z, n"):
        language_model("gru").states("abc", ["h", "c"])
