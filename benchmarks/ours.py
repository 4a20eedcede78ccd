"""charrnn's side of the comparisons: one whole training step, and sampling, as a run does them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from charrnn.config import ModelConfig, SampleConfig, TrainConfig
from charrnn.generator import Generator
from charrnn.model import initial_parameters
from charrnn.network import Network, useful_threads
from charrnn.optimizers import Optimizer
from charrnn.sampling import CHUNK
from charrnn.threads import available_threads


def training_step(config: ModelConfig, batch: int, steps: int, *, precision: str = "f32", threads: int | None = None,
                  train: TrainConfig | None = None) -> Callable[[], float]:
    """Return a call that makes one update: forward, backward, clipping, optimizer, packing."""
    train = train or TrainConfig(optimizer="adam", clip_norm=5.0, weight_decay=0.0)
    count = useful_threads(config, batch, steps, threads or available_threads())
    network = Network(config, initial_parameters(config, 0), batch_size=batch, seq_len=steps, threads=count,
                      precision=precision, training=True)
    optimizer = Optimizer(train, network.flat, network.layout.decayed)
    random = np.random.default_rng(0)
    ids, targets = (random.integers(0, config.vocab_size, (steps, batch)).astype(np.uint16) for _ in range(2))

    def step() -> float:
        loss = network.loss_and_gradient(ids, targets)
        optimizer.step(network.gradient, train.peak_lr, steps, network.team, network.pack_share)
        return loss

    return step


def sampling(config: ModelConfig, streams: int, characters: int, *, precision: str = "f32") -> Callable[[], object]:
    """Return a call that draws `characters` characters in each of `streams` streams."""
    network = Network(config, initial_parameters(config, 0), batch_size=1, seq_len=1, threads=available_threads(),
                      precision=precision)
    generator = Generator(network, np.zeros_like(network.states), 0, SampleConfig(num_samples=streams))

    def sample() -> None:
        for start in range(0, characters, CHUNK):
            generator.next(min(CHUNK, characters - start))

    return sample


def useful_flops(config: ModelConfig, gates: int) -> float:
    """Return the floating-point operations of training that one character needs: three times the forward products.

    A one-hot or embedded first layer needs no input product.
    """
    hidden = config.hidden_size
    recurrent = 2 * gates * hidden * hidden
    return 3.0 * (config.num_layers * recurrent + (config.num_layers - 1) * recurrent + 2 * hidden * config.vocab_size)
