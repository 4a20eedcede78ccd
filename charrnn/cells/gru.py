"""Gated recurrent unit (Cho et al. 2014), in PyTorch's form, where r scales the recurrent product.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)        how much of the past the proposal sees
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)        how much stays as it is
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn))     the proposal
    h' = (1 - z) * n + z * h

The paper's own form, and char-rnn's, multiplies h by r before the product: weights do not convert between the two.
"""

from __future__ import annotations

from charrnn.kernels.activation import apply_sigmoid, tanh
from charrnn.kernels.cell import Cell
from charrnn.kernels.jit import jit


@jit
def _advance(r, z, n, u, bias_apart, h_prev, hidden, h):
    one = h.dtype.type(1)
    for j in range(h.size):
        hidden[j] = u[j] + bias_apart[j]
        n[j] = tanh(n[j] + r[j] * hidden[j])
        h[j] = (one - z[j]) * n[j] + z[j] * h_prev[j]


@jit(inner=True)
def forward(z, u, bias_apart, states, t, b, tape, units):
    """One step of one row; the arguments are those of `Cell`, state (h,), tape W_hn h + b_hn."""
    n = states.shape[3]
    apply_sigmoid(z[:2 * n])
    _advance(z[:n], z[n:2 * n], z[2 * n:], u, bias_apart, states[0, t, b], tape, states[0, t + 1, b])


@jit(inner=True)
def hold(z, states, t, b, tape, unit, value, units):
    """Put `value` in the place of h' of one unit."""
    states[0, t + 1, b, unit] = value


@jit
def _retreat(r, z, n, hidden, h_prev, dh_out, dh_next):
    one = hidden.dtype.type(1)
    for j in range(hidden.size):
        rt, zt, nt = r[j], z[j], n[j]
        dh = dh_out[j] + dh_next[j]
        dn = dh * (one - zt) * (one - nt * nt)
        z[j] = dh * (h_prev[j] - nt) * zt * (one - zt)
        r[j] = dn * hidden[j] * rt * (one - rt)
        n[j] = dn
        hidden[j] = dn * rt
        dh_next[j] = dh * zt


@jit(inner=True)
def backward(z, states, t, b, tape, dh, dstates, units):
    """One step back of one row; the arguments are those of `Cell`."""
    n = states.shape[3]
    _retreat(z[:n], z[n:2 * n], z[2 * n:], tape, states[0, t, b], dh, dstates[0, b])


CELL = Cell(name="gru", gates=("r", "z", "n"), states=("h",), kept=1, apart=1, forget_gate=None, keep_gate=1,
            forward=forward, hold=hold, backward=backward)
