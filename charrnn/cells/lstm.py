"""Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)      how much is written
    f = sigmoid(W_if x + b_if + W_hf h + b_hf)      how much is kept
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)         what is written
    o = sigmoid(W_io x + b_io + W_ho h + b_ho)      how much is shown
    c' = f * c + i * g
    h' = o * tanh(c')

From c' back to c the gradient is only multiplied by f, element by element, by no matrix: this is why an LSTM remembers
for longer than a plain recurrent net, and why the bias of f starts at 1.
"""

from __future__ import annotations

from charrnn.kernels.activation import apply_sigmoid, apply_tanh, tanh
from charrnn.kernels.cell import Cell
from charrnn.kernels.jit import jit


@jit
def _advance(i, f, g, o, c_prev, c, h):
    for j in range(h.size):
        new = f[j] * c_prev[j] + i[j] * g[j]
        c[j] = new
        h[j] = o[j] * tanh(new)


@jit(inner=True)
def forward(z, u, bias_apart, states, t, b, tape, units):
    """One step of one row; the arguments are those of `Cell`, states (h, c)."""
    n = states.shape[3]
    apply_sigmoid(z[:2 * n])
    apply_tanh(z[2 * n:3 * n])
    apply_sigmoid(z[3 * n:])
    _advance(z[:n], z[n:2 * n], z[2 * n:3 * n], z[3 * n:], states[1, t, b], states[1, t + 1, b],
             states[0, t + 1, b])


@jit(inner=True)
def hold(z, states, t, b, tape, unit, value, units):
    """Put `value` in the place of c' of one unit; h' = o * tanh(c') follows."""
    states[1, t + 1, b, unit] = value
    states[0, t + 1, b, unit] = z[3 * states.shape[3] + unit] * tanh(states[1, t + 1, b, unit])


@jit
def _retreat(i, f, g, o, c_prev, c, dh_out, dh_next, dc):
    one = c.dtype.type(1)
    for j in range(c.size):
        it, ft, gt, ot, th = i[j], f[j], g[j], o[j], tanh(c[j])  # computing tanh(c') again is cheaper than keeping it
        dh = dh_out[j] + dh_next[j]
        d = dc[j] + dh * ot * (one - th * th)
        i[j] = d * gt * it * (one - it)
        f[j] = d * c_prev[j] * ft * (one - ft)
        g[j] = d * it * (one - gt * gt)
        o[j] = dh * th * ot * (one - ot)
        dc[j] = d * ft


@jit(inner=True)
def backward(z, states, t, b, tape, dh, dstates, units):
    """One step back of one row; the arguments are those of `Cell`."""
    n = states.shape[3]
    _retreat(z[:n], z[n:2 * n], z[2 * n:3 * n], z[3 * n:], states[1, t, b], states[1, t + 1, b], dh,
             dstates[0, b], dstates[1, b])
    dstates[0, b][:] = 0  # h reaches the step through the recurrent product alone


CELL = Cell(name="lstm", gates=("i", "f", "g", "o"), states=("h", "c"), kept=0, apart=0, forget_gate=1,
            keep_gate=1, forward=forward, hold=hold, backward=backward)
