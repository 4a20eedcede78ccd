"""The text a model is inspected on: one that is named, or the part of its corpus that was held out from training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from charrnn.builtin import BUILTIN
from charrnn.checkpoint import Description
from charrnn.corpus import read_text, recorded_text
from charrnn.errors import CharRNNError, CorpusError
from charrnn.held_out import held_out
from charrnn.storage import printable


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
    for block in read_text([path], description.text):
        known, left_out = description.vocabulary.encode_code_points(block.code_points)
        blocks.append(known)
        characters += len(known)
        unknown += left_out
        if characters > limit:
            break
    ids = np.concatenate([np.zeros(0, description.vocabulary.dtype), *blocks])
    return Text(name="standard input" if path == "-" else printable(path, 200), ids=ids[:limit], unknown=unknown,
                cut=len(ids) > limit)


def held_out_text(description: Description, limit: int) -> Text:
    """Return the first `limit` characters of the validation part of the corpus that a model was trained on.

    Where that was a built-in one, and this Python's differs from it, the end of this Python's stands in.

    Raises
    ------
    CorpusError : the corpus is not where it was, has changed, came through a pipe, or nothing of it was held out.
    """
    try:
        ids = held_out(description, "val").streams.reshape(-1)  # one after the other, in the order of the text
        paths, _ = recorded_text(description.corpus)
    except CharRNNError as error:
        builtin = _builtin(description)
        if builtin and description.train.val_fraction:
            return _end_of(builtin, description, limit)
        raise CorpusError(f"{error}; or name another text to inspect the model on") from None
    shown = printable(", ".join(paths[:3]) + (" ..." if len(paths) > 3 else "") or "the built-in text", 200)
    return Text(name=f"{shown}, validation part", ids=ids[:limit], unknown=0, cut=len(ids) > limit)


def _builtin(description: Description) -> str | None:
    """Return the name of the built-in corpus that a model was trained on, if it was one."""
    sources = description.corpus.get("sources")
    return next((name for name in BUILTIN if sources == [f"{name} (built-in)"]), None)


def _end_of(builtin: str, description: Description, limit: int) -> Text:
    """Return what would be held out of a built-in corpus as this Python has it."""
    code_points = np.concatenate([block.code_points for block in read_text([builtin], description.text)])
    held = max(round(len(code_points) * description.train.val_fraction), 1)
    ids, unknown = description.vocabulary.encode_code_points(code_points[-held:])
    return Text(name=f"{builtin} of this Python, its end", ids=ids[:limit], unknown=unknown, cut=len(ids) > limit)
