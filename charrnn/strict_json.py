"""JSON as checkpoints hold it: written in one form only, and read so that no text can exhaust memory or time."""

from __future__ import annotations

import json
import math
from typing import Any

# Far above what charrnn writes, and low enough that a process that parses a text of 16 MB stays below 200 MB.
_MAX_CONTAINERS = 200_000  # { and [
_MAX_PAIRS = 200_000  # :
_MAX_QUOTES = 1_000_000
_MAX_ITEMS = 1_300_000  # commas; a vocabulary of every code point has 1,114,112
_MAX_DIGITS = 64


def dump(value: Any) -> str:
    """Return a value as compact ASCII JSON with sorted keys; NaN and infinity raise `ValueError`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def finite(value: Any) -> Any:
    """Return a value with every NaN and infinity in it replaced by None, since JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def parse(text: str) -> Any:
    """Return the value of a JSON text; anything doubtful or oversized raises `ValueError`, which says what."""
    if (text.count("{") + text.count("[") > _MAX_CONTAINERS or text.count(":") > _MAX_PAIRS
            or text.count('"') > _MAX_QUOTES or text.count(",") > _MAX_ITEMS):
        raise ValueError("JSON with more entries than any model needs")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_integer, parse_float=_real,
                          parse_constant=_constant)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("JSON with the same key twice")
    return value


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"JSON with a number of {len(digits)} digits")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("JSON with a number that no float can hold")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"JSON with {name}")
