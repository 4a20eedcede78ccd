"""A network in working order: parameters, packed weights, work space and threads around the kernels.

Rows of the batch go forward and back through the window, independent of each other, so threads take rows; of the weight
gradients, which are sums over all rows, threads take parts. No sum depends on how many threads there are.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from charrnn.cells import get_cell
from charrnn.config import ModelConfig
from charrnn.errors import ConfigError
from charrnn.kernels import sweep
from charrnn.kernels.connections import drop_connections
from charrnn.kernels.jit import specialise
from charrnn.kernels.packing import pack_recurrent, pack_weights
from charrnn.kernels.product import (
    REPLACE,
    Sums,
    multiply,
    pack,
    packed_room,
    panel_count,
    sum_room,
)
from charrnn.kernels.share import ALONE, Share, meet_all
from charrnn.kernels.softmax import cross_entropy
from charrnn.kernels.tile import HAS_BF16
from charrnn.kernels.window import Weights, Window
from charrnn.model import Layout, padded
from charrnn.threads import Team

#: Parameters above which threads share the columns of a row's products: below, they would wait longer than they work.
SHARED_PARAMETERS = 300_000

#: Jobs that one thread does alone after threads that shared columns had to wait for a core: other programs are busy.
CROWDED_JOBS = 50

#: What training reaches of the speed of a product in NumPy, as nets of 128 to 512 units were seen to do.
RATE_SHARE = {"f32": 1.0, "bf16": 1.6}

#: dtype of packed weights for each precision; "f64" is for gradient checks.
_PACKED = {"f32": np.float32, "bf16": np.uint32, "f64": np.float64}


@functools.cache
def passes(cell_name: str) -> tuple[Any, Any]:
    """Return the compiled forward and backward pass of a cell."""
    cell = get_cell(cell_name)
    return (specialise(sweep.forward_pass, cell_name, cell_forward=cell.forward),
            specialise(sweep.backward_pass, cell_name, cell_backward=cell.backward))


def choose_precision(precision: str) -> str:
    """Return what training takes for `precision`: for "auto", bf16 where the CPU has its products.

    Raises
    ------
    ConfigError : this CPU cannot do it.
    """
    if precision == "auto":
        return "bf16" if HAS_BF16 else "f32"
    check_precision(precision)
    return precision


def check_precision(precision: str) -> None:
    """Raise `ConfigError` where this CPU cannot do `precision`."""
    if precision == "bf16" and not HAS_BF16:
        raise ConfigError("--precision bf16 needs a CPU with bfloat16 dot products (AVX512_BF16); this one lacks them: "
                          "use --precision f32")


class Network:
    """A model that computes.

    Parameters
    ----------
    config : the model's shape.
    parameters : under PyTorch's names and shapes.
    batch_size, seq_len : B and the largest T of a window.
    threads : how many share the work; never changes a result.
    precision : "f32", "bf16" or "f64".
    training : whether gradients will be asked for.

    Attributes
    ----------
    flat, gradient : (size,) the parameters, and their gradient after `loss_and_gradient`.
    states : (L, S, B, H padded) states that the next window starts from; S states, h first.
    weights : the packed weights, as the kernels read them.
    """

    def __init__(self, config: ModelConfig, parameters: Mapping[str, np.ndarray], *, batch_size: int, seq_len: int,
                 threads: int = 1, precision: str = "f32", training: bool = False) -> None:
        check_precision(precision)
        self.config, self.cell, self.layout = config, get_cell(config.cell), Layout(config)
        self.batch_size, self.seq_len = batch_size, seq_len
        self.team = Team(threads)
        self._crowded = 0  # jobs until columns are shared again
        self.dtype = np.float64 if precision == "f64" else np.float32
        self.flat = self.layout.from_named(parameters, self.dtype)
        self._forward, self._backward = passes(config.cell)
        self._allocate(_PACKED[precision], training)
        self.pack()

    def _allocate(self, packed: Any, training: bool) -> None:
        config, cell = self.config, self.cell
        layers, batch, steps = config.num_layers, self.batch_size, self.seq_len
        hidden, vocab, embedding = padded(config.hidden_size), padded(config.vocab_size), padded(config.embedding_size)
        gates, apart = len(cell.gates) * hidden, cell.apart * hidden
        pairs = 2 if packed == np.uint32 else 1

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros(shape, self.dtype)

        def room(count: int, rows: int, columns: int) -> np.ndarray:
            return packed_room(count, rows * columns // pairs, dtype=packed)

        self._parameters = self.layout.kernel_views(self.flat)
        back = layers if training else 0  # without training, the backward pass's weights take no room
        # Training looks up the vectors of the characters that a window has. Otherwise each character comes many times
        # between two updates, so that what it comes to in the first layer is put into a table.
        looks_up, tabled = embedding * training, embedding * (not training)
        self._first = room(1, tabled, gates)[0]
        self.weights = Weights(
            table=zeros(config.vocab_size, gates) if tabled else self._parameters.table,
            embedding=self._parameters.embedding[:config.vocab_size * training],
            first=room(1, looks_up, gates)[0], first_back=room(1, gates, looks_up)[0],
            input=room(layers - 1, hidden, gates),
            recurrent=room(layers, hidden, gates - apart), recurrent_apart=room(layers, hidden, apart),
            input_back=room(max(back - 1, 0), gates, hidden), recurrent_back=room(back, gates - apart, hidden),
            apart_back=room(back, apart, hidden), bias=zeros(layers, gates), bias_apart=zeros(layers, apart),
            output=room(1, hidden, vocab)[0], output_back=room(1 if training else 0, vocab, hidden).reshape(-1),
            output_bias=zeros(vocab))
        self._window = Window(
            z=zeros(layers, steps, batch, gates), u=zeros(1, batch, apart),
            states=zeros(layers, len(cell.states), steps + 1, batch, hidden),
            tape=zeros(layers, steps, batch, cell.kept * hidden),
            embedded=zeros(steps, batch, looks_up) if looks_up else zeros(0, 0, 0),
            outputs=zeros(layers, steps, batch, hidden) if training and config.dropout else zeros(0, 0, 0, 0),
            logits=zeros(steps, batch, vocab), dh=zeros(steps, batch, hidden) if training else zeros(0, 0, hidden),
            dembedded=zeros(steps, batch, looks_up) if looks_up else zeros(0, 0, 0),
            dstates=zeros(layers, len(cell.states), batch, hidden) if training else zeros(0, 0, 0, 0),
            units=config.hidden_size)
        self.states = zeros(layers, len(cell.states), batch, hidden)
        self._losses = np.zeros((steps, batch), self.dtype)
        # The recurrent weights without the connections that an update leaves out, and whether these are packed now.
        self._thinned = zeros(layers if training and config.recurrent_dropout else 0, gates, hidden)
        self._thin = False
        if training:
            self.gradient = zeros(self.layout.size)
            self._gradients = self.layout.kernel_views(self.gradient)
            self._sums = sum_room(self.team.size, max(hidden, embedding), packed)
            self._no_sums = Sums(self._sums.left[0, :0], np.zeros((2, 0), packed))

    def pack(self) -> None:
        """Bring the packed weights up to date with the parameters."""
        self.team.run_together(self.pack_share)

    def pack_share(self, share: Share) -> None:
        """One thread's share of `pack`; all members of the team take part."""
        self._thin = False
        pack_weights(self._parameters, self.weights, self.cell.apart, share.member, share.members)
        if not self._first.size:
            return
        first, table, part, parts = self._parameters.first, self.weights.table, share.member, share.members
        (gates, _), rows = first.shape, len(table)
        panels = panel_count(gates, self._first.itemsize)
        pack(first, 1, self._first, panels * part // parts, panels * (part + 1) // parts)
        meet_all(share)
        multiply(self._parameters.embedding[None], self._first, table[None], gates, rows * part // parts,
                 rows * (part + 1) // parts, REPLACE)

    def _leave_out_connections(self, key: int) -> None:
        """Pack the recurrent weights without those that an update leaves out."""
        dropout, recurrent, thinned = float(self.config.recurrent_dropout), self._parameters.recurrent, self._thinned

        def work(share: Share) -> None:
            drop_connections(recurrent, thinned, np.uint64(key), dropout, share.member, share.members)
            meet_all(share)
            pack_recurrent(thinned, self.weights, self.cell.apart, share.member, share.members)

        self.team.run_together(work)
        self._thin = True

    def named_parameters(self) -> dict[str, np.ndarray]:
        """Return copies of the parameters under PyTorch's names and shapes."""
        return self.layout.to_named(self.flat)

    def share_out(self, rows: int, job: Callable[[Share], None]) -> None:
        """Call `job` in every thread with its share of `rows` rows: of the rows, or where these are few, of columns."""
        by_columns = rows < self.team.size and self.layout.size > SHARED_PARAMETERS and not self._crowded
        self._crowded = max(self._crowded - 1, 0)

        def work(share: Share) -> None:
            part, parts = share.member, share.members
            if by_columns:
                job(share._replace(first=0, last=rows, part=part, parts=parts))
            else:
                job(share._replace(first=rows * part // parts, last=rows * (part + 1) // parts))

        if rows == 1 and not by_columns:
            work(ALONE)
        elif self.team.run_together(work) and by_columns:
            self._crowded = CROWDED_JOBS

    def loss_and_gradient(self, ids: np.ndarray, targets: np.ndarray, key: int = 0) -> float:
        """Go forward and back through one window; returns the mean loss and leaves its gradient in `gradient`.

        Parameters
        ----------
        ids, targets : (T, B) characters and those that follow them, T at most `seq_len`.
        key : decides, with the config, what dropout leaves out.
        """
        steps, window, weights, dropout = len(ids), self._window, self.weights, float(self.config.dropout)
        seed, left_out = np.uint64(key), float(self.config.recurrent_dropout)
        if left_out:
            self._leave_out_connections(key)
        window.states[:, :, 0] = self.states
        window.dstates[...] = 0
        scale = 1.0 / ids.size

        def through(share: Share) -> None:
            self._forward(ids, weights, window, share, dropout, seed)
            if share.part == 0:
                cross_entropy(window.logits, weights.output_bias, targets, self._losses, self.config.vocab_size, scale,
                              share.first, share.last)
            self._backward(ids, weights, window, share, dropout, seed, self._gradients, self._sums.of(share.member))
            if self.config.tie_weights:
                meet_all(share)
                self._tie(share)

        def thin_out(part: int, parts: int) -> None:
            drop_connections(self._gradients.recurrent, self._gradients.recurrent, seed, left_out, part, parts)

        self.share_out(self.batch_size, through)
        if left_out:
            self.team.run(thin_out)
        if not self.config.recurrent_bias:
            self._gradients.bias_recurrent[...] = 0
        self.states = window.states[:, :, steps].copy()
        return float(self._losses[:steps].sum(dtype=np.float64) * scale)

    def window_losses(self, steps: int) -> np.ndarray:
        """Return the loss (T, B) of each prediction, in nats, in the window that `loss_and_gradient` last saw."""
        return self._losses[:steps].copy()

    def _tie(self, share: Share) -> None:
        """Give the embedding and the output's weights the sum of both gradients, so that they stay equal."""
        embedding, output = self._gradients.embedding, self._gradients.output
        part, parts = share.member, share.members
        rows = slice(len(embedding) * part // parts, len(embedding) * (part + 1) // parts)
        output[rows] += embedding[rows]
        embedding[rows] = output[rows]

    def losses(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss (T, B) of each prediction in a window, in nats, without dropout; `states` move on."""
        window, weights = self._window, self.weights
        window.states[:, :, 0] = self.states
        if self._thin:
            self.pack()

        def through(share: Share) -> None:
            self._forward(ids, weights, window, share, 0.0, np.uint64(0))
            if share.part == 0:
                cross_entropy(window.logits, weights.output_bias, targets, self._losses, self.config.vocab_size, 0.0,
                              share.first, share.last)

        self.share_out(self.batch_size, through)
        self.states = window.states[:, :, len(ids)].copy()
        return self._losses[: len(ids)].copy()

    def forward(self, ids: np.ndarray) -> Window:
        """Go forward through a window (T, B), without dropout, and return all that passed through; `states` move on.

        What is returned lasts until the next window: gates `z` up to step T, `states` from the initial ones up to
        step T, and logits without their bias.
        """
        window = self._window
        window.states[:, :, 0] = self.states
        if self._thin:
            self.pack()
        self.share_out(self.batch_size,
                       lambda share: self._forward(ids, self.weights, window, share, 0.0, np.uint64(0)))
        self.states = window.states[:, :, len(ids)].copy()
        return window

    def rehearse(self, ids: np.ndarray) -> None:
        """Go forward through a window (T, B) as training does, for what has to be compiled to be; changes nothing."""
        states = self.states
        self.forward(ids)
        self.states = states

    def input_gradient(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the norms (T, B) of the gradient of each row's last logit by each step's input, for a window (T, B).

        The input is the embedding, or the one-hot vector where there is none. The network has to be one for training.

        Parameters
        ----------
        targets : (B,) the character whose logit it is.
        """
        window, steps = self.forward(ids), len(ids)
        window.logits[:steps] = 0
        window.logits[steps - 1, np.arange(self.batch_size), targets] = 1
        window.dstates[...] = 0
        self.share_out(self.batch_size, lambda share: self._backward(
            ids, self.weights, window, share, 0.0, np.uint64(0), self._gradients, self._no_sums))
        dgates, groups = window.z[0, :steps], self.layout.groups(self.flat)
        gradient = dgates @ groups["first"] if self.config.embedding_size else dgates @ groups["table"].T
        return np.linalg.norm(gradient, axis=2)

    def logits(self, ids: np.ndarray) -> np.ndarray:
        """Return the logits (T, B, V) after each character of a window (T, B), without dropout; `states` move on."""
        window = self.forward(ids)
        return (window.logits[: len(ids)] + self.weights.output_bias)[..., : self.config.vocab_size]


def memory_needed(config: ModelConfig, batch_size: int, seq_len: int) -> int:
    """Return about how many bytes training holds: parameters, gradient, moments, copies, packed weights, a window."""
    cell, layers = get_cell(config.cell), config.num_layers
    hidden, vocab = padded(config.hidden_size), padded(config.vocab_size)
    rows = batch_size * seq_len
    a_row = (len(cell.gates) + len(cell.states) + cell.kept + (1 if config.dropout else 0)) * hidden * layers
    thinned = layers * len(cell.gates) * hidden * hidden if config.recurrent_dropout else 0
    # Parameters, gradient, two moments and the average; the last good state of all but the gradient; packed both ways
    # for training, one way for evaluation.
    a_step = hidden + vocab + 2 * padded(config.embedding_size)
    return 4 * (12 * Layout(config).size + thinned + rows * (a_row + a_step))


def step_operations(config: ModelConfig, batch_size: int, seq_len: int) -> float:
    """Return the floating-point operations of one training step: six for each weight that a character meets.

    Two are for the forward product and four for its gradients; one-hot input weights are looked up, not multiplied.
    """
    gates, hidden = len(get_cell(config.cell).gates), config.hidden_size
    inputs = config.embedding_size + hidden * (2 * config.num_layers - 1)
    weights = gates * hidden * inputs + hidden * config.vocab_size
    return 6.0 * batch_size * seq_len * weights


def useful_threads(config: ModelConfig, batch_size: int, seq_len: int, threads: int) -> int:
    """Return `threads`, or 1 where a step is so small that handing out the work takes longer than doing it."""
    return threads if step_operations(config, batch_size, seq_len) > 12e6 else 1


@functools.cache
def core_rate() -> float:
    """Return the floating-point operations a second of one core, measured in a twentieth of a second.

    By a product in NumPy so small that BLAS gives it to one thread, and the best of thousands: other programs on the
    same cores do not change it, while large products on busy cores were seen to be slower by a factor of thirty.
    """
    a = np.ones((64, 64), np.float32)
    out, best, end = np.empty_like(a), math.inf, time.perf_counter() + 0.05
    while (start := time.perf_counter()) < end or best == math.inf:
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - start)
    return float(2 * len(a) ** 3 / max(best, 1e-9))


def training_rate(precision: str, threads: int) -> float:
    """Return about how many floating-point operations a second (`step_operations`) training does on idle cores."""
    return RATE_SHARE[precision] * core_rate() * threads
