"""A trained model, ready to write and to judge texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from charrnn.checkpoint import Checkpoint, load_checkpoint
from charrnn.config import SampleConfig
from charrnn.evaluation import CHUNK, Evaluation, evaluate
from charrnn.network import Network
from charrnn.sampling import generate
from charrnn.streams import windows
from charrnn.threads import available_threads
from charrnn.vocabulary import Vocabulary


class LanguageModel:
    """A checkpoint's model.

    Parameters
    ----------
    checkpoint : as `charrnn.checkpoint.load_checkpoint` returns it.
    threads : CPU threads (None: all that the process may use).

    Examples
    --------
    >>> import charrnn
    >>> model = charrnn.load("checkpoints/shakespeare")  # doctest: +SKIP
    >>> "".join(model.generate("ROMEO:", length=200, temperature=0.8))  # doctest: +SKIP
    """

    def __init__(self, checkpoint: Checkpoint, threads: int | None = None) -> None:
        self.checkpoint = checkpoint
        self.network = Network(checkpoint.model, checkpoint.weights, batch_size=1, seq_len=CHUNK,
                               threads=threads or available_threads())

    @property
    def vocabulary(self) -> Vocabulary:
        """The characters that the model knows."""
        return self.checkpoint.vocabulary

    @property
    def start_id(self) -> int:
        """What a text starts after when there is no prime: a newline, or the training text's most frequent
        character."""
        ids, _ = self.vocabulary.encode_counting("\n")
        return int(ids[0]) if len(ids) else int(self.checkpoint.corpus.get("most_frequent", 0))

    def read(self, ids: np.ndarray) -> np.ndarray:
        """Return the states (L, S, 1, H padded) after a text (N,) that starts from zero states."""
        self.network.states[...] = 0
        for start in range(0, len(ids), CHUNK):
            self.network.logits(np.ascontiguousarray(ids[start:start + CHUNK, None]))
        return self.network.states

    def generate(self, prime: str = "", **options: object) -> Iterator[str]:
        """Yield one text piece by piece, without the prime; `options` are the fields of `SampleConfig`."""
        config = SampleConfig(**{**options, "num_samples": 1})  # type: ignore[arg-type]
        return (piece.text for piece in generate(self, prime, config))

    def loss(self, text: str) -> float:
        """Return the mean loss of a text in nats per character; raise `UnknownCharacterError` where it is foreign."""
        return evaluate(self.network, [(self.vocabulary.encode(text), 0)]).loss

    def logprobs(self, text: str) -> np.ndarray:
        """Return the log-probability (N - 1,) of each character of a text but the first, given those before it."""
        ids = self.vocabulary.encode(text)
        self.network.states[...] = 0
        parts = [-self.network.losses(*window)[:, 0] for window in windows(ids[None], CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def evaluate(self, blocks: Iterable[tuple[np.ndarray, int]]) -> Evaluation:
        """Return how well the model predicts a text given as (ids, unknown characters left out), in bounded memory."""
        return evaluate(self.network, blocks)


def load(path: str | os.PathLike[str], threads: int | None = None) -> LanguageModel:
    """Return the model of a checkpoint file or run folder.

    Raises
    ------
    CheckpointError : there is none, or it cannot be used.
    """
    folder = Path(path)
    return LanguageModel(load_checkpoint(folder / "best.safetensors" if folder.is_dir() else folder), threads)
