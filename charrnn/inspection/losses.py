"""Where a model's errors lie: its loss by the kind of the character to come, and by how far back its opener is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

PAIRS = {")": "(", "]": "[", "}": "{", "”": "“", "»": "«", '"': '"'}


@dataclass(frozen=True)
class LossShare:
    """The losses of some of the predictions.

    Attributes
    ----------
    name : of the kind of characters, or of the distances.
    characters : how many predictions.
    loss : mean, in nats.
    share : of the text's total loss.
    """

    name: str
    characters: int
    loss: float
    share: float


def loss_by_class(text: str, losses: np.ndarray) -> list[LossShare]:
    """Return the loss by the class of the predicted character, that with the largest share of the total first.

    Parameters
    ----------
    text : N characters.
    losses : (N - 1,), of all but the first.
    """
    classes = np.array([_class(character, before) for before, character in itertools.pairwise(text)], object)
    shares = [_share(name, losses[classes == name], losses) for name in dict.fromkeys(classes.tolist())]
    return sorted(shares, key=lambda share: -share.share)


def loss_by_distance(text: str, losses: np.ndarray) -> list[LossShare]:
    """Return the loss of closing quotes and brackets by the distance to what they close, in powers of two."""
    found: dict[int, list[int]] = {}
    open_at: dict[str, list[int]] = {opener: [] for opener in PAIRS.values()}
    for place, character in enumerate(text):
        opener = PAIRS.get(character)
        if opener is not None and open_at[opener]:
            found.setdefault((place - open_at[opener].pop()).bit_length(), []).append(place - 1)
        elif character in open_at:
            open_at[character].append(place)
    return [_share("1" if bits == 1 else f"{1 << bits - 1}-{(1 << bits) - 1}", losses[places], losses)
            for bits, places in sorted(found.items())]


def _class(character: str, before: str) -> str:
    if character == "\n":
        return "newline"
    if character.isspace():
        return "space"
    if character.isalpha():
        return "inside a word" if before.isalpha() else "start of a word"
    if character.isdigit():
        return "digit"
    if character in "([{“«":
        return "opening sign"
    if character in ")]}”»":
        return "closing sign"
    return "punctuation"


def _share(name: str, losses: np.ndarray, total: np.ndarray) -> LossShare:
    whole = float(total.sum(dtype=np.float64))
    part = float(losses.sum(dtype=np.float64))
    return LossShare(name, len(losses), part / max(len(losses), 1), part / whole if whole else 0.0)
