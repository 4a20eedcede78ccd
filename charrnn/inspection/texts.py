"""The text a model is inspected on: one that is named, or the part of its corpus that was held out from training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from charrnn.checkpoint import Description
from charrnn.corpus import read_corpus, read_text
from charrnn.errors import CharRNNError, CorpusError
from charrnn.storage import printable
from charrnn.streams import split_text

_BUILTIN = " (built-in)"
_ADVICE = "name the text to inspect the model on, or pipe one in"


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text to inspect a model on.

    Attributes
    ----------
    name : what to call it, safe to print.
    ids : (N,).
    unknown : characters that the model does not know; they were left out.
    cut : whether the text goes on after these characters.
    """

    name: str
    ids: np.ndarray
    unknown: int
    cut: bool


def named_text(path: str, description: Description, limit: int) -> Text:
    """Return the first `limit` characters of a file, a folder's files, or standard input ("-").

    Raises
    ------
    CorpusError : it cannot be read, or is not valid in the encoding of the model's own text.
    """
    blocks, characters, unknown = [], 0, 0
    for block in read_text([path], description.vocabulary, description.text):
        blocks.append(block.ids)
        characters += len(block.ids)
        unknown += block.unknown
        if characters > limit:
            break
    ids = np.concatenate([np.zeros(0, description.vocabulary.dtype), *blocks])
    return Text(name="standard input" if path == "-" else printable(path, 200), ids=ids[:limit], unknown=unknown,
                cut=len(ids) > limit)


def held_out_text(description: Description, limit: int) -> Text:
    """Return the first `limit` characters of the validation part of the corpus that a model was trained on.

    Raises
    ------
    CorpusError : the corpus is not where it was, has changed, came through a pipe, or nothing of it was held out.
    """
    names = _names(description.corpus)
    shown = printable(", ".join(names[:3]) + (" ..." if len(names) > 3 else ""), 200)
    if not names or "standard input" in names:
        raise CorpusError(f"the model was trained on text from a pipe, which is not kept: {_ADVICE}")
    if not description.train.val_fraction:
        raise CorpusError(f"the model was trained on all of {shown}, with nothing held out: {_ADVICE}")
    try:
        corpus = read_corpus([name.removesuffix(_BUILTIN) for name in names], description.text,
                             vocabulary=description.vocabulary)
    except CharRNNError as error:
        raise CorpusError(f"the text that the model was trained on cannot be read ({error}): {_ADVICE}") from None
    if corpus.sha256 != description.corpus.get("sha256"):
        raise CorpusError(f"{shown} has changed since the model was trained on it: {_ADVICE}")
    # Under the split "stream", the parts of the streams follow each other in the order of the text.
    ids = split_text(corpus.ids, description.train).val.reshape(-1)
    return Text(name=f"{shown}, validation part", ids=ids[:limit], unknown=0, cut=len(ids) > limit)


def _names(corpus: dict[str, Any]) -> list[str]:
    sources = corpus.get("sources")
    return [name for name in sources if isinstance(name, str)] if isinstance(sources, list) else []
