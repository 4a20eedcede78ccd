"""Texts from a model: priming, streaming, stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.config import SampleConfig
from charrnn.generator import Generator

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel

#: Characters that are generated before the text is handed on: enough to make Python's share small, and soon on screen.
CHUNK = 32


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A finished text.

    Attributes
    ----------
    text : what was generated, without the prime.
    seed : with which it was; sample k of several depends on (seed, k).
    characters : how many were generated.
    chars_per_second : speed, all texts of the batch together.
    loss : mean nats per character that the model itself, at temperature 1, gave the text; NaN without characters.
    stop : which of the stop texts ended it, or None.
    """

    text: str
    seed: int
    characters: int
    chars_per_second: float
    loss: float
    stop: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes; a loss that is not there is None.

        Bytes that are no UTF-8 appear as U+FFFD, since JSON has no place for them.
        """
        text = self.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return asdict(self) | {"text": text, "loss": None if math.isnan(self.loss) else self.loss}


@dataclass(frozen=True)
class Piece:
    """The next part of a text: which sample it belongs to, and the finished sample with its last part."""

    sample: int
    text: str
    finished: Sample | None = None


class _Writer:
    """One text in the making: decoding, stop texts, and the sum of its losses."""

    def __init__(self, model: LanguageModel, index: int, config: SampleConfig) -> None:
        self.index, self.config = index, config
        self.finished = False
        self._decoder = model.vocabulary.decoder()
        self._text = ""
        self._shown = 0
        self._loss = 0.0
        self._characters = 0

    def add(self, ids: np.ndarray, log_probabilities: np.ndarray, speed: float, last: bool) -> Piece:
        """Take further characters (N,) and return what can be shown of them."""
        for i, (id_, log_probability) in enumerate(zip(ids, log_probabilities)):
            before = len(self._text)
            self._text += self._decoder.decode([id_], final=last and i == len(ids) - 1)
            self._loss -= float(log_probability)
            self._characters += 1
            for stop in self.config.stop:
                # Only what reaches into the new text can be new.
                found = self._text.find(stop, max(0, before - len(stop) + 1))
                if found >= 0:
                    self._text = self._text[:found + len(stop)]
                    return self._piece(self._end(speed, stop))
        return self._piece(self._end(speed, None) if last else None)

    def _end(self, speed: float, stop: str | None) -> Sample:
        self.finished = True
        return Sample(text=self._text, seed=self.config.seed, characters=self._characters, chars_per_second=speed,
                      loss=self._loss / self._characters if self._characters else math.nan, stop=stop)

    def _piece(self, finished: Sample | None) -> Piece:
        new = self._text[self._shown:]
        self._shown = len(self._text)
        return Piece(self.index, new, finished)


def generate(model: LanguageModel, prime: str, config: SampleConfig) -> Iterator[Piece]:
    """Yield texts as they are written; pieces of several samples take turns.

    Parameters
    ----------
    prime : read by the model first, not part of the result; empty: a newline is read, or the most frequent character of
        the training text.
    config : length, choice of characters, seed, number of texts.

    Raises
    ------
    UnknownCharacterError : the prime has characters that the vocabulary lacks.
    """
    ids = model.vocabulary.encode(prime) if prime else np.array([model.start_id], model.vocabulary.dtype)
    states = model.read(ids[:-1])
    generator = Generator(model.network, states, int(ids[-1]), config)
    writers = [_Writer(model, index, config) for index in range(config.num_samples)]
    done, start = 0, time.perf_counter()
    while not all(writer.finished for writer in writers):
        count = min(CHUNK, config.length - done)
        chunk, log_probabilities = generator.next(count)
        done += count
        speed = done * len(writers) / max(time.perf_counter() - start, 1e-9)
        for writer in writers:
            if not writer.finished:
                yield writer.add(chunk[:, writer.index], log_probabilities[:, writer.index], speed,
                                 done == config.length)
