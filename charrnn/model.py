"""The parameters of a model: PyTorch's names and shapes outside, one flat padded buffer inside.

Inside, each group of parameters is an array whose H, E and V are padded to a multiple of `LANES`, and all of them are
views of one flat buffer. So kernels meet no edges, an optimizer is one loop, and a gradient is one buffer to clip, to
add up or to send. The padding holds 0 and keeps it: no gradient ever reaches it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from charrnn.cells import get_cell
from charrnn.config import ModelConfig
from charrnn.kernels.tile import LANES
from charrnn.kernels.window import ParameterViews

#: Largest of the weights that stand for a character in its embedding and in the output both, at the start.
TIED = 0.1


def padded(size: int) -> int:
    """Return `size` rounded up to whole vectors."""
    return -(-size // LANES) * LANES


def parameter_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter under PyTorch's name, in PyTorch's order."""
    gates, hidden = len(get_cell(config.cell).gates) * config.hidden_size, config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {}
    if config.embedding_size:
        shapes["embedding.weight"] = (config.vocab_size, config.embedding_size)
    below = config.embedding_size or config.vocab_size
    for layer in range(config.num_layers):
        shapes[f"rnn.weight_ih_l{layer}"] = (gates, below)
        shapes[f"rnn.weight_hh_l{layer}"] = (gates, hidden)
        shapes[f"rnn.bias_ih_l{layer}"] = (gates,)
        shapes[f"rnn.bias_hh_l{layer}"] = (gates,)
        below = hidden
    shapes["output.weight"] = (config.vocab_size, hidden)
    shapes["output.bias"] = (config.vocab_size,)
    return shapes


def parameter_count(config: ModelConfig) -> int:
    """Return the number of parameters, without padding."""
    return sum(math.prod(shape) for shape in parameter_shapes(config).values())


def initial_parameters(config: ModelConfig, seed: int) -> dict[str, np.ndarray]:
    """Return new parameters: uniform within 1 / sqrt(H) as PyTorch draws them, but for two things.

    What stands for a character, an embedding or a column of one-hot input weights, is standard normal: drawn within
    1 / sqrt(H), characters start out all but alike, and a 2 x 256 LSTM on 1 MB of Shakespeare is at 2.25 nats after
    30 s, not at 1.73. And the LSTM's forget gate starts open, its input bias at 1 and its recurrent bias at 0
    (Jozefowicz et al. 2015). Tied weights start within `TIED` of 0, for the output's sake.
    """
    random = np.random.default_rng(seed)
    cell, hidden = get_cell(config.cell), config.hidden_size
    bound = 1.0 / math.sqrt(hidden)
    parameters = {}
    for name, shape in parameter_shapes(config).items():
        one_hot = name == "rnn.weight_ih_l0" and not config.embedding_size
        if one_hot or name == "embedding.weight":
            values = random.standard_normal(shape, np.float32)
        else:
            values = (random.random(shape, np.float32) * 2 - 1) * np.float32(bound)
        if cell.forget_gate is not None and name.startswith("rnn.bias"):
            forget = slice(cell.forget_gate * hidden, (cell.forget_gate + 1) * hidden)
            values[forget] = 1 if name.startswith("rnn.bias_ih") else 0
        if name.startswith("rnn.bias_hh") and not config.recurrent_bias:
            values[:] = 0
        parameters[name] = values
    if config.tie_weights:
        tied = (random.random(parameters["output.weight"].shape, np.float32) * 2 - 1) * np.float32(TIED)
        parameters["embedding.weight"], parameters["output.weight"] = tied, tied.copy()
    return parameters


class Layout:
    """Where each parameter of a model lies in the flat buffer.

    Attributes
    ----------
    size : elements of the flat buffer.
    decayed : the first so many of them belong to matrices, the others to biases, which weight decay leaves alone.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.gates = len(get_cell(config.cell).gates)
        hidden, vocab, embedding = padded(config.hidden_size), padded(config.vocab_size), padded(config.embedding_size)
        gates, layers = self.gates * hidden, config.num_layers
        matrices = {"input": (layers - 1, gates, hidden), "recurrent": (layers, gates, hidden),
                    "output": (vocab, hidden)}
        if embedding:
            matrices |= {"embedding": (config.vocab_size, embedding), "first": (gates, embedding)}
        else:
            matrices |= {"table": (config.vocab_size, gates)}
        biases = {"bias_input": (layers, gates), "bias_recurrent": (layers, gates), "output_bias": (vocab,)}
        self._shapes: dict[str, tuple[int, ...]] = matrices | biases
        self.decayed = sum(math.prod(shape) for shape in matrices.values())
        self.size = sum(math.prod(shape) for shape in self._shapes.values())

    def groups(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return the groups of parameters as views of `flat` (size,), in the kernels' shapes."""
        views, start = {}, 0
        for name, shape in self._shapes.items():
            stop = start + math.prod(shape)
            views[name] = flat[start:stop].reshape(shape)
            start = stop
        return views

    def kernel_views(self, flat: np.ndarray) -> ParameterViews:
        """Return what the kernels read or write; of the table and the embedding, one is empty."""
        groups = self.groups(flat)
        none = {"table": flat[:0].reshape(0, groups["recurrent"].shape[1]), "embedding": flat[:0].reshape(0, 0),
                "first": flat[:0].reshape(0, 0)}
        return ParameterViews(**{name: groups[name] if name in groups else none[name]
                                 for name in ParameterViews._fields})

    def _named(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return views of `flat` whose elements are, in order, those of the parameters under PyTorch's names."""
        config, groups = self.config, self.groups(flat)
        hidden, vocab, embedding = config.hidden_size, config.vocab_size, config.embedding_size

        def by_gate(matrix: np.ndarray, columns: int) -> np.ndarray:
            return matrix.reshape(self.gates, -1, matrix.shape[-1])[:, :hidden, :columns]

        named = {"output.weight": groups["output"][:vocab, :hidden], "output.bias": groups["output_bias"][:vocab]}
        if embedding:
            named["embedding.weight"] = groups["embedding"][:, :embedding]
            named["rnn.weight_ih_l0"] = by_gate(groups["first"], embedding)
        else:
            table = groups["table"].reshape(vocab, self.gates, -1)[:, :, :hidden]
            named["rnn.weight_ih_l0"] = table.transpose(1, 2, 0)
        for layer in range(config.num_layers):
            if layer > 0:
                named[f"rnn.weight_ih_l{layer}"] = by_gate(groups["input"][layer - 1], hidden)
            named[f"rnn.weight_hh_l{layer}"] = by_gate(groups["recurrent"][layer], hidden)
            for short, group in (("ih", "bias_input"), ("hh", "bias_recurrent")):
                named[f"rnn.bias_{short}_l{layer}"] = groups[group][layer].reshape(self.gates, -1)[:, :hidden]
        return named

    def to_named(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """Return copies of the parameters (or of moments, or a gradient) under PyTorch's names and shapes."""
        named = self._named(flat)
        return {name: named[name].copy().reshape(shape) for name, shape in parameter_shapes(self.config).items()}

    def from_named(self, named: Mapping[str, np.ndarray], dtype: type = np.float32) -> np.ndarray:
        """Return a flat buffer (size,) that holds parameters given under PyTorch's names."""
        flat: np.ndarray = np.zeros(self.size, dtype)
        for name, view in self._named(flat).items():
            view[...] = named[name].reshape(view.shape)
        return flat
