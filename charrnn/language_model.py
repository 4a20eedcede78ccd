"""A trained model, ready to write and to judge texts."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.activations import record
from charrnn.cells import get_cell
from charrnn.checkpoint import Checkpoint, load_checkpoint
from charrnn.config import SampleConfig
from charrnn.corpus import TextBlock, read_text
from charrnn.dynamic import DynamicNetwork
from charrnn.errors import ConfigError
from charrnn.evaluation import CHUNK, Evaluation, Predictor, Scored, score, score_streams, summarize
from charrnn.held_out import held_out
from charrnn.network import Network, choose_precision
from charrnn.plain import PlainNet
from charrnn.run_folder import find_checkpoint
from charrnn.sampling import generate
from charrnn.streams import windows
from charrnn.threads import thread_count
from charrnn.vocabulary import Vocabulary

#: Bytes of a text that are read at a time: about a second's work, so that watchers hear of it soon.
_BLOCK = 2**17

_Paths = Sequence[str | os.PathLike[str]]


class LanguageModel:
    """A checkpoint's model.

    Parameters
    ----------
    checkpoint : as `charrnn.checkpoint.load_checkpoint` returns it.
    threads : CPU threads (None: all that the process may use).
    """

    def __init__(self, checkpoint: Checkpoint, threads: int | None = None) -> None:
        self.checkpoint = checkpoint
        self._threads = thread_count(threads)
        self._rounded: Network | None = None

    @functools.cached_property
    def network(self) -> Network:
        """The model in kernels, for one text."""
        return self._network(1, CHUNK)

    @functools.cached_property
    def plain(self) -> PlainNet:
        """The model without kernels, for short texts."""
        return PlainNet(self.checkpoint.model, self.checkpoint.weights)

    def _network(self, batch_size: int, seq_len: int, precision: str = "f32") -> Network:
        return Network(self.checkpoint.model, self.checkpoint.weights, batch_size=batch_size, seq_len=seq_len,
                       threads=self._threads, precision=precision)

    def __repr__(self) -> str:
        model = self.checkpoint.model
        return (f"<LanguageModel: {model.num_layers} x {model.hidden_size} {model.cell}, "
                f"{model.vocab_size} characters>")

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

    def writer(self, precision: str) -> Network:
        """Return the network that writes texts, computing as `SampleConfig.precision` says.

        Raises
        ------
        ConfigError : this CPU cannot do it.
        """
        if choose_precision(precision) == "f32":
            return self.network
        if self._rounded is None:
            self._rounded = self._network(1, CHUNK, "bf16")
        return self._rounded

    def read(self, ids: np.ndarray, precision: str = "f32") -> np.ndarray:
        """Return the states (L, S, 1, H padded) after a text (N,) that starts from zero states."""
        network = self.writer(precision)
        network.states[...] = 0
        for start in range(0, len(ids), CHUNK):
            network.forward(np.ascontiguousarray(ids[start:start + CHUNK, None]))
        return network.states

    def generate(self, prime: str = "", **options: object) -> Iterator[str]:
        """Yield one text piece by piece, without the prime.

        Parameters
        ----------
        prime : what the text begins with.
        options : fields of `SampleConfig`, such as length, temperature, top_p, seed and stop.

        Raises
        ------
        UnknownCharacterError : the prime has characters that the model does not know.
        ConfigError : an option cannot work.
        """
        config = SampleConfig(**{**options, "num_samples": 1})  # type: ignore[arg-type]
        return (piece.text for piece in generate(self, prime, config, whole=False, at_once=True))

    def loss(self, text: str) -> float:
        """Return the mean loss of a text in nats per character, its first one not predicted.

        Raises
        ------
        UnknownCharacterError : it has characters that the model does not know.
        CorpusError : it has fewer than two characters.
        """
        code_points = self.vocabulary.code_points[self.vocabulary.encode(text)]
        return summarize(score(self.network, self.vocabulary, [TextBlock("text", code_points)])).loss

    def logprobs(self, text: str) -> NDArray[np.float32]:
        """Return the log-probability (N - 1,) of each character of a text but the first, given those before it.

        Raises
        ------
        UnknownCharacterError : it has characters that the model does not know.
        """
        ids = self.vocabulary.encode(text)
        self.network.states[...] = 0
        parts = [-self.network.losses(*window)[:, 0] for window in windows(ids[None], CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def states(self, text: str, names: Sequence[str] | None = None) -> dict[str, NDArray[np.float32]]:
        """Return what every unit does after each character of a text, for analysis.

        Parameters
        ----------
        names : which states and gates of the cell (None: all): h, c, i, f, g, o of an LSTM, h, r, z, n of a GRU, h of
            an RNN.

        Returns
        -------
        states : arrays (N, L, H) by name, L from the bottom layer up.

        Raises
        ------
        UnknownCharacterError : the text has characters that the model does not know.
        ConfigError : the cell has no state or gate of that name.
        """
        model = self.checkpoint.model
        cell = get_cell(model.cell)
        known = tuple(dict.fromkeys((*cell.states, *cell.gates)))
        names = known if names is None else tuple(names)
        for name in names:
            if name not in known:
                raise ConfigError(f"the cell {model.cell} has no state or gate {name!r}; it has {', '.join(known)}")
        recorded = record(model, self.checkpoint.weights, self.vocabulary.encode(text), names=names, rows=1,
                          threads=self._threads)
        return {name: np.ascontiguousarray(values.transpose(1, 0, 2)) for name, values in recorded.items()}

    def evaluate(self, paths: _Paths, *watchers: Callable[[Scored], None], glob: str | None = None,
                 encoding: str | None = None, dynamic: bool = False) -> Evaluation:
        """Return how well the model predicts texts, one after the other, in bounded memory.

        Parameters
        ----------
        paths, glob : files, folders, or "-" for standard input, as for `charrnn eval`.
        encoding : of the texts (None: the one that the model's own text was read in).
        watchers : are shown every piece of the text with the loss of its characters.
        dynamic : let the model learn from what it has predicted as it goes on (`charrnn.dynamic`); `network` and what
            else this object does are not changed by it.

        Raises
        ------
        CorpusError : a text cannot be read, or there is nothing to predict.
        ConfigError : there is no such encoding, or the model is one of bytes.
        """
        text = self.checkpoint.text if encoding is None else self.checkpoint.text.replace(encoding=encoding)
        blocks = read_text(paths, text, glob=glob, block_size=_BLOCK)
        network = self._predictor(1, CHUNK, dynamic)
        return summarize(score(network, self.vocabulary, blocks), *watchers, dynamic=dynamic)

    def _predictor(self, batch_size: int, seq_len: int, dynamic: bool) -> Predictor:
        if dynamic:
            return DynamicNetwork(self.checkpoint, batch_size, threads=self._threads)
        return self.network if batch_size == 1 else self._network(batch_size, seq_len)

    def evaluate_held_out(self, part: str = "val", paths: _Paths = (), *watchers: Callable[[Scored], None],
                          glob: str | None = None, dynamic: bool = False) -> Evaluation:
        """Return how well the model predicts the part of its own text that training held out.

        Parameters
        ----------
        part : "val" or "test".
        paths, glob : the text that it was trained on; no paths mean those that the checkpoint names.
        watchers, dynamic : as for `evaluate`.

        Raises
        ------
        ConfigError : nothing was held out, or the text has to be named.
        CorpusError : the text cannot be read, or is another one.
        """
        streams, split = held_out(self.checkpoint, part, paths, glob=glob)
        network = self._predictor(len(streams), self.checkpoint.train.seq_len, dynamic)
        name = {"val": "validation", "test": "test"}[part] + " part"
        return summarize(score_streams(network, self.vocabulary, streams, name), *watchers, part=part, split=split,
                         dynamic=dynamic)


def load(path: str | os.PathLike[str] | None = None, threads: int | None = None) -> LanguageModel:
    """Return the model of a checkpoint file or run folder; without a path, of the newest run under checkpoints/.

    Parameters
    ----------
    threads : CPU threads (None: all that the process may use).

    Raises
    ------
    CheckpointError : there is none, or it cannot be used.
    """
    return LanguageModel(load_checkpoint(find_checkpoint(None if path is None else os.fspath(path))), threads)
