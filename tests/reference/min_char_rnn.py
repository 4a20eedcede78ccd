"""The min-char-rnn algorithm: one tanh layer over one-hot characters, read 25 at a time, trained by Adagrad.

At each step the next window of `seq_len` characters is read, from the hidden state in which the last one ended. The
gradient of the loss *summed* over the window, every element cut to [-5, 5], goes into

    v = v + d²        w = w - lr d / √(v + 1e-8)

The hidden state is zero at the start of the text; where too little text is left, reading starts again there, from zero.

What differs from charrnn's own course (and PyTorch's), and what undoes it:

- The loss is summed, not averaged: with the mean, d is `seq_len` times smaller, so an element's limit of 5 becomes
  5 / seq_len. Adagrad itself does not see the scale, except through eps.
- eps stands inside the square root, 1e-8, as if √v were at least 1e-4; PyTorch's 1e-10 outside lets even a gradient of
  1e-9 move a weight by the full learning rate. For the mean loss the equal of it is 1e-8 / seq_len² inside.
- There is one hidden bias. PyTorch's layer has two; they share one gradient, so when both learn their sum moves twice
  as far. `rnn.bias_hh_l0` has to stay zero.
- A window is read only when at least one character follows its last target; other programs read that last window too.
  The passes differ only when `seq_len` divides `len(ids) - 1`.

Comparing whole runs: at lr 0.1 with 100 units the first updates throw the weights so far that training is chaotic, and
rounding alone moves later losses by whole nats (float32) or tenths (float64, mean for sum). At lr 0.01 float32 follows
float64 to 1e-6 over 200 steps of prose, while each of the differences above that concerns an update moves some loss by
more than 1e-2. So compare free runs at 0.01, and at 0.1 single steps that start from the same `MinCharRNN` attributes.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Weights = dict[str, Array]

#: The weights that the algorithm trains, under PyTorch's names.
NAMES = ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "output.weight", "output.bias")


def loss_and_gradients(weights: Weights, window: Array, h: Array) -> tuple[float, Weights, Array]:
    """Return the summed loss in nats, its gradients, and the hidden state (H,) after the window.

    `window` (T + 1,) holds T characters and the one after them; `h` (H,) is the state before it.
    """
    W_x, W_h, b, W_y, b_y = (weights[name] for name in NAMES)
    characters, targets = window[:-1], window[1:]
    states, errors, loss = [h], [], 0.0
    for character, target in zip(characters, targets):
        states.append(np.tanh(W_x[:, character] + W_h @ states[-1] + b))
        scores = W_y @ states[-1] + b_y
        probabilities = np.exp(scores - scores.max())
        probabilities /= probabilities.sum()
        loss -= float(np.log(probabilities[target]))
        probabilities[target] -= 1
        errors.append(probabilities)

    gradients = {name: np.zeros_like(weights[name]) for name in NAMES}
    dW_x, dW_h, db, dW_y, db_y = (gradients[name] for name in NAMES)
    from_later = np.zeros_like(h)
    for t in reversed(range(len(characters))):
        before, after = states[t], states[t + 1]
        dW_y += np.outer(errors[t], after)
        db_y += errors[t]
        dsum = (W_y.T @ errors[t] + from_later) * (1 - after**2)
        dW_x[:, characters[t]] += dsum
        dW_h += np.outer(dsum, before)
        db += dsum
        from_later = W_h.T @ dsum
    return loss, gradients, states[-1]


class MinCharRNN:
    """A run of the algorithm over `ids` (N,); everything it remembers between two steps is an attribute.

    Attributes
    ----------
    weights : those of `NAMES`, float64, copied from the ones given.
    squares : v of each weight.
    h : (H,) hidden state before the next window.
    start : where in `ids` the next window begins.
    """

    def __init__(self, weights: Weights, ids: Array, *, seq_len: int = 25, lr: float = 0.1, limit: float = 5.0) -> None:
        if len(ids) < seq_len + 2:
            raise ValueError(f"a window of {seq_len} needs a text of {seq_len + 2} characters, not {len(ids)}")
        self.ids, self.seq_len, self.lr, self.limit = ids, seq_len, lr, limit
        self.weights = {name: np.array(weights[name], np.float64) for name in NAMES}
        self.squares = {name: np.zeros_like(w) for name, w in self.weights.items()}
        self.h = np.zeros(len(self.weights["rnn.bias_ih_l0"]))
        self.start = 0

    def step(self) -> float:
        """Read the next window and update the weights; return its loss before that, in nats summed over the window."""
        if self.start + self.seq_len + 1 >= len(self.ids):
            self.start, self.h = 0, np.zeros_like(self.h)
        window = self.ids[self.start:self.start + self.seq_len + 1]
        loss, gradients, self.h = loss_and_gradients(self.weights, window, self.h)
        for name in NAMES:
            d = np.clip(gradients[name], -self.limit, self.limit)
            self.squares[name] += d**2
            self.weights[name] -= self.lr * d / np.sqrt(self.squares[name] + 1e-8)
        self.start += self.seq_len
        return loss
