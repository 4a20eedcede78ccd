"""The part of a run's text that was held out of training, found again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charrnn.checkpoint import Description
from charrnn.corpus import read_corpus, recorded_text
from charrnn.errors import ConfigError, CorpusError, UnknownCharacterError
from charrnn.streams import split_text


class HeldOut(NamedTuple):
    """A held-out part as the run evaluated it: streams (B, n) with n - 1 predictions each, and its split."""

    streams: np.ndarray
    split: str


def held_out(run: Description, part: str, paths: Sequence[str | os.PathLike[str]] = (), *,
             glob: str | None = None) -> HeldOut:
    """Return the "val" or "test" part of the text that a checkpoint's model was trained on.

    Parameters
    ----------
    paths, glob : the text, as it was named for training; no paths mean those that the run read.

    Raises
    ------
    ConfigError : nothing was held out, or the text has to be named.
    CorpusError : the text cannot be read, or is not the one of the run.
    """
    if getattr(run.train, f"{part}_fraction") == 0:
        raise ConfigError(f"the run has no {part} part: it was trained with --{part}-fraction 0")
    if not paths:
        paths, glob = recorded_text(run.corpus)
    try:
        corpus = read_corpus(paths, run.text, glob=glob, vocabulary=run.vocabulary)
    except UnknownCharacterError as error:
        raise CorpusError(f"this is not the text that the model was trained on: {error}") from None
    if corpus.sha256 != run.corpus.get("sha256"):
        raise CorpusError(f"{', '.join(corpus.sources[:3])}: is not the text that the model was trained on, of which "
                          f"the {part} part was held out: name that text")
    split = split_text(corpus.ids, run.train)
    return HeldOut(split.val if part == "val" else split.test, run.train.split)
