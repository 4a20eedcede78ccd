"""Series that may grow without end, kept in bounded space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Thinned(Generic[_T]):
    """A series of which at most `room` items are kept, each standing for as many neighbours as all the others.

    Parameters
    ----------
    room : an even number.
    merge : returns one item that stands for several neighbours; for one alone, the item itself.
    """

    def __init__(self, room: int, merge: Callable[[Sequence[_T]], _T]) -> None:
        self._room, self._merge = room, merge
        self._kept: list[_T] = []
        self._waiting: list[_T] = []  # those that the next kept item will stand for
        self._stride = 1

    def add(self, item: _T) -> None:
        """Take the next item."""
        self._waiting.append(item)
        if len(self._waiting) < self._stride:
            return
        self._kept.append(self._merge(self._waiting))
        self._waiting = []
        if len(self._kept) == self._room:
            self._kept = [self._merge(self._kept[i:i + 2]) for i in range(0, self._room, 2)]
            self._stride *= 2

    def __len__(self) -> int:
        return len(self._kept) + bool(self._waiting)

    def __iter__(self) -> Iterator[_T]:
        """Yield what is kept; the last item may stand for fewer than the others."""
        yield from self._kept
        if self._waiting:
            yield self._merge(self._waiting)
