"""python -m benchmarks.profile [--hidden H ...]: where the time of one training step goes, on one thread.

The phases are those of `charrnn.network`, run one at a time. What a pass does beside the gates' functions is products.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.cells import get_cell
from charrnn.config import ModelConfig, TrainConfig
from charrnn.kernels.jit import specialise
from charrnn.kernels.share import Share, new_barrier
from charrnn.kernels.softmax import cross_entropy
from charrnn.kernels.sweep import cell_backward, cell_forward
from charrnn.model import initial_parameters
from charrnn.network import Network, passes
from charrnn.optimizers import Optimizer

VOCAB = 65


def all_forward(window: Any, bias_apart: Any) -> None:
    """Every layer's, step's and row's gates, and no product."""
    layers, steps, rows, _ = window.z.shape
    for layer in range(layers):
        for t in range(steps):
            for b in range(rows):
                cell_forward(window.z[layer, t, b], window.u[0, b], bias_apart[layer], window.states[layer], t, b,
                             window.tape[layer, t, b], window.units)


def all_backward(window: Any) -> None:
    """Every layer's, step's and row's gates on the way back, and no product."""
    layers, steps, rows, _ = window.z.shape
    for layer in range(layers):
        for t in range(steps - 1, -1, -1):
            for b in range(rows):
                cell_backward(window.z[layer, t, b], window.states[layer], t, b, window.tape[layer, t, b],
                              window.dh[t, b], window.dstates[layer], window.units)


def phases(config: ModelConfig, train: TrainConfig, batch: int, steps: int, precision: str,
           ) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Return what makes each phase ready, and the phase itself, by name."""
    cell = get_cell(config.cell)
    network = Network(config, initial_parameters(config, 0), batch_size=batch, seq_len=steps, precision=precision,
                      training=True)
    optimizer = Optimizer(train, network.flat, network.layout.decayed)
    ids = np.random.default_rng(0).integers(0, VOCAB, (steps, batch)).astype(np.uint8)
    forward_pass, backward_pass = passes(config.cell)
    gates_forward = specialise(all_forward, config.cell, cell_forward=cell.forward)
    gates_backward = specialise(all_backward, config.cell, cell_backward=cell.backward)
    window, weights, none = network._window, network.weights, np.uint64(0)
    losses = np.zeros((steps, batch), np.float32)
    whole = Share(0, batch, 0, 1, new_barrier())

    def forward() -> None:
        forward_pass(ids, weights, window, whole, 0.0, none)

    def loss() -> None:
        cross_entropy(window.logits, weights.output_bias, ids, losses, VOCAB, 1 / ids.size, 0, batch)

    def forward_and_loss() -> None:
        window.dstates[...] = 0
        forward()
        loss()

    def back(sums: Any) -> Callable[[], None]:
        return lambda: backward_pass(ids, weights, window, whole, 0.0, none, network._gradients, sums)

    def update(*then: Any) -> None:
        optimizer.step(network.gradient, 1e-4, steps, network.team, *then)

    def everything() -> None:
        network.loss_and_gradient(ids, ids)
        update(network.pack_share)

    def nothing() -> None:
        pass

    return {"forward": (nothing, forward),
            "gates forward": (nothing, lambda: gates_forward(window, weights.bias_apart)), "loss": (forward, loss),
            "gates backward": (forward_and_loss, lambda: gates_backward(window)),
            "backward": (forward_and_loss, back(network._no_sums)),
            "backward and sums": (forward_and_loss, back(network._sums.of(0))), "update": (nothing, update),
            "packing": (nothing, network.pack), "everything": (nothing, everything)}


def main() -> None:
    """Print each part's median time and its share of a step."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    for name, default in (("layers", 2), ("hidden", 128), ("batch", 50), ("steps", 50)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("cell", "lstm"), ("precision", "f32"), ("optimizer", TrainConfig.optimizer)):
        parser.add_argument(f"--{name}", default=default)
    given = parser.parse_args()
    config = ModelConfig(vocab_size=VOCAB, cell=given.cell, num_layers=given.layers, hidden_size=given.hidden)
    train = TrainConfig(optimizer=given.optimizer)
    times: dict[str, list[float]] = {}
    work = phases(config, train, given.batch, given.steps, given.precision)
    for round_ in range(42):
        for name, (prepare, phase) in work.items():
            prepare()
            start = time.perf_counter()
            phase()
            if round_ > 1:
                times.setdefault(name, []).append(1e6 * (time.perf_counter() - start))
    took = {name: statistics.median(values) for name, values in times.items()}
    step = took["everything"]
    named = took["forward"] + took["loss"] + took["backward and sums"] + took["update"] + took["packing"]
    parts = {"products, forward": took["forward"] - took["gates forward"],
             "products, backward": took["backward"] - took["gates backward"],
             "products, gradients of the weights": took["backward and sums"] - took["backward"],
             "gates' functions, forward": took["gates forward"], "gates' functions, backward": took["gates backward"],
             "softmax and loss": took["loss"], "clipping and optimizer": took["update"], "packing": took["packing"],
             "calls, allocation, the rest": step - named}
    print(f"{given.cell} {given.layers} x {given.hidden}, B={given.batch}, T={given.steps}, {given.precision}, "
          f"{given.optimizer}, one thread: a step takes {step:,.0f} us")
    for name, value in parts.items():
        print(f"{name:<36} {value:10,.0f} us {value / step:7.1%}")


if __name__ == "__main__":
    main()
