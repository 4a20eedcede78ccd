"""Primes: what a text begins with, read like the text that the model learned from and fitted to what it knows."""

from __future__ import annotations

from dataclasses import dataclass

from charrnn.config import TextConfig
from charrnn.corpus import load_text
from charrnn.decoding import clean_text
from charrnn.vocabulary import Vocabulary


@dataclass(frozen=True)
class Prime:
    """A prime that the model can read.

    Attributes
    ----------
    text : of known characters; bytes that are no UTF-8 are lone surrogates.
    changes : the unknown characters, in the order of their appearance, and what stands in their place ("": nothing).
    """

    text: str
    changes: dict[str, str]


def fit_prime(text: str, vocabulary: Vocabulary, config: TextConfig, on_unknown: str) -> Prime:
    """Return a typed prime, cleaned and with its unknown characters dealt with; see `Vocabulary.encode`.

    Raises
    ------
    UnknownCharacterError : unknown characters are errors, or have nothing near that is known.
    CorpusError : the text cannot be normalised.
    """
    return _fit(clean_text(text, config), vocabulary, on_unknown)


def load_prime(file: str, vocabulary: Vocabulary, config: TextConfig, on_unknown: str) -> Prime:
    """Return the prime that a file holds, or standard input ("-"), as `fit_prime` does.

    Raises
    ------
    CorpusError : the file cannot be read or decoded.
    """
    read = load_text(file, config)
    return _fit(read if isinstance(read, str) else read.decode("utf-8", "surrogateescape"), vocabulary, on_unknown)


def _fit(text: str, vocabulary: Vocabulary, on_unknown: str) -> Prime:
    if on_unknown == "nearest":
        text = vocabulary.composed(text)
    ids = vocabulary.encode(text, on_unknown)
    unknown = [char for char in dict.fromkeys(text) if vocabulary.encode_counting(char)[1]]
    changes = {char: (vocabulary.nearest(char) if on_unknown == "nearest" else None) or "" for char in unknown}
    return Prime(vocabulary.decode_bytes(ids).decode("utf-8", "surrogateescape"), changes)
