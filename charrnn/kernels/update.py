"""One update of the flat parameters from the flat gradient, element by element, for each optimizer.

The formulas are PyTorch's, eps included, so that training can be compared step by step. `clip` scales the whole
gradient (global norm), `limit` bounds each element after that, `decay` is the weight decay, `first` and `second` are
the moments.
"""

from __future__ import annotations

import numpy as np

from charrnn.kernels.jit import jit

#: Elements whose squares are added up into one number of `square_sums`.
NORM_CHUNK = 4096


@jit
def square_sums(gradient, sums, first, last):
    """sums[i] = sum of the squares of chunk i of `gradient`, for chunks `first` to `last`."""
    for i in range(first, last):
        chunk = gradient[i * NORM_CHUNK:(i + 1) * NORM_CHUNK]
        total = chunk.dtype.type(0)
        for j in range(chunk.size):
            total += chunk[j] * chunk[j]
        sums[i] = total


@jit
def total(sums):
    """Return the sum of `square_sums` in float64."""
    result = 0.0
    for i in range(sums.size):
        result += np.float64(sums[i])
    return result


@jit(inline="always")
def _clipped(g, clip, limit):
    """Return one element of the gradient after both kinds of clipping; `limit` is infinite where there is none."""
    return min(max(g * clip, -limit), limit)


@jit
def sgd(p, g, first, second, lr, decay, clip, limit, beta1, beta2, eps, step):
    """Gradient descent with momentum `beta1`; `first` holds the velocity."""
    r = p.dtype.type
    lr, decay, clip, limit, beta1 = r(lr), r(decay), r(clip), r(limit), r(beta1)
    for i in range(p.size):
        first[i] = beta1 * first[i] + (_clipped(g[i], clip, limit) + decay * p[i])
        p[i] -= lr * first[i]


@jit
def adagrad(p, g, first, second, lr, decay, clip, limit, beta1, beta2, eps, step):
    """Adagrad (Duchi, Hazan and Singer 2011); `second` holds the sum of squares."""
    r = p.dtype.type
    lr, decay, clip, limit, eps = r(lr), r(decay), r(clip), r(limit), r(eps)
    for i in range(p.size):
        d = _clipped(g[i], clip, limit) + decay * p[i]
        second[i] += d * d
        p[i] -= lr * d / (np.sqrt(second[i]) + eps)


@jit
def rmsprop(p, g, first, second, lr, decay, clip, limit, beta1, beta2, eps, step):
    """RMSProp (Tieleman and Hinton 2012); `second` holds the average of squares."""
    r = p.dtype.type
    lr, decay, clip, limit, beta2, eps = r(lr), r(decay), r(clip), r(limit), r(beta2), r(eps)
    rest = r(1) - beta2
    for i in range(p.size):
        d = _clipped(g[i], clip, limit) + decay * p[i]
        second[i] = beta2 * second[i] + rest * d * d
        p[i] -= lr * d / (np.sqrt(second[i]) + eps)


@jit
def _adam(p, g, first, second, lr, shrink, decay, clip, limit, beta1, beta2, eps, step, least):
    """Adam's update, without the steps of elements whose average gradient times their gradient is `least` or less.

    With minus infinity, none is left out.
    """
    r = p.dtype.type
    rate = r(lr / (1.0 - beta1**step))
    root = r(1.0 / np.sqrt(1.0 - beta2**step))
    shrink, decay, clip, limit, eps = r(shrink), r(decay), r(clip), r(limit), r(eps)
    rest1, rest2, beta1, beta2 = r(1.0 - beta1), r(1.0 - beta2), r(beta1), r(beta2)
    least = r(least)
    for i in range(p.size):
        d = _clipped(g[i], clip, limit) + decay * p[i]
        first[i] = beta1 * first[i] + rest1 * d
        second[i] = beta2 * second[i] + rest2 * d * d
        change = rate * first[i] / (np.sqrt(second[i]) * root + eps)
        p[i] = shrink * p[i] - (r(0) if first[i] * d <= least else change)


@jit
def adam(p, g, first, second, lr, decay, clip, limit, beta1, beta2, eps, step):
    """Adam (Kingma and Ba 2015), weight decay as part of the gradient."""
    _adam(p, g, first, second, lr, 1.0, decay, clip, limit, beta1, beta2, eps, step, -np.inf)


@jit
def adamw(p, g, first, second, lr, decay, clip, limit, beta1, beta2, eps, step):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    _adam(p, g, first, second, lr, 1.0 - lr * decay, 0.0, clip, limit, beta1, beta2, eps, step, -np.inf)


@jit
def cadamw(p, g, first, second, lr, decay, clip, limit, beta1, beta2, eps, step):
    """AdamW that leaves out every step against the gradient at hand: C-AdamW (Liang, Chen, Liu and Liu 2024).

    Theirs makes the other steps larger by the share that was left out, much as a higher learning rate does.
    """
    _adam(p, g, first, second, lr, 1.0 - lr * decay, 0.0, clip, limit, beta1, beta2, eps, step, 0.0)


@jit
def move_towards(average, p, weight):
    """Move each element of `average` by the share `weight` of the way to that of `p`."""
    weight = p.dtype.type(weight)
    for i in range(p.size):
        average[i] += weight * (p[i] - average[i])


@jit
def adapt(p, g, square, trained, lr, decay, weight, count):
    """One step of dynamic evaluation; `square` holds the mean of the squared gradients so far, (size,) as all others.

    It moves to the new squares by the share `weight`. What the gradient is divided by holds, besides the root of its
    own element, that of the mean over all elements, of which `count` are parameters and no padding. After the step,
    `p` goes the share `decay` of the way to `trained`.
    """
    r = p.dtype.type
    lr, decay, weight = r(lr), r(decay), r(weight)
    total = 0.0
    for i in range(p.size):
        square[i] += weight * (g[i] * g[i] - square[i])
        total += square[i]
    root = r(np.sqrt(total / count)) + r(1e-12)
    for i in range(p.size):
        p[i] -= lr * g[i] / (np.sqrt(square[i]) + root)
        p[i] += decay * (trained[i] - p[i])
