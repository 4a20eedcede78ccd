"""The characters a model knows, and the way from text to ids and back.

A vocabulary is the sorted set of the Unicode code points that a corpus holds, and a character's id is its place in it.
With `--bytes` the "characters" are byte values instead, and a text is its UTF-8 bytes. Surrogates (U+D800 to U+DFFF)
are halves of UTF-16 pairs and no characters, so no vocabulary holds them, whatever a codec makes of its input.
"""

from __future__ import annotations

import builtins
import codecs
import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from charrnn.errors import CheckpointError, CorpusError, UnknownCharacterError
from charrnn.storage import printable

ON_UNKNOWN = ("error", "skip", "nearest")

_CODE_POINT_LIMIT = 0x110000
_SHOWN = 5  # how many of many things a message lists
SURROGATES = range(0xD800, 0xE000)
_SURROGATE = re.compile("[\ud800-\udfff]")

# Typographic signs that Unicode does not decompose, and what a keyboard has in their place.
_PLAIN_SIGNS = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"',
                              "‐": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "×": "x"})


def id_dtype(size: int) -> np.dtype[Any]:
    """Return the smallest unsigned integer type with `size` distinct values."""
    return np.min_scalar_type(max(size - 1, 0))


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """An immutable, sorted set of characters, or of byte values.

    Attributes
    ----------
    code_points : (V,) uint32, ascending; character i of the vocabulary is `code_points[i]`.
    bytes : the code points are byte values, and a text is its UTF-8 bytes.

    Raises
    ------
    CorpusError : `code_points` is empty, not ascending, or holds something that is no character (no byte).
    """

    code_points: NDArray[np.uint32]
    bytes: bool = False

    def __post_init__(self) -> None:
        values = np.array(self.code_points, dtype=np.int64)
        problem = _problem(values, self.bytes)
        if problem:
            raise CorpusError(f"a vocabulary cannot be made of this: {problem}")
        code_points = values.astype(np.uint32)
        code_points.flags.writeable = False
        object.__setattr__(self, "code_points", code_points)

    def __len__(self) -> int:
        return len(self.code_points)

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, Vocabulary) and self.bytes == other.bytes
                and np.array_equal(self.code_points, other.code_points))

    def __hash__(self) -> int:
        return hash((self.bytes, self.code_points.tobytes()))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of ids: the smallest unsigned integer that holds V - 1."""
        return id_dtype(len(self))

    def encode(self, text: str | builtins.bytes, on_unknown: str = "error") -> NDArray[Any]:
        """Return the ids of a text's characters.

        Parameters
        ----------
        text : a text; for a vocabulary of bytes, bytes as well.
        on_unknown : what becomes of characters that the vocabulary lacks: "error" raises, "skip" leaves them out,
            "nearest" puts what `nearest` finds in their place, and raises when it finds nothing.

        Returns
        -------
        ids : (N,) of `dtype`.

        Raises
        ------
        UnknownCharacterError : names the unknown characters, their places, and the nearest known ones.
        """
        assert on_unknown in ON_UNKNOWN
        code_points = self._code_points_of(text)
        ids, unknown = self.encode_code_points(code_points)
        if not unknown:
            return ids
        if on_unknown == "error" or (on_unknown == "nearest" and not isinstance(text, str)):
            raise UnknownCharacterError(
                f"the text holds {self.describe_unknown(code_points)}; "
                "leave them out, or use --on-unknown skip or --on-unknown nearest")
        if not isinstance(text, str):
            return ids
        if on_unknown == "nearest":
            text = self.composed(text)
        # Whole characters are dropped or replaced, also where a vocabulary of bytes knows a part of their bytes.
        replacements = {ord(char): None if on_unknown == "skip" else self.nearest(char)
                        for char in set(text) if not self._knows(char)}
        if on_unknown == "nearest" and None in replacements.values():
            lost = [code for code, found in replacements.items() if found is None]
            raise UnknownCharacterError("the model knows nothing near "
                                        f"{_some([_name(code) for code in sorted(lost)])}; use --on-unknown skip")
        return self.encode(text.translate(replacements))

    def encode_counting(self, text: str | builtins.bytes) -> tuple[NDArray[Any], int]:
        """Return the ids of the characters that are known, (N,) of `dtype`, and how many others were left out.

        With a vocabulary of bytes, single bytes are counted and left out.
        """
        return self.encode_code_points(self._code_points_of(text))

    def encode_code_points(self, code_points: NDArray[Any]) -> tuple[NDArray[Any], int]:
        """Return the ids of known code points, (N,) of `dtype`, and how many others were left out.

        Parameters
        ----------
        code_points : (N,) unsigned integers; for a vocabulary of bytes, the bytes.
        """
        ids = self._table.take(code_points, mode="clip")  # past its end, the table's last entry: unknown
        known = ids != len(self)
        unknown = len(ids) - int(np.count_nonzero(known))
        if unknown:
            ids = ids[known]
        return ids.astype(self.dtype, copy=False), unknown

    def knows(self, code_points: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which of some code points (bytes), (N,), are known, (N,)."""
        return self._table.take(code_points, mode="clip") != len(self)

    def describe_unknown(self, code_points: NDArray[Any], start: int = 0) -> str:
        """Return words for the unknown characters among `code_points`, (N,), of a text from its place `start` on."""
        places = np.flatnonzero(self._table.take(code_points, mode="clip") == len(self))
        found, first = np.unique(code_points[places], return_index=True)
        unknown = found[np.argsort(first)].tolist()
        word = "byte" if self.bytes else "character"
        described = []
        for code in unknown[:_SHOWN]:
            near = None if self.bytes and code > 0x7F else self.nearest(chr(code))
            hint = f", nearest known {printable(repr(near))}" if near else ""
            at = (start + places[code_points[places] == code]).tolist()
            described.append(f"{f'0x{code:02X}' if self.bytes else _name(code)} at {_some(at, ', ')}{hint}")
        plural = "s" if len(unknown) > 1 else ""
        return f"{len(unknown)} {word}{plural} that the model does not know: {_some(described + unknown[_SHOWN:])}"

    def composed(self, text: str) -> str:
        """Return a text in which unknown marks are one character with the letter before them, where there is one.

        Unicode's compatibility composition makes "é" of "e" and an accent, and "ガ" of the halfwidth "ｶ" and "ﾞ".
        """
        marks = "".join(char for char in set(text) if not _decomposed(char) and not self._knows(char))
        if not marks:
            return text
        return re.sub(f"[^{marks}][{marks}]+", lambda found: unicodedata.normalize("NFKC", found[0]), text)

    def nearest(self, char: str) -> str | None:
        """Return the known text closest to one character, or None when nothing fits.

        Tried in order: the character without its accents, in the other case, or both; what Unicode's compatibility
        decomposition makes of it (the ligature "ﬁ" gives "fi"), or a keyboard's sign for a typographic one; white space
        for white space; any known character with the same base letter. An accent by itself is near to no text: "".
        """
        plain = _without_accents(char)
        decomposed = _decomposed(char)
        sign = char.translate(_PLAIN_SIGNS)
        candidates = [char, plain, char.swapcase(), plain.swapcase(), decomposed, decomposed.swapcase(), sign,
                      decomposed.translate(_PLAIN_SIGNS), sign.replace('"', "'"), char.casefold()]
        if char.isspace():
            candidates += [" ", self._by_base_letter.get(" ", ""), "\n"]  # such as the wide space of Japanese
        for candidate in candidates:
            if candidate and all(self._knows(part) for part in candidate):
                return candidate
        return self._by_base_letter.get(_base_letter(char), None if decomposed else "")

    def decode(self, ids: ArrayLike) -> str:
        """Return the text of ids, (N,); invalid UTF-8 of a vocabulary of bytes becomes U+FFFD."""
        if self.bytes:
            return self.decode_bytes(ids).decode("utf-8", "replace")
        return self._characters_of(ids)

    def decode_bytes(self, ids: ArrayLike) -> builtins.bytes:
        """Return the bytes of ids, (N,); of a vocabulary of characters, their UTF-8."""
        if self.bytes:
            return self.code_points[np.asarray(ids, dtype=np.intp)].astype(np.uint8).tobytes()
        return self._characters_of(ids).encode()

    def decoder(self) -> StreamDecoder:
        """Return a decoder for ids that arrive in pieces."""
        return StreamDecoder(self)

    def to_json(self) -> dict[str, Any]:
        """Return the vocabulary as a dict that `json.dumps` takes."""
        return {"bytes": self.bytes, "code_points": self.code_points.tolist()}

    @classmethod
    def from_json(cls, data: Any) -> Vocabulary:
        """Return the vocabulary that `to_json` wrote; anything else raises `CheckpointError`."""
        if not isinstance(data, dict) or set(data) != {"bytes", "code_points"}:
            raise CheckpointError("the vocabulary must be an object with `bytes` and `code_points`, and nothing else")
        values, is_bytes = data["code_points"], data["bytes"]
        if not isinstance(is_bytes, bool) or not isinstance(values, list) or len(values) > _CODE_POINT_LIMIT:
            raise CheckpointError("the vocabulary's `bytes` must be true or false, and its `code_points` a list")
        # Before NumPy sees them: it would take true for 1, and has no room for a number of a hundred digits.
        if not all(type(value) is int and 0 <= value < _CODE_POINT_LIMIT for value in values):
            raise CheckpointError("the vocabulary's `code_points` must be whole numbers from 0 to 0x10FFFF")
        problem = _problem(np.array(values, dtype=np.int64), is_bytes)
        if problem:
            raise CheckpointError(f"the vocabulary is damaged: {problem}")
        return cls(np.array(values, dtype=np.uint32), is_bytes)

    @functools.cached_property
    def _table(self) -> NDArray[Any]:
        """The id of every code point up to the last known one, V for an unknown one, and one more V at the end."""
        table = np.full(int(self.code_points[-1]) + 2, len(self), dtype=id_dtype(len(self) + 1))
        table[self.code_points] = np.arange(len(self))
        return table

    @functools.cached_property
    def _by_base_letter(self) -> dict[str, str]:
        """The first known character of every base letter."""
        known = self.code_points[self.code_points < 0x80] if self.bytes else self.code_points
        return {_base_letter(char): char for char in map(chr, reversed(known.tolist()))}

    def _knows(self, char: str) -> bool:
        return bool((self._table.take(self._code_points_of(char), mode="clip") != len(self)).all())

    def _code_points_of(self, text: str | builtins.bytes) -> NDArray[Any]:
        if isinstance(text, str):
            if not self.bytes:
                return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
            text = _utf8(text)
        assert self.bytes, "bytes are text for a vocabulary of bytes alone"
        return np.frombuffer(text, dtype=np.uint8)

    def _characters_of(self, ids: ArrayLike) -> str:
        return self.code_points[np.asarray(ids, dtype=np.intp)].astype("<u4").tobytes().decode("utf-32-le")


def encoded_lengths(text: str) -> NDArray[np.int64]:
    """Return how many bytes each character of a text has in UTF-8, (N,); a lone surrogate stands for a byte."""
    return np.array([1 if char < "\x80" else len(char.encode("utf-8", "surrogateescape")) for char in text], np.int64)


def without_surrogates(text: str) -> str:
    """Return a text with U+FFFD for each lone surrogate, that is for each byte that was no UTF-8."""
    return _SURROGATE.sub("\ufffd", text)


class StreamDecoder:
    """Turns ids that arrive in pieces into text; with a vocabulary of bytes, a character waits for its last byte.

    Bytes that are no UTF-8 become lone surrogates, as in Python's file names, so that a stream can put them out as they
    were ("surrogateescape").
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def decode(self, ids: ArrayLike, final: bool = False) -> str:
        """Return the text that `ids`, (N,), complete; with `final`, what is left unfinished as well."""
        if self._vocabulary.bytes:
            return self._utf8.decode(self._vocabulary.decode_bytes(ids), final)
        return self._vocabulary.decode(ids)


def _problem(values: NDArray[np.int64], is_bytes: bool) -> str | None:
    """Say what keeps an array from being a vocabulary, or return None."""
    limit = 0x100 if is_bytes else _CODE_POINT_LIMIT
    if values.ndim != 1 or len(values) == 0:
        return "it holds no characters"
    if (np.diff(values) <= 0).any():
        return "its characters are not in ascending order, each once"
    if values[0] < 0 or values[-1] >= limit:
        return f"its numbers must be from 0 to 0x{limit - 1:X}"
    if np.isin(values, SURROGATES).any():
        return "it holds surrogates (U+D800 to U+DFFF), which are no characters"
    return None


def _utf8(text: str) -> bytes:
    """Return a text's UTF-8; bytes of the command line that were no UTF-8 come back as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise UnknownCharacterError(f"character {error.start} of the text, {_name(ord(text[error.start]))}, is half of "
                                    "a pair and no character; leave it out") from None


def _name(code: int) -> str:
    """Return a character as a message shows it: escaped, with its number."""
    return f"{printable(repr(chr(code)))} (U+{code:04X})"


def _some(items: list[Any], separator: str = "; ") -> str:
    """Join the first few of some items, and say how many there are beyond."""
    rest = len(items) - _SHOWN
    return separator.join(map(str, items[:_SHOWN])) + (f" and {rest} more" if rest > 0 else "")


def _decomposed(char: str) -> str:
    """Return a character's compatibility decomposition without combining marks."""
    return "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))


def _without_accents(char: str) -> str:
    """Return a letter without its accents: those that Unicode decomposes, and those that only its name tells ("ø")."""
    base = unicodedata.normalize("NFD", char)[0]
    name, _, accent = unicodedata.name(base, "").partition(" WITH ")
    if accent:
        try:
            return unicodedata.lookup(name)
        except KeyError:
            return base
    return base


def _base_letter(char: str) -> str:
    """Return what a letter's accented, capital and compatibility forms have in common."""
    return _without_accents((_decomposed(char) or char)[0]).casefold()
