"""The loss of a text under a model, in one pass from its start to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from charrnn.errors import CorpusError
from charrnn.network import Network
from charrnn.streams import windows

#: Steps that pass through the network at once; long, so that the layers' input products are large ones.
CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a model predicts a text.

    Attributes
    ----------
    loss, bpc, perplexity : nats and bits per predicted character, and e to the loss.
    characters : predicted characters; the first of a text is not predicted.
    unknown : characters that the vocabulary lacks; they were left out, neither predicted nor read.
    chars_per_second : speed.
    """

    loss: float
    bpc: float
    perplexity: float
    characters: int
    unknown: int
    chars_per_second: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        return asdict(self)


def mean_loss(network: Network, streams: np.ndarray) -> float:
    """Return nats per character over streams (B, n), each read from its start with the state carried along."""
    network.states[...] = 0
    total = 0.0
    for ids, targets in windows(streams, network.seq_len):
        total += float(network.losses(ids, targets).sum(dtype=np.float64))
    return total / (streams.shape[0] * (streams.shape[1] - 1))


def evaluate(network: Network, blocks: Iterable[tuple[np.ndarray, int]]) -> Evaluation:
    """Return how well `network` (of batch size 1) predicts a text that comes in blocks, in bounded memory.

    Parameters
    ----------
    blocks : pieces of the text in order, each as (ids, number of unknown characters left out).

    Raises
    ------
    CorpusError : the text has fewer than two known characters.
    """
    network.states[...] = 0
    total, characters, unknown, start = 0.0, 0, 0, time.perf_counter()
    before: np.ndarray | None = None
    for block, left_out in blocks:
        unknown += left_out
        if not len(block):
            continue
        text = block if before is None else np.concatenate([before, block])
        for ids, targets in windows(text[None], network.seq_len):
            total += float(network.losses(ids, targets).sum(dtype=np.float64))
        characters += len(text) - 1
        before = text[-1:]
    if not characters:
        raise CorpusError("the text has fewer than two characters that the model knows, so nothing to predict: "
                          "give a longer text, or one like what the model was trained on")
    loss = total / characters
    return Evaluation(loss=loss, bpc=loss / math.log(2), perplexity=math.exp(min(loss, 700.0)), characters=characters,
                      unknown=unknown, chars_per_second=characters / max(time.perf_counter() - start, 1e-9))
