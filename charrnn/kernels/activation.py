"""Element-wise functions that vectorise: in float32 by polynomials, in float64 exactly, for gradient checks.

Each works in place on one array through one name: an array that is passed as input and as output at once stops LLVM's
vectoriser, because its check that the two do not overlap fails.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from charrnn.kernels.jit import FASTMATH, jit

f4 = np.float32


def tanh(x):
    """Hyperbolic tangent of one number, at most 3.5e-7 off in float32."""
    raise NotImplementedError("compiled code only")


@overload(tanh, jit_options={"fastmath": FASTMATH}, inline="always")
def _tanh(x):
    if x == types.float64:
        return lambda x: math.tanh(x)

    def rational(x):
        # Odd polynomial of degree 13 over an even one of degree 6, the minimax fit in common use; beyond 7.905 the
        # result rounds to 1. libm's tanh does not vectorise and takes 10 to 60 times as long.
        x = min(max(x, f4(-7.90531110763549805)), f4(7.90531110763549805))
        s = x * x
        p = s * f4(-2.76076847742355e-16) + f4(2.00018790482477e-13)
        p = s * p + f4(-8.60467152213735e-11)
        p = s * p + f4(5.12229709037114e-08)
        p = s * p + f4(1.48572235717979e-05)
        p = s * p + f4(6.37261928875436e-04)
        p = s * p + f4(4.89352455891786e-03)
        q = s * f4(1.19825839466702e-06) + f4(1.18534705686654e-04)
        q = s * q + f4(2.26843463243900e-03)
        q = s * q + f4(4.89352518554385e-03)
        return x * p / q

    return rational


def sigmoid(x):
    """Logistic function of one number."""
    raise NotImplementedError("compiled code only")


@overload(sigmoid, jit_options={"fastmath": FASTMATH}, inline="always")
def _sigmoid(x):
    if x == types.float64:
        return lambda x: 1.0 / (1.0 + math.exp(-x))
    return lambda x: f4(0.5) * tanh(f4(0.5) * x) + f4(0.5)


def exp(x):
    """Exponential of one number not above 0, at most 2e-7 (relative) off in float32; 0 below -87."""
    raise NotImplementedError("compiled code only")


@overload(exp, jit_options={"fastmath": FASTMATH}, inline="always")
def _exp(x):
    if x == types.float64:
        return lambda x: math.exp(x)

    def by_bits(x):
        # exp(x) = 2^n exp(r), |r| <= ln 2 / 2: n goes straight into the exponent's bits, exp(r) is its Taylor series.
        n = np.floor(max(x, f4(-87.0)) * f4(1.44269504) + f4(0.5))
        r = max(x, f4(-87.0)) - n * f4(0.693359375) + n * f4(2.12194440e-4)
        p = r * f4(1.0 / 5040.0) + f4(1.0 / 720.0)
        p = r * p + f4(1.0 / 120.0)
        p = r * p + f4(1.0 / 24.0)
        p = r * p + f4(1.0 / 6.0)
        p = r * p + f4(0.5)
        p = r * p + f4(1.0)
        p = r * p + f4(1.0)
        power = np.int32(np.int32(np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
        return f4(0.0) if x < f4(-87.0) else p * power  # this way round, NaN stays NaN

    return by_bits


@jit(inner=True)
def apply_sigmoid(z):
    """Take the logistic function of (n,) numbers, in place."""
    for j in range(z.size):
        z[j] = sigmoid(z[j])


@jit(inner=True)
def apply_tanh(z):
    """Take the hyperbolic tangent of (n,) numbers, in place."""
    for j in range(z.size):
        z[j] = tanh(z[j])
