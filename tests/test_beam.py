"""Beam search, against every text that there is."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from charrnn.cells import CELLS
from charrnn.config import CellHold, SampleConfig
from charrnn.errors import ConfigError
from charrnn.language_model import LanguageModel
from charrnn.sampling import Sample
from tests.test_sampling import constant_model, language_model, samples

LETTERS = "\nabc"


def text_probability(model: LanguageModel, prime: str, text: str, **settings: Any) -> float:
    """Return the log-probability of a text under temperature and filters, one character after the other."""
    config, total = SampleConfig(**settings), 0.0
    ids = model.vocabulary.encode(prime + text)
    model.network.states[...] = 0
    logits = np.concatenate([model.network.logits(ids[i:i + 1, None])[0] for i in range(len(ids) - 1)])
    for row, id_ in zip(logits.astype(np.float64)[len(prime) - 1:], ids[len(prime):]):
        p = np.exp((row - row.max()) / config.temperature)
        p /= p.sum()
        order = np.argsort(-p, kind="stable")
        if config.top_k:
            p[order[config.top_k:]] = 0
        if config.top_p < 1:
            reached = np.cumsum(p[order]) / p.sum()
            p[order[np.searchsorted(reached, config.top_p) + 1:]] = 0
        p[p < config.min_p * p.max()] = 0
        total += math.log(p[id_] / p.sum()) if p[id_] else -math.inf
    return total


def all_texts(length: int, stops: tuple[str, ...] = (), until_line: int | None = None) -> set[str]:
    """Return every text of a length, each cut off where a stop text or the last line ends it."""
    texts = set()
    for letters in itertools.product(LETTERS, repeat=length):
        text = "".join(letters)
        ends = [length]
        ends += [text.index(stop) + len(stop) for stop in stops if stop in text]
        if until_line and text.count("\n") >= until_line:
            ends.append([i for i, letter in enumerate(text) if letter == "\n"][until_line - 1] + 1)
        texts.add(text[:min(ends)])
    return texts


@pytest.mark.parametrize("settings", [
    {}, {"stop": ("ab",)}, {"stop": ("c", "bb")}, {"until_line": 2}, {"temperature": 2.0}, {"top_k": 2},
    {"temperature": 0.7, "top_p": 0.8}, {"min_p": 0.3, "stop": ("a\n",)},
], ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_a_beam_wide_enough_finds_the_most_probable_text(seed: int, settings: dict[str, Any]) -> None:
    model, length = language_model(seed, letters=LETTERS, scale=6.0), 4
    shaping = {name: value for name, value in settings.items() if name not in ("stop", "until_line")}
    texts = all_texts(length, settings.get("stop", ()), settings.get("until_line"))
    ranked = sorted(((text_probability(model, "ab", text, **shaping), text) for text in texts), reverse=True)
    found = samples(model, "ab", length=length, beam=4**length, num_samples=3, **settings)
    possible = [text for probability, text in ranked if probability > -math.inf]
    assert [sample.text for sample in found] == possible[:3]


def best(model: LanguageModel, **settings: Any) -> Sample:
    return samples(model, "ab", **{"length": 40, **settings})[0]


@pytest.mark.parametrize("cell", CELLS)
def test_a_beam_of_1_is_argmax_and_wider_ones_find_better_texts(cell: str) -> None:
    losses = []
    for seed in range(4):
        model = language_model(seed, cell=cell, scale=3.0)
        assert best(model, beam=1).text == best(model, argmax=True).text
        losses.append([best(model, beam=beam).loss for beam in (1, 4, 16)])
    greedy, narrow, wide = np.transpose(losses)
    assert (wide <= greedy).all() and wide.sum() < narrow.sum() < greedy.sum()


def test_a_greedy_beginning_is_given_up_for_a_better_text() -> None:
    # Letters that are equally probable but for one: whatever is chosen, all texts of that letter are the best.
    model = constant_model(np.array([0.3, 0.4, 0.3]), "abc")
    assert best(model, beam=5, length=30).text == "b" * 30
    # "c" ends a text: ending it at once has 0.3, while two letters have at most 0.16.
    sample = best(model, beam=5, length=30, stop=("c",))
    assert (sample.text, sample.stop, sample.characters) == ("c", "c", 1)
    assert sample.loss == pytest.approx(-math.log(0.3), abs=1e-6)


def test_loss_and_logprobs_are_the_models_own() -> None:
    model = language_model()
    for settings in ({}, {"temperature": 0.5, "top_k": 4}):
        sample = best(model, beam=6, **settings)
        expected = model.logprobs("ab" + sample.text)[1:]
        np.testing.assert_allclose(sample.logprobs, expected, atol=1e-5)
        assert sample.loss == pytest.approx(-expected.mean(), abs=1e-5)


def test_the_best_texts_come_in_order_and_are_all_different() -> None:
    model = language_model()
    found = samples(model, "ab", length=40, beam=8, num_samples=8)
    assert len({sample.text for sample in found}) == 8
    losses = [sample.loss for sample in found]
    assert losses == sorted(losses)
    # Which they are does not depend on how many are asked for.
    assert samples(model, "ab", length=40, beam=8)[0].text == found[0].text


def test_cells_are_held_during_the_search() -> None:
    model, holds = language_model(), (CellHold(0, 3, 5.0), CellHold(1, 1, -5.0))
    assert best(model, beam=1, holds=holds).text == best(model, argmax=True, holds=holds).text
    assert best(model, beam=1, holds=holds).text != best(model, argmax=True).text


def test_filters_that_leave_one_text_leave_one_sample() -> None:
    assert len(samples(language_model(), "ab", length=5, beam=3, num_samples=3, top_k=1)) == 1


@pytest.mark.parametrize("settings", [{"argmax": True, "beam": 2}, {"num_samples": 3, "beam": 2}, {"beam": -1}])
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--beam"):
        SampleConfig(**settings)
