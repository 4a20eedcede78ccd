"""The loss of a text under a model, in one pass from its start to its end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import CorpusError
from charrnn.network import Network
from charrnn.streams import windows
from charrnn.vocabulary import Vocabulary

#: Steps that pass through the network at once; long, so that the layers' input products are large ones.
CHUNK = 512


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How well a model predicts a text.

    Attributes
    ----------
    loss, bpc, perplexity : nats and bits per predicted character, and e to the loss.
    characters : predicted characters; the first of a text (of each stream) is not predicted.
    unknown : characters that the vocabulary lacks. They are left out: the model neither reads nor predicts them, and
        the loss is the mean over the others, so it says nothing about them.
    chars_per_second : speed.
    dynamic : True where the model went on learning from the text (`charrnn.dynamic`), else None.
    part, split : "val" or "test" and "tail" or "stream" where the text is the held-out part of a run, else None.
    """

    loss: float
    bpc: float
    perplexity: float
    characters: int
    unknown: int
    chars_per_second: float
    part: str | None = None
    split: str | None = None
    dynamic: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes, without those that do not apply."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Scored(NamedTuple):
    """A piece of a text with what each character cost the model."""

    source: str  # name of the text that it is from
    code_points: NDArray[Any]  # (N,) or bytes
    losses: NDArray[Any]  # (N,) nats; NaN where a character was not predicted: the first of a text, and unknown ones
    known: NDArray[np.bool_]  # (N,)


class Predictor(Protocol):
    """What reads a text and predicts it: a `Network`, or one that learns meanwhile (`charrnn.dynamic`)."""

    @property
    def states(self) -> np.ndarray:
        """The states (L, S, B, H padded) that the next window starts from; set in place."""

    @property
    def seq_len(self) -> int:
        """The largest T of a window."""

    @property
    def dtype(self) -> Any:
        """Of the losses."""

    def losses(self, ids: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the loss (T, B) of each prediction in a window, in nats; `states` move on."""


def mean_loss(network: Network, streams: np.ndarray) -> float:
    """Return nats per character over streams (B, n), each read from its start with the state carried along."""
    network.states[...] = 0
    total = 0.0
    for ids, targets in windows(streams, network.seq_len):
        total += float(network.losses(ids, targets).sum(dtype=np.float64))
    return total / (streams.shape[0] * (streams.shape[1] - 1))


def score(network: Predictor, vocabulary: Vocabulary,
          blocks: Iterable[tuple[str, NDArray[Any]]]) -> Iterator[Scored]:
    """Yield a text with the loss of its characters, in bounded memory; `network` has a batch size of 1.

    Parameters
    ----------
    blocks : pieces of the text in order, each as (name of its source, code points or bytes (N,)).
    """
    network.states[...] = 0
    before = np.empty(0, vocabulary.dtype)
    for source, code_points in blocks:
        known = vocabulary.knows(code_points)
        ids, _ = vocabulary.encode_code_points(code_points)
        text = np.concatenate([before, ids])
        losses = np.full(len(code_points), np.nan, network.dtype)
        if len(text) > 1:
            parts = [network.losses(*window)[:, 0] for window in windows(text[None], network.seq_len)]
            predicted = np.concatenate(parts)
            losses[np.flatnonzero(known)[-len(predicted):]] = predicted
        before = text[-1:]
        yield Scored(source, code_points, losses, known)


def score_streams(network: Predictor, vocabulary: Vocabulary, streams: np.ndarray,
                  name: str) -> Iterator[Scored]:
    """Yield streams (B, n), one after the other, with the loss of their characters; `network` has a batch size of B."""
    network.states[...] = 0
    losses = np.concatenate([network.losses(*window) for window in windows(streams, network.seq_len)])
    for number, ids in enumerate(streams):
        source = name if len(streams) == 1 else f"{name}, stream {number + 1}"
        yield Scored(source, vocabulary.code_points[ids], np.concatenate([[np.nan], losses[:, number]]),
                     np.ones(len(ids), np.bool_))


def summarize(pieces: Iterable[Scored], *watchers: Callable[[Scored], None], part: str | None = None,
              split: str | None = None, dynamic: bool = False) -> Evaluation:
    """Return how well a text was predicted that comes in pieces, each of which is shown to `watchers` as well.

    Raises
    ------
    CorpusError : the text has fewer than two known characters.
    """
    total, characters, unknown, start = 0.0, 0, 0, time.perf_counter()
    for piece in pieces:
        predicted = piece.losses[~np.isnan(piece.losses)]
        total += float(predicted.sum(dtype=np.float64))
        characters += len(predicted)
        unknown += int(np.count_nonzero(~piece.known))
        for watch in watchers:
            watch(piece)
    if not characters:
        raise CorpusError("the text has fewer than two characters that the model knows, so nothing to predict: "
                          "give a longer text, or one like what the model was trained on")
    loss = total / characters
    return Evaluation(loss=loss, bpc=loss / math.log(2), perplexity=math.exp(min(loss, 700.0)), characters=characters,
                      unknown=unknown, chars_per_second=characters / max(time.perf_counter() - start, 1e-9), part=part,
                      split=split, dynamic=dynamic or None)
