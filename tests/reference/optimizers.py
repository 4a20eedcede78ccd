"""Update rules, gradient clipping and learning-rate schedules, in PyTorch's formulas and float64.

A rule updates one array in place, from its gradient and a dict in which the rule keeps what it remembers of that array.
Where the small constant eps stands differs between libraries: here it is always added outside the square root.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]


def sgd(w: Array, g: Array, memory: dict[str, Any], lr: float, momentum: float) -> None:
    """m = momentum m + g, which starts as the first g; w -= lr m."""
    memory["m"] = momentum * memory.get("m", 0.0) + g
    w -= lr * memory["m"]


def adagrad(w: Array, g: Array, memory: dict[str, Any], lr: float) -> None:
    """v = v + g²; w -= lr g / (√v + 1e-10)."""
    memory["v"] = memory.get("v", 0.0) + g**2
    w -= lr * g / (np.sqrt(memory["v"]) + 1e-10)


def rmsprop(w: Array, g: Array, memory: dict[str, Any], lr: float, beta2: float) -> None:
    """v = beta2 v + (1 - beta2) g²; w -= lr g / (√v + 1e-8)."""
    memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
    w -= lr * g / (np.sqrt(memory["v"]) + 1e-8)


def adam(w: Array, g: Array, memory: dict[str, Any], lr: float, beta1: float, beta2: float,
         cautious: bool = False) -> None:
    """m, v = averages of g, g², each corrected for its start at zero; w -= lr m / (√v + 1e-8).

    A cautious step has no elements where m and g differ in sign, or one is 0.
    """
    t = memory["t"] = memory.get("t", 0) + 1
    memory["m"] = beta1 * memory.get("m", 0.0) + (1 - beta1) * g
    memory["v"] = beta2 * memory.get("v", 0.0) + (1 - beta2) * g**2
    m = memory["m"] / (1 - beta1**t)
    v = memory["v"] / (1 - beta2**t)
    step = lr * m / (np.sqrt(v) + 1e-8)
    w -= np.where(np.sign(m) * np.sign(g) == 1, step, 0.0) if cautious else step


class Optimizer:
    """One of the rules, applied to all weights; matrices decay, biases (one axis) do not."""

    def __init__(self, name: str, *, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0) -> None:
        self.name, self.beta1, self.beta2, self.weight_decay = name, beta1, beta2, weight_decay
        self.memory: dict[str, dict[str, Any]] = {}

    def step(self, weights: Weights, gradients: Weights, lr: float) -> None:
        """Update `weights` (float64) in place."""
        for name, w in weights.items():
            g = gradients[name]
            memory = self.memory.setdefault(name, {})
            decay = self.weight_decay if w.ndim > 1 else 0.0
            if self.name in ("adamw", "cadamw"):
                w -= lr * decay * w  # decoupled: the decay passes by m and v
            else:
                g = g + decay * w
            if self.name == "sgd":
                sgd(w, g, memory, lr, self.beta1)
            elif self.name == "adagrad":
                adagrad(w, g, memory, lr)
            elif self.name == "rmsprop":
                rmsprop(w, g, memory, lr, self.beta2)
            elif self.name in ("adam", "adamw", "cadamw"):
                adam(w, g, memory, lr, self.beta1, self.beta2, cautious=self.name == "cadamw")
            else:
                raise ValueError(f"no optimizer is called {self.name!r}")


def clip_norm(gradients: Weights, max_norm: float) -> tuple[Weights, float]:
    """Return the gradients scaled down to a global norm of `max_norm` where it is larger, and the norm they had."""
    norm = math.sqrt(sum(float((g**2).sum()) for g in gradients.values()))
    scale = min(1.0, max_norm / (norm + 1e-6))
    return {name: scale * g for name, g in gradients.items()}, norm


def clip_value(gradients: Weights, limit: float) -> Weights:
    """Return the gradients with every element between -limit and limit."""
    return {name: np.clip(g, -limit, limit) for name, g in gradients.items()}


def lr_factor(schedule: str, progress: float, warmup: float) -> float:
    """Return the share of the peak learning rate at `progress` (0 to 1) of a run that rises to it over `warmup`."""
    if progress < warmup:
        return progress / warmup
    q = (progress - warmup) / (1 - warmup) if warmup < 1 else 0.0
    return {"constant": 1.0, "cosine": 0.5 * (1 + math.cos(math.pi * q)), "step": 0.1 ** math.floor(3 * q)}[schedule]
