"""Beam search: the most probable text, as far as looking at a limited number of beginnings at once can find it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charrnn.config import SampleConfig
from charrnn.generator import advance, choice_for, holds_for, scratch_for
from charrnn.kernels.generate import distribute
from charrnn.network import Network


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A text, or the beginning of one.

    Attributes
    ----------
    ids : (N,) its characters.
    logprobs : (N,) the model's own log-probability of each.
    score : log-probability of all, under the temperature and the filters.
    ended : it ends here, with a stop text.
    """

    ids: np.ndarray
    logprobs: np.ndarray
    score: float
    ended: bool = False


class BeamSearch:
    """The `config.beam` most probable beginnings at every length, from which the next ones grow.

    A beginning that a stop text ends stays among them with its score for as long as it is one of the best. Scores only
    fall as texts grow, so when the best are ended ones, nothing better can come. With a beam as large as the number of
    beginnings of every length, the text found is the most probable one there is.

    Parameters
    ----------
    network : provides weights and threads.
    states : (L, S, 1, H padded) after all of the prime but its last character.
    current : the prime's last character.
    config : length, temperature, filters, beam and what else is asked for; its `stop` comes as `stops`.
    stops : the stop texts as ids.
    line_end : the id of a line's end, (1,), or (0,) where the model knows none.
    """

    def __init__(self, network: Network, states: np.ndarray, current: int, config: SampleConfig,
                 stops: Sequence[np.ndarray], line_end: np.ndarray) -> None:
        self._network, self._config, self._stops, self._line_end = network, config, stops, line_end
        self._choice = choice_for(config, network.config.vocab_size)
        self._shaped = config.temperature != 1 or config.top_k > 0 or config.top_p < 1 or config.min_p > 0
        self._scratch = scratch_for(network, states, config.beam)
        self._holds = holds_for(network, config.holds)
        self._advance = advance(network.config.cell)
        self._current = np.full(config.beam, current, np.int64)
        self._beam = [Hypothesis(np.zeros(0, np.int64), np.zeros(0), 0.0)]
        self._length = 0

    def grow(self, count: int) -> bool:
        """Let the beginnings grow by up to `count` characters; tell whether the search goes on after that."""
        for _ in range(count):
            if self._is_done():
                return False
            self._step()
        return not self._is_done()

    def best(self, count: int) -> list[Hypothesis]:
        """Return the best beginnings, or when the search is done the best texts, the best first."""
        return self._beam[:count]

    def settled(self) -> int:
        """Return how many characters all beginnings have in common."""
        first, *others = (hypothesis.ids for hypothesis in self._beam)
        shared = len(first)
        for ids in others:
            shared = min(shared, len(ids))
            differing = np.flatnonzero(ids[:shared] != first[:shared])
            shared = int(differing[0]) if len(differing) else shared
        return shared

    def _is_done(self) -> bool:
        wanted = self._beam[:self._config.num_samples]
        return self._length == self._config.length or all(hypothesis.ended for hypothesis in wanted)

    def _step(self) -> None:
        """Replace the beginnings by the best of those that are one character longer, and of those that have ended."""
        live = [hypothesis for hypothesis in self._beam if not hypothesis.ended]
        own, scores = self._distributions(len(live))
        scores += np.array([[hypothesis.score] for hypothesis in live])
        grown = []
        for place in _largest(scores.ravel(), self._config.beam):
            row, id_ = divmod(int(place), scores.shape[1])
            ids, logprobs = np.append(live[row].ids, id_), np.append(live[row].logprobs, own[row, id_])
            grown.append((row, Hypothesis(ids, logprobs, float(scores[row, id_]), self._ends(ids))))
        ended = [(-1, hypothesis) for hypothesis in self._beam if hypothesis.ended]
        kept = sorted(ended + grown, key=lambda entry: -entry[1].score)[:self._config.beam]
        rows = [row for row, hypothesis in kept if not hypothesis.ended]
        states = self._scratch.states[:, :, 0]
        states[:, :, :len(rows)] = states[:, :, rows]
        self._current[:len(rows)] = [hypothesis.ids[-1] for _, hypothesis in kept if not hypothesis.ended]
        self._beam = [hypothesis for _, hypothesis in kept]
        self._length += 1

    def _distributions(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Return log-probabilities (rows, V) of the next character: the model's own, and those that are searched."""
        network, scratch = self._network, self._scratch
        network.share_out(rows, lambda share: self._advance(self._current, network.weights, scratch, self._holds,
                                                            share))
        logits = scratch.logits[0, :rows, :network.config.vocab_size]
        own = _log_softmax(logits)
        if not self._shaped:
            return own, own.copy()
        for row in range(rows):
            distribute(logits[row], scratch.order[row], self._choice)
        with np.errstate(divide="ignore"):  # what a filter has left out is impossible
            return own, np.log(logits / logits.sum(axis=1, keepdims=True, dtype=np.float64))

    def _ends(self, ids: np.ndarray) -> bool:
        """Tell whether the last character of a beginning completes a stop text or the last line."""
        if self._config.until_line is not None:
            line_ends = np.isin(ids, self._line_end)
            if line_ends[-1] and line_ends.sum() == self._config.until_line:
                return True
        return any(np.array_equal(ids[-len(stop):], stop) for stop in self._stops)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities (B, V) in float64."""
    shifted = logits - logits.max(axis=1, keepdims=True).astype(np.float64)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the `count` largest possible scores (N,), the largest first, of equal ones the first."""
    if count < len(scores):
        candidates = np.flatnonzero(scores >= np.partition(scores, len(scores) - count)[len(scores) - count])
    else:
        candidates = np.arange(len(scores))
    candidates = candidates[scores[candidates] > -np.inf]
    return candidates[np.argsort(-scores[candidates], kind="stable")][:count]
