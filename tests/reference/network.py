"""The model in plain NumPy: stacked recurrent layers over characters, forward and backward through time.

Shapes: T steps, B streams, V characters, E embedding (0: one-hot), H hidden units, L layers. All arrays are float64.
Weights are a dict under PyTorch's names: `embedding.weight` (V, E) when embedded; for each layer k
`rnn.weight_ih_l{k}` (G·H, D), `rnn.weight_hh_l{k}` (G·H, H), `rnn.bias_ih_l{k}` and `rnn.bias_hh_l{k}` (G·H,), with
one block of H rows a gate in the order of `GATES`; `output.weight` (V, H), `output.bias` (V,).
A state is a list with one tuple a layer, (h, c) for lstm and lnlstm and (h,) for gru and rnn, each array (B, H).

In every cell a gate g sees two sums, one of the input and one of the previous output:

    in_g = W_ig x + b_ig        hid_g = W_hg h + b_hg

Only what a cell does with them differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]
State = list[tuple[Array, ...]]
Sums = dict[str, Array]  # one (B, H) array a gate

#: Gates of each cell, in the order of their blocks of rows.
GATES = {"lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n"), "rnn": ("h",),
         "lnlstm": ("i", "f", "g", "o")}


def sigmoid(x: Array) -> Array:
    """Return the logistic function of x, in the form that cannot overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


# The cells: one step forward, from (in, hid, state) to the new state and what backward needs; and the same step
# backward, from the gradient of the new state to those of in, of hid, and of the old state where it enters other than
# through hid.


def lstm_forward(inp: Sums, hid: Sums, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
    """c' = f c + i g and h' = o tanh(c'), with gates i, f, o = sigmoid(in + hid) and g = tanh(in + hid)."""
    _, c = state
    i = sigmoid(inp["i"] + hid["i"])
    f = sigmoid(inp["f"] + hid["f"])
    g = np.tanh(inp["g"] + hid["g"])
    o = sigmoid(inp["o"] + hid["o"])
    c_new = f * c + i * g
    h_new = o * np.tanh(c_new)
    return (h_new, c_new), (i, f, g, o, c, c_new)


def lstm_backward(saved: Any, dstate: tuple[Array, ...]) -> tuple[Sums, Sums, tuple[Array, ...]]:
    """Backward of `lstm_forward`."""
    i, f, g, o, c, c_new = saved
    dh_new, dc_new = dstate
    do = dh_new * np.tanh(c_new)
    dc_new = dc_new + dh_new * o * (1 - np.tanh(c_new) ** 2)  # c' reaches the loss by itself and through h'
    df = dc_new * c
    di = dc_new * g
    dg = dc_new * i
    dc = dc_new * f
    sums = {"i": di * i * (1 - i), "f": df * f * (1 - f), "g": dg * (1 - g**2), "o": do * o * (1 - o)}
    return sums, sums, (np.zeros_like(dc), dc)


def gru_forward(inp: Sums, hid: Sums, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
    """h' = (1 - z) n + z h, with r, z = sigmoid(in + hid) and n = tanh(in_n + r hid_n)."""
    (h,) = state
    r = sigmoid(inp["r"] + hid["r"])
    z = sigmoid(inp["z"] + hid["z"])
    n = np.tanh(inp["n"] + r * hid["n"])
    h_new = (1 - z) * n + z * h
    return (h_new,), (r, z, n, h, hid["n"])


def gru_backward(saved: Any, dstate: tuple[Array, ...]) -> tuple[Sums, Sums, tuple[Array, ...]]:
    """Backward of `gru_forward`."""
    r, z, n, h, hid_n = saved
    (dh_new,) = dstate
    dn = dh_new * (1 - z)
    dz = dh_new * (h - n)
    dh = dh_new * z
    dsum_n = dn * (1 - n**2)
    dr = dsum_n * hid_n
    dsum_r = dr * r * (1 - r)
    dsum_z = dz * z * (1 - z)
    dinp = {"r": dsum_r, "z": dsum_z, "n": dsum_n}
    dhid = {"r": dsum_r, "z": dsum_z, "n": dsum_n * r}
    return dinp, dhid, (dh,)


def rnn_forward(inp: Sums, hid: Sums, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
    """h' = tanh(in + hid)."""
    h_new = np.tanh(inp["h"] + hid["h"])
    return (h_new,), h_new


def rnn_backward(saved: Any, dstate: tuple[Array, ...]) -> tuple[Sums, Sums, tuple[Array, ...]]:
    """Backward of `rnn_forward`."""
    h_new = saved
    (dh_new,) = dstate
    sums = {"h": dh_new * (1 - h_new**2)}
    return sums, sums, (np.zeros_like(dh_new),)


def lnlstm_forward(inp: Sums, hid: Sums, state: tuple[Array, ...]) -> tuple[tuple[Array, ...], Any]:
    """As `lstm_forward`, with h' divided by the root of its mean square over the units and 1e-5."""
    (q, c_new), saved = lstm_forward(inp, hid, state)
    norm = np.sqrt((q**2).mean(axis=1, keepdims=True) + 1e-5)
    return (q / norm, c_new), (q, norm, saved)


def lnlstm_backward(saved: Any, dstate: tuple[Array, ...]) -> tuple[Sums, Sums, tuple[Array, ...]]:
    """Backward of `lnlstm_forward`."""
    q, norm, saved_lstm = saved
    dh_new, dc_new = dstate
    dnorm = (-dh_new * q / norm**2).sum(axis=1, keepdims=True)
    dq = dh_new / norm + dnorm * q / norm / q.shape[1]
    return lstm_backward(saved_lstm, (dq, dc_new))


FORWARD = {"lstm": lstm_forward, "gru": gru_forward, "rnn": rnn_forward, "lnlstm": lnlstm_forward}
BACKWARD = {"lstm": lstm_backward, "gru": gru_backward, "rnn": rnn_backward, "lnlstm": lnlstm_backward}


def blocks(weights: Weights, name: str, cell: str) -> dict[str, Array]:
    """Return the rows of each gate of one of a layer's weights or biases."""
    return dict(zip(GATES[cell], np.split(weights[name], len(GATES[cell]))))


@dataclass
class LayerTape:
    """What a layer's forward pass leaves for its backward pass."""

    inputs: Array  # (T, B, D)
    outputs: Array  # (T, B, H), before dropout
    previous: list[Array]  # h before each step, (B, H)
    saved: list[Any]  # of the cell's forward, one a step
    final: tuple[Array, ...]


def layer_forward(weights: Weights, cell: str, k: int, inputs: Array, state: tuple[Array, ...]) -> LayerTape:
    """Run layer `k` over `inputs` (T, B, D), starting from `state`."""
    W_i, W_h = blocks(weights, f"rnn.weight_ih_l{k}", cell), blocks(weights, f"rnn.weight_hh_l{k}", cell)
    b_i, b_h = blocks(weights, f"rnn.bias_ih_l{k}", cell), blocks(weights, f"rnn.bias_hh_l{k}", cell)
    outputs, previous, saved = [], [], []
    for x in inputs:
        h = state[0]
        inp = {g: x @ W_i[g].T + b_i[g] for g in GATES[cell]}
        hid = {g: h @ W_h[g].T + b_h[g] for g in GATES[cell]}
        state, for_backward = FORWARD[cell](inp, hid, state)
        previous.append(h)
        saved.append(for_backward)
        outputs.append(state[0])
    return LayerTape(inputs, np.stack(outputs), previous, saved, state)


def layer_backward(weights: Weights, cell: str, k: int, tape: LayerTape, doutputs: Array,
                   dstate: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...], Weights]:
    """Return the gradients of layer `k`'s inputs (T, B, D), initial state and weights.

    `doutputs` (T, B, H) and `dstate` are the gradients of its outputs and of its final state.
    """
    W_i, W_h = blocks(weights, f"rnn.weight_ih_l{k}", cell), blocks(weights, f"rnn.weight_hh_l{k}", cell)
    dW_i, dW_h = {g: np.zeros_like(W_i[g]) for g in W_i}, {g: np.zeros_like(W_h[g]) for g in W_h}
    db_i, db_h = {g: np.zeros(len(W_i[g])) for g in W_i}, {g: np.zeros(len(W_h[g])) for g in W_h}
    dinputs = np.zeros_like(tape.inputs)
    for t in reversed(range(len(tape.inputs))):
        x, h = tape.inputs[t], tape.previous[t]
        dstate = (dstate[0] + doutputs[t], *dstate[1:])
        dinp, dhid, dstate = BACKWARD[cell](tape.saved[t], dstate)
        dh = dstate[0]
        for g in GATES[cell]:
            dinputs[t] += dinp[g] @ W_i[g]
            dh = dh + dhid[g] @ W_h[g]
            dW_i[g] += dinp[g].T @ x
            dW_h[g] += dhid[g].T @ h
            db_i[g] += dinp[g].sum(axis=0)
            db_h[g] += dhid[g].sum(axis=0)
        dstate = (dh, *dstate[1:])
    gradients = {
        f"rnn.weight_ih_l{k}": np.concatenate(list(dW_i.values())),
        f"rnn.weight_hh_l{k}": np.concatenate(list(dW_h.values())),
        f"rnn.bias_ih_l{k}": np.concatenate(list(db_i.values())),
        f"rnn.bias_hh_l{k}": np.concatenate(list(db_h.values())),
    }
    return dinputs, dstate, gradients


def count_layers(weights: Weights) -> int:
    """Return L, the number of recurrent layers that `weights` hold."""
    return sum(name.startswith("rnn.weight_hh_l") for name in weights)


def zero_state(weights: Weights, cell: str, batch_size: int) -> State:
    """Return the state in which a text starts: all zeros."""
    hidden_size = weights["output.weight"].shape[1]
    arrays = 2 if "lstm" in cell else 1
    return [tuple(np.zeros((batch_size, hidden_size)) for _ in range(arrays)) for _ in range(count_layers(weights))]


@dataclass
class Tape:
    """A forward pass: its results, and what its backward pass needs."""

    weights: Weights
    cell: str
    ids: Array  # (T, B)
    masks: Array | None  # (L, T, B, H)
    embedded_mask: Array | None  # (T, B, E)
    layers: list[LayerTape]
    outputs: Array  # (T, B, H) of the last layer, after dropout
    logits: Array  # (T, B, V)

    @property
    def final_state(self) -> State:
        """The state after the last step."""
        return [layer.final for layer in self.layers]


def forward(weights: Weights, cell: str, ids: Array, state: State, masks: Array | None = None,
            embedded_mask: Array | None = None) -> Tape:
    """Run the model over the characters `ids` (T, B) from `state`.

    `masks` (L, T, B, H) is dropout already drawn: layer k's outputs are multiplied by masks[k] on their way to the
    layer above or to the output layer, not on their way to the next step. Its elements are 0 or 1 / (1 - p), as are
    those of `embedded_mask` (T, B, E), which the embedded characters are multiplied by.
    """
    weights = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    if "embedding.weight" in weights:
        x = weights["embedding.weight"][ids] * (1 if embedded_mask is None else embedded_mask)
    else:
        x = np.eye(len(weights["output.bias"]))[ids]
    layers = []
    for k in range(count_layers(weights)):
        layer = layer_forward(weights, cell, k, x, tuple(np.asarray(array, np.float64) for array in state[k]))
        x = layer.outputs if masks is None else layer.outputs * masks[k]
        layers.append(layer)
    logits = x @ weights["output.weight"].T + weights["output.bias"]
    return Tape(weights, cell, ids, masks, embedded_mask, layers, x, logits)


def log_softmax(logits: Array) -> Array:
    """Return the log-probabilities of the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    """Return the mean loss in nats per character, and its gradient with respect to `logits` (T, B, V)."""
    log_probabilities = log_softmax(logits)
    one_hot = np.eye(logits.shape[-1])[targets]
    loss = -(log_probabilities * one_hot).sum() / targets.size
    return float(loss), (np.exp(log_probabilities) - one_hot) / targets.size


@dataclass
class Gradients:
    """Derivatives of a window's loss."""

    loss: float  # nats per character
    weights: Weights  # under the names of the weights
    state: State  # of the initial state


def backward(tape: Tape, targets: Array | None, dfinal: State | None = None) -> Gradients:
    """Return the loss of `targets` (T, B) and all its gradients.

    `dfinal` is the gradient, with respect to this window's final state, of what follows the window; it is zero when
    left out (truncation). Without `targets` the window has no loss of its own, like an encoder.
    """
    weights, cell = tape.weights, tape.cell
    if targets is None:
        loss, dlogits = 0.0, np.zeros_like(tape.logits)
    else:
        loss, dlogits = cross_entropy(tape.logits, targets)
    gradients: Weights = {
        "output.weight": np.einsum("tbv,tbh->vh", dlogits, tape.outputs),
        "output.bias": dlogits.sum(axis=(0, 1)),
    }
    if dfinal is None:
        dfinal = [tuple(np.zeros_like(array) for array in layer) for layer in tape.final_state]
    dstates: State = []
    dx = dlogits @ weights["output.weight"]
    for k in reversed(range(len(tape.layers))):
        if tape.masks is not None:
            dx = dx * tape.masks[k]
        dx, dstate, of_layer = layer_backward(weights, cell, k, tape.layers[k], dx, dfinal[k])
        gradients |= of_layer
        dstates.insert(0, dstate)
    if "embedding.weight" in weights:
        gradients["embedding.weight"] = np.zeros_like(weights["embedding.weight"])
        dx = dx if tape.embedded_mask is None else dx * tape.embedded_mask
        np.add.at(gradients["embedding.weight"], tape.ids, dx)
    return Gradients(loss, gradients, dstates)


def loss_and_gradients(weights: Weights, cell: str, ids: Array, targets: Array, state: State,
                       masks: Array | None = None,
                       embedded_mask: Array | None = None) -> tuple[Tape, Gradients]:
    """Return the forward and the backward pass of one window of truncated backpropagation through time."""
    tape = forward(weights, cell, ids, state, masks, embedded_mask)
    return tape, backward(tape, targets)
