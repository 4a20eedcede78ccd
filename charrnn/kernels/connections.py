"""Connections that are left out for one update: elements of the recurrent weights (DropConnect, Wan et al. 2013)."""

from __future__ import annotations

import numpy as np

from charrnn.kernels.jit import jit
from charrnn.kernels.random import drop, mix

_GATE = 2**20  # more than the units of a layer, so that the draws do not depend on how far these are padded


@jit
def drop_connections(weights, target, key, dropout, part, parts):
    """target = `weights` (L, G * H, H) with elements left out, the others scaled up; share `part` of the rows.

    `target` may be `weights` itself: so the gradient of what is left out becomes 0.
    """
    layers, rows, units = weights.shape
    for layer in range(layers):
        of_layer = mix(key, layers + layer)  # below `layers` are the keys of what the layers' outputs lack
        for row in range(rows * part // parts, rows * (part + 1) // parts):
            kept = target[layer, row]
            for j in range(units):
                kept[j] = weights[layer, row, j]
            drop(kept, mix(of_layer, np.uint64(row // units * _GATE + row % units)), dropout)
