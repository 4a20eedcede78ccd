"""A state dict of others as a model of ours: what its tensors are follows from their names and shapes.

Understood are models of three parts, whatever their modules are called: an embedding or one-hot input; one
`torch.nn.LSTM`, `GRU` or `RNN` (tanh) of any number of layers; and a linear output layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from charrnn.cells import CELLS, get_cell
from charrnn.config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.model import parameter_shapes
from charrnn.storage import printable

_RECURRENT = re.compile(r"(?P<module>.*?)(?P<name>(weight|bias)_(ih|hh)_l(?P<layer>\d{1,4}))", re.DOTALL)


def recognise(tensors: Mapping[str, np.ndarray]) -> tuple[ModelConfig, dict[str, np.ndarray]]:
    """Return the shape of the model that a state dict holds, and its weights under our names.

    Parameters
    ----------
    tensors : float32 arrays under any names.

    Raises
    ------
    CheckpointError : the state dict is no model that charrnn can compute; says which tensor does not fit.
    """
    recurrent, rest = _recurrent_part(tensors)
    below = _shape(recurrent, "weight_ih_l0")[1]
    gate_rows, hidden = _shape(recurrent, "weight_hh_l0")
    config = ModelConfig(vocab_size=1, cell=_cell(gate_rows, hidden), hidden_size=hidden,
                         num_layers=sum(name.startswith("weight_hh") for name in recurrent))
    embedding, output, bias = _outer_parts(rest, below, hidden)
    vocab = len(tensors[output])
    config = config.replace(vocab_size=vocab, embedding_size=below if embedding else 0)
    weights = {"output.weight": tensors[output],
               "output.bias": tensors[bias] if bias else np.zeros(vocab, np.float32)}
    if embedding:
        weights["embedding.weight"] = tensors[embedding]
    weights |= {f"rnn.{name}": array for name, array in recurrent.items()}
    shapes = parameter_shapes(config)
    for name, shape in shapes.items():
        if name.startswith("rnn.bias"):
            weights.setdefault(name, np.zeros(shape, np.float32))  # bias=False
        if name not in weights or weights[name].shape != shape:
            found = f"{weights[name].shape}" if name in weights else "missing"
            raise CheckpointError(f"the state dict's {name} is {found} where the other tensors imply {shape}; it is no "
                                  "model that charrnn can compute")
    return config, {name: np.ascontiguousarray(weights[name]) for name in shapes}


def _recurrent_part(tensors: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return the tensors of the recurrent module, by their names in it, and all others."""
    matches = {key: _RECURRENT.fullmatch(key) for key in tensors}
    modules = {match["module"] for match in matches.values() if match}
    if len(modules) != 1:
        found = f"{len(modules)} recurrent modules" if modules else "no recurrent module (no weight_ih_l0)"
        raise CheckpointError(f"the state dict has {found}, and charrnn's models have one torch.nn.LSTM, GRU or RNN; "
                              "import one model at a time")
    recurrent = {match["name"]: tensors[key] for key, match in matches.items() if match}
    return recurrent, {key: tensors[key] for key, match in matches.items() if not match}


def _shape(recurrent: Mapping[str, np.ndarray], name: str) -> tuple[int, int]:
    if name not in recurrent or recurrent[name].ndim != 2 or 0 in recurrent[name].shape:
        raise CheckpointError(f"the state dict lacks a matrix {name}, which every recurrent layer of PyTorch has")
    rows, columns = recurrent[name].shape
    return rows, columns


def _cell(gate_rows: int, hidden: int) -> str:
    for cell in CELLS:
        if gate_rows == len(get_cell(cell).gates) * hidden:
            return cell
    raise CheckpointError(f"the state dict's weight_hh_l0 is {(gate_rows, hidden)}, which no LSTM, GRU or RNN has; "
                          "projections (proj_size) are not supported")


def _outer_parts(rest: Mapping[str, np.ndarray], below: int, hidden: int) -> tuple[str | None, str, str | None]:
    """Return the names of the embedding (None: one-hot), of the output matrix and of its bias (None: it has none)."""
    biases = {key: key.removesuffix("weight") + "bias" for key in rest}
    matrices = [key for key, array in rest.items() if array.ndim == 2]
    # Where embedding and output have the same shape, the output is the one with a bias, or else the later one.
    outputs = sorted((key for key in matrices if rest[key].shape[1] == hidden), key=lambda key: biases[key] in rest)
    if not outputs:
        raise CheckpointError(f"the state dict has no output matrix of {hidden} columns beside its recurrent module; "
                              "it is no model that charrnn can compute")
    output = outputs[-1]
    vocab, bias = rest[output].shape[0], biases[output] if biases[output] in rest else None
    inputs = [key for key in matrices if key != output and rest[key].shape == (vocab, below)]
    embedding = inputs[0] if inputs else None
    for key in rest:
        if key not in (embedding, output, bias):
            raise CheckpointError(f"the state dict has a tensor {printable(key, 80)} {rest[key].shape}, which has no "
                                  "place in charrnn's models: embedding or one-hot, recurrent layers, linear output")
    if embedding is None and below != vocab:
        raise CheckpointError(f"the state dict's recurrent layers read {below} numbers, which is no one-hot of its "
                              f"{vocab} characters, and it has no embedding ({vocab}, {below})")
    return embedding, output, bias
