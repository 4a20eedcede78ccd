"""What a window of text and the sweep over it consist of in memory: weights, activations, gradients.

L layers, T steps, B rows, H units, G gates, S states, A kept values, V characters, E elements of a character's vector;
H, E and V are padded to a multiple of `LANES`, and all that the padding holds is and stays 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from charrnn.kernels.jit import jit


class Weights(NamedTuple):
    """The weights as the sweep reads them: products packed, both biases of a gate added up."""

    table: np.ndarray  # (V, G * H) what each character puts into the first layer's gates; (0, G * H) where looked up
    embedding: np.ndarray  # (V, E) each character's vector; (0, E) where the table has what it comes to
    first: np.ndarray  # (E * G * H) packed, the first layer; (0,) with a table
    first_back: np.ndarray  # (G * H * E) packed transposed; (0,) with a table
    input: np.ndarray  # (L - 1, H * G * H) packed, layers above the first
    input_back: np.ndarray  # (L - 1, G * H * H) packed transposed
    recurrent: np.ndarray  # (L, H * (G - apart) * H) packed
    recurrent_apart: np.ndarray  # (L, H * apart * H) packed
    recurrent_back: np.ndarray  # (L, (G - apart) * H * H) packed transposed
    apart_back: np.ndarray  # (L, apart * H * H) packed transposed
    bias: np.ndarray  # (L, G * H)
    bias_apart: np.ndarray  # (L, apart * H) recurrent bias of the gates that are apart
    output: np.ndarray  # (H * V) packed
    output_back: np.ndarray  # (V * H) packed transposed
    output_bias: np.ndarray  # (V,)


class Window(NamedTuple):
    """What passes through the net in one window of text; kept from the forward pass for the backward pass."""

    z: np.ndarray  # (L, T, B, G * H) gates, then the gradient of what went into them
    u: np.ndarray  # (1, B, apart * H) recurrent product of one step for the gates that are apart
    states: np.ndarray  # (L, S, T + 1, B, H), [:, :, 0] the initial ones
    tape: np.ndarray  # (L, T, B, A * H)
    embedded: np.ndarray  # (T, B, E) the characters' vectors after dropout; (0, 0, 0) with a table
    outputs: np.ndarray  # (L, T, B, H) outputs after dropout; (0, 0, 0, 0) without dropout
    logits: np.ndarray  # (T, B, V), then their gradient
    dh: np.ndarray  # (T, B, H) gradient of a layer's outputs
    dembedded: np.ndarray  # (T, B, E) gradient of `embedded`
    dstates: np.ndarray  # (L, S, B, H) gradient of the final states, then of the initial ones
    units: int  # H without padding


class ParameterViews(NamedTuple):
    """The parameters, or their gradient: views of a flat buffer, as `charrnn.model` lays it out."""

    table: np.ndarray  # (V, G * H); (0, G * H) with an embedding
    embedding: np.ndarray  # (V, E); (0, 0) without one
    first: np.ndarray  # (G * H, E); (0, 0) without an embedding
    input: np.ndarray  # (L - 1, G * H, H)
    recurrent: np.ndarray  # (L, G * H, H)
    bias_input: np.ndarray  # (L, G * H)
    bias_recurrent: np.ndarray  # (L, G * H)
    output: np.ndarray  # (V, H)
    output_bias: np.ndarray  # (V,)


@jit(inner=True)
def copy(source, target):
    """Copy (n,) numbers."""
    for j in range(target.size):
        target[j] = source[j]


@jit(inner=True)
def accumulate(source, target):
    """Add (n,) numbers."""
    for j in range(target.size):
        target[j] += source[j]


@jit(inner=True)
def layer_outputs(window, layer, steps, dropout):
    """Return a layer's outputs (T, B, H) as the one above reads them, after dropout."""
    if dropout > 0:
        return window.outputs[layer, :steps]
    return window.states[layer, 0, 1:steps + 1]


@jit(inner=True)
def layer_inputs(window, layer, steps, dropout):
    """Return what a layer's product reads (T, B, H), for the first one the embedded characters (T, B, E)."""
    if layer > 0:
        return layer_outputs(window, layer - 1, steps, dropout)
    return window.embedded[:steps]


@jit(inner=True)
def input_weights(weights, layer):
    """Return the packed weights of a layer's input; none where a table stands for them."""
    if layer > 0:
        return weights.input[layer - 1]
    return weights.first
