"""ONNX: a model as one graph of standard operators, states in and states out.

Inputs are `ids` (time, batch) int64 and the states before, `h` and for an LSTM `c`, each (layers, batch, hidden);
outputs are `logits` (time, batch, vocabulary) and the states after, `h_out` and `c_out`. Batch is free, and so is time,
of which a step is a window of length 1; but where a cell normalises its output, which no operator does between two
steps, time is 1. Configuration and vocabulary are JSON in the metadata, under "charrnn".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import charrnn
from charrnn.cells import get_cell
from charrnn.checkpoint import Checkpoint
from charrnn.errors import CheckpointError
from charrnn.exchange.libraries import library
from charrnn.kernels.cell import NORM_EPSILON
from charrnn.storage import write_atomically

# Operator set 17 and format 8, of 2022, hold all that is needed, and older runtimes read them too.
_OPSET, _IR_VERSION = 17, 8

#: For each cell ONNX's operator, the order in which that takes our gates, and its attributes.
_OPERATORS: dict[str, tuple[str, str, dict[str, int]]] = {
    "lstm": ("LSTM", "iofg", {}),
    "lnlstm": ("LSTM", "iofg", {}),
    "gru": ("GRU", "zrn", {"linear_before_reset": 1}),  # as in PyTorch: the reset gate acts after the product
    "rnn": ("RNN", "n", {}),
}


def write_onnx(checkpoint: Checkpoint, path: Path) -> None:
    """Write a model as an .onnx file; raise `CheckpointError` where that fails."""
    onnx = library("onnx", "onnx", "onnx")
    model = _model(checkpoint)
    onnx.checker.check_model(model, full_check=True)
    write_atomically(path, model.SerializeToString())


def onnx_loader(checkpoint: Checkpoint, path: Path) -> str:
    """Return Python code that loads a written file with ONNX Runtime and reads a character with it."""
    config = checkpoint.model
    cell = get_cell(config.cell)
    time = "time = 1" if cell.normalised else "time"
    return "\n".join([
        "import json, numpy, onnxruntime",
        f"session = onnxruntime.InferenceSession({str(path)!r})",
        'saved = json.loads(session.get_modelmeta().custom_metadata_map["charrnn"])',
        'characters = [chr(code) for code in saved["vocabulary"]["code_points"]]',
        f'states = {{name: numpy.zeros(({config.num_layers}, 1, {config.hidden_size}), "float32") for name in '
        f'{"".join(cell.states)!r}}}',
        f"ids = numpy.array([[0]])  # ({time}, batch); 0 stands for characters[0]",
        'logits, *after = session.run(None, {"ids": ids, **states})  # (time, batch, vocabulary)',
        "states = dict(zip(states, after))  # for the next character",
        "print(characters[logits[-1, 0].argmax()])  # what most probably follows",
    ]) + "\n"


def _model(checkpoint: Checkpoint) -> Any:
    helper, numpy_helper = library("onnx.helper", "onnx", "onnx"), library("onnx.numpy_helper", "onnx", "onnx")
    types = library("onnx", "onnx", "onnx").TensorProto
    config, weights = checkpoint.model, checkpoint.weights
    if config.cell not in _OPERATORS:
        raise CheckpointError(f"ONNX has no operator for the cell {config.cell}; export with --format pytorch")
    operator, order, attributes = _OPERATORS[config.cell]
    cell = get_cell(config.cell)
    rows = np.concatenate([np.arange(config.hidden_size) + cell.gates.index(gate) * config.hidden_size
                           for gate in order])
    nodes: list[Any] = []
    constants: dict[str, np.ndarray] = {"norm_epsilon": np.array(NORM_EPSILON, np.float32)} if cell.normalised else \
        {"time_axis": np.array([1], np.int64)}

    def node(kind: str, inputs: list[str], outputs: list[str], **more: Any) -> None:
        nodes.append(helper.make_node(kind, inputs, outputs, **more))

    if config.embedding_size:
        constants["embedding.weight"] = weights["embedding.weight"]
        node("Gather", ["embedding.weight", "ids"], ["x"])
    else:
        constants |= {"vocab_size": np.array(config.vocab_size, np.int64), "off_on": np.array([0, 1], np.float32)}
        node("OneHot", ["ids", "vocab_size", "off_on"], ["x"])
    below = "x"
    for state in cell.states:
        constants["one_each"] = np.ones(config.num_layers, np.int64)
        node("Split", [state, "one_each"], [f"{state}_{layer}" for layer in range(config.num_layers)], axis=0)
    for layer in range(config.num_layers):
        names = {short: f"rnn.{long}_l{layer}" for short, long in (("w", "weight_ih"), ("r", "weight_hh"))}
        for name in names.values():
            constants[name] = weights[name][None, rows]
        names["b"] = f"rnn.bias_l{layer}"
        constants[names["b"]] = np.concatenate(
            [weights[f"rnn.bias_{which}_l{layer}"][rows] for which in ("ih", "hh")])[None]
        states_before = [f"{state}_{layer}" for state in cell.states]
        h_after, *others_after = (f"{state}_{layer}_out" for state in cell.states)
        raw = f"q_{layer}" if cell.normalised else h_after  # (directions = 1, batch, hidden)
        node(operator, [below, names["w"], names["r"], names["b"], "", *states_before],
             ["" if cell.normalised else f"y_{layer}", raw, *others_after],
             hidden_size=config.hidden_size, **attributes)
        if cell.normalised:
            node("Mul", [raw, raw], [f"squares_{layer}"])
            node("ReduceMean", [f"squares_{layer}"], [f"mean_{layer}"], axes=[2])
            node("Add", [f"mean_{layer}", "norm_epsilon"], [f"shifted_{layer}"])
            node("Sqrt", [f"shifted_{layer}"], [f"norm_{layer}"])
            node("Div", [raw, f"norm_{layer}"], [h_after])
            below = h_after  # (time = 1, batch, hidden) as well
        else:
            below = f"above_{layer}"
            node("Squeeze", [f"y_{layer}", "time_axis"], [below])  # (time, directions = 1, batch, hidden)
    for state in cell.states:
        node("Concat", [f"{state}_{layer}_out" for layer in range(config.num_layers)], [f"{state}_out"], axis=0)
    constants |= {"output.weight": weights["output.weight"].T, "output.bias": weights["output.bias"]}
    node("MatMul", [below, "output.weight"], ["products"])
    node("Add", ["products", "output.bias"], ["logits"])

    time = 1 if cell.normalised else "time"
    state_shape = [config.num_layers, "batch", config.hidden_size]
    graph = helper.make_graph(
        nodes, "charrnn",
        [helper.make_tensor_value_info("ids", types.INT64, [time, "batch"]),
         *(helper.make_tensor_value_info(state, types.FLOAT, state_shape) for state in cell.states)],
        [helper.make_tensor_value_info("logits", types.FLOAT, [time, "batch", config.vocab_size]),
         *(helper.make_tensor_value_info(f"{state}_out", types.FLOAT, state_shape) for state in cell.states)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()])
    model = helper.make_model(graph, producer_name="charrnn", producer_version=charrnn.__version__,
                              ir_version=_IR_VERSION, opset_imports=[helper.make_opsetid("", _OPSET)])
    description = {"model": config.to_json(), "text": checkpoint.text.to_json(),
                   "vocabulary": checkpoint.vocabulary.to_json()}
    helper.set_model_props(model, {"charrnn": json.dumps(description, sort_keys=True)})
    return model
