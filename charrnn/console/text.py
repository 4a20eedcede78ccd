"""Words, numbers and characters as a terminal can show them."""

from __future__ import annotations

from collections.abc import Sequence

# What moves a cursor, changes a colour, renames a window or turns the direction of writing around: control characters
# (but newline and tab); bidirectional embeddings, overrides and isolates. And surrogates, which no encoding has.
_DRIVING = (*range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A),
            *range(0xD800, 0xE000))
_ESCAPES = {code: chr(code).encode("unicode_escape").decode("ascii") for code in _DRIVING}

_BARS = "▁▂▃▄▅▆▇█"


def visible(text: str) -> str:
    r"""Return a generated text for a terminal: what would drive it is escaped, as in `\x1b`; newlines and tabs stay."""
    return text.translate(_ESCAPES)


def escaped_character(code_point: int, is_byte: bool = False) -> str:
    """Return a character of a vocabulary so that it can be told from its neighbours in a list."""
    char = chr(code_point)
    if char == " " or not char.isprintable() or (is_byte and code_point > 0x7E):
        return f"\\x{code_point:02x}" if code_point < 0x100 and char not in "\n\r\t" else \
            char.encode("unicode_escape").decode("ascii")
    return char


def duration(seconds: float) -> str:
    """Return seconds as a clock shows them, such as 0:07 or 2:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: float) -> str:
    """Return a whole number with its thousands apart."""
    return f"{number:,.0f}"


def rate(per_second: float) -> str:
    """Return characters a second in three digits, such as 412k or 1.25M."""
    for unit, factor in (("M", 1e6), ("k", 1e3)):
        if per_second >= 0.9995 * factor:
            return f"{per_second / factor:.3g}{unit}"
    return f"{per_second:.3g}"


def size(number: float) -> str:
    """Return bytes as a quantity with its unit."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= 0.9995 * factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f} bytes"


def plural(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where the number asks for it."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def sparkline(values: Sequence[float | None], width: int = 40, bounds: tuple[float, float] | None = None) -> str:
    """Return a row of bars for some numbers, and a blank for None; of more than `width`, evenly chosen ones.

    Parameters
    ----------
    bounds : what the lowest and the highest bar stand for, also for whatever lies beyond; the lowest and the highest
        number, if not given.
    """
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low, high = bounds or (min(known), max(known))
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0
    return "".join(" " if value is None else _BARS[round((min(max(value, low), high) - low) * scale)]
                   for value in values)
