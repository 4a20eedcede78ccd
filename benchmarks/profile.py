"""python -m benchmarks.profile [HIDDEN]: where the time of one training step goes, on one thread.

The phases are those of `charrnn.network`, run one at a time on a 2-layer LSTM with B = T = 50.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from charrnn.config import ModelConfig, TrainConfig
from charrnn.kernels.share import Share, new_barrier
from charrnn.kernels.softmax import cross_entropy
from charrnn.model import initial_parameters
from charrnn.network import Network, passes
from charrnn.optimizers import Optimizer

BATCH, STEPS, VOCAB = 50, 50, 65


def main() -> None:
    """Print each phase's median milliseconds and share."""
    hidden = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    config = ModelConfig(vocab_size=VOCAB, num_layers=2, hidden_size=hidden)
    network = Network(config, initial_parameters(config, 0), batch_size=BATCH, seq_len=STEPS, training=True)
    optimizer = Optimizer(TrainConfig(), network.flat, network.layout.decayed)
    ids = np.random.default_rng(0).integers(0, VOCAB, (STEPS, BATCH)).astype(np.uint8)
    forward, backward = passes(config.cell)
    window, weights, none = network._window, network.weights, np.uint64(0)
    losses = np.zeros((STEPS, BATCH), np.float32)
    whole = Share(0, BATCH, 0, 1, new_barrier())
    phases = {
        "forward": lambda: forward(ids, weights, window, whole, 0.0, none),
        "softmax and loss": lambda: cross_entropy(window.logits, weights.output_bias, ids, losses, VOCAB, 1e-4, 0,
                                                  BATCH),
        "backward": lambda: backward(ids, weights, window, whole, 0.0, none, network._gradients, network._no_sums),
        "and with weight gradients": lambda: backward(ids, weights, window, whole, 0.0, none, network._gradients,
                                                      network._sums.of(0)),
        "clipping and optimizer": lambda: optimizer.step(network.gradient, 1e-4, STEPS, network.team),
        "packing": network.pack,
        "everything, as in training": lambda: network.loss_and_gradient(ids, ids),
    }
    times: dict[str, list[float]] = {name: [] for name in phases}
    for round_ in range(32):
        for name, phase in phases.items():
            start = time.perf_counter()
            phase()
            if round_ > 1:
                times[name].append(1000 * (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in times.items()}
    medians["weight gradients"] = medians.pop("and with weight gradients") - medians["backward"]
    medians["everything, as in training"] = medians.pop("everything, as in training")
    total = sum(value for name, value in medians.items() if "everything" not in name)
    print(f"LSTM 2 x {hidden}, B={BATCH}, T={STEPS}, one thread")
    for name, value in medians.items():
        share = "(without optimizer and packing)" if "everything" in name else f"{value / total:6.1%}"
        print(f"{name:<28} {value:8.2f} ms  {share}")


if __name__ == "__main__":
    main()
