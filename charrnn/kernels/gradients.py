"""The gradients of the weights: sums over all steps and rows of a window of what went in, by the gradient of what came.

All threads meet before them and take rows of the weight matrices, so no sum depends on how many threads there are. The
letters are those of `charrnn.kernels.window`.
"""

from __future__ import annotations

from charrnn.kernels.jit import jit
from charrnn.kernels.product import ADD, REPLACE, SUM_BLOCK, multiply_block, pack_block
from charrnn.kernels.window import copy, layer_inputs, layer_outputs


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


@jit(inner=True)
def layer_gradients(ids, window, layer, steps, start, end, gradients, share, dropout, apart, sums, add):
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
    inputs = layer_inputs(window, layer, steps, dropout)
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
    copy(bias[first:joined_last], gradients.bias_recurrent[layer, first:joined_last])


@jit(inner=True)
def embedding_gradient(ids, window, steps, gradients, share):
    """Sum the gradients of embedded characters into those of their vectors: a thread's share of the columns."""
    batch, size = window.dembedded.shape[1:]
    rows = steps * batch
    first, last = size * share.member // share.members, size * (share.member + 1) // share.members
    _scatter_add(ids.reshape(rows), window.dembedded[:steps].reshape(rows, size), 0, rows, first, last,
                 gradients.embedding, REPLACE)


@jit(inner=True)
def output_gradients(window, steps, gradients, share, dropout, sums):
    """As `layer_gradients`, of the output's weights over the whole window."""
    vocab = window.logits.shape[2]
    rows = steps * window.logits.shape[1]
    top = layer_outputs(window, window.z.shape[0] - 1, steps, dropout).reshape(rows, window.dh.shape[2])
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
