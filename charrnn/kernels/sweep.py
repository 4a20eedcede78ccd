"""The sweep over time: a stack of layers forward through a window of text, and back.

Written once for all cells: `cell_forward` and `cell_backward` stand for a cell's own halves of a step, which
`charrnn.network` binds with `specialise`. L layers, T steps, B rows, H units, G gates, S states, A kept values, V
characters; H and V are padded to a multiple of `LANES`, and all that the padding holds is and stays 0.

Rows of the batch are independent of each other in both passes, so threads take rows `first` to `last` each, and only
where there are fewer rows than threads do they share the columns of the forward products (`charrnn.kernels.share`);
weight gradients are sums over all rows, so there all threads meet and take rows of the weight matrices. No sum depends
on how many threads there are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.jit import jit
from charrnn.kernels.product import (
    _ONE,
    _ZERO,
    ADD,
    REPLACE,
    SUM_BLOCK,
    multiply,
    multiply_block,
    multiply_share,
    pack,
    pack_block,
    panel_count,
)
from charrnn.kernels.random import drop, mix
from charrnn.kernels.share import meet, meet_all
from charrnn.kernels.softmax import _add

#: Bytes of gates that pass through one kind of work before the next takes them up, while they are in a core's cache.
_CACHED = 128 * 1024


class Weights(NamedTuple):
    """The weights as the sweep reads them: products packed, both biases of a gate added up."""

    table: np.ndarray  # (V, G * H) what each character puts into the first layer's gates; (0, G * H) where looked up
    embedding: np.ndarray  # (V, E) each character's vector; (0, E) where the table has what it comes to
    first: np.ndarray  # (E * G * H) packed, the first layer; (0,) with a table
    first_back: np.ndarray  # (G * H * E) packed transposed; (0,) with a table
    input: np.ndarray  # (L - 1, H * G * H) packed, layers above the first
    input_back: np.ndarray  # (L - 1, G * H * H) packed transposed
    recurrent: np.ndarray  # (L, H * (G - apart) * H) packed
    recurrent_apart: np.ndarray  # (L, H * apart * H) packed
    recurrent_back: np.ndarray  # (L, (G - apart) * H * H) packed transposed
    apart_back: np.ndarray  # (L, apart * H * H) packed transposed
    bias: np.ndarray  # (L, G * H)
    bias_apart: np.ndarray  # (L, apart * H) recurrent bias of the gates that are apart
    output: np.ndarray  # (H * V) packed
    output_back: np.ndarray  # (V * H) packed transposed
    output_bias: np.ndarray  # (V,)


class Window(NamedTuple):
    """What passes through the net in one window of text; kept from the forward pass for the backward pass."""

    z: np.ndarray  # (L, T, B, G * H) gates, then the gradient of what went into them
    u: np.ndarray  # (1, B, apart * H) recurrent product of one step for the gates that are apart
    states: np.ndarray  # (L, S, T + 1, B, H), [:, :, 0] the initial ones
    tape: np.ndarray  # (L, T, B, A * H)
    embedded: np.ndarray  # (T, B, E) the characters' vectors after dropout; (0, 0, 0) with a table
    outputs: np.ndarray  # (L, T, B, H) outputs after dropout; (0, 0, 0, 0) without dropout
    logits: np.ndarray  # (T, B, V), then their gradient
    dh: np.ndarray  # (T, B, H) gradient of a layer's outputs
    dembedded: np.ndarray  # (T, B, E) gradient of `embedded`
    dstates: np.ndarray  # (L, S, B, H) gradient of the final states, then of the initial ones


class ParameterViews(NamedTuple):
    """The parameters, or their gradient: views of a flat buffer, as `charrnn.model` lays it out."""

    table: np.ndarray  # (V, G * H); (0, G * H) with an embedding
    embedding: np.ndarray  # (V, E); (0, 0) without one
    first: np.ndarray  # (G * H, E); (0, 0) without an embedding
    input: np.ndarray  # (L - 1, G * H, H)
    recurrent: np.ndarray  # (L, G * H, H)
    bias_input: np.ndarray  # (L, G * H)
    bias_recurrent: np.ndarray  # (L, G * H)
    output: np.ndarray  # (V, H)
    output_bias: np.ndarray  # (V,)


@jit
def _copy(source, target):
    for j in range(target.size):
        target[j] = source[j]


@jit
def _pack_share(source, transposed, packed, part, parts):
    panels = panel_count(source.shape[0] if transposed else source.shape[1], packed.itemsize)
    pack(source, transposed, packed, panels * part // parts, panels * (part + 1) // parts)


@jit
def pack_recurrent(recurrent, weights, apart, part, parts):
    """Bring the recurrent matrices of `weights` up to date with (L, G * H, H) `recurrent`, share `part` of `parts`."""
    joined = recurrent.shape[1] - apart * recurrent.shape[2]
    for layer in range(recurrent.shape[0]):
        _pack_share(recurrent[layer, :joined], _ONE, weights.recurrent[layer], part, parts)
        if apart > 0:
            _pack_share(recurrent[layer, joined:], _ONE, weights.recurrent_apart[layer], part, parts)
        if weights.recurrent_back.shape[0] > 0:
            _pack_share(recurrent[layer, :joined], _ZERO, weights.recurrent_back[layer], part, parts)
            if apart > 0:
                _pack_share(recurrent[layer, joined:], _ZERO, weights.apart_back[layer], part, parts)


@jit
def pack_weights(parameters, weights, apart, part, parts):
    """Bring `weights` up to date with `parameters`, share `part` of `parts`; the table is not this function's.

    The matrices for the backward pass, and those of an embedding, are left out where `weights` has no room for them.
    """
    joined = parameters.recurrent.shape[1] - apart * parameters.recurrent.shape[2]
    training = weights.recurrent_back.shape[0] > 0
    pack_recurrent(parameters.recurrent, weights, apart, part, parts)
    if weights.first.size > 0:
        _pack_share(parameters.first, _ONE, weights.first, part, parts)
    if weights.first_back.size > 0:
        _pack_share(parameters.first, _ZERO, weights.first_back, part, parts)
    for layer in range(weights.recurrent.shape[0]):
        if layer > 0:
            _pack_share(parameters.input[layer - 1], _ONE, weights.input[layer - 1], part, parts)
            if training:
                _pack_share(parameters.input[layer - 1], _ZERO, weights.input_back[layer - 1], part, parts)
        if part == 0:
            for j in range(parameters.bias_input.shape[1]):
                weights.bias[layer, j] = parameters.bias_input[layer, j]
                if j < joined:
                    weights.bias[layer, j] += parameters.bias_recurrent[layer, j]
                else:
                    weights.bias_apart[layer, j - joined] = parameters.bias_recurrent[layer, j]
    _pack_share(parameters.output, _ONE, weights.output, part, parts)
    if training:
        _pack_share(parameters.output, _ZERO, weights.output_back, part, parts)
    if part == 0:
        _copy(parameters.output_bias, weights.output_bias)


def cell_forward(z, u, bias_apart, states, t, b, tape):
    """Stand-in for `Cell.forward`."""
    raise NotImplementedError


def cell_backward(z, states, t, b, tape, dh, dstates):
    """Stand-in for `Cell.backward`."""
    raise NotImplementedError


@jit(inner=True)
def start_gates(ids, weights, layer, z, first, last):
    """Start the sums in (B, G * H) `z`: with the bias, and in the first layer with the table's rows of characters (B,).

    Going over the rows in order, before the products do by columns, is also what brings them into the cache.
    """
    for b in range(first, last):
        _copy(weights.bias[layer], z[b])
        if layer == 0 and weights.table.shape[0] > 0:
            _add(z[b], weights.table[ids[b]])


@jit(inner=True)
def add_recurrent(h, weights, layer, z, u, share):
    """Add the recurrent product of (1, B, H) `h` to the gates (1, B, G * H) `z`; that of gates apart goes into `u`."""
    apart = weights.bias_apart.shape[1]
    multiply_share(h, weights.recurrent[layer], z, z.shape[2] - apart, share, ADD)
    if apart > 0:
        multiply_share(h, weights.recurrent_apart[layer], u, apart, share, REPLACE)


@jit
def _layer_outputs(window, layer, steps, dropout):
    if dropout > 0:
        return window.outputs[layer, :steps]
    return window.states[layer, 0, 1:steps + 1]


@jit
def _layer_inputs(window, layer, steps, dropout):
    """Return what a layer's product reads (T, B, H), for the first one the embedded characters (T, B, E)."""
    if layer > 0:
        return _layer_outputs(window, layer - 1, steps, dropout)
    return window.embedded[:steps]


@jit
def _input_weights(weights, layer):
    """Return the packed weights of a layer's input; none where a table stands for them."""
    if layer > 0:
        return weights.input[layer - 1]
    return weights.first


@jit
def _embed(ids, embedding, dropout, key, t, embedded, first, last):
    """Look up the vectors of characters (B,) and leave out elements of them: rows `first` to `last` of (B, E)."""
    for b in range(first, last):
        _copy(embedding[ids[b]], embedded[b])
        if dropout > 0:
            drop(embedded[b], mix(mix(key, t), b), dropout)


@jit
def _steps_in_cache(z, rows):
    """Return how many steps of `rows` rows of (T, B, G * H) `z` a core's own cache holds beside the weights."""
    return max(1, _CACHED // max(rows * z.shape[2] * z.itemsize, 1))


def forward_pass(ids, weights, window, share, dropout, key):
    """From characters (T, B) and the initial states in `window` to logits (without bias) and final states.

    Of threads that share columns, the first one does what is not a product.
    `dropout` and `key` (uint64) decide what is left out of embedded characters and of the layers' outputs.
    """
    layers = window.z.shape[0]
    steps = ids.shape[0]
    of_embedded = mix(key, 2 * layers)  # below are the keys of the layers' outputs, and of connections left out
    first, last = share.first, share.last if share.part == 0 else share.first
    chunk = _steps_in_cache(window.z[0], share.last - first)
    for layer in range(layers):
        z, states = window.z[layer, :steps], window.states[layer]
        below, into = _layer_inputs(window, layer, steps, dropout), _input_weights(weights, layer)
        for start in range(0, steps, chunk):
            end = min(start + chunk, steps)
            for t in range(start, end):
                start_gates(ids[t], weights, layer, z[t], first, last)
                if layer == 0 and into.size > 0:
                    _embed(ids[t], weights.embedding, dropout, of_embedded, t, window.embedded[t], first, last)
            meet(share)
            if into.size > 0:
                multiply_share(below[start:end], into, z[start:end], z.shape[2], share, ADD)
                meet(share)  # where gates are apart, the recurrent product's columns are shared out otherwise
            for t in range(start, end):
                add_recurrent(states[0, t:t + 1], weights, layer, z[t:t + 1], window.u, share)
                meet(share)
                for b in range(first, last):
                    cell_forward(z[t, b], window.u[0, b], weights.bias_apart[layer], states, t, b,
                                 window.tape[layer, t, b])
                meet(share)
        if dropout > 0:
            for t in range(steps):
                for b in range(first, last):
                    row = window.outputs[layer, t, b]
                    _copy(states[0, t + 1, b], row)
                    drop(row, mix(mix(mix(key, layer), t), b), dropout)
    top = _layer_outputs(window, layers - 1, steps, dropout)
    meet(share)
    multiply_share(top, weights.output, window.logits[:steps], window.logits.shape[2], share, REPLACE)
    meet(share)


def backward_pass(ids, weights, window, share, dropout, key, gradients, sums):
    """From the gradient of the logits to that of every gate, and from `dstates` of the final to the initial states.

    Of threads that share columns, the first one goes through the window. All threads share the gradients of the
    weights, which are summed up block by block while what they are made of is still in a cache; without room for
    `sums` there are none.
    """
    layers = window.z.shape[0]
    steps = ids.shape[0]
    first, last = share.first, share.last if share.part == 0 else share.first
    dh = window.dh[:steps]
    units = dh.shape[2]
    block = max(1, SUM_BLOCK // window.z.shape[2])
    embeds = window.dembedded.size > 0
    multiply(window.logits[:steps], weights.output_back, dh, units, first, last, REPLACE)
    if sums.right.size > 0:
        meet_all(share)
        _output_gradients(window, steps, gradients, share, dropout, sums)
    for layer in range(layers - 1, -1, -1):
        if dropout > 0:
            for t in range(steps):
                for b in range(first, last):
                    drop(dh[t, b], mix(mix(mix(key, layer), t), b), dropout)
        z, states, dstates = window.z[layer, :steps], window.states[layer], window.dstates[layer]
        add = REPLACE
        for end in range(steps, 0, -block):
            start = max(end - block, 0)
            for t in range(end - 1, start - 1, -1):
                for b in range(first, last):
                    cell_backward(z[t, b], states, t, b, window.tape[layer, t, b], dh[t, b], dstates)
                multiply(z[t:t + 1], weights.recurrent_back[layer], dstates[0:1], units, first, last, ADD)
                if weights.apart_back.shape[1] > 0:
                    multiply(window.tape[layer, t:t + 1], weights.apart_back[layer], dstates[0:1], units, first, last,
                             ADD)
            if layer > 0:
                multiply(z[start:end], weights.input_back[layer - 1], dh[start:end], units, first, last, REPLACE)
            elif embeds:
                multiply(z[start:end], weights.first_back, window.dembedded[start:end], window.dembedded.shape[2],
                         first, last, REPLACE)
            if sums.right.size > 0:
                meet_all(share)
                _layer_gradients(ids, window, layer, steps, start, end, gradients, share, dropout,
                                 weights.bias_apart.shape[1], sums, add)
            add = ADD
    if embeds and sums.right.size > 0:
        if dropout > 0:
            for t in range(steps):
                for b in range(first, last):
                    drop(window.dembedded[t, b], mix(mix(mix(key, 2 * layers), t), b), dropout)
        meet_all(share)
        _embedding_gradient(ids, window, steps, gradients, share)


@jit
def _add_rows(rows, start, count, first, last, total, add):
    """Add columns `first` to `last` of `count` rows of (M, n) `rows` to the same columns of (n,) `total`."""
    sums = total[first:last]
    if add == REPLACE:
        sums[:] = 0
    for m in range(start, start + count):
        row = rows[m][first:last]
        for j in range(sums.size):
            sums[j] += row[j]


@jit
def _scatter_add(ids, rows, start, count, first, last, table, add):
    """table[ids[m]] += rows[m] over columns `first` to `last` of `count` rows."""
    if add == REPLACE:
        table[:, first:last] = 0
    for m in range(start, start + count):
        total, more = table[ids[m]][first:last], rows[m][first:last]
        for j in range(more.size):
            total[j] += more[j]


@jit
def _share_rows(total, share):
    """Return the range that a thread does of a weight matrix's `total` rows, in whole tiles."""
    tiles = (total + 5) // 6
    return (min(total, 6 * (tiles * share.member // share.members)),
            min(total, 6 * (tiles * (share.member + 1) // share.members)))


@jit
def _layer_gradients(ids, window, layer, steps, start, end, gradients, share, dropout, apart, sums, add):
    """Sum the gradients of a layer's weights over the steps `start` to `end`: a thread's share of their rows.

    A block of rows goes into every sum it belongs to before the next one is read. `apart` is how many columns of the
    recurrent product have a gradient of their own (in `tape`).
    """
    batch, gates = window.z.shape[2:]
    units = window.dh.shape[2]
    rows = steps * batch
    joined = gates - apart
    first, last = _share_rows(gates, share)
    joined_last = min(last, joined)
    apart_first, apart_last = max(first - joined, 0), max(last - joined, 0)
    z = window.z[layer, :steps].reshape(rows, gates)
    tape = window.tape[layer, :steps].reshape(rows, window.tape.shape[3])
    before = window.states[layer, 0, :steps].reshape(rows, units)
    inputs = _layer_inputs(window, layer, steps, dropout)
    has_inputs = inputs.size > 0
    below = inputs.reshape(rows if has_inputs else 0, inputs.shape[2])
    below_gradient = gradients.input[layer - 1] if layer > 0 else gradients.first
    of_before, of_below = sums.right[0], sums.right[1]
    bias = gradients.bias_input[layer]
    for row in range(start * batch, end * batch, SUM_BLOCK):
        count = min(SUM_BLOCK, end * batch - row)
        _add_rows(z, row, count, first, last, bias, add)
        pack_block(before, row, count, of_before)
        if has_inputs:
            pack_block(below, row, count, of_below)
            multiply_block(z, row, count, first, joined_last, sums.left, of_before, gradients.recurrent[layer],
                           of_below, below_gradient, add)
        else:
            multiply_block(z, row, count, first, joined_last, sums.left, of_before, gradients.recurrent[layer],
                           of_below[:0], gradients.recurrent[layer], add)
            _scatter_add(ids.reshape(rows), z, row, count, first, last, gradients.table, add)
        if apart > 0:
            _add_rows(tape, row, count, apart_first, apart_last, gradients.bias_recurrent[layer, joined:], add)
            multiply_block(tape, row, count, apart_first, apart_last, sums.left, of_before,
                           gradients.recurrent[layer, joined:], of_below[:0], gradients.recurrent[layer], add)
            if has_inputs:
                multiply_block(z, row, count, max(first, joined), last, sums.left, of_below, below_gradient,
                               of_below[:0], gradients.recurrent[layer], add)
        add = ADD
    _copy(bias[first:joined_last], gradients.bias_recurrent[layer, first:joined_last])


@jit
def _embedding_gradient(ids, window, steps, gradients, share):
    """Sum the gradients of embedded characters into those of their vectors: a thread's share of the columns."""
    batch, size = window.dembedded.shape[1:]
    rows = steps * batch
    first, last = size * share.member // share.members, size * (share.member + 1) // share.members
    _scatter_add(ids.reshape(rows), window.dembedded[:steps].reshape(rows, size), 0, rows, first, last,
                 gradients.embedding, REPLACE)


@jit
def _output_gradients(window, steps, gradients, share, dropout, sums):
    """As `_layer_gradients`, of the output's weights over the whole window."""
    vocab = window.logits.shape[2]
    rows = steps * window.logits.shape[1]
    top = _layer_outputs(window, window.z.shape[0] - 1, steps, dropout).reshape(rows, window.dh.shape[2])
    dlogits = window.logits[:steps].reshape(rows, vocab)
    first, last = _share_rows(vocab, share)
    add = REPLACE
    for row in range(0, rows, SUM_BLOCK):
        count = min(SUM_BLOCK, rows - row)
        _add_rows(dlogits, row, count, first, last, gradients.output_bias, add)
        pack_block(top, row, count, sums.right[0])
        multiply_block(dlogits, row, count, first, last, sums.left, sums.right[0], gradients.output, sums.right[1, :0],
                       gradients.output, add)
        add = ADD
