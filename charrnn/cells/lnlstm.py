"""Long short-term memory whose output is normalised: each layer's h' has a root mean square of 1.

    i, f, g, o, c' as in `charrnn.cells.lstm`
    q = o * tanh(c')                            the LSTM's own output
    h' = q / sqrt(mean(q^2) + 1e-5)             over the H units

This is root mean square layer normalisation (Zhang and Sennrich 2019, after Ba, Kiros and Hinton 2016). It has no gain
of its own, since h goes into matrices alone, which can hold one. What the cell remembers, c, is left as it is. However
large the output, what the next step, the layer above and the logits see is of one size: such a net takes lower rates
and learns more from as much text, the more so in narrow layers (docs/regularisation.md).
"""

from __future__ import annotations

import numpy as np

from charrnn.cells import lstm
from charrnn.kernels.activation import tanh
from charrnn.kernels.cell import NORM_EPSILON, Cell
from charrnn.kernels.jit import jit

_lstm_forward = lstm.forward  # leaves q in the place of h'


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
    for j in range(q.size):
        q[j] = o[j] * tanh(c[j])


@jit
def _sum_of_squares(o, c):
    """Return the sum of the squares of q, which computing it again is cheaper than keeping."""
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
def _along(h, dh_out, dh_next):
    """Return the sum of h * dh: how far the gradient points along the output, where normalisation leaves nothing."""
    total = h.dtype.type(0)
    for j in range(h.size):
        total += h[j] * (dh_out[j] + dh_next[j])
    return total


@jit
def _retreat(i, f, g, o, c_prev, c, h, dh_out, dh_next, dc, along, scale):
    one = c.dtype.type(1)
    for j in range(c.size):
        it, ft, gt, ot, th = i[j], f[j], g[j], o[j], tanh(c[j])
        dq = (dh_out[j] + dh_next[j] - along * h[j]) * scale
        d = dc[j] + dq * ot * (one - th * th)
        i[j] = d * gt * it * (one - it)
        f[j] = d * c_prev[j] * ft * (one - ft)
        g[j] = d * it * (one - gt * gt)
        o[j] = dq * th * ot * (one - ot)
        dc[j] = d * ft


@jit(inner=True)
def backward(z, states, t, b, tape, dh, dstates, units):
    """One step back of one row; the arguments are those of `Cell`."""
    n = states.shape[3]
    along = _along(states[0, t + 1, b], dh, dstates[0, b]) / states.dtype.type(units)
    scale = _inverse_norm(_sum_of_squares(z[3 * n:], states[1, t + 1, b]), units, states.dtype.type)
    _retreat(z[:n], z[n:2 * n], z[2 * n:3 * n], z[3 * n:], states[1, t, b], states[1, t + 1, b], states[0, t + 1, b],
             dh, dstates[0, b], dstates[1, b], along, scale)
    dstates[0, b][:] = 0  # h reaches the step through the recurrent product alone


CELL = Cell(name="lnlstm", gates=("i", "f", "g", "o"), states=("h", "c"), kept=0, apart=0, forget_gate=1,
            keep_gate=1, normalised=True, forward=forward, hold=hold, backward=backward)
