"""Short texts without kernels: the same texts, whichever way they are written, and nothing is compiled for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import plain
from charrnn.checkpoint import Checkpoint
from charrnn.config import CellHold, ModelConfig, SampleConfig, TextConfig, TrainConfig
from charrnn.generator import Generator, random_key, random_numbers, sample_seed
from charrnn.kernels.random import mix, uniform
from charrnn.language_model import LanguageModel
from charrnn.model import initial_parameters
from charrnn.plain import PlainGenerator, PlainNet, choose, is_short
from charrnn.sampling import generate
from charrnn.vocabulary import Vocabulary
from tests.compilations import LISTENER
from tests.reference.network import forward, zero_state

V, H = 30, 24

SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {}, "two layers": {"num_layers": 2}, "embedded": {"num_layers": 3, "embedding_size": 5},
    "tied": {"num_layers": 2, "embedding_size": H, "tie_weights": True, "recurrent_bias": False}}


def language_model(cell: str = "lstm", seed: int = 0, scale: float = 2.0, **settings: Any) -> LanguageModel:
    """Return a model whose random weights are large enough for it to have preferences."""
    config = ModelConfig(vocab_size=V, cell=cell, **{"hidden_size": H, "num_layers": 1, **settings})
    weights = {name: np.float32(scale) * value for name, value in initial_parameters(config, seed).items()}
    return LanguageModel(Checkpoint(model=config, vocabulary=Vocabulary(np.arange(97, 97 + V, dtype=np.uint32)),
                                    text=TextConfig(), train=TrainConfig(), corpus={}, weights=weights), threads=1)


def by_kernels(model: LanguageModel, prime: list[int], config: SampleConfig, count: int) -> tuple[Any, Any]:
    """Return a text (N, 1) of a model and its log-probabilities, written by kernels from the start."""
    return Generator(model.network, model.read(np.array(prime[:-1])), prime[-1], config).next(count)


class Writer(PlainGenerator):
    """A generator that notes at which position kernels went on."""

    def __init__(self, model: LanguageModel, prime: list[int], config: SampleConfig) -> None:
        self.asked: list[int] = []

        def kernels(text: np.ndarray, position: int) -> Generator:
            assert list(text[:-position or None]) == prime
            self.asked.append(position)
            return Generator(model.network, model.read(text[:-1]), int(text[-1]), config, [config.seed], position)

        super().__init__(model.plain, np.array(prime), config, kernels)


# The nets


@pytest.mark.parametrize("settings", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("cell", plain.STEPS)
def test_nets_follow_the_equations(cell: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = language_model(cell, **settings), np.random.default_rng(0).integers(0, V, 40)
    weights = {name: value.astype(np.float64) for name, value in model.checkpoint.weights.items()}
    expected = forward(weights, cell, ids[:, None], zero_state(weights, cell, 1)).logits[:, 0]
    for block in (2**18, 100):
        monkeypatch.setattr(plain, "_BLOCK", block)
        net = PlainNet(model.checkpoint.model, model.checkpoint.weights)
        states, found = net.start(), []
        for id_ in ids:
            states = net.read(int(id_), states)
            found.append(net.logits(states))
        np.testing.assert_allclose(found, expected, atol=2e-5)
        assert found[0].dtype == np.float32


# The texts


@pytest.mark.parametrize("settings", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("cell", plain.STEPS)
def test_texts_are_those_of_the_kernels(cell: str, settings: dict[str, Any]) -> None:
    chars = 0
    for seed in range(3):
        model = language_model(cell, seed, **settings)
        prime = np.random.default_rng(seed).integers(0, V, 1 + 9 * seed).tolist()
        for choice in ({}, {"temperature": 0.5}, {"temperature": 1.7, "stop": ("none",)}, {"argmax": True}):
            config = SampleConfig(seed=2**62 + seed, length=150, **choice)
            ids, logprobs = by_kernels(model, prime, config, 150)
            writer = Writer(model, prime, config)
            parts = [writer.next(count) for count in (1, 32, 0, 117)]
            np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), ids)
            np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), logprobs, atol=1e-5)
            chars += writer.asked[0] if writer.asked else 150
    assert chars > 1500  # of 1800: most are not the kernels' own


@pytest.mark.parametrize("choice", [{}, {"temperature": 0.3}, {"until_line": 9}, {"argmax": True}])
@pytest.mark.parametrize("cell", plain.STEPS)
def test_kernels_go_on_where_a_draw_is_not_clear(cell: str, choice: dict[str, Any],
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MARGIN", 3e-3)
    asked = []
    for seed in range(4):
        model, config = language_model(cell, seed, num_layers=2), SampleConfig(seed=seed, length=100, **choice)
        ids, logprobs = by_kernels(model, [3, 1, 4], config, 100)
        writer = Writer(model, [3, 1, 4], config)
        parts = [writer.next(count) for count in (40, 1, 59)]
        np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), ids)
        np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), logprobs, atol=1e-5)
        asked += writer.asked  # at most once for each
    assert asked and (max(asked) > 1 or "argmax" in choice)


def test_kernels_get_characters_as_the_vocabulary_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MARGIN", 3e-3)
    asked = []

    def kernels(text: np.ndarray, position: int) -> Generator:
        asked.append(text.dtype)  # for another one they would be compiled anew
        raise LookupError

    model = language_model(num_layers=2)
    with pytest.raises(LookupError):
        PlainGenerator(model.plain, np.array([3, 1, 4], np.uint8), SampleConfig(length=400), kernels).next(1)
    assert asked == [np.uint8]


@pytest.mark.parametrize("stop, asked", [((), True), (("none",), False)])
def test_kernels_are_asked_before_a_text_begins_if_it_will_be_whole(stop: tuple[str, ...], asked: bool,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "MARGIN", 3e-3)
    writer = Writer(language_model(num_layers=2), [3, 1, 4], SampleConfig(seed=0, length=400, stop=stop))
    writer.next(1)
    assert bool(writer.asked) == asked
    for _ in range(399):
        writer.next(1)
    assert writer.asked[0] > 1


def test_kernels_can_begin() -> None:
    model = language_model()
    model.checkpoint.weights["output.weight"][...] = 0
    model.checkpoint.weights["output.bias"][...] = 0
    writer = Writer(model, [5], SampleConfig(argmax=True))
    assert writer.next(3)[0].ravel().tolist() == [0, 0, 0] and writer.asked == [0]


def test_generated_texts_are_those_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = language_model("gru", num_layers=2)
    for prime, settings in (("", {}), ("cab", {"length": 65}), ("hello", {"stop": ("a",), "temperature": 0.7})):
        config = SampleConfig(seed=7, **settings)
        with monkeypatch.context() as patch:
            patch.setattr(plain, "STEPS", {})
            expected = list(generate(model, prime, config, at_once=True))
        patched = LanguageModel(model.checkpoint, threads=1)
        found = list(generate(patched, prime, config, at_once=True))
        assert "network" not in vars(patched)  # there were no kernels
        assert [piece.text for piece in found] == [piece.text for piece in expected]
        one, other = found[-1].finished, expected[-1].finished
        assert one and other and (one.text, one.seed, one.stop) == (other.text, other.seed, other.stop)
        assert one.loss == pytest.approx(other.loss, abs=1e-5)


def test_only_what_is_wanted_at_once_is_written_without_kernels() -> None:
    exact, quick = language_model(), language_model()
    list(generate(exact, "", SampleConfig(length=10)))
    list(generate(quick, "", SampleConfig(length=10), at_once=True))
    assert "network" in vars(exact) and "network" not in vars(quick)


def test_kernels_write_what_overflows() -> None:
    model = language_model("rnn")
    model.checkpoint.weights["rnn.weight_hh_l0"][...] = 3e38
    model.checkpoint.weights["output.weight"][...] = 3e38
    for choice in ({}, {"argmax": True}):
        config = SampleConfig(**choice)
        writer = Writer(model, [1, 2, 3], config)
        np.testing.assert_array_equal(writer.next(9)[0], by_kernels(model, [1, 2, 3], config, 9)[0])
        assert writer.asked == [0]


# The choice


def test_random_numbers_are_those_of_the_kernels() -> None:
    for seed in (0, 1, 2**53 + 1, 2**63 - 1):
        key = np.uint64(mix(np.uint64(seed), np.uint64(0)))
        assert random_key(seed) == key
        assert random_numbers(random_key(seed), 10, 5).tolist() == [uniform(np.uint64(mix(key, i)))
                                                                    for i in range(10, 15)]
        assert sample_seed(seed, 9) == int(mix(np.uint64(seed), np.uint64(9))) >> 11


def test_a_draw_is_clear_unless_a_border_is_near() -> None:
    logits = np.log(np.array([0.2, 0.5, 0.3])).astype(np.float32)
    for config, factor in ((SampleConfig(), 1.0), (SampleConfig(temperature=0.5), 2.0),
                           (SampleConfig(temperature=4.0), 1.0)):
        p = np.array([0.2, 0.5, 0.3]) ** (1 / config.temperature)
        borders = np.cumsum(p / p.sum())
        for border, below in ((borders[0], 0), (borders[1], 1)):
            margin = factor * plain.MARGIN * border * (1 - border)
            assert choose(logits, config, border - 1.1 * margin)[0] == below
            assert choose(logits, config, border + 1.1 * margin)[0] == below + 1
            assert choose(logits, config, border - 0.9 * margin)[0] is None
            assert choose(logits, config, border + 0.9 * margin)[0] is None
    assert [choose(logits, SampleConfig(), u)[0] for u in (0.0, 1 - 1e-9)] == [0, 2]


def test_argmax_is_clear_unless_another_is_near() -> None:
    config = SampleConfig(argmax=True)
    for gap in (-2.0, -0.5, 0.5, 2.0):
        logits = np.array([0.1, 0.5, 0.5 + gap * plain.MARGIN, -3.0], np.float32)
        assert choose(logits, config, 0.0)[0] == (None if abs(gap) < 1 else 2 if gap > 0 else 1)


@pytest.mark.parametrize("config", [SampleConfig(), SampleConfig(argmax=True)])
def test_nothing_is_chosen_among_no_numbers(config: SampleConfig) -> None:
    with np.errstate(all="ignore"):
        for value in (np.nan, np.inf):
            assert choose(np.array([0.0, value, 1.0], np.float32), config, 0.5)[0] is None
        assert choose(np.array([2.0], np.float32), config, 0.5) == (0, 0.0)


# When


def test_what_is_short_depends_on_what_is_asked_for() -> None:
    model = ModelConfig(vocab_size=100, hidden_size=256, num_layers=1)
    large = model.replace(hidden_size=1024, num_layers=2)
    assert is_short(model, SampleConfig(), 1) and is_short(model, SampleConfig(argmax=True), 1000)
    assert not is_short(model, SampleConfig(length=100_000), 1) and not is_short(model, SampleConfig(), 100_000)
    assert not is_short(large, SampleConfig(), 1) and is_short(large, SampleConfig(length=50), 1)
    for settings in ({"num_samples": 2}, {"beam": 1}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.1},
                     {"holds": (CellHold(0, 1, 0.5),)}):
        assert not is_short(model, SampleConfig(**settings), 1), settings


def test_a_cell_without_a_step_writes_with_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(plain.STEPS, "gru")
    model = language_model("gru")
    assert sum(len(piece.text) for piece in generate(model, "", SampleConfig(length=10), at_once=True)) == 10
    assert "network" in vars(model)


#: Writes in a new process and prints what was compiled.
PROGRAM = LISTENER + """
import charrnn
with numba.core.event.install_listener("numba:compile", Compiled()):
    model = charrnn.load("python-docs")
    texts = ["".join(model.generate(prime, length=100, **options)) for prime, options in (
        ("", {"seed": 1}), ("The ", {"seed": 1, "temperature": 0.7}), ("The ", {"argmax": True}))]
    short = list(Compiled.names)
    "".join(model.generate(length=10, top_k=3))
print(json.dumps({"texts": texts, "short": short, "long": Compiled.names}))
"""


def test_nothing_is_compiled_for_a_short_text(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, text=True, timeout=300, capture_output=True,
                          env=os.environ | {"CHARRNN_CACHE": str(tmp_path / "cache")})
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert found["short"] == [] and [len(text) for text in found["texts"]] == [100] * 3
    assert "generate_lstm" in found["long"]  # what is compiled is noticed
