"""python -m benchmarks.plain CHARACTERS CHECKPOINT...: texts written without kernels beside those of the kernels.

For every checkpoint and two temperatures: characters a second without kernels; the largest difference of logits, up to
what all of them have in common; and in 1,000 characters, how many draws are not clear (`charrnn.plain.MARGIN`), and how
many that seem clear would be others.
"""

from __future__ import annotations

import sys
import time

import numpy as np

import charrnn
from charrnn import plain
from charrnn.config import SampleConfig
from charrnn.generator import Generator


def borders(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Return the running sums (N, V - 1) of the probabilities that logits (N, V) give, but the last."""
    p = np.exp((logits.astype(np.float64) - logits.max(axis=1, keepdims=True)) / temperature)
    return (p.cumsum(axis=1) / p.sum(axis=1, keepdims=True))[:, :-1]


def covered(low: np.ndarray, high: np.ndarray) -> float:
    """Return the length of the union of intervals [low, high] (N, K) in each row, all rows together."""
    high = np.maximum.accumulate(high, axis=1)
    starts = np.concatenate([low[:, :1], np.maximum(low[:, 1:], high[:, :-1])], axis=1)
    return float(np.maximum(high - starts, 0).sum())


def measure(path: str, temperature: float, count: int) -> str:
    """Return a line about a model."""
    model = charrnn.load(path)
    written = Generator(model.network, np.zeros_like(model.network.states), model.start_id,
                        SampleConfig(temperature=temperature)).next(count)[0][:, 0]
    ids = np.array([model.start_id, *written[:-1]])
    model.network.states[...] = 0
    parts = [model.network.logits(ids[start:start + 128, None])[:, 0] for start in range(0, count, 128)]
    exact, net = np.concatenate(parts), model.plain
    states, logits, started = net.start(), [], time.perf_counter()
    for id_ in ids:
        states = net.read(int(id_), states)
        logits.append(net.logits(states))
    speed, found = count / (time.perf_counter() - started), np.array(logits)
    off = np.ptp(found.astype(np.float64) - exact, axis=1).max()
    there, here = borders(exact, temperature), borders(found, temperature)
    allowed = plain.MARGIN * max(1, 1 / temperature) * here * (1 - here)
    unclear = covered(here - allowed, here + allowed)
    wrong = float(np.maximum(abs(here - there) - allowed - 1e-12, 0).sum())
    shape = model.checkpoint.model
    return (f"{path:<32} {shape.cell:>4} {shape.num_layers} x {shape.hidden_size:<4} {shape.vocab_size:>5} "
            f"{temperature:>5} {speed:>8,.0f} {off:>9.1e} {1000 * unclear / count:>8.3f} {1000 * wrong / count:>9.1e}")


def main() -> None:
    """Print two lines for every checkpoint."""
    print(f"{'checkpoint':<32} {'net':>13} {'V':>6} {'temp.':>5} {'chars/s':>8} {'logits':>9} {'unclear':>8} "
          f"{'another':>9}")
    for path in sys.argv[2:]:
        for temperature in (1.0, 0.6):
            print(measure(path, temperature, int(sys.argv[1])), flush=True)


if __name__ == "__main__":
    main()
