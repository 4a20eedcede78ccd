"""A PyTorch model of others, or of ours, as a checkpoint."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from charrnn import strict_json
from charrnn.checkpoint import Checkpoint
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.corpus import load_text
from charrnn.errors import CharRNNError, CheckpointError, CorpusError
from charrnn.exchange.pytorch import PyTorchFile, read_pytorch
from charrnn.exchange.state_dict import recognise
from charrnn.model import parameter_shapes
from charrnn.storage import printable
from charrnn.vocabulary import Vocabulary


def import_pytorch(path: str | os.PathLike[str], vocab: str | os.PathLike[str] | None = None) -> Checkpoint:
    """Return the model of a .pt file.

    Parameters
    ----------
    vocab : a file with the model's characters (see `read_characters`); needed where the .pt file does not name them.

    Raises
    ------
    CheckpointError : the file is no model that charrnn can compute, or its characters are not known.
    """
    name = printable(path)
    file = read_pytorch(path)
    try:
        config, weights = recognise(file.tensors)
    except CharRNNError as error:
        raise CheckpointError(f"{name}: {error}") from None
    text = TextConfig()
    if file.description and vocab is None:
        try:
            config = _described(file, config)
            text = TextConfig.from_json(file.description["text"])
            vocabulary = Vocabulary.from_json(file.description["vocabulary"])
        except CharRNNError as error:
            raise CheckpointError(f"{name} describes no model of this version: {printable(str(error), 200)}; give "
                                  "--vocab FILE, and the description is not used") from None
    elif vocab is None:
        raise CheckpointError(f"{name} does not say which {config.vocab_size} characters its model knows; give --vocab "
                              "FILE: its training text, or a JSON list of its characters in the order of their ids")
    else:
        if file.description:  # the shapes do not tell all cells apart
            with contextlib.suppress(CharRNNError):
                config = _described(file, config)
        codes = np.array(read_characters(vocab, config.vocab_size), np.int64)
        order = np.argsort(codes)
        vocabulary = Vocabulary(codes[order].astype(np.uint32))
        weights = _reordered(config, weights, order)
    if len(vocabulary) != config.vocab_size:
        raise CheckpointError(f"{name}: its vocabulary has {len(vocabulary)} characters and its model "
                              f"{config.vocab_size}")
    return Checkpoint(model=config, vocabulary=vocabulary, text=text, train=TrainConfig(), weights=weights,
                      corpus={"sources": [f"imported from {name}"]})


def _described(file: PyTorchFile, config: ModelConfig) -> ModelConfig:
    """Return the model that a file of ours says it holds; raise `CharRNNError` where that is not what was found."""
    described = ModelConfig.from_json(file.description["model"])
    if parameter_shapes(described) != parameter_shapes(config):
        raise CheckpointError("its tensors have other shapes than its description says")
    return described


def read_characters(path: str | os.PathLike[str], count: int) -> list[int]:
    """Return the code points of a model's characters in the order of their ids.

    Parameters
    ----------
    path : a .json file with a list of the characters, or an object that gives each its id; or any other text: if no
        character occurs twice in it they are taken as they stand, else sorted, as most programs sort those of a text.
    count : how many there have to be.

    Raises
    ------
    CorpusError : the file cannot be read, or does not have so many characters.
    """
    name = printable(path)
    text = load_text(path, TextConfig())
    assert isinstance(text, str)
    if Path(path).suffix == ".json":
        try:
            found = strict_json.parse(text)
        except ValueError as error:
            raise CorpusError(f"{name} is no JSON ({printable(str(error), 100)}); write a list of characters") from None
        characters = _listed(found, name)
    elif len(text) == count + 1 and text.endswith("\n") and len(set(text[:-1])) == count:
        characters = list(text[:-1])  # the last line end is the file's
    else:
        characters = list(text) if len(set(text)) == len(text) else sorted(set(text))
    if len(characters) != count or len(set(characters)) != count:
        raise CorpusError(f"{name} has {len(set(characters))} different characters, and the model knows {count}; give "
                          "the text that it was trained on, or a JSON list of its characters in the order of their ids")
    return [ord(char) for char in characters]


def _listed(found: Any, name: str) -> list[str]:
    """Return the characters of a JSON list, or of an object from characters to ids."""
    if isinstance(found, dict):
        if sorted(map(str, found.values())) != sorted(map(str, range(len(found)))):
            raise CorpusError(f"{name} does not give each character an id of its own, counted from 0")
        found = sorted(found, key=lambda char: int(found[char]))
    if not isinstance(found, list):
        raise CorpusError(f"{name} is no JSON list of characters, and no object from characters to ids")
    for place, char in enumerate(found):
        if not isinstance(char, str) or len(char) != 1:
            raise CorpusError(f"{name}: entry {place}, {printable(str(char), 40)}, is no single character, and "
                              "charrnn's models know characters alone")
    return found


def _reordered(config: ModelConfig, weights: dict[str, np.ndarray], order: np.ndarray) -> dict[str, np.ndarray]:
    """Return weights for characters in a new order; `order` (V,) has the old id of each."""
    changed = {"output.weight": weights["output.weight"][order], "output.bias": weights["output.bias"][order]}
    if config.embedding_size:
        changed["embedding.weight"] = weights["embedding.weight"][order]
    else:
        changed["rnn.weight_ih_l0"] = weights["rnn.weight_ih_l0"][:, order]
    return {**weights, **changed}
