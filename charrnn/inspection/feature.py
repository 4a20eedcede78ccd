"""What a feature of the text is, and how its values come about.

A feature is a generator: it takes the characters of a text one by one and yields a value after each. It has only what
it was given, so it cannot look ahead; a part of the text gives the same part of the values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.errors import ConfigError

#: What a feature's values are: yes or no, a number, or a name out of few.
KINDS = ("flag", "number", "name")

#: A feature is judged where at least so many characters have it, and so many lack it.
ENOUGH = 200

#: A pattern of the command line is looked for in the last so many characters.
_PATTERN_REACH = 200

#: A feature of names gives at most so many features of yes and no.
_NAMES = 12

_CHECKED = 20_000  # characters on which a user's feature is watched taking them one by one

Track = Callable[[Iterator[str]], Iterable[Any]]


@dataclass(frozen=True)
class Feature:
    """Something that can be said of every place in a text.

    Attributes
    ----------
    name : what it is called.
    track : takes characters, yields a value after each.
    kind : one of `KINDS`.
    predicts : next characters that are easier to tell with it, such as the quote that closes; "" where the text has
        to show which these are.
    """

    name: str
    track: Track
    kind: str = "flag"
    predicts: str = ""

    def values(self, text: str) -> np.ndarray:
        """Return the value after each character of a text (N,): bool, float32, or str."""
        dtype: Any = {"flag": np.bool_, "number": np.float32, "name": object}[self.kind]
        return np.fromiter(self.track(iter(text)), dtype, count=len(text))


def feature(name: str, kind: str = "flag", predicts: str = "") -> Callable[[Track], Feature]:
    """Make a feature of a generator function; the decorator by which all of them are written.

    Examples
    --------
    >>> @feature("after a vowel")
    ... def after_vowel(characters):
    ...     for character in characters:
    ...         yield character in "aeiou"
    >>> after_vowel.values("tea").tolist()
    [False, True, True]
    """
    if kind not in KINDS:
        raise ConfigError(f"feature {name!r}: its kind must be one of {', '.join(KINDS)}, not {kind!r}")
    return lambda track: Feature(name, track, kind, predicts)


def features_in(namespace: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Return the features among what a module defines, in order."""
    return tuple(value for value in namespace.values() if isinstance(value, Feature))


def pattern_feature(name: str, pattern: str) -> Feature:
    """Return a feature that is on where the text so far ends in a match of a regular expression.

    After each character, the pattern is tried on the last `_PATTERN_REACH` characters, the one just read being the
    last; what comes later is not there, not even for a lookahead. `^` stands for the start of a line.

    Raises
    ------
    ConfigError : the pattern is no regular expression.
    """
    try:
        # On its own first, so that brackets which only close the ones around it are told.
        re.compile(pattern)
        ends_here = re.compile(rf"(?:{pattern})\Z", re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"--regex {name}: {pattern!r} is no regular expression: {error}") from None

    def track(characters: Iterator[str]) -> Iterator[bool]:
        read = ""
        for character in characters:
            read += character
            if len(read) > 4 * _PATTERN_REACH:
                read = read[-_PATTERN_REACH - 1:]  # one more, by which `^` knows whether a line starts
            match = ends_here.search(read, max(0, len(read) - _PATTERN_REACH))
            yield match is not None and match.end() > match.start()

    return Feature(name, track)


def load_features(path: str | Path) -> tuple[Feature, ...]:
    """Run a user's Python file and return the features it defines.

    Raises
    ------
    ConfigError : it cannot be read, fails, or defines none.
    """
    import runpy

    try:
        found = features_in(runpy.run_path(str(path)))
    except Exception as error:  # whatever the user's code does
        if isinstance(error, OSError) and error.filename == str(path):
            raise ConfigError(f"--features {path}: cannot be read: {error.strerror}") from None
        raise ConfigError(f"--features {path}: {type(error).__name__}: {error}") from None
    if not found:
        raise ConfigError(f"--features {path}: it defines no feature; decorate a generator function with "
                          "@charrnn.inspection.feature.feature(\"name\")")
    return found


class _Counted:
    """The characters of a text, one by one, and how many were taken."""

    def __init__(self, text: str) -> None:
        self._characters, self.taken = iter(text), 0

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        character = next(self._characters)
        self.taken += 1
        return character


def check(features: Iterable[Feature], text: str) -> None:
    """Raise `ConfigError` where a feature takes characters ahead of its values, or does not give one for each."""
    part = text[:_CHECKED]
    for item in features:
        characters, given = _Counted(part), 0
        try:
            for given, _ in enumerate(item.track(characters), 1):
                if characters.taken != given:
                    raise ConfigError(f"feature {item.name!r}: value {given} came after {characters.taken} characters; "
                                      "it must yield one value after each, before it takes the next")
            if given != len(part):
                raise ConfigError(f"feature {item.name!r}: {given} values for {len(part)} characters; it must yield "
                                  "one after each")
            item.values(part)
        except ConfigError:
            raise
        except Exception as error:  # whatever the user's code does
            raise ConfigError(f"feature {item.name!r}: {type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class Tracked:
    """A feature's values over a text: flag (N,) bool or number (N,) float32."""

    name: str
    values: np.ndarray
    predicts: str

    @property
    def is_flag(self) -> bool:
        """Whether the values are yes or no."""
        return self.values.dtype == np.bool_


def track_all(features: Iterable[Feature], text: str) -> tuple[list[Tracked], dict[str, str]]:
    """Return what can be judged on a text, and for what cannot, by name, the reason.

    A feature of names becomes one of yes and no for each of its names.
    """
    tracked: list[Tracked] = []
    dropped: dict[str, str] = {}
    for item in features:
        values = item.values(text)
        parts = [Tracked(item.name, values, item.predicts)]
        if item.kind == "name":
            names, counts = np.unique(values[values != ""].astype(str), return_counts=True)
            parts = [Tracked(f"{item.name}: {name}", values == name, item.predicts)
                     for name in names[np.argsort(-counts, kind="stable")[:_NAMES]].tolist()]
            if not parts:
                dropped[item.name] = "does not occur in this text"
        for part in parts:
            if not np.isfinite(part.values).all():
                dropped[part.name] = "has values that are no numbers"
            elif (count := int(np.count_nonzero(part.values))) < ENOUGH:
                dropped[part.name] = f"{count} characters have it; {ENOUGH} are needed"
            elif part.is_flag and len(text) - count < ENOUGH:
                dropped[part.name] = f"{len(text) - count} characters lack it; {ENOUGH} are needed"
            elif np.ptp(part.values.astype(np.float32)) == 0:
                dropped[part.name] = "is the same everywhere"
            else:
                tracked.append(part)
    return tracked, dropped
