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
from charrnn.inspection.findings import Ablation
from charrnn.inspection.scoring import Halves
from charrnn.inspection.survey import SNAPSHOT, Survey
from charrnn.kernels.generate import Holds, Scratch
from charrnn.kernels.product import REPLACE, multiply
from charrnn.kernels.share import Share, new_barrier
from charrnn.kernels.window import Weights, Window
from charrnn.network import Network
from charrnn.threads import Team

#: Units held for comparison.
RANDOM_UNITS = 20

#: Fewer predicted characters than this say nothing.
FEWEST = 20

_STRETCHES = 16  # each as long as from one snapshot to the next
_SHOWN = 3  # predicted characters that are chosen where a feature names none
_PER_STRETCH = 4  # predicted characters beyond which a stretch is no better than another


def predicted_characters(feature: Tracked, ids: np.ndarray, characters: str, places: np.ndarray) -> np.ndarray:
    """Return the ids whose appearance as the next character the feature helps to predict.

    These are the feature's own where it names any that occur; or else those that most raise the likelihood of what
    follows: the largest n log(p(c | on) / p(c | off)), on being above the mean for a number.
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
    """Return where the feature is on (n,); a number is where it is above its mean, at which the unit is held: below,
    what high values predict becomes likelier when it is held, whether or not the model reads the unit."""
    values = feature.values[places]
    return values if feature.is_flag else values > values.mean(dtype=np.float64)


class Interventions:
    """A model that reads stretches of the text with units held.

    Parameters
    ----------
    survey : the reading of the text, whose signals are of the state that lasts, the last of the cell's: that is held.
    characters : what the ids stand for.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, np.ndarray], ids: np.ndarray, survey: Survey,
                 split: Halves, characters: str, team: Team, precision: str, seed: int) -> None:
        self._network = Network(config, weights, batch_size=_STRETCHES, seq_len=SNAPSHOT, threads=team.size,
                                precision=precision)
        self._ids, self._signals, self._split, self._characters = ids, survey.signals, split, characters
        self._snapshots = survey.snapshots
        self._team, self._seed = team, seed
        self._read: dict[tuple[int, bytes, bytes], dict[tuple[int, float] | None, np.ndarray]] = {}
        self._squashed = survey.signals.squashed

    def ablate(self, feature: Tracked, layer: int, unit: int) -> Ablation | None:
        """Return what holding a unit does to what the feature predicts, or None where the text has too little of it."""
        random = np.random.default_rng([self._seed, layer, unit])
        report = self._split.report[self._split.report + 1 < len(self._ids)]
        predicted = predicted_characters(feature, self._ids, self._characters, self._split.discovery)
        relevant = np.zeros(len(self._ids), bool)
        relevant[report] = np.isin(self._ids[report + 1], predicted) & _on(feature, report)
        starts = self._stretches(relevant, random)
        places = starts[:, None] + np.arange(SNAPSHOT)  # (stretches, T)
        counted = relevant[places]
        if np.count_nonzero(counted) < FEWEST:
            return None
        others = np.setdiff1d(np.arange(self._network.config.hidden_size), [unit])
        others = random.permutation(others)[:RANDOM_UNITS]
        units = np.concatenate([[unit] * 3, others]).astype(np.int64)
        levels = [self._mean(layer, unit), *self._extremes(feature, layer, unit),
                  *(self._mean(layer, other) for other in others.tolist())]
        lengths = SNAPSHOT - np.argmax(counted[:, ::-1], axis=1)  # up to the last that counts
        losses = self._losses(starts, np.where(counted.any(axis=1), lengths, 0), layer, units.tolist(), levels)
        changes = (losses[1:, counted] - losses[0, counted]).mean(axis=1)
        compared = tuple(float(change) for change in changes[3:])
        return Ablation(
            delta=float(changes[0]), random=compared, forced_on=float(changes[1]), forced_off=float(changes[2]),
            percentile=100.0 * float(np.mean(changes[3:] < changes[0])) if compared else 0.0,
            predicted="".join(self._characters[i] for i in predicted), characters=int(np.count_nonzero(counted)))

    def _stretches(self, relevant: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return where the stretches start that have most of what is relevant."""
        starts = np.arange(SNAPSHOT, len(self._ids) - SNAPSHOT, SNAPSHOT)
        found = relevant[starts[:, None] + np.arange(SNAPSHOT)].sum(axis=1)
        order = np.argsort(-(np.minimum(found, _PER_STRETCH) + random.random(len(starts))))
        return starts[order[:_STRETCHES]]

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

    def _losses(self, starts: np.ndarray, lengths: np.ndarray, layer: int, units: list[int],
                values: list[float]) -> np.ndarray:
        """Return the losses (1 + K, stretches, T) with nothing held, and with each of K `units` at its value.

        What two features ask alike, such as the position in the line and its share of a line, is read once.
        """
        known = self._read.setdefault((layer, starts.tobytes(), lengths.tobytes()), {})
        held = list(zip(units, values))
        if new := [pair for pair in held if pair not in known]:
            known.update(zip((None, *new), self._read_held(starts, lengths, layer, np.array([unit for unit, _ in new]),
                                                           np.array([value for _, value in new]))))
        return np.stack([known[pair] for pair in (None, *held)])

    def _read_held(self, starts: np.ndarray, lengths: np.ndarray, layer: int, units: np.ndarray,
                   values: np.ndarray) -> np.ndarray:
        """Read the stretches for `_losses`, of each only the first `lengths` (stretches,) steps with units held."""
        network, kernel, copies = self._network, advance(self._network.config.cell), len(units)
        order = np.argsort(-lengths, kind="stable")  # so that what is still being read are the first rows
        starts, lengths = starts[order], lengths[order]
        ids = self._ids[starts + np.arange(SNAPSHOT + 1)[:, None]]  # (T + 1, stretches)
        states = np.zeros((*network.states.shape[:2], len(starts), network.states.shape[-1]), network.dtype)
        states[..., :network.config.hidden_size] = self._snapshots[starts // SNAPSHOT].transpose(1, 2, 0, 3)
        network.states = states
        window, vocab = network.forward(ids[:-1]), network.config.vocab_size
        losses = np.zeros((1 + copies, SNAPSHOT, len(starts)), np.float32)
        losses[0] = _cross_entropy((window.logits + network.weights.output_bias)[..., :vocab], ids[1:])
        weights, inputs = _from_layer(network, layer, window, ids[:-1])
        scratch = scratch_for(network, np.repeat(states[layer:], copies, axis=2), len(starts) * copies)
        rows = np.arange(len(starts) * copies)
        holds = Holds(rows, np.zeros_like(rows), np.tile(units, len(starts)),
                      np.tile(values, len(starts)).astype(network.dtype))
        for step in range(int(lengths.max())):
            active = int(np.count_nonzero(lengths > step))
            current, target = (np.repeat(part[:active], copies) for part in (inputs[step], ids[step + 1]))
            self._team.run(functools.partial(_advance, kernel, current, weights, scratch, holds))
            found = _cross_entropy(scratch.logits[0, :len(current), :vocab], target)
            losses[1:, step, :active] = found.reshape(active, copies).T
        losses[..., order] = losses.copy()
        return losses.transpose(0, 2, 1)


def _from_layer(network: Network, layer: int, window: Window, ids: np.ndarray) -> tuple[Weights, np.ndarray]:
    """Return the weights of a layer and those above as a net of their own, and what it reads (T, B) int64.

    The layers below, which no held unit reaches, are read once, in `window`: to the new net, each place of the
    stretches `ids` (T, B) is a character of its own, and what they give out there is its row in the table.
    """
    weights = network.weights
    table, inputs = weights.table, ids.astype(np.int64)
    if layer > 0:
        below = window.states[layer - 1, 0, 1:]  # (T, B, H)
        gates = np.empty((*ids.shape, weights.bias.shape[1]), network.dtype)
        multiply(np.ascontiguousarray(below), weights.input[layer - 1], gates, gates.shape[2], 0, ids.shape[1], REPLACE)
        table, inputs = gates.reshape(ids.size, -1), np.arange(ids.size).reshape(ids.shape)
    return weights._replace(
        table=table, input=weights.input[layer:], recurrent=weights.recurrent[layer:],
        recurrent_apart=weights.recurrent_apart[layer:], bias=weights.bias[layer:],
        bias_apart=weights.bias_apart[layer:]), inputs


def _cross_entropy(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the losses (...) of `targets` (...), in nats, from logits (..., V)."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    chosen = np.take_along_axis(logits, targets[..., None].astype(np.int64), axis=-1)[..., 0]
    return np.log(np.exp(logits).sum(axis=-1)) - chosen


def _advance(kernel: Callable[..., None], current: np.ndarray, weights: Weights, scratch: Scratch, holds: Holds,
             part: int, parts: int) -> None:
    """Take share `part` of the rows through one character."""
    rows = len(current)
    share = Share(rows * part // parts, rows * (part + 1) // parts, 0, 1, new_barrier())
    kernel(current, weights, scratch, holds, share)
