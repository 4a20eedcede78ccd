"""Whether a text was made up or copied: how much of it stands, character for character, in a corpus.

The suffix automaton of the texts is built, and the corpus is read through it once, piece by piece; so any number of
texts cost one pass, a corpus of any length takes no memory, and no hash has to be trusted. What comes out is, for every
character, the length of the longest run up to it that the corpus has too (Chang and Lawler 1994 call these matching
statistics), and both measures follow from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import ConfigError
from charrnn.kernels import automaton as kernel

#: Characters of the runs whose share is measured: longer than a stock phrase, shorter than a sentence.
NGRAM = 20

#: Characters that all texts together may have: an automaton takes about a hundred bytes for each.
MAX_CHARACTERS = 20_000_000


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """How much of a text stands in a corpus.

    Attributes
    ----------
    longest_run : characters (or bytes) of the longest run of the text that the corpus has.
    run : that run, the first where there are several.
    ngram_share : share of the text's runs of `NGRAM` characters that the corpus has; None where the text is shorter.
    """

    longest_run: int
    run: str
    ngram_share: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dict that `json.dumps` takes."""
        return asdict(self)


def novelty(texts: Sequence[str], corpus: Iterable[NDArray[Any]], *, as_bytes: bool = False) -> list[Novelty]:
    """Return how much of each text stands in a corpus.

    Parameters
    ----------
    corpus : its code points, or its bytes, in pieces (N,) of unsigned integers.
    as_bytes : the texts stand for bytes, those that are no UTF-8 as lone surrogates ("surrogateescape").

    Raises
    ------
    ConfigError : the texts are too long together.
    """
    coded = [_code_points(text, as_bytes) for text in texts]
    lengths = _matches(coded, corpus)
    return [_summary(text, matched, as_bytes) for text, matched in zip(coded, lengths)]


def _code_points(text: str, as_bytes: bool) -> NDArray[Any]:
    if as_bytes:
        return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _matches(texts: Sequence[NDArray[Any]], corpus: Iterable[NDArray[Any]]) -> list[NDArray[np.int32]]:
    """Return, for each character of each text, the length of the longest run up to it that the corpus has."""
    size = sum(len(text) + 1 for text in texts)
    if size > MAX_CHARACTERS:
        raise ConfigError(f"--novelty can judge {MAX_CHARACTERS:,} characters at once, not {size:,}: generate fewer or "
                          "shorter texts")
    known = np.unique(np.concatenate([np.zeros(0, np.uint32), *texts]))
    alphabet = len(known) + 1
    border = np.array([alphabet - 1], np.int32)  # after every text; no corpus has it, so that nothing runs across
    joined = np.concatenate([np.zeros(0, np.int32)] + [part for text in texts for part in (_ids(text, known), border)])
    automaton = kernel.empty_automaton(len(joined), alphabet)
    ends = np.zeros(len(joined), np.int32)
    states = kernel.build(joined, automaton, ends)
    found = np.zeros(states, np.int32)
    state, matched = 0, 0
    for piece in corpus:
        state, matched = kernel.read(_ids(piece, known), automaton, found, state, matched)
    kernel.spread(automaton, np.argsort(automaton.length[:states], kind="stable"), found)
    lengths = found[ends]
    starts = np.cumsum([0] + [len(text) + 1 for text in texts])
    return [lengths[start:start + len(text)] for start, text in zip(starts, texts)]


def _ids(code_points: NDArray[Any], known: NDArray[Any]) -> NDArray[np.int32]:
    """Return the places of code points (N,) in the sorted `known` ones, -1 for others."""
    table = np.full(int(known[-1]) + 2 if len(known) else 1, -1, np.int32)
    table[known] = np.arange(len(known))
    return table.take(code_points, mode="clip")


def _summary(text: NDArray[Any], lengths: NDArray[np.int32], as_bytes: bool) -> Novelty:
    longest = int(lengths.max(initial=0))
    end = int(lengths.argmax()) + 1 if len(lengths) else 0
    run = text[end - longest:end]
    ngrams = len(text) - NGRAM + 1
    return Novelty(longest_run=longest, ngram_share=int((lengths >= NGRAM).sum()) / ngrams if ngrams > 0 else None,
                   run=run.tobytes().decode("utf-8", "replace") if as_bytes else
                   run.tobytes().decode("utf-32-le", "surrogatepass"))
