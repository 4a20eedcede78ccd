"""PyTorch's files: models written as a state dict with all that is needed to use it, and state dicts of others read.

A written file is what `torch.save` makes of one dict: "state_dict" (tensors under PyTorch's names, as
`charrnn.model.parameter_shapes` has them), "model" and "text" (the configurations), and "vocabulary" ("bytes" and the
"code_points" in the order of their ids). Plain values alone, so `torch.load(..., weights_only=True)` takes it.

A file that is read may come from anyone: it is loaded with `weights_only=True`, so that nothing in it is executed, and
no tensor is believed that is larger than its file.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from charrnn.cells import get_cell
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.exchange.libraries import library
from charrnn.kernels.cell import NORM_EPSILON
from charrnn.storage import printable, storage_error, write_atomically

#: What others call the state dict where a file holds more than that.
_STATE_DICTS = ("state_dict", "model_state_dict", "model")


class PyTorchFile(NamedTuple):
    """Arrays by name, float32, and, if charrnn wrote the file, what it says about the model."""

    tensors: dict[str, np.ndarray]
    description: dict[str, Any]


def write_pytorch(checkpoint: Checkpoint, path: Path) -> None:
    """Write a model as a .pt file; raise `CheckpointError` where that fails."""
    torch = library("torch", "PyTorch", "torch")
    file = io.BytesIO()
    torch.save({
        "model": checkpoint.model.to_json(), "text": checkpoint.text.to_json(),
        "vocabulary": checkpoint.vocabulary.to_json(),
        "state_dict": {name: torch.from_numpy(array) for name, array in checkpoint.weights.items()},
    }, file)
    write_atomically(path, file.getvalue())


def pytorch_loader(config: ModelConfig, path: Path) -> str:
    """Return Python code that loads a written file and reads a character with it."""
    if get_cell(config.cell).normalised:
        return _loader_by_step(config, path)
    vocab, hidden, embedding = config.vocab_size, config.hidden_size, config.embedding_size
    modules = [f'"rnn": torch.nn.{config.cell.upper()}({embedding or vocab}, {hidden}, {config.num_layers})',
               f'"output": torch.nn.Linear({hidden}, {vocab})']
    inputs = f"torch.nn.functional.one_hot(ids, {vocab}).float()"
    if embedding:
        modules.insert(0, f'"embedding": torch.nn.Embedding({vocab}, {embedding})')
        inputs = 'model["embedding"](ids)'
    return "\n".join([
        "import torch",
        f"saved = torch.load({str(path)!r}, weights_only=True)",
        f"model = torch.nn.ModuleDict({{{', '.join(modules)}}})",
        'model.load_state_dict(saved["state_dict"])',
        'characters = [chr(code) for code in saved["vocabulary"]["code_points"]]',
        "ids = torch.tensor([[0]])  # (time, batch); 0 stands for characters[0]",
        f'h, state = model["rnn"]({inputs}, None)  # None: a state of zeros',
        'logits = model["output"](h)  # (time, batch, vocabulary)',
        "print(characters[logits[-1, 0].argmax()])  # what most probably follows",
    ]) + "\n"


def _loader_by_step(config: ModelConfig, path: Path) -> str:
    """As `pytorch_loader`, of an LSTM whose output is normalised between the steps, which no module of PyTorch does."""
    vocab, hidden, layers = config.vocab_size, config.hidden_size, config.num_layers
    ids = "torch.tensor([[0]])"
    inputs = f'w["embedding.weight"][{ids}]' if config.embedding_size else f"F.one_hot({ids}, {vocab}).float()"
    return "\n".join([
        "import torch, torch.nn.functional as F",
        f"saved = torch.load({str(path)!r}, weights_only=True)",
        'w, characters = saved["state_dict"], [chr(code) for code in saved["vocabulary"]["code_points"]]',
        f"state = [(torch.zeros(1, {hidden}), torch.zeros(1, {hidden}))] * {layers}  # h and c of each layer",
        f"for x in {inputs}:  # ids (time, batch = 1); 0 stands for characters[0]",
        f"    for k in range({layers}):",
        '        own = [w[f"rnn.{part}_l{k}"] for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]',
        "        q, c = torch.lstm_cell(x, state[k], *own)",
        f"        state[k] = (x := F.rms_norm(q, ({hidden},), eps={NORM_EPSILON})), c",
        'print(characters[F.linear(x, w["output.weight"], w["output.bias"])[0].argmax()])  # what is most probable',
    ]) + "\n"


def read_pytorch(path: str | os.PathLike[str]) -> PyTorchFile:
    """Return what a .pt file holds.

    Raises
    ------
    CheckpointError : the file cannot be read, holds anything but tensors and plain values, or no state dict.
    """
    name = printable(path)
    torch = library("torch", "PyTorch", "torch")
    size = _size_of_regular_file(path)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch raises for a broken or hostile file is not documented, and varied
        raise CheckpointError(f"{name} is no file of weights that can be loaded safely ({type(error).__name__}); save "
                              "it anew with torch.save(model.state_dict(), ...)") from None
    state_dict, description = _parts(saved, torch.Tensor)
    if not state_dict:
        raise CheckpointError(f"{name} holds no state dict; save one with torch.save(model.state_dict(), ...)")
    tensors = {}
    elements = 0
    for key, tensor in state_dict.items():
        elements += tensor.numel()
        if elements > size:  # each takes at least a byte, unless tensors are views of one another
            raise CheckpointError(f"{name} describes more numbers than it holds; save it anew with "
                                  "torch.save(model.state_dict(), ...)")
        if tensor.layout is not torch.strided or tensor.is_complex() or tensor.is_quantized or tensor.is_meta:
            raise CheckpointError(f"{name}: the tensor {printable(key, 80)} is no plain array of numbers; convert it "
                                  "and save anew")
        tensors[key] = np.array(tensor.detach().to(torch.float32).numpy(), order="C")
    return PyTorchFile(tensors, description)


def _parts(saved: Any, tensor_type: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the state dict in what was saved, an empty one if there is none, and what else charrnn put there."""

    def is_state_dict(value: Any) -> bool:
        return isinstance(value, dict) and bool(value) and all(
            isinstance(key, str) and isinstance(item, tensor_type) for key, item in value.items())

    if is_state_dict(saved):
        return saved, {}
    for key in _STATE_DICTS if isinstance(saved, dict) else ():
        if is_state_dict(saved.get(key)):
            ours = {"model", "text", "vocabulary"} <= saved.keys()
            return saved[key], {part: saved[part] for part in ("model", "text", "vocabulary")} if ours else {}
    return {}, {}


def _size_of_regular_file(path: str | os.PathLike[str]) -> int:
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        raise CheckpointError(f"{printable(path)} does not exist; name a .pt file") from None
    except OSError as error:
        raise storage_error(path, error, "cannot be read") from None
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{printable(path)} is no file of weights; name a .pt file")
    return status.st_size
