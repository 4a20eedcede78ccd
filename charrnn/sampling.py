"""Texts from a model: many at once, streaming, stopping, with how sure the model was of each character."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from charrnn.beam import BeamSearch
from charrnn.config import SampleConfig
from charrnn.generator import Generator, check_holds, sample_seed
from charrnn.novelty import Novelty, novelty
from charrnn.plain import PlainGenerator, is_short
from charrnn.vocabulary import Vocabulary, encoded_lengths, without_surrogates

if TYPE_CHECKING:
    from charrnn.language_model import LanguageModel

#: Characters that are generated before the text is handed on: enough to make Python's share small, and soon on screen.
CHUNK = 32

#: Texts that are written at once; more would take memory and be no faster.
BATCH = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A finished text.

    Attributes
    ----------
    text : what was generated, without the prime.
    seed : with which it is the first sample of a run with the same options.
    characters : how many were generated; by a model of bytes, bytes.
    chars_per_second : speed, all texts of the batch together.
    loss : mean nats per character that the model itself, at temperature 1, gave the text; NaN without characters.
    stop : which of the stop texts ended it (a line end for the last line asked for), or None.
    logprobs : (len(text),) the model's own log-probability of each character of `text`; of a model of bytes, the sum
        over its bytes.
    novelty : how much of `text` stands in a corpus, where that was asked for (`judged`).
    """

    text: str
    seed: int
    characters: int
    chars_per_second: float
    loss: float
    stop: str | None
    logprobs: np.ndarray
    novelty: Novelty | None = None

    def to_json(self, *, logprobs: bool = False) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes, `logprobs` if asked for; a loss of NaN is None.

        Bytes that are no UTF-8 each appear as U+FFFD, since JSON has no place for them.
        """
        found = {"text": without_surrogates(self.text), "seed": self.seed, "characters": self.characters,
                 "chars_per_second": self.chars_per_second, "loss": None if math.isnan(self.loss) else self.loss,
                 "stop": self.stop}
        if self.novelty is not None:
            found["novelty"] = self.novelty.to_json()
        return found | {"logprobs": self.logprobs.tolist()} if logprobs else found


@dataclass(frozen=True, eq=False)
class Piece:
    """The next part of a text.

    Attributes
    ----------
    sample : which sample it belongs to, from 0.
    text : may be empty.
    logprobs : (len(text),) as in `Sample`.
    finished : with the last part, the finished sample.
    """

    sample: int
    text: str
    logprobs: np.ndarray
    finished: Sample | None = None


class _Writer:
    """One text in the making: decoding, stop texts, and what the model thought of each character."""

    def __init__(self, vocabulary: Vocabulary, index: int, seed: int, config: SampleConfig, whole: bool = True) -> None:
        self.index, self.seed = index, seed
        self._whole = whole
        self.finished = False
        self._bytes = vocabulary.bytes
        self._decoder = vocabulary.decoder()
        self._stops = config.stop
        self._lines = config.until_line  # that are still to come
        self._parts: list[str] = []
        self._logprobs: list[np.ndarray] = []
        self._tail = ""  # of the text so far, in which a stop text may have begun
        self._open = np.zeros(0)  # log-probabilities of bytes that are no character yet
        self._characters, self._loss = 0, 0.0

    def add(self, ids: np.ndarray, logprobs: np.ndarray, speed: float, last: bool) -> Piece:
        """Take further characters (N,) and return the text that they complete."""
        text = self._decoder.decode(ids, final=last)
        end, stop = self._first_stop(text)
        if stop is None:
            keep = max(map(len, self._stops), default=1) - 1
            self._tail = (self._tail + text)[-keep:] if keep else ""
        else:
            text = text[:end]
        logprobs = np.concatenate([self._open, logprobs])
        lengths = encoded_lengths(text) if self._bytes else np.ones(len(text), np.int64)
        used = int(lengths.sum())
        self._open = logprobs[used:]
        if self._bytes and used:
            logprobs = np.add.reduceat(logprobs[:used], np.cumsum(lengths) - lengths)
        else:
            logprobs = logprobs[:used]
        self._characters += used
        self._loss -= float(logprobs.sum())
        if self._whole:
            self._parts.append(text)
            self._logprobs.append(logprobs)
        return Piece(self.index, text, logprobs, self._end(speed, stop) if last or stop is not None else None)

    def _first_stop(self, text: str) -> tuple[int, str | None]:
        """Return where in `text`, new, the first stop text to be complete ends, and which it is."""
        searched = self._tail + text
        first: tuple[int, str | None] = (len(text) + 1, None)
        for stop in self._stops:
            # Only what reaches into the new text can be new.
            found = searched.find(stop, max(0, len(self._tail) - len(stop) + 1))
            if found >= 0:
                first = min(first, (found + len(stop) - len(self._tail), stop), key=lambda end: end[0])
        if self._lines is not None:
            ends = [match.end() for match in re.finditer("\n", text)]
            if len(ends) >= self._lines:
                first = min(first, (ends[self._lines - 1], "\n"), key=lambda end: end[0])
            self._lines -= len(ends)
        return first

    def _end(self, speed: float, stop: str | None) -> Sample:
        self.finished = True
        logprobs = np.concatenate([*self._logprobs, np.zeros(0)])
        loss = self._loss / self._characters if self._characters else math.nan
        return Sample(text="".join(self._parts), seed=self.seed, characters=self._characters, chars_per_second=speed,
                      loss=loss, stop=stop, logprobs=logprobs)


def generate(model: LanguageModel, prime: str, config: SampleConfig, *, whole: bool = True,
             at_once: bool = False) -> Iterator[Piece]:
    """Read the prime and return the pieces of texts as they are written; those of several samples take turns.

    Parameters
    ----------
    prime : read by the model first, not part of the result; empty: a newline is read, or the most frequent character of
        the training text.
    config : length, choice of characters, seed, number of texts.
    whole : finished samples carry their text and log-probabilities; without, a text may go on for ever.
    at_once : a short text is written without kernels (`charrnn.plain`), for which others may have to be compiled: the
        same text, but the last digits of its log-probabilities are not the same as among other samples.

    Raises
    ------
    UnknownCharacterError : the prime has characters that the vocabulary lacks.
    ConfigError : a cell is to be held that the model does not have, or this CPU lacks the precision.
    """
    check_holds(model.checkpoint.model, config.holds)
    ids = model.vocabulary.encode(prime) if prime else np.array([model.start_id], model.vocabulary.dtype)
    if at_once and is_short(model.checkpoint.model, config, len(ids)):

        def kernels(text: np.ndarray, position: int) -> Generator:
            return Generator(model.network, model.read(text[:-1]), int(text[-1]), config, [config.seed], position)

        return _drawn(model, PlainGenerator(model.plain, ids, config, kernels), config, {0: config.seed}, whole)
    states, current = model.read(ids[:-1], config.precision).copy(), int(ids[-1])
    if config.beam:
        return _best(model, states, current, config)
    return _batches(model, states, current, config, whole)


def judged(pieces: Iterable[Piece], corpus: Iterable[NDArray[Any]], *, as_bytes: bool) -> Iterator[Piece]:
    """Yield texts as they are written; they are finished when all are, with their novelty, since that takes one pass.

    Parameters
    ----------
    corpus, as_bytes : as for `charrnn.novelty.novelty`.
    """
    finished: dict[int, Sample] = {}
    for piece in pieces:
        if piece.finished is not None:
            finished[piece.sample] = piece.finished
        yield replace(piece, finished=None)
    found = novelty([sample.text for sample in finished.values()], corpus, as_bytes=as_bytes)
    for (number, sample), judgement in zip(finished.items(), found):
        yield Piece(number, "", np.zeros(0), replace(sample, novelty=judgement))


def _batches(model: LanguageModel, states: np.ndarray, current: int, config: SampleConfig,
             whole: bool) -> Iterator[Piece]:
    """Yield the pieces of all samples, so many at once as there is room for."""
    network = model.writer(config.precision)
    for first in range(0, config.num_samples, BATCH):
        seeds = {sample: sample_seed(config.seed, sample)
                 for sample in range(first, min(first + BATCH, config.num_samples))}
        generator = Generator(network, states, current, config, list(seeds.values()))
        yield from _drawn(model, generator, config, seeds, whole)


def _drawn(model: LanguageModel, generator: Generator | PlainGenerator, config: SampleConfig, seeds: dict[int, int],
           whole: bool) -> Iterator[Piece]:
    """Yield the pieces of the samples that `generator` writes; `seeds` are theirs, by their numbers."""
    writers = [_Writer(model.vocabulary, sample, seed, config, whole) for sample, seed in seeds.items()]
    done, written, start = 0, 0, time.perf_counter()
    while writers:
        count = min(CHUNK, config.length - done)
        ids, logprobs = generator.next(count)
        done, written = done + count, written + ids.size
        speed = written / max(time.perf_counter() - start, 1e-9)
        for row, writer in enumerate(writers):
            yield writer.add(ids[:, row], logprobs[:, row], speed, done == config.length)
        rows = [row for row, writer in enumerate(writers) if not writer.finished]
        if 0 < len(rows) < len(writers):
            generator.keep(rows)
        writers = [writers[row] for row in rows]


def _best(model: LanguageModel, states: np.ndarray, current: int, config: SampleConfig) -> Iterator[Piece]:
    """Yield the best texts that beam search finds; a single one as far as it is settled, as soon as it is."""
    vocabulary = model.vocabulary
    stops = [vocabulary.encode_counting(stop) for stop in config.stop]
    search = BeamSearch(model.writer(config.precision), states, current, config,
                        [ids for ids, unknown in stops if not unknown], line_end=vocabulary.encode_counting("\n")[0])
    writers = [_Writer(vocabulary, sample, config.seed, config) for sample in range(config.num_samples)]
    shown, start = 0, time.perf_counter()
    while search.grow(CHUNK):
        settled = search.settled() if config.num_samples == 1 else 0
        best = search.best(1)[0]
        yield writers[0].add(best.ids[shown:settled], best.logprobs[shown:settled], 0.0, False)
        shown = max(settled, shown)
    found = search.best(config.num_samples)
    speed = sum(len(text.ids) for text in found) / max(time.perf_counter() - start, 1e-9)
    for writer, text in zip(writers, found):
        yield writer.add(text.ids[shown:], text.logprobs[shown:], speed, True)
