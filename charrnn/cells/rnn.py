"""The plain recurrent net (Elman 1990), the cell of min-char-rnn.

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh)

Going back one step multiplies the gradient by W_hh^T: with a largest singular value above 1 it can explode (so its norm
is clipped), below 1 it vanishes.
"""

from __future__ import annotations

from charrnn.kernels.activation import tanh
from charrnn.kernels.cell import Cell
from charrnn.kernels.jit import jit


@jit
def _advance(z, h):
    for j in range(h.size):
        z[j] = tanh(z[j])
        h[j] = z[j]


@jit(inner=True)
def forward(z, u, bias_apart, states, t, b, tape, units):
    """One step of one row; the arguments are those of `Cell`, state (h,)."""
    _advance(z, states[0, t + 1, b])


@jit(inner=True)
def hold(z, states, t, b, tape, unit, value, units):
    """Put `value` in the place of h' of one unit."""
    states[0, t + 1, b, unit] = value


@jit
def _retreat(z, h, dh_out, dh_next):
    one = h.dtype.type(1)
    for j in range(h.size):
        z[j] = (dh_out[j] + dh_next[j]) * (one - h[j] * h[j])


@jit(inner=True)
def backward(z, states, t, b, tape, dh, dstates, units):
    """One step back of one row; the arguments are those of `Cell`."""
    _retreat(z, states[0, t + 1, b], dh, dstates[0, b])
    dstates[0, b][:] = 0  # h reaches the step through the recurrent product alone


CELL = Cell(name="rnn", gates=("n",), states=("h",), kept=0, apart=0, forget_gate=None, keep_gate=None,
            forward=forward, hold=hold, backward=backward)
