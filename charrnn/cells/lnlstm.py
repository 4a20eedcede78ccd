"""Long short-term memory whose output is normalised: each layer's h' has a root mean square of 1.

    i, f, g, o, c' as in `charrnn.cells.lstm`
    q = o * tanh(c')                            the LSTM's own output
    h' = q / sqrt(mean(q^2) + 1e-5)             over the H units

This is root mean square layer normalisation (Zhang and Sennrich 2019, after Ba, Kiros and Hinton 2016). It has no gain
of its own, since h goes into matrices alone, which can hold one. What the cell remembers, c, is left as it is. However
large the output, what the next step, the layer above and the logits see is of one size. Such a net takes lower rates;
what it gave is in docs/regularisation.md.
"""

from __future__ import annotations

import numpy as np

from charrnn.cells import lstm
from charrnn.kernels.activation import tanh
from charrnn.kernels.cell import NORM_EPSILON, Cell
from charrnn.kernels.jit import jit

# A kernel calls others by global names. An LSTM's forward leaves q in the place of h', its backward takes q's gradient.
_lstm_forward, _lstm_backward = lstm.forward, lstm.backward


@jit
def _inverse_norm(squares, units, number):
    """Return 1 / sqrt(mean(q^2) + epsilon), as a `number`, for the sum of the squares of `units` units' q."""
    return number(1) / np.sqrt(squares / number(units) + number(NORM_EPSILON))


@jit
def _normalise(h, units):
    """Turn q (H,) into h'; what pads it is 0, and stays so."""
    squares = h.dtype.type(0)
    for j in range(h.size):
        squares += h[j] * h[j]
    scale = _inverse_norm(squares, units, h.dtype.type)
    for j in range(h.size):
        h[j] *= scale


@jit
def _output(o, c, q):
    """Put o * tanh(c) into q."""
    for j in range(q.size):
        q[j] = o[j] * tanh(c[j])


@jit
def _sum_of_squares(o, c):
    """Return the sum of the squares of q, which takes less time than to keep it."""
    squares = c.dtype.type(0)
    for j in range(c.size):
        q = o[j] * tanh(c[j])
        squares += q * q
    return squares


@jit(inner=True)
def forward(z, u, bias_apart, states, t, b, tape, units):
    """One step of one row; the arguments are those of `Cell`, states (h, c)."""
    _lstm_forward(z, u, bias_apart, states, t, b, tape, units)
    _normalise(states[0, t + 1, b], units)


@jit(inner=True)
def hold(z, states, t, b, tape, unit, value, units):
    """Put `value` in the place of c' of one unit; h' of all of them follows."""
    states[1, t + 1, b, unit] = value
    _output(z[3 * states.shape[3]:], states[1, t + 1, b], states[0, t + 1, b])
    _normalise(states[0, t + 1, b], units)


@jit
def _denormalise(h, dh, dh_next, scale, units):
    """Turn the gradient of h', which is `dh` + `dh_next`, into that of q, in `dh` alone.

    Along the output itself the gradient vanishes: its length is what normalisation takes away.
    """
    along = h.dtype.type(0)
    for j in range(h.size):
        along += h[j] * (dh[j] + dh_next[j])
    along /= h.dtype.type(units)
    for j in range(h.size):
        dh[j] = (dh[j] + dh_next[j] - along * h[j]) * scale
        dh_next[j] = 0


@jit(inner=True)
def backward(z, states, t, b, tape, dh, dstates, units):
    """One step back of one row; the arguments are those of `Cell`."""
    squares = _sum_of_squares(z[3 * states.shape[3]:], states[1, t + 1, b])
    _denormalise(states[0, t + 1, b], dh, dstates[0, b], _inverse_norm(squares, units, states.dtype.type), units)
    _lstm_backward(z, states, t, b, tape, dh, dstates, units)


CELL = Cell(name="lnlstm", gates=("i", "f", "g", "o"), states=("h", "c"), kept=0, apart=0, forget_gate=1,
            keep_gate=1, normalised=True, forward=forward, hold=hold, backward=backward)
