"""Numerical gradients, to check the written ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Array = np.ndarray


def central_difference(function: Callable[[], float], array: Array, epsilon: float = 1e-5) -> Array:
    """Return the gradient of `function()` with respect to `array` (float64), whose elements it moves and puts back."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + epsilon
        above = function()
        array[index] = value - epsilon
        below = function()
        array[index] = value
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient


def relative_error(a: Array, b: Array) -> float:
    """Return |a - b| / (|a| + |b|) in the Euclidean norm: 0 where both vanish, 1 where they have nothing in common."""
    size = float(np.linalg.norm(a) + np.linalg.norm(b))
    return float(np.linalg.norm(np.asarray(a) - b)) / size if size else 0.0
