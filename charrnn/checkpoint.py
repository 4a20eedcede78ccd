"""The checkpoint: a model and its training in one safetensors file, which holds data alone and cannot execute.

The format, version 1, is that of safetensors (see `charrnn.tensor_file`) with these rules on top:

- The tensors are the weights, float32, under PyTorch's names, and, in a checkpoint that training can go on from, others
  whose names start with "train.".
- The header begins with its metadata, and that with the one key "charrnn": a JSON object as text, compact, keys sorted.
- Its first entry is "checksum": the SHA-256 of the whole file in which the 64 digits of the checksum itself are zeros.
- Its other entries are "format_version", "version" (of the program), "model", "train" and "text" (configurations),
  "vocabulary", "corpus", "history" and "progress".

A file is believed step by step: its size and header; that names, types and shapes are those which its configuration
implies; its checksum; and only then are tensors allocated.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import charrnn
from charrnn import strict_json, tensor_file
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.errors import CharRNNError, CheckpointError
from charrnn.model import parameter_shapes
from charrnn.storage import printable, storage_error, write_atomically
from charrnn.tensor_file import Header, Unusable
from charrnn.vocabulary import Vocabulary

FORMAT_VERSION = 1
#: What the names of all tensors start with that are not weights.
TRAINING_STATE = "train."

_MAX_EVENTS = 2_000  # of the history; about 0.5 MB of the header
_BLOCK = 2**20
_BEFORE_CHECKSUM = rb'{"__metadata__":{"charrnn":"{\"checksum\":\"'
_CHECKSUM = slice(8 + len(_BEFORE_CHECKSUM), 8 + len(_BEFORE_CHECKSUM) + 64)
_NO_CHECKSUM = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Description:
    """What a checkpoint says about its model, its weights aside.

    Attributes
    ----------
    model, text, train : the configurations.
    vocabulary : the characters, in the order of their ids.
    progress : where training stands; what it holds is the trainer's affair.
    history : the run's events as JSON objects, oldest first; a very long one is stored thinned out.
    corpus : what the model was trained on.
    version : of the program that wrote the checkpoint.
    """

    model: ModelConfig
    vocabulary: Vocabulary
    text: TextConfig
    train: TrainConfig
    progress: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    corpus: dict[str, Any] = field(default_factory=dict)
    version: str = charrnn.__version__


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Description):
    """A model and, where it is stored, all that its training needs to go on.

    Attributes
    ----------
    weights : float32, with PyTorch's names and shapes (`charrnn.model.parameter_shapes`).
    training_state : the trainer's arrays, names starting with `TRAINING_STATE`; empty where only the model is stored.
    """

    weights: dict[str, np.ndarray]
    training_state: dict[str, np.ndarray] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically and durably; raise `CheckpointError`, the old file untouched, when that fails."""
    with _named(path, "cannot be written"):
        data = _encode(checkpoint)
    write_atomically(path, data)


def load_checkpoint(path: str | os.PathLike[str], *, training_state: bool = False) -> Checkpoint:
    """Read a checkpoint, with the arrays that only training needs or without; raise `CheckpointError` if unusable."""
    with _opened(path) as file, _named(path, "is no usable checkpoint"):
        return _read(file, training_state)


def read_description(path: str | os.PathLike[str]) -> Description:
    """Read all of a checkpoint but its tensors, whose form and checksum are verified; raise `CheckpointError`."""
    with _opened(path) as file, _named(path, "is no usable checkpoint"):
        return _verified(file)[1]


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Tell from a file's first bytes whether charrnn wrote it; a checkpoint that was damaged later is one as well."""
    try:
        with _opened(path) as file:
            return file.read(_CHECKSUM.start)[8:] == _BEFORE_CHECKSUM
    except CheckpointError:
        return False


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of a checkpoint's file, the same bytes for the same checkpoint.

    Raises
    ------
    CheckpointError : a weight is NaN or infinite, or something is not what the format can hold.
    """
    with _named("the checkpoint", "cannot be written"):
        return _encode(checkpoint)


def decode_checkpoint(data: bytes, *, training_state: bool = True) -> Checkpoint:
    """Return the checkpoint that a file's bytes hold; raise `CheckpointError` if they are unusable."""
    with _named("the data", "is no usable checkpoint"):
        return _read(io.BytesIO(data), training_state)


def thinned(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most `_MAX_EVENTS` events: of a longer history, steps further apart, and if need be only the newest."""
    steps = [event["step"] for event in history if _is_step(event)] if len(history) > _MAX_EVENTS else []
    if steps:
        gap, before, kept = (steps[-1] - steps[0]) / (_MAX_EVENTS // 2), -math.inf, []
        for event in history:
            if not _is_step(event) or event["step"] >= before + gap:
                before = event["step"] if _is_step(event) else before
                kept.append(event)
        history = kept
    return history[-_MAX_EVENTS:]


@contextlib.contextmanager
def _named(path: str | os.PathLike[str], problem: str) -> Iterator[None]:
    """Give an error the name of the file that it is about."""
    try:
        yield
    except Unusable as error:
        raise CheckpointError(f"{printable(path)} {problem}: {error}") from None
    except MemoryError:
        raise CheckpointError(f"{printable(path)} {problem}: out of memory; close other programs") from None


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a regular file opened for reading; anything else is refused without waiting for it."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError
            if not stat.S_ISREG(mode):
                raise CheckpointError(f"{printable(path)} is no regular file; copy the checkpoint into one")
            yield file
    except FileNotFoundError:
        raise CheckpointError(f"{printable(path)} does not exist; check the path, or train a model first") from None
    except IsADirectoryError:
        raise CheckpointError(f"{printable(path)} is a folder, not a checkpoint; name a file in it") from None
    except OSError as error:
        raise storage_error(path, error, "cannot be read") from None


def _open_at_once(path: str, flags: int) -> int:
    # Without this flag the opening of a FIFO would wait for a writer.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _encode(checkpoint: Checkpoint) -> bytes:
    tensors = {**checkpoint.weights, **checkpoint.training_state}
    types = {np.dtype(code): name for name, code in tensor_file.DTYPES.items()}
    _check_tensors(checkpoint.model, {name: (types.get(array.dtype.newbyteorder("<"), str(array.dtype)), array.shape)
                                      for name, array in tensors.items()})
    _check_finite(checkpoint.weights)
    description = {
        "checksum": _NO_CHECKSUM,
        "format_version": FORMAT_VERSION,
        "version": checkpoint.version,
        "model": checkpoint.model.to_json(),
        "text": checkpoint.text.to_json(),
        "train": checkpoint.train.to_json(),
        "vocabulary": checkpoint.vocabulary.to_json(),
        "progress": checkpoint.progress,
        "history": strict_json.finite(thinned(checkpoint.history)),
        "corpus": checkpoint.corpus,
    }
    try:
        text = strict_json.dump(description)
    except ValueError:
        raise Unusable("its progress or corpus holds NaN or infinity", "go on from an older checkpoint") from None
    data = tensor_file.encode(tensors, "charrnn", text)
    assert data[8:_CHECKSUM.start] == _BEFORE_CHECKSUM
    data[_CHECKSUM] = hashlib.sha256(data).hexdigest().encode("ascii")
    return bytes(data)


def _is_step(event: dict[str, Any]) -> bool:
    return event.get("event") == "step" and type(event.get("step")) is int


def _verified(file: BinaryIO) -> tuple[Header, Description]:
    """Return what a file says before its tensors, once all of it has been checked but that weights are finite."""
    header = tensor_file.read_header(file)
    metadata = _metadata(header)
    description = _description(metadata)
    _check_tensors(description.model, {tensor.name: (tensor.dtype, tensor.shape) for tensor in header.tensors})
    _check_size(header)
    _check_checksum(file, metadata["checksum"])
    return header, description


def _read(file: BinaryIO, training_state: bool) -> Checkpoint:
    header, description = _verified(file)
    arrays = {tensor.name: tensor_file.read_tensor(file, header, tensor) for tensor in header.tensors
              if training_state or not tensor.name.startswith(TRAINING_STATE)}
    weights = {name: arrays.pop(name) for name in parameter_shapes(description.model)}
    _check_finite(weights)
    return Checkpoint(**{item.name: getattr(description, item.name) for item in fields(Description)},
                      weights=weights, training_state=arrays)


def _metadata(header: Header) -> dict[str, Any]:
    text = header.metadata.get("charrnn")
    if not isinstance(text, str):
        raise Unusable("another program wrote it")
    metadata = tensor_file.parse_object(text, "description")
    version = metadata.get("format_version")
    if type(version) is int and version > FORMAT_VERSION:
        raise Unusable(f"charrnn {printable(str(metadata.get('version')), 40)} wrote it in format {version}, and this "
                       f"charrnn {charrnn.__version__} reads formats up to {FORMAT_VERSION}",
                       "install a newer charrnn")
    if type(version) is not int or version != FORMAT_VERSION:
        raise Unusable("its format version is none that there ever was")
    return metadata


def _description(metadata: dict[str, Any]) -> Description:
    kinds = {"checksum": str, "version": str, "progress": dict, "corpus": dict, "history": list, "vocabulary": dict,
             "model": dict, "text": dict, "train": dict}
    for key, kind in kinds.items():
        if not isinstance(metadata.get(key), kind):
            raise Unusable(f'its description lacks a valid "{key}"')
    if not all(isinstance(event, dict) for event in metadata["history"]):
        raise Unusable('its description lacks a valid "history"')
    try:
        description = Description(
            model=ModelConfig.from_json(metadata["model"]), text=TextConfig.from_json(metadata["text"]),
            train=TrainConfig.from_json(metadata["train"]), vocabulary=Vocabulary.from_json(metadata["vocabulary"]),
            **{key: metadata[key] for key in ("progress", "history", "corpus", "version")})
    except CharRNNError as error:
        wrote = printable(metadata["version"], 40)
        advice = () if wrote == charrnn.__version__ else (f"charrnn {wrote} wrote it, so use that or a newer version",)
        raise Unusable(printable(str(error), 300), *advice) from None
    if len(description.vocabulary) != description.model.vocab_size:
        raise Unusable(f"its vocabulary has {len(description.vocabulary)} characters and its model "
                       f"{description.model.vocab_size}")
    return description


def _check_tensors(model: ModelConfig, tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """Check types and shapes against a configuration, which implies all weights, float32, and no other tensor."""
    weights = parameter_shapes(model)
    for name, (dtype, shape) in tensors.items():
        if name.startswith(TRAINING_STATE):
            if dtype not in tensor_file.DTYPES:
                raise Unusable(f"the tensor {printable(name, 80)} has the type {dtype}, which the format lacks")
        elif name not in weights:
            raise Unusable(f"its model has no tensor {printable(name, 80)}")
        elif dtype != "F32" or shape != weights[name]:
            raise Unusable(f"the tensor {name} is {dtype} {printable(str(shape), 80)} where its model needs "
                           f"F32 {weights[name]}")
    missing = [name for name in weights if name not in tensors]
    if missing:
        raise Unusable(f"it lacks the tensor {missing[0]}")


def _check_finite(weights: dict[str, np.ndarray]) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise Unusable(f"the weights {name} hold NaN or infinity", "use a checkpoint from before training failed")


def _check_size(header: Header) -> None:
    """Refuse tensors that this machine cannot hold before reading them: a sparse file of 100 TB costs nothing."""
    needed = sum(tensor.end - tensor.begin for tensor in header.tensors)
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # unknown on this system: allocation will tell
        return
    if needed > memory:
        raise Unusable(f"its numbers take {needed / 1e9:.3g} GB and this machine has {memory / 1e9:.3g} GB of memory",
                       "use a larger machine")


def _check_checksum(file: BinaryIO, checksum: str) -> None:
    file.seek(0)
    start = file.read(_CHECKSUM.start)
    digest = hashlib.sha256(start)
    stored = file.read(len(_NO_CHECKSUM)).decode("latin-1")
    digest.update(_NO_CHECKSUM.encode("ascii"))
    block = bytearray(_BLOCK)
    while count := file.readinto(block):  # type: ignore[attr-defined]
        digest.update(memoryview(block)[:count])
    if start[8:] != _BEFORE_CHECKSUM or not stored == checksum == digest.hexdigest():
        raise Unusable("its content does not match its checksum, so it was damaged")
