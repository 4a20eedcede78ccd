"""Softmax and cross-entropy over the characters, safe for logits of any size."""

from __future__ import annotations

import numpy as np

from charrnn.kernels.activation import exp
from charrnn.kernels.jit import jit
from charrnn.kernels.window import accumulate


@jit(inner=True)
def maximum(row):
    """Return the largest of (n,) numbers."""
    # Plain comparisons would not vectorise, since they must keep NaN apart; a NaN is seen in the sum of exponentials.
    top = row[0]
    for v in range(row.size):
        top = max(top, row[v])
    return top


@jit
def _exp_sum(row, top):
    total = row.dtype.type(0)
    for v in range(row.size):
        row[v] = exp(row[v] - top)
        total += row[v]
    return total


@jit
def _scale(row, factor):
    for v in range(row.size):
        row[v] *= factor


@jit
def softmax(row):
    """Turn logits (V,) into probabilities in place; returns log of the sum and the maximum that was taken off."""
    top = maximum(row)
    total = _exp_sum(row, top)
    _scale(row, row.dtype.type(1) / total)
    return np.log(total), top


@jit
def cross_entropy(logits, bias, targets, losses, vocab_size, scale, first, last):
    """Loss of each prediction, and the gradient of their sum times `scale` with respect to the logits, in place.

    Parameters
    ----------
    logits : (T, B, V padded), without the bias; becomes the gradient, 0 in the padding.
    bias : (V padded,).
    targets : (T, B), the characters that came.
    losses : (T, B), nats (out).
    first, last : rows of the batch to do.
    """
    for t in range(targets.shape[0]):
        for b in range(first, last):
            row = logits[t, b, :vocab_size]
            accumulate(bias[:vocab_size], row)
            target = targets[t, b]
            score = row[target]
            log_total, top = softmax(row)
            losses[t, b] = log_total + top - score
            _scale(row, row.dtype.type(scale))
            row[target] -= row.dtype.type(scale)
            logits[t, b, vocab_size:] = 0
