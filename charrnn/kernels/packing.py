"""From parameters to what the sweep multiplies with: every matrix packed in the order in which a product reads it.

The letters are those of `charrnn.kernels.window`; gates that are apart have a recurrent matrix of their own.
"""

from __future__ import annotations

from charrnn.kernels.jit import jit
from charrnn.kernels.product import _ONE, _ZERO, pack, panel_count
from charrnn.kernels.window import copy


@jit
def _pack_share(source, transposed, packed, part, parts):
    panels = panel_count(source.shape[0] if transposed else source.shape[1], packed.itemsize)
    pack(source, transposed, packed, panels * part // parts, panels * (part + 1) // parts)


@jit
def pack_recurrent(recurrent, weights, apart, part, parts):
    """Bring the recurrent matrices of `weights` up to date with (L, G * H, H) `recurrent`, share `part` of `parts`."""
    joined = recurrent.shape[1] - apart * recurrent.shape[2]
    for layer in range(recurrent.shape[0]):
        _pack_share(recurrent[layer, :joined], _ONE, weights.recurrent[layer], part, parts)
        if apart > 0:
            _pack_share(recurrent[layer, joined:], _ONE, weights.recurrent_apart[layer], part, parts)
        if weights.recurrent_back.shape[0] > 0:
            _pack_share(recurrent[layer, :joined], _ZERO, weights.recurrent_back[layer], part, parts)
            if apart > 0:
                _pack_share(recurrent[layer, joined:], _ZERO, weights.apart_back[layer], part, parts)


@jit
def pack_weights(parameters, weights, apart, part, parts):
    """Bring `weights` up to date with `parameters`, share `part` of `parts`; the table is not this function's.

    The matrices for the backward pass, and those of an embedding, are left out where `weights` has no room for them.
    """
    joined = parameters.recurrent.shape[1] - apart * parameters.recurrent.shape[2]
    training = weights.recurrent_back.shape[0] > 0
    pack_recurrent(parameters.recurrent, weights, apart, part, parts)
    if weights.first.size > 0:
        _pack_share(parameters.first, _ONE, weights.first, part, parts)
    if weights.first_back.size > 0:
        _pack_share(parameters.first, _ZERO, weights.first_back, part, parts)
    for layer in range(weights.recurrent.shape[0]):
        if layer > 0:
            _pack_share(parameters.input[layer - 1], _ONE, weights.input[layer - 1], part, parts)
            if training:
                _pack_share(parameters.input[layer - 1], _ZERO, weights.input_back[layer - 1], part, parts)
        if part == 0:
            for j in range(parameters.bias_input.shape[1]):
                weights.bias[layer, j] = parameters.bias_input[layer, j]
                if j < joined:
                    weights.bias[layer, j] += parameters.bias_recurrent[layer, j]
                else:
                    weights.bias_apart[layer, j - joined] = parameters.bias_recurrent[layer, j]
    _pack_share(parameters.output, _ONE, weights.output, part, parts)
    if training:
        _pack_share(parameters.output, _ZERO, weights.output_back, part, parts)
    if part == 0:
        copy(parameters.output_bias, weights.output_bias)
