"""What a recurrent cell consists of; `charrnn.cells` holds one file for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Added to the mean square of a normalised output before its root is taken.
NORM_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A recurrent cell: its names, and the element-wise halves of its forward and backward step.

    The sweep over time, the matrix products and the memory are the same for all cells and live in
    `charrnn.kernels.sweep`. It calls, for every row of the batch,

        forward(z, u, bias_apart, states, t, b, tape, units)
        hold(z, states, t, b, tape, unit, value, units)
        backward(z, states, t, b, tape, dh, dstates, units)

    with, for G gates, S states and A kept values of H units each:

    z : (G * H,), what goes into the gates: products of the layer's input and of the previous h, and the biases; for
        the gates that are `apart`, the input's alone. `forward` leaves the gates in it, `backward` the gradient of what
        went into them.
    u : (apart * H,), product of the previous h with the recurrent weights of the gates that are apart.
    bias_apart : (apart * H,), their recurrent bias.
    states : (S, T + 1, B, H), of which [:, t, b] is before and [:, t + 1, b] after the step; h is the first.
    tape : (A * H,), what `forward` keeps for `backward`; `backward` leaves the gradient of the `apart` gates' recurrent
        product at its start.
    dh : (H,), gradient of the loss with respect to this step's output; `backward` may overwrite it.
    dstates : (S, B, H), of which [:, b] is the gradient with respect to the states after the step; `backward` turns it
        into that with respect to the states before it, but for what flows through the recurrent product, which the
        sweep adds to h's.
    units : H without the padding, in which all is 0 and has to stay so.

    `hold` comes after `forward` and puts `value` in the place of one unit of the state that lasts, the last of
    `states`; what follows from that state within the step, such as an LSTM's h from its c, it computes anew.

    Whole arrays and indices are passed for the states, since a slice such as states[:, t, b] would have a stride that
    LLVM does not know, and nothing over it would vectorise.

    Attributes
    ----------
    name : as in `charrnn.cells`.
    gates : one letter each, in PyTorch's order.
    states : one letter each, h first.
    kept : A.
    apart : number of last gates whose recurrent product is not simply added to the input's.
    forget_gate : index of the gate whose bias starts at 1, or None.
    keep_gate : index of the gate that scales the old state within the new one, or None.
    normalised : whether h is divided by its root mean square (and `NORM_EPSILON`) within each step.
    """

    name: str
    gates: tuple[str, ...]
    states: tuple[str, ...]
    kept: int
    apart: int
    forget_gate: int | None
    keep_gate: int | None
    normalised: bool = False
    forward: Callable[..., Any]
    hold: Callable[..., Any]
    backward: Callable[..., Any]

    def is_bounded(self, source: str) -> bool:
        """Return whether the values of a gate or state are sure to lie between -1 and 1."""
        return source in self.gates or (source == "h" and not self.normalised)
