"""The sweep over time: a stack of layers forward through a window of text, and back.

Written once for all cells: `cell_forward` and `cell_backward` stand for a cell's own halves of a step, which
`charrnn.network` binds with `specialise`. The letters of shapes are those of `charrnn.kernels.window`.

Rows of the batch are independent of each other in both passes, so threads take rows `first` to `last` each, and only
where there are fewer rows than threads do they share the columns of the forward products (`charrnn.kernels.share`).
"""

from __future__ import annotations

from charrnn.kernels.gradients import embedding_gradient, layer_gradients, output_gradients
from charrnn.kernels.jit import jit
from charrnn.kernels.product import ADD, REPLACE, SUM_BLOCK, multiply, multiply_share
from charrnn.kernels.random import drop, mix
from charrnn.kernels.share import meet, meet_all
from charrnn.kernels.window import accumulate, copy, input_weights, layer_inputs, layer_outputs

#: Bytes of gates that pass through one kind of work before the next takes them up, while they are in a core's cache.
_CACHED = 128 * 1024


def cell_forward(z, u, bias_apart, states, t, b, tape, units):
    """Stand-in for `Cell.forward`."""
    raise NotImplementedError


def cell_backward(z, states, t, b, tape, dh, dstates, units):
    """Stand-in for `Cell.backward`."""
    raise NotImplementedError


@jit(inner=True)
def start_gates(ids, weights, layer, z, first, last):
    """Start the sums in (B, G * H) `z`: with the bias, and in the first layer with the table's rows of characters (B,).

    Going over the rows in order, before the products do by columns, is also what brings them into the cache.
    """
    for b in range(first, last):
        copy(weights.bias[layer], z[b])
        if layer == 0 and weights.table.shape[0] > 0:
            accumulate(weights.table[ids[b]], z[b])


@jit(inner=True)
def add_recurrent(h, weights, layer, z, u, share):
    """Add the recurrent product of (1, B, H) `h` to the gates (1, B, G * H) `z`; that of gates apart goes into `u`."""
    apart = weights.bias_apart.shape[1]
    multiply_share(h, weights.recurrent[layer], z, z.shape[2] - apart, share, ADD)
    if apart > 0:
        multiply_share(h, weights.recurrent_apart[layer], u, apart, share, REPLACE)


@jit
def _embed(ids, embedding, dropout, key, t, embedded, first, last):
    """Look up the vectors of characters (B,) and leave out elements of them: rows `first` to `last` of (B, E)."""
    for b in range(first, last):
        copy(embedding[ids[b]], embedded[b])
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
        below, into = layer_inputs(window, layer, steps, dropout), input_weights(weights, layer)
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
                                 window.tape[layer, t, b], window.units)
                meet(share)
        if dropout > 0:
            for t in range(steps):
                for b in range(first, last):
                    row = window.outputs[layer, t, b]
                    copy(states[0, t + 1, b], row)
                    drop(row, mix(mix(mix(key, layer), t), b), dropout)
    top = layer_outputs(window, layers - 1, steps, dropout)
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
        output_gradients(window, steps, gradients, share, dropout, sums)
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
                    cell_backward(z[t, b], states, t, b, window.tape[layer, t, b], dh[t, b], dstates, window.units)
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
                layer_gradients(ids, window, layer, steps, start, end, gradients, share, dropout,
                                 weights.bias_apart.shape[1], sums, add)
            add = ADD
    if embeds and sums.right.size > 0:
        if dropout > 0:
            for t in range(steps):
                for b in range(first, last):
                    drop(window.dembedded[t, b], mix(mix(mix(key, 2 * layers), t), b), dropout)
        meet_all(share)
        embedding_gradient(ids, window, steps, gradients, share)
