"""Short texts without compiled kernels: the nets in NumPy, one character after another.

    x = the character's embedding, or its one-hot vector
    for each layer:  h, c = cell(W_i x + b_i, W_h h + b_h, h, c);  x = h
    logits = W_o x + b_o

Kernels take seconds to compile on the first run ever, and a moment to load on every other; a short text is written by
then. It is the kernels' text, drawn with the same random numbers by the same rule: where rounding could decide a draw,
they are asked (`MARGIN`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.cells import get_cell
from charrnn.config import ModelConfig, SampleConfig
from charrnn.generator import Generator, random_key, random_numbers
from charrnn.model import parameter_count
from charrnn.network import choose_precision

Vector = NDArray[np.float32]

#: Logits may differ by so much from the kernels', whose sums are rounded in another order. A draw is left to them
#: where that could move the border of a character past its random number, and argmax where the two largest logits are
#: that near to each other. `python -m benchmarks.plain 4000` with seven LSTM nets, at temperatures 1 and 0.6: a text of
#: 1,000 characters is another one all the same with a probability of 5e-5 by one net at 0.6, of 2e-10 by another, and
#: of 0 by the rest. Kernels are asked in one of 6 to 16 such texts, and in nearly all where there are 3,000 characters
#: to choose from.
MARGIN = 2e-5

#: Multiplications for one text, which NumPy does in about 0.4 s, with nets above 2 x 512 in a second: kernels do more
#: of them sooner, once they are compiled. What is no product takes as long for each character as `_OVERHEAD` of them.
_WORK, _OVERHEAD = 4e9, 250_000

#: Numbers of a matrix that BLAS gets at a time. It shares out larger ones among threads, which wait for each other
#: where other programs keep the cores busy: a 2 x 512 LSTM was seen to write at a hundredth of its speed.
_BLOCK = 2**18


def sigmoid(x: Vector) -> Vector:
    """Logistic function."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def lstm(x: Vector, u: Vector, h: Vector, c: Vector) -> tuple[Vector, ...]:
    """Return the states after a step of `charrnn.cells.lstm`.

    Parameters
    ----------
    x, u : (4 * H,) products of the layer's input and of the previous h, each with its bias.
    h, c : (H,) the states before the step.
    """
    i, f, g, o = (x + u).reshape(4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x: Vector, u: Vector, h: Vector) -> tuple[Vector, ...]:
    """Return the state after a step of `charrnn.cells.gru`; as for `lstm`, with (3 * H,) products."""
    (x_r, x_z, x_n), (u_r, u_z, u_n) = x.reshape(3, -1), u.reshape(3, -1)
    r, z = sigmoid(x_r + u_r), sigmoid(x_z + u_z)
    n = np.tanh(x_n + r * u_n)
    return ((1 - z) * n + z * h,)


def rnn(x: Vector, u: Vector, h: Vector) -> tuple[Vector, ...]:
    """Return the state after a step of `charrnn.cells.rnn`; as for `lstm`, with (H,) products."""
    return (np.tanh(x + u),)


#: Steps by the names of their cells; nets of other cells write with kernels alone.
STEPS: dict[str, Callable[..., tuple[Vector, ...]]] = {"lstm": lstm, "gru": gru, "rnn": rnn}


class PlainNet:
    """A model that reads one character after another.

    Parameters
    ----------
    config : the model's shape; its cell is in `STEPS`.
    weights : under PyTorch's names and shapes.
    """

    def __init__(self, config: ModelConfig, weights: Mapping[str, Vector]) -> None:
        self.config, self._step = config, STEPS[config.cell]
        layers = range(config.num_layers)
        self._input = [_Affine(weights[f"rnn.weight_ih_l{k}"], weights[f"rnn.bias_ih_l{k}"]) for k in layers]
        self._recurrent = [_Affine(weights[f"rnn.weight_hh_l{k}"], weights[f"rnn.bias_hh_l{k}"]) for k in layers]
        self._output = _Affine(weights["output.weight"], weights["output.bias"])
        self._embedding = weights.get("embedding.weight")
        if self._embedding is None:
            # The product with a one-hot vector is a column of the weights, here a row that lies in one piece.
            self._columns = np.ascontiguousarray(weights["rnn.weight_ih_l0"].T)

    def start(self) -> list[tuple[Vector, ...]]:
        """Return the states of each layer before anything is read."""
        zeros = np.zeros(self.config.hidden_size, np.float32)
        return [(zeros,) * len(get_cell(self.config.cell).states) for _ in range(self.config.num_layers)]

    def read(self, id_: int, states: Sequence[tuple[Vector, ...]]) -> list[tuple[Vector, ...]]:
        """Return the states of each layer after another character."""
        after: list[tuple[Vector, ...]] = []
        for layer, before in enumerate(states):
            if layer > 0:
                x = self._input[layer](after[-1][0])
            elif self._embedding is not None:
                x = self._input[0](self._embedding[id_])
            else:
                x = self._columns[id_] + self._input[0].bias
            after.append(self._step(x, self._recurrent[layer](before[0]), *before))
        return after

    def logits(self, states: Sequence[tuple[Vector, ...]]) -> Vector:
        """Return the logits (V,) of the character that follows."""
        return self._output(states[-1][0])


class _Affine:
    """W x + b, by blocks of rows."""

    def __init__(self, weight: Vector, bias: Vector) -> None:
        self.bias = bias
        self._blocks = np.array_split(np.ascontiguousarray(weight), -(-weight.size // _BLOCK))

    def __call__(self, x: Vector) -> Vector:
        return np.concatenate([block @ x for block in self._blocks]) + self.bias


def choose(logits: Vector, config: SampleConfig, u: float) -> tuple[int | None, float]:
    """Choose a character as `charrnn.kernels.generate.choose` does; None where rounding could decide.

    Parameters
    ----------
    logits : (V,), bias included.
    config : has no filters.
    u : uniform in [0, 1), what the draw rests on.

    Returns
    -------
    id, logprob : the character, and the log-probability that the model itself (temperature 1) gives it.
    """
    shifted = logits.astype(np.float64) - logits.max()
    log_total = np.log(np.exp(shifted).sum())
    if config.argmax:
        index = int(shifted.argmax())
        others = np.delete(shifted, index)
        is_clear = not others.size or bool(shifted[index] - others.max() > MARGIN)  # NaN is not
    else:
        reached = np.exp(shifted / config.temperature).cumsum()
        reached /= reached[-1]
        index = int(reached.searchsorted(u, side="right"))
        borders = reached[max(index - 1, 0):index + 1]
        # If logits move by a margin at most, borders do by this; and a little because these sums are rounded as well.
        moved = MARGIN * max(1, 1 / config.temperature) * borders * (1 - borders) + 1e-12
        is_clear = bool((abs(borders - u) > moved).all())
    return (index, float(shifted[index] - log_total)) if is_clear else (None, 0.0)


def is_short(model: ModelConfig, config: SampleConfig, read: int) -> bool:
    """Tell whether a text is written without kernels. It depends on nothing but what is asked for.

    Parameters
    ----------
    read : characters of the prime.

    Raises
    ------
    ConfigError : this CPU lacks the precision.
    """
    work = (read + config.length) * (parameter_count(model) + _OVERHEAD)
    # Filters cut between small probabilities, of which two are so near each other in most texts that kernels would have
    # to tell which is the larger.
    filters = config.top_k > 0 or config.top_p < 1 or config.min_p > 0
    return (choose_precision(config.precision) == "f32" and work <= _WORK and model.cell in STEPS
            and config.num_samples == 1 and not (config.beam or config.holds or filters))


class PlainGenerator:
    """One text, as `charrnn.generator.Generator` writes it.

    It is written as a whole before its first part is given out, so that nobody waits for kernels to be compiled in the
    middle of a word; but where a stop text may end it, only as far as it is asked for.

    Parameters
    ----------
    net : the model.
    ids : (N,) the prime, from zero states on; at least one character.
    config : as `is_short` allows.
    kernels : returns what goes on after a text (N,) of the prime and some drawn characters, and how many these are.
    """

    def __init__(self, net: PlainNet, ids: NDArray[np.integer], config: SampleConfig,
                 kernels: Callable[[NDArray[np.integer], int], Generator]) -> None:
        self._net, self._config, self._kernels = net, config, kernels
        self._ids, self._dtype, self._position = [int(id_) for id_ in ids], ids.dtype, 0
        self._states = net.start()
        with np.errstate(all="ignore"):  # of a model whose logits overflow no draw is clear
            for id_ in self._ids[:-1]:
                self._states = net.read(id_, self._states)
        self._key = random_key(config.seed)
        self._successor: Generator | None = None
        self._may_stop = bool(config.stop) or config.until_line is not None
        self._ready = np.zeros((0, 1), np.int64), np.zeros((0, 1))

    def next(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the next `count` characters (N, 1) and their log-probabilities (N, 1)."""
        (ids, log_probabilities), rest = self._ready, 0 if self._may_stop else self._config.length - self._position
        if len(ids) < count:
            more = self._further(max(count - len(ids), rest))
            ids, log_probabilities = np.concatenate([ids, more[0]]), np.concatenate([log_probabilities, more[1]])
        self._ready = ids[count:], log_probabilities[count:]
        return ids[:count], log_probabilities[:count]

    def _further(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Write `count` more characters, as far as may be without kernels."""
        ids, log_probabilities = np.zeros((count, 1), np.int64), np.zeros((count, 1))
        done = 0 if self._successor else self._write(ids, log_probabilities)
        if done < count:
            if self._successor is None:
                self._successor = self._kernels(np.array(self._ids, self._dtype), self._position)
            ids[done:], log_probabilities[done:] = self._successor.next(count - done)
        return ids, log_probabilities

    def _write(self, ids: np.ndarray, log_probabilities: np.ndarray) -> int:
        """Write characters as far as their draws are clear and return how many these are."""
        for i, u in enumerate(random_numbers(self._key, self._position, len(ids))):
            with np.errstate(all="ignore"):
                states = self._net.read(self._ids[-1], self._states)
                index, log_probabilities[i] = choose(self._net.logits(states), self._config, u)
            if index is None:
                return i
            self._states, ids[i] = states, index
            self._ids.append(index)
            self._position += 1
        return len(ids)

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with the only text there is."""
