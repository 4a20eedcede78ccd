"""The models whose gradient flow is measured, trained ones and new ones, and the text that all of them read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.checkpoint import Checkpoint, Description
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.corpus import read_text
from charrnn.errors import ConfigError
from charrnn.gradient_flow.flow import GradientFlow
from charrnn.gradient_flow.measure import REACH, measure
from charrnn.inspection.texts import held_out_text
from charrnn.model import initial_parameters
from charrnn.storage import printable
from charrnn.vocabulary import Vocabulary

#: Characters of a text that are read at most.
CHARACTERS = 200_000


class Text(NamedTuple):
    """A text to measure on: what to call it, safe to print, and its code points (N,), or bytes."""

    name: str
    code_points: np.ndarray


def text_for(models: Sequence[Description], path: str | None = None, limit: int = CHARACTERS) -> Text:
    """Return the first `limit` characters of a text for all of some models.

    Parameters
    ----------
    path : a file, folder, or "-" for standard input, read as the first model's text was (None: what that model's
        training held out, or where there is no model the built-in text).

    Raises
    ------
    CorpusError : it cannot be read.
    ConfigError : some models are of bytes and some of characters.
    """
    if len({model.text.bytes for model in models}) > 1:
        raise ConfigError("models of bytes and models of characters read no text in common: measure them apart")
    if path is None and models:
        found = held_out_text(models[0], limit)
        return Text(found.name, models[0].vocabulary.code_points[found.ids])
    blocks, length = [np.zeros(0, np.uint8)], 0
    for block in read_text([] if path is None else [path], models[0].text if models else TextConfig()):
        blocks.append(block.code_points)
        length += len(block.code_points)
        if length >= limit:
            break
    name = "the built-in text" if path is None else "standard input" if path == "-" else printable(path, 200)
    return Text(name, np.concatenate(blocks)[:limit])


def flow_of(checkpoint: Checkpoint, ids: np.ndarray, *, name: str, reach: int = REACH,
            threads: int | None = None) -> GradientFlow:
    """Return the gradient flow of a trained model over a text (N,) of its characters; errors as for `measure`."""
    recorded = [event["grad_norm"] for event in checkpoint.history
                if event.get("event") == "step" and isinstance(event.get("grad_norm"), (int, float))]
    return measure(checkpoint.model, checkpoint.weights, checkpoint.train, ids, name=name, trained=True, reach=reach,
                   recorded=np.array(recorded), threads=threads)


def untrained_flow(text: Text, cell: str, like: Checkpoint | None = None, *, reach: int = REACH,
                   threads: int | None = None, **shape: int) -> GradientFlow:
    """Return the gradient flow of a net with the weights that training starts from; errors as for `measure`.

    Parameters
    ----------
    like : a model whose vocabulary, settings and shape the net has (None: the text's characters, and the defaults).
    shape : fields of `ModelConfig`, where they differ from that.
    """
    vocabulary = like.vocabulary if like else Vocabulary(np.unique(text.code_points))
    model, train = (like.model, like.train) if like else (ModelConfig(vocab_size=len(vocabulary)), TrainConfig())
    model = model.replace(cell=cell, **shape)
    ids, _ = vocabulary.encode_code_points(text.code_points)
    return measure(model, initial_parameters(model, train.seed), train, ids, name=f"untrained {cell}", trained=False,
                   reach=reach, threads=threads)
