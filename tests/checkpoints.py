"""Checkpoints made for tests: a small one, and forgeries of it with a right checksum."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from charrnn.checkpoint import Checkpoint, encode_checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.model import parameter_shapes
from charrnn.vocabulary import Vocabulary

ZEROS = "0" * 64
_BEFORE_CHECKSUM = rb'\"checksum\":\"'
STATE = {"train.moment": np.linspace(0, 1, 6).reshape(2, 3), "train.position": np.array(2**40),
         "train.streams": np.arange(4, dtype=np.uint16), "train.empty": np.zeros((0, 5), np.float32)}


def make(seed: int = 0, **changes: Any) -> Checkpoint:
    """Return a small checkpoint with training state."""
    model = changes.pop("model", ModelConfig(vocab_size=3, cell="gru", hidden_size=2, num_layers=2, embedding_size=2))
    generator = np.random.default_rng(seed)
    weights = {name: generator.standard_normal(shape).astype(np.float32)
               for name, shape in parameter_shapes(model).items()}
    checkpoint = Checkpoint(
        model=model, vocabulary=Vocabulary(np.arange(97, 97 + model.vocab_size)), text=TextConfig(encoding="latin-1"),
        train=TrainConfig(batch_size=2, lr=0.1), weights=weights, training_state=dict(STATE),
        progress={"step": 7, "epoch": 0.1, "best_val_loss": None, "random": [2**127, -1]},
        history=[{"event": "eval", "val_loss": 1.5}], corpus={"sha256": ZEROS, "sources": ["a\udcff\"\\\n語"]})
    return dataclasses.replace(checkpoint, **changes)


def signed(header: str, body: bytes) -> bytes:
    """Return a file with a header, and with the right checksum where its 64 zeros stand first."""
    data = len(header.encode()).to_bytes(8, "little") + header.encode() + body
    return data.replace(ZEROS.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def parts() -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return the description, the entries of the tensors, and the data of a good checkpoint."""
    data = encode_checkpoint(make(corpus={}))
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    description = json.loads(header.pop("__metadata__")["charrnn"])
    return {**description, "checksum": ZEROS}, header, data[end:]


def forged(edit: Callable[[dict[str, Any], dict[str, Any]], None] = lambda description, tensors: None,
           body: Callable[[bytes], bytes] = lambda body: body) -> bytes:
    """Return a good checkpoint, edited, with a right checksum."""
    description, tensors, data = parts()
    edit(description, tensors)
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return signed(json.dumps({"__metadata__": {"charrnn": text}, **tensors}, separators=(",", ":")), body(data))


def resigned(data: bytes) -> bytes:
    """Return a file whose checksum is made right, in the header and in the metadata's text, wherever it has one."""
    start = data.find(_BEFORE_CHECKSUM)
    if start < 0:
        return data
    place = start + len(_BEFORE_CHECKSUM)
    blank = data[:place] + ZEROS.encode() + data[place + 64:]
    return blank[:place] + hashlib.sha256(blank).hexdigest().encode() + blank[place + 64:]
