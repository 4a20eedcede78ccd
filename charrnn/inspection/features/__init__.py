"""The features that come with the program, by what they speak of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from charrnn.errors import ConfigError
from charrnn.inspection.feature import Feature, features_in, load_features, pattern_feature
from charrnn.inspection.features import code, delimiters, layout, markup, words

#: All of them, each name once.
BUILT_IN: tuple[Feature, ...] = tuple(
    found for module in (delimiters, layout, code, words, markup) for found in features_in(vars(module)))


def chosen_features(patterns: Iterable[str] = (), file: str | Path | None = None) -> tuple[Feature, ...]:
    """Return the built-in features, those of NAME=PATTERN `patterns`, and those of a user's file.

    Raises
    ------
    ConfigError : a pattern or the file is unusable, or a name is taken.
    """
    found = list(BUILT_IN)
    for pattern in patterns:
        name, equals, expression = pattern.partition("=")
        if not equals or not name or not expression:
            raise ConfigError(f"--regex {pattern!r} must be NAME=PATTERN, such as year=[0-9]{{4}}")
        found.append(pattern_feature(name, expression))
    if file is not None:
        found.extend(load_features(file))
    names = [item.name for item in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two features are called {name!r}: choose another name for yours")
    return tuple(found)
