"""Evidence that a unit is used: what happens to the predictions when it is held.

That a feature can be read off a unit does not show that the network reads it there (Antverg and Belinkov 2022). So the
unit is held at its mean while the model goes on reading, and the loss is compared on just those next characters that
the feature helps to predict, such as the quote that closes. Since holding any unit does some harm, 20 random units of
the same layer are held in the same way, one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from charrnn.config import ModelConfig
from charrnn.generator import advance, scratch_for
from charrnn.inspection.feature import Tracked
from charrnn.inspection.findings import Ablation, Signals
from charrnn.inspection.scoring import Halves
from charrnn.kernels.generate import Holds, Scratch
from charrnn.kernels.share import Share, new_barrier
from charrnn.network import Network
from charrnn.threads import Team

#: Units held for comparison.
RANDOM_UNITS = 20

#: Fewer predicted characters than this say nothing.
FEWEST = 20

_STRETCHES, _LENGTH, _WARM_UP = 16, 128, 192
_WINDOW = 64
_SHOWN = 3  # predicted characters that are chosen where a feature names none
_PER_STRETCH = 4  # predicted characters beyond which a stretch is no better than another


def predicted_characters(feature: Tracked, ids: np.ndarray, characters: str, places: np.ndarray) -> np.ndarray:
    """Return the ids whose appearance as the next character the feature helps to predict.

    These are the feature's own where it names any that occur; or else those that most raise the likelihood of what
    follows: the largest n log(p(c | on) / p(c | off)), on being above the median for a number.
    """
    own = np.array([i for i, character in enumerate(characters) if character in feature.predicts], np.int64)
    places = places[places + 1 < len(ids)]
    following = ids[places + 1].astype(np.int64)
    on = _on(feature, places)
    if np.count_nonzero(on & np.isin(following, own)) >= FEWEST:
        return own
    counts = [np.bincount(following[part], minlength=len(characters)) for part in (on, ~on)]
    shares = [(count + 0.5) / (count.sum() + 0.5 * len(count)) for count in counts]
    gain = counts[0] * np.log(shares[0] / shares[1])
    best = np.argsort(-gain)[:_SHOWN]
    return best[(gain[best] > 0) & (counts[0][best] >= FEWEST)]


def _on(feature: Tracked, places: np.ndarray) -> np.ndarray:
    values = feature.values[places]
    return values if feature.is_flag else values > np.median(values)


class Interventions:
    """A model that reads stretches of the text with units held.

    Parameters
    ----------
    signals : of the state that lasts, the last of the cell's, which is what is held.
    characters : what the ids stand for.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, signals: Signals,
                 split: Halves, characters: str, team: Team, precision: str, seed: int) -> None:
        self._network = Network(config, weights, batch_size=_STRETCHES, seq_len=_WINDOW, precision=precision)
        self._ids, self._signals, self._split, self._characters = ids, signals, split, characters
        self._team, self._seed = team, seed
        self._squashed = signals.source != "h"

    def ablate(self, feature: Tracked, layer: int, unit: int) -> Ablation | None:
        """Return what holding a unit does to what the feature predicts, or None where the text has too little of it."""
        random = np.random.default_rng([self._seed, layer, unit])
        report = self._split.report[self._split.report + 1 < len(self._ids)]
        predicted = predicted_characters(feature, self._ids, self._characters, self._split.discovery)
        relevant = np.zeros(len(self._ids), bool)
        relevant[report] = np.isin(self._ids[report + 1], predicted)
        if feature.is_flag:
            relevant &= feature.values
        starts = self._stretches(relevant, random)
        places = starts[:, None] + np.arange(_LENGTH)  # (stretches, T)
        counted = relevant[places]
        if np.count_nonzero(counted) < FEWEST:
            return None
        others = np.setdiff1d(np.arange(self._network.config.hidden_size), [unit])
        others = random.permutation(others)[:RANDOM_UNITS]
        units = np.concatenate([[unit] * 3, others]).astype(np.int64)
        levels = [self._mean(layer, unit), *self._extremes(feature, layer, unit),
                  *(self._mean(layer, other) for other in others.tolist())]
        losses = self._losses(starts, layer, units, np.array(levels))
        changes = (losses[1:, counted] - losses[0, counted]).mean(axis=1)
        compared = tuple(float(change) for change in changes[3:])
        return Ablation(
            delta=float(changes[0]), random=compared, forced_on=float(changes[1]), forced_off=float(changes[2]),
            percentile=100.0 * sum(change < changes[0] for change in compared) / max(len(compared), 1),
            predicted="".join(self._characters[i] for i in predicted), characters=int(np.count_nonzero(counted)))

    def _stretches(self, relevant: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return where the stretches of the report half start that have most of what is relevant."""
        block = self._split.block
        length = min(_LENGTH, block)
        first = np.unique(self._split.report // block) * block
        starts = (first[:, None] + np.arange(0, block - length + 1, length)).reshape(-1)
        starts = starts[(starts >= _WARM_UP) & (starts + _LENGTH < len(self._ids))]
        if not len(starts):
            return np.zeros(0, np.int64)
        found = relevant[starts[:, None] + np.arange(_LENGTH)].sum(axis=1)
        order = np.argsort(-(np.minimum(found, _PER_STRETCH) + random.random(len(starts))))
        return np.resize(starts[order[:_STRETCHES]], _STRETCHES)

    def _mean(self, layer: int, unit: int) -> float:
        return self._state(self._signals.values(layer, unit).mean(dtype=np.float64))

    def _extremes(self, feature: Tracked, layer: int, unit: int) -> tuple[float, float]:
        """Return the states that stand for the feature on, and off: a unit's means there; for a number, over the places
        with its highest and lowest tenth."""
        places = self._split.discovery
        signal, values = self._signals.values(layer, unit)[places], feature.values[places]
        if feature.is_flag:
            return self._state(signal[values].mean()), self._state(signal[~values].mean())
        low, high = np.quantile(values, (0.1, 0.9))
        return self._state(signal[values >= high].mean()), self._state(signal[values <= low].mean())

    def _state(self, signal: float) -> float:
        return float(np.arctanh(np.clip(signal, -0.9999, 0.9999))) if self._squashed else float(signal)

    def _losses(self, starts: np.ndarray, layer: int, units: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the losses (1 + K, stretches, T) with nothing held, and with each of `units` (K,) at its value."""
        network, team = self._network, self._team
        network.states[...] = 0
        for step in range(-_WARM_UP, 0, _WINDOW):
            network.forward(np.ascontiguousarray(self._ids[starts + (step + np.arange(_WINDOW))[:, None]]))
        rows = (1 + len(units)) * len(starts)
        scratch = scratch_for(network, np.tile(network.states, (1, 1, 1 + len(units), 1)), rows)
        holds = Holds(np.arange(len(starts), rows), np.full(rows - len(starts), layer), np.repeat(units, len(starts)),
                      np.repeat(values, len(starts)).astype(network.dtype))
        kernel, vocab = advance(network.config.cell), network.config.vocab_size
        losses = np.zeros((_LENGTH, rows), np.float32)
        for step in range(_LENGTH):
            current = np.tile(self._ids[starts + step].astype(np.int64), 1 + len(units))
            targets = np.tile(self._ids[starts + step + 1].astype(np.int64), 1 + len(units))
            team.run(functools.partial(_advance, kernel, current, network, scratch, holds))
            logits = scratch.logits[0, :, :vocab]
            logits = logits - logits.max(axis=1, keepdims=True)
            losses[step] = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(rows), targets]
        return losses.T.reshape(1 + len(units), len(starts), _LENGTH)


def _advance(kernel: Callable[..., None], current: np.ndarray, network: Network, scratch: Scratch, holds: Holds,
             part: int, parts: int) -> None:
    """Take share `part` of the rows through one character."""
    rows = len(current)
    share = Share(rows * part // parts, rows * (part + 1) // parts, 0, 1, new_barrier())
    kernel(current, network.weights, scratch, holds, share)
