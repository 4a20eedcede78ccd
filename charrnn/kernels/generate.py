"""Generation: one character at a time through the net, a draw, and the drawn character back in.

Rows are independent, so threads take rows each. As in `charrnn.kernels.sweep`, `cell_forward` and `cell_hold` stand for
the cell's own, and `advance` for itself made for that cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.jit import jit
from charrnn.kernels.product import ADD, REPLACE, multiply_share
from charrnn.kernels.random import mix, uniform
from charrnn.kernels.share import meet
from charrnn.kernels.softmax import maximum, softmax
from charrnn.kernels.sweep import add_recurrent, cell_forward, start_gates
from charrnn.kernels.window import accumulate, copy


class Scratch(NamedTuple):
    """Room for one step; shapes as in `charrnn.kernels.window.Window`."""

    z: np.ndarray  # (1, B, G * H)
    u: np.ndarray  # (1, B, apart * H)
    states: np.ndarray  # (L, S, 2, B, H) before and after the step; [:, :, 0] is where the next one starts
    tape: np.ndarray  # (B, A * H)
    logits: np.ndarray  # (1, B, V)
    order: np.ndarray  # (B, V) int64, ids by falling probability
    units: int  # H without padding


class Holds(NamedTuple):
    """Units whose state is held at a value; see `charrnn.kernels.cell.Cell.hold`."""

    row: np.ndarray  # (K,) int64, -1 for all rows
    layer: np.ndarray  # (K,) int64
    unit: np.ndarray  # (K,) int64
    value: np.ndarray  # (K,) of the states' dtype


class Choice(NamedTuple):
    """How a character is chosen; see `charrnn.config.SampleConfig`."""

    argmax: bool
    temperature: float
    top_k: int
    top_p: float
    min_p: float


@jit
def _sort_descending(values, order):
    """Fill `order` (n,) with indices by falling value, equal ones in their own order: a Shell sort with Ciura's
    gaps."""
    for i in range(order.size):
        order[i] = i
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, order.size):
            item, j = order[i], i
            while j >= gap and (values[order[j - gap]] < values[item] or
                                (values[order[j - gap]] == values[item] and order[j - gap] > item)):
                order[j] = order[j - gap]
                j -= gap
            order[j] = item


@jit
def _filter(p, order, choice):
    """Set to 0 the probabilities (V,) that `choice` leaves out: top k, then top p, then min p of what remains."""
    _sort_descending(p, order)
    keep = order.size
    if choice.top_k > 0:
        keep = min(keep, choice.top_k)
    if choice.top_p < 1:
        total, reached, count = 0.0, 0.0, 0
        for i in range(keep):
            total += p[order[i]]
        while count < keep and reached < choice.top_p * total:
            reached += p[order[count]]
            count += 1
        keep = max(count, 1)
    while keep > 1 and p[order[keep - 1]] < choice.min_p * p[order[0]]:
        keep -= 1
    for i in range(keep, order.size):
        p[order[i]] = 0


@jit
def _draw(p, u):
    """Return the first index at which the running sum of `p` (V,) passes the share `u` of its total."""
    total = 0.0
    for v in range(p.size):
        total += p[v]
    target, reached, last = u * total, 0.0, 0
    for v in range(p.size):
        if p[v] > 0:
            reached += p[v]
            last = v
            if reached > target:
                return v
    return last


@jit
def distribute(logits, order, choice):
    """Turn logits (V,) into what a character is drawn from, in place: temperature, then the filters; not normalised.

    `order` (V,) int64 is room.
    """
    top = maximum(logits)
    # The temperature divides in float64, after the maximum was taken off: no temperature above 0 overflows.
    for v in range(logits.size):
        logits[v] = logits.dtype.type(max((np.float64(logits[v]) - top) / choice.temperature, -1e30))
    softmax(logits)
    if choice.top_k > 0 or choice.top_p < 1 or choice.min_p > 0:
        _filter(logits, order, choice)


@jit
def choose(logits, order, choice, u):
    """Choose a character: returns its id and the log-probability that the model itself (temperature 1) gave it.

    Parameters
    ----------
    logits : (V,), bias included; overwritten.
    order : (V,) int64, room.
    u : uniform in [0, 1), what the draw rests on.
    """
    best = 0
    for v in range(logits.size):
        if logits[v] > logits[best]:
            best = v
    top = logits[best]
    total = 0.0
    for v in range(logits.size):
        total += np.exp(np.float64(logits[v] - top))
    if choice.argmax:
        return best, -np.log(total)
    own = logits.copy()
    distribute(logits, order, choice)
    index = _draw(logits, u)
    return index, np.float64(own[index]) - top - np.log(total)


def cell_hold(z, states, t, b, tape, unit, value, units):
    """Stand-in for `Cell.hold`."""
    raise NotImplementedError


def advance(current, weights, scratch, holds, share):
    """Take one character of each row through the net: its logits are left in `scratch`, states move on.

    Of threads that share columns, the first one does what is not a product; its rows alone are done on return.

    Parameters
    ----------
    current : (B,) int64, the character of each row.
    holds : what is held; applied after a layer's step, so that the layers above and the logits see it.
    """
    layers, kinds = scratch.states.shape[:2]
    first, last = share.first, share.last if share.part == 0 else share.first
    for layer in range(layers):
        states = scratch.states[layer]
        start_gates(current, weights, layer, scratch.z[0], first, last)
        meet(share)
        if layer > 0:
            multiply_share(scratch.states[layer - 1, 0, 1:2], weights.input[layer - 1], scratch.z, scratch.z.shape[2],
                           share, ADD)
            meet(share)  # where gates are apart, the recurrent product's columns are shared out otherwise
        add_recurrent(states[0, 0:1], weights, layer, scratch.z, scratch.u, share)
        meet(share)
        for b in range(first, last):
            cell_forward(scratch.z[0, b], scratch.u[0, b], weights.bias_apart[layer], states, 0, b, scratch.tape[b],
                         scratch.units)
        for k in range(holds.layer.size):
            if holds.layer[k] == layer:
                for b in range(first, last):
                    if holds.row[k] < 0 or holds.row[k] == b:
                        cell_hold(scratch.z[0, b], states, 0, b, scratch.tape[b], holds.unit[k], holds.value[k],
                                  scratch.units)
    meet(share)
    multiply_share(scratch.states[layers - 1, 0, 1:2], weights.output, scratch.logits, scratch.logits.shape[2], share,
                   REPLACE)
    meet(share)
    for b in range(first, last):
        accumulate(weights.output_bias, scratch.logits[0, b])
        for layer in range(layers):
            for s in range(kinds):
                copy(scratch.states[layer, s, 1, b], scratch.states[layer, s, 0, b])


def generate(current, weights, scratch, holds, vocab_size, choice, keys, position, out, log_probabilities, share):
    """Write characters for the rows of `share`.

    Parameters
    ----------
    current : (B,) int64, each row's last character; moves on.
    keys : (B,) uint64, each row's random key; draw n of a row depends on (key, n) alone.
    position : n of the first draw.
    out, log_probabilities : (N, B) the characters, and the model's own log-probability of each (out).
    """
    for i in range(out.shape[0]):
        advance(current, weights, scratch, holds, share)
        for b in range(share.first, share.last if share.part == 0 else share.first):
            row = scratch.logits[0, b, :vocab_size]
            index, log_probability = choose(row, scratch.order[b], choice, uniform(mix(keys[b], position + i)))
            current[b] = index
            out[i, b] = index
            log_probabilities[i, b] = log_probability
