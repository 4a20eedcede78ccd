"""Networks whose weights are set by hand, so that one unit is known to count the line, one to be on inside quotes and
one to track the depth of parentheses, among units with random weights; and texts whose true state is known.

`python -m tests.planted 200` looks for planted units in models of every cell under 200 seeds and shapes, and for units
that are not there in half as many models with random weights, and over half as many shuffled texts.
"""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.inspection.findings import Inspection
from charrnn.inspection.inspector import inspect
from charrnn.model import initial_parameters
from charrnn.vocabulary import Vocabulary

ALPHABET = '\n "()' + "ABCDEFGHIJKL" + "abcdefghijkl"
IDS = {character: index for index, character in enumerate(ALPHABET)}
V = len(ALPHABET)
#: Lines are broken at the first space from here on.
WIDTH = 50

Weights = dict[str, np.ndarray]


def text(seed: int, length: int, other_letters: float = 0.0) -> np.ndarray:
    """Return a text (N,) of random words with quotations and nested parentheses, in wrapped lines.

    `other_letters` is how often a word inside quotes is in capitals.
    """
    random = np.random.default_rng(seed)
    out: list[str] = []
    position, quoted, depth = 0, False, 0
    while len(out) < length:
        word = "".join(random.choice(list("abcdefghijkl"), int(random.integers(1, 8))))
        if quoted and random.random() < other_letters:
            word = word.upper()
        pieces = [word]
        toggle = random.random() < (0.12 if quoted else 0.05)
        if toggle:
            pieces = [word, '"'] if quoted else ['"', word]
            quoted = not quoted
        move = random.random()
        if move < 0.2 and depth < 5:
            pieces, depth = ["(", *pieces], depth + 1
        elif depth and move > 1 - (0.6 if depth > 3 else 0.1):  # so that the depth tells how near a ")" is
            pieces, depth = [*pieces, ")"], depth - 1
        new = "".join(pieces)
        position += len(new) + 1
        out += new
        if position > WIDTH:
            out.append("\n")
            position = 0
        else:
            out.append(" ")
    return np.array([IDS[character] for character in out[:length]], np.uint8)


@dataclass
class Plan:
    """Which unit of the first layer does what."""

    counter: int
    quote: int
    depth: int


def plant(cell: str, hidden_size: int, num_layers: int, seed: int) -> tuple[Checkpoint, Plan]:
    """Return a model with hand-set units at random places, and where they are."""
    config = ModelConfig(vocab_size=V, cell=cell, hidden_size=hidden_size, num_layers=num_layers)
    weights = initial_parameters(config, seed)
    places = np.random.default_rng(seed).permutation(hidden_size)
    {"lstm": _lstm, "gru": _gru, "rnn": _rnn}[cell](weights, places)
    counter, quote, depth = (2, 4, 5) if cell == "rnn" else (0, 1, 2)
    plan = Plan(*(int(places[k]) for k in (counter, quote, depth)))
    scales = {"lstm": (10, 1, 8), "gru": (10, 1, 80), "rnn": (1, 1, 400)}[cell]
    for unit, scale, character in zip((plan.counter, plan.quote, plan.depth), scales, '\n")'):
        source = unit
        for layer in range(1, num_layers):
            source = _relay(weights, cell, layer, unit, scale if layer == 1 else 1)
        weights["output.weight"][IDS[character], source] = 6.0 * (scale if num_layers == 1 else 1)
        weights["output.bias"][IDS[character]] = -4
    return checkpoint(config, weights), plan


def checkpoint(config: ModelConfig, weights: Weights) -> Checkpoint:
    """Return a model over `ALPHABET`."""
    vocabulary = Vocabulary(np.array([*map(ord, ALPHABET)], np.uint32))
    return Checkpoint(model=config, vocabulary=vocabulary, text=TextConfig(), train=TrainConfig(), weights=weights)


def plain(cell: str, hidden_size: int, num_layers: int, seed: int) -> Checkpoint:
    """Return a model with random weights only."""
    config = ModelConfig(vocab_size=V, cell=cell, hidden_size=hidden_size, num_layers=num_layers)
    return checkpoint(config, initial_parameters(config, seed))


class _Rows:
    """The weights of one unit of the first layer, by gate; all 0 to begin with."""

    def __init__(self, weights: Weights, gates: str, unit: int) -> None:
        self._weights, self._hidden = weights, weights["rnn.weight_hh_l0"].shape[1]
        self._rows = {gate: k * self._hidden + unit for k, gate in enumerate(gates)}
        for row in self._rows.values():
            for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
                weights[f"rnn.{name}"][row] = 0

    def set(self, gate: str, bias: float, characters: dict[str, float] | None = None,
            units: dict[int, float] | None = None) -> None:
        """Set a gate's bias, its weights from characters, and its weights from units of the layer."""
        row = self._rows[gate]
        self._weights["rnn.bias_ih_l0"][row] = bias
        for character, weight in (characters or {}).items():
            self._weights["rnn.weight_ih_l0"][row, IDS[character]] = weight
        for unit, weight in (units or {}).items():
            self._weights["rnn.weight_hh_l0"][row, unit] = weight


def _lstm(weights: Weights, places: np.ndarray) -> None:
    counter, quote, depth = (int(places[k]) for k in range(3))
    rows = _Rows(weights, "ifgo", counter)  # c += 0.004; a newline shuts i and f
    rows.set("i", 20, {"\n": -40})
    rows.set("f", 20, {"\n": -40})
    rows.set("g", 0.004)
    rows.set("o", 20)
    rows = _Rows(weights, "ifgo", quote)  # on a quote: c = tanh(1 - 10 h), which changes h's sign
    rows.set("i", -20, {'"': 40})
    rows.set("f", 20, {'"': -40})
    rows.set("g", 1, units={quote: -10})
    rows.set("o", 20)
    rows = _Rows(weights, "ifgo", depth)
    rows.set("i", -20, {"(": 40, ")": 40})
    rows.set("f", 20)
    rows.set("g", 0, {"(": 0.05, ")": -0.05})
    rows.set("o", 20)


def plant_echo(weights: Weights, seed: int) -> int:
    """Give one unit of an LSTM a trace of capital letters that fades within a few characters, and return it."""
    unit = int(np.random.default_rng(seed).integers(weights["rnn.weight_hh_l0"].shape[1]))
    rows = _Rows(weights, "ifgo", unit)
    rows.set("i", 20)
    rows.set("f", 1)
    rows.set("g", 0, {letter: 0.3 if letter.isupper() else -0.3 for letter in ALPHABET if letter.isalpha()})
    rows.set("o", 20)
    return unit


def _gru(weights: Weights, places: np.ndarray) -> None:
    counter, quote, depth = (int(places[k]) for k in range(3))
    # z = sigmoid(6.2) = 0.998: h moves by 0.002 of the way to n.
    rows = _Rows(weights, "rzn", counter)
    rows.set("z", 6.2, {"\n": -40})
    rows.set("n", 10, {"\n": -10})
    rows = _Rows(weights, "rzn", quote)
    rows.set("r", 20)
    rows.set("z", 20, {'"': -40})
    rows.set("n", 1, units={quote: -10})
    # h' = (tanh(h / 0.9999 + 0.01) + h) / 2: to the second order, h + 0.005.
    rows = _Rows(weights, "rzn", depth)
    rows.set("r", 20)
    rows.set("z", 20, {"(": -20, ")": -20})
    rows.set("n", 0, {"(": 0.01, ")": -0.01}, {depth: 1 / 0.9999})


def _rnn(weights: Weights, places: np.ndarray) -> None:
    total, newline, counter, both, either, depth = (int(places[k]) for k in range(6))
    # A tanh unit cannot be set back to 0, but the difference of two can: total' = tanh(total - newline + 0.001 - 20 n),
    # newline' = tanh(-20 n). What is read off is a third unit, in which a full line and a newline cancel.
    _Rows(weights, "n", total).set("n", 0.001, {"\n": -20}, {total: 1, newline: -1})
    _Rows(weights, "n", newline).set("n", 0, {"\n": -20})
    scale = 1.2 / (0.001 * WIDTH)
    _Rows(weights, "n", counter).set("n", -0.6 + scale * 0.001, {"\n": -scale * 0.001 * (WIDTH + 3)},
                                     {total: scale, newline: -scale})
    # XOR = OR - AND, of the state before and a quote, each in {-1, 1} as (1 + tanh) / 2.
    state = {either: 10.0, both: -10.0}
    _Rows(weights, "n", either).set("n", -10, {'"': 20}, state)
    _Rows(weights, "n", both).set("n", -30, {'"': 20}, state)
    _Rows(weights, "n", depth).set("n", 0, {"(": 0.001, ")": -0.001}, {depth: 1})


def _relay(weights: Weights, cell: str, layer: int, unit: int, scale: float) -> int:
    """Make the unit of the same number in a higher layer follow the one below, among random inputs."""
    hidden = weights["rnn.weight_hh_l0"].shape[1]
    gate = {"lstm": 2, "gru": 2, "rnn": 0}[cell]
    row = gate * hidden + unit
    weights[f"rnn.weight_ih_l{layer}"][row, unit] = scale
    fixed = {"lstm": {0: 20.0, 1: -20.0, 3: 20.0}, "gru": {1: -20.0}, "rnn": {}}[cell]
    for other, bias in fixed.items():
        weights[f"rnn.bias_ih_l{layer}"][other * hidden + unit] = bias
    return unit


#: Lengths of the texts: enough for a few hundred quotations.
LENGTH = 20_000


def missed(cell: str, seed: int) -> list[str]:
    """Return what was not found as it was planted, for a shape that depends on the seed."""
    model, plan = plant(cell, (24, 40, 64, 33)[seed % 4], 1 + seed % 2, seed)
    result = inspect(model, text(seed, LENGTH), seed=seed, threads=1)
    wrong = []
    for feature, unit in (("line position", plan.counter), ("double quotes", plan.quote),
                          ("parenthesis depth", plan.depth)):
        best = result.best[feature]
        label = {finding.feature: finding.label for finding in result.findings}.get(feature)
        # In the layer above, a relay of the same number copies what the planted unit does.
        if best.unit != unit or best.score < 0.99 or label != "cell":
            wrong.append(f"{cell} {seed}, {feature}: planted {unit}, found {best}, {label}")
    return wrong


def nothing_to_find(cell: str, seed: int, shuffled: bool) -> Inspection:
    """Return the inspection of a model with random weights, of a text or of its characters in random order."""
    ids = text(seed, LENGTH)
    if shuffled:
        ids = np.random.default_rng(seed).permutation(ids)
    return inspect(plain(cell, (32, 48, 64)[seed % 3], 1 + seed % 2, seed), ids, seed=seed + 1000, threads=1)


def _looked(seed: int, also_nothing: bool) -> tuple[list[str], tuple[bool, bool]]:
    """Return what was missed under a seed, and whether an untrained model and a shuffled text got any label."""
    cell = ("lstm", "gru", "rnn")[seed % 3]
    labelled = [also_nothing and bool(nothing_to_find(cell, seed, shuffled).findings) for shuffled in (False, True)]
    return missed(cell, seed), (labelled[0], labelled[1])


def main(count: int) -> None:
    """Look for planted units in `count` models, and for none in half as many others, and as many shuffled texts."""
    wrong = untrained = shuffled = 0
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        looked = pool.map(_looked, range(count), (seed < count // 2 for seed in range(count)))
        for seed, (missing, labelled) in enumerate(looked):
            wrong += len(missing)
            sys.stdout.write("".join(f"\n{line}" for line in missing) + "\n" * bool(missing))
            untrained += labelled[0]
            shuffled += labelled[1]
            done = min(seed + 1, count // 2)
            sys.stdout.write(f"\r{seed + 1} models; planted units missed: {wrong} of {3 * seed + 3}; "
                             f"with any label: {untrained} of {done} untrained models, "
                             f"{shuffled} of {done} shuffled texts")
            sys.stdout.flush()
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
