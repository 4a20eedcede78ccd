"""The text a model learns from or is measured on, as ids of characters.

A gigabyte of text takes a gigabyte of memory while it is read, not several: a block's characters get provisional ids,
in order of appearance and in the smallest type so far; only when all characters are known are they rewritten to follow
the sorted vocabulary, the provisional ones being freed on the way.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.config import TextConfig
from charrnn.decoding import is_text, read_texts
from charrnn.errors import ConfigError, CorpusError, EncodingError, UnknownCharacterError
from charrnn.sources import BLOCK_SIZE, Notices, Source, find_sources, given_text
from charrnn.vocabulary import SURROGATES, Vocabulary, id_dtype

#: Bytes of provisional ids kept in one piece: large enough that the allocator gives freed pieces back to the system.
_SEGMENT = 64 * 2**20

#: Ids rewritten at a time: NumPy makes 8-byte indices of them, which should stay in the cache.
_REWRITTEN = 2**16

_UNSEEN = np.uint32(0xFFFFFFFF)

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as ids, with everything that is needed to read it again.

    Attributes
    ----------
    ids : (N,) of the vocabulary's dtype.
    vocabulary : the characters that the ids stand for.
    text_config : how bytes became characters.
    sources : names of what was read, in order, safe to print.
    paths, glob : what they were found by, as `read_corpus` was given it.
    notices : what the user should know about the text, one line each.
    sha256 : hex digest of the vocabulary and the ids, equal exactly when the decoded text and the vocabulary are.
    """

    ids: NDArray[Any]
    vocabulary: Vocabulary
    text_config: TextConfig
    sources: tuple[str, ...]
    notices: tuple[str, ...]
    sha256: str
    paths: tuple[str, ...] = ()
    glob: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def start_id(self) -> int:
        """What a text starts after that has no prime: a newline, or where there is none the most frequent character."""
        newline, _ = self.vocabulary.encode_counting("\n")
        if len(newline):
            return int(newline[0])
        counts = np.zeros(len(self.vocabulary), np.int64)
        for start in range(0, len(self.ids), 2**22):  # bincount makes int64 of what it is given
            counts += np.bincount(self.ids[start:start + 2**22], minlength=len(counts))
        return int(counts.argmax())

    def to_json(self) -> dict[str, Any]:
        """Return what is needed to find the text again and to know it, as a dict that `json.dumps` takes."""
        return {"sha256": self.sha256, "characters": len(self), "sources": list(self.sources),
                "paths": list(self.paths), "glob": self.glob}


class TextBlock(NamedTuple):
    """A piece of a text: the name of its source, and its code points, (N,), or its bytes."""

    source: str
    code_points: NDArray[Any]


def read_corpus(paths: Sequence[str | os.PathLike[str]], text_config: TextConfig, *, text: str | None = None,
                glob: str | None = None, stdin: BinaryIO | None = None, vocabulary: Vocabulary | None = None,
                block_size: int = BLOCK_SIZE, memory_limit: int | None = None) -> Corpus:
    """Read texts, one after the other, into memory.

    Where a text does not end in a line end, one is put before the next text (with `bytes`, nothing is).

    Parameters
    ----------
    paths, glob, stdin : as for `charrnn.sources.find_sources`; no paths mean the default built-in corpus.
    text : the text itself, in place of all these.
    vocabulary : ids are to follow this vocabulary; None makes one of the characters that occur.
    block_size : bytes read at a time; has no influence on the result.
    memory_limit : bytes the ids may take; None is half of the machine's memory.

    Raises
    ------
    CorpusError : a source cannot be read, is not valid in its encoding, or too large; or there is no text at all.
    UnknownCharacterError : a text holds characters that `vocabulary` lacks.
    """
    limit = _half_of_memory() if memory_limit is None else memory_limit
    notices = Notices()
    if text is None:
        sources = _readable(find_sources(paths, notices, glob=glob, stdin=stdin), text_config, notices)
    else:
        sources = [given_text(text)]
    # Refused before time is spent on it. UTF-32 has four bytes for what may take one here; hardly a codec has more.
    if sum(source.size for source in sources) // 4 > limit:
        raise _too_large(limit)
    blocks = _advising(_code_points(sources, text_config, notices, block_size),
                       "name the text's own encoding (--encoding cp1251, say), or use --errors replace or --bytes")
    segments = _Segments(limit)
    try:
        if vocabulary is None:
            seen = _SeenCharacters()
            for block in blocks:
                segments.append(seen.provisional_ids(block), seen.dtype)
            _refuse_empty(segments, sources)
            vocabulary, new_ids = seen.sort(text_config.bytes)
            ids = segments.join(vocabulary.dtype, new_ids)
        else:
            for block in blocks:
                segments.append(_known_ids(block, vocabulary), vocabulary.dtype)
            _refuse_empty(segments, sources)
            ids = segments.join(vocabulary.dtype)
        sha256 = _digest(ids, vocabulary)
    except MemoryError:
        raise _too_large(limit) from None
    return Corpus(ids, vocabulary, text_config, tuple(source.name for source in sources), notices.lines(), sha256,
                  tuple(map(os.fsdecode, paths)) if text is None else ("-",), glob)


def read_text(paths: Sequence[str | os.PathLike[str]], text_config: TextConfig, *, glob: str | None = None,
              stdin: BinaryIO | None = None, block_size: int = BLOCK_SIZE) -> Iterator[TextBlock]:
    """Return texts, one after the other as `read_corpus` joins them, in blocks, however long they are.

    Raises
    ------
    CorpusError : a source cannot be read, or is not valid in its encoding. A text without characters yields nothing.
    """
    notices = Notices()
    sources = _readable(find_sources(paths, notices, glob=glob, stdin=stdin), text_config, notices)
    blocks = _advising(_code_points(sources, text_config, notices, block_size), _other_encoding(text_config))
    return (TextBlock(block.source.name, block.code_points) for block in blocks)


def load_text(path: str | os.PathLike[str], text_config: TextConfig, *, stdin: BinaryIO | None = None,
              max_length: int = 64 * 2**20) -> str | bytes:
    """Return a text that is read as a whole, such as a prime: decoded and cleaned, or, with `bytes`, as its bytes.

    Raises
    ------
    CorpusError : it cannot be read, is not valid in its encoding, or has more than `max_length` characters (bytes).
    """
    notices = Notices()
    pieces: list[Any] = []
    length = 0
    for source in _readable(find_sources([path], notices, stdin=stdin, builtin=False), text_config, notices):
        blocks: Iterator[str | bytes] = source.blocks() if text_config.bytes else \
            _advising(read_texts(source, text_config, notices), _other_encoding(text_config))
        for piece in blocks:
            pieces.append(piece)
            length += len(piece)
            if length > max_length:
                raise CorpusError(f"{source.name}: has more than the {max_length} characters that can be used here; "
                                  "take a part of it")
    return b"".join(pieces) if text_config.bytes else "".join(pieces)


def recorded_text(record: dict[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """Return the `paths` and the `glob` of a corpus that `Corpus.to_json` has described.

    Raises
    ------
    ConfigError : they are not recorded, or were standard input, which cannot be read again.
    """
    paths, glob = record.get("paths"), record.get("glob")
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths) or "-" in paths \
            or not (glob is None or isinstance(glob, str)):
        raise ConfigError("the text that the run was trained on cannot be found again: name it, or pipe it in once "
                          "more")
    return tuple(paths), glob


class _Block(NamedTuple):
    """Code points of one source, (N,) uint32, or uint8 for bytes; the first is character `start` of the source."""

    source: Source
    code_points: NDArray[Any]
    start: int


def _readable(sources: list[Source], text_config: TextConfig, notices: Notices) -> list[Source]:
    """Return the sources without those files of folders that are no text."""
    readable = [source for source in sources if not source.optional or is_text(source, text_config, notices)]
    if not readable:
        raise CorpusError(f"none of the {len(sources)} files found is text in {text_config.encoding}: "
                          "name the files, or choose another --encoding, --errors replace or --bytes")
    return readable


def _code_points(sources: list[Source], text_config: TextConfig, notices: Notices, block_size: int) -> Iterator[_Block]:
    """Yield the characters of all sources, with a line end between two where the first does not end in one."""
    missing: _Block | None = None  # the line end that a text lacks if another follows
    for source in sources:
        start = 0
        if text_config.bytes:
            for data in source.blocks(block_size):
                yield _Block(source, np.frombuffer(data, dtype=np.uint8), start)
                start += len(data)
            continue
        for text in read_texts(source, text_config, notices, block_size):
            if missing and start == 0:
                yield missing
            # Some codecs (UTF-7, unicode_escape) do decode to surrogates, which are refused further on.
            yield _Block(source, np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4"), start)
            start += len(text)
            missing = None if text.endswith("\n") else _Block(source, np.array([ord("\n")], dtype=np.uint32), start)


def _advising(blocks: Iterator[_T], what_to_do: str) -> Iterator[_T]:
    """Yield blocks of a text; an `EncodingError` among them also says what to do."""
    try:
        yield from blocks
    except EncodingError as error:
        raise EncodingError(f"{error}; {what_to_do}") from None


def _other_encoding(text_config: TextConfig) -> str:
    """Return what to do with a text that a model has to read as its own was, and cannot."""
    return f"texts for this model are read as {text_config.encoding}: convert it to that"


def _known_ids(block: _Block, vocabulary: Vocabulary) -> NDArray[Any]:
    ids, unknown = vocabulary.encode_code_points(block.code_points)
    if unknown:
        described = vocabulary.describe_unknown(block.code_points, block.start)
        raise UnknownCharacterError(f"{block.source.name}: {described}; take them out, or train a new model")
    return ids


class _SeenCharacters:
    """Numbers characters in the order in which they appear."""

    def __init__(self) -> None:
        self._ids = np.full(0x110000, _UNSEEN)  # of every code point
        self._code_points = np.empty(0, dtype=np.uint32)  # of every id

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest type for the ids so far."""
        return id_dtype(len(self._code_points))

    def provisional_ids(self, block: _Block) -> NDArray[np.uint32]:
        """Return the ids of a block's characters, (N,), giving numbers to those that are new."""
        ids = self._ids[block.code_points]
        if ids.max(initial=0) == _UNSEEN:
            new = np.unique(block.code_points[ids == _UNSEEN]).astype(np.uint32)
            if np.isin(new, SURROGATES).any():
                raise CorpusError(f"{block.source.name}: decodes to surrogates (U+D800 to U+DFFF), which are no "
                                  "characters; choose another --encoding, or --bytes")
            count = len(self._code_points)
            self._ids[new] = np.arange(count, count + len(new), dtype=np.uint32)
            self._code_points = np.concatenate([self._code_points, new])
            ids = self._ids[block.code_points]
        return ids

    def sort(self, is_bytes: bool) -> tuple[Vocabulary, NDArray[Any]]:
        """Return the vocabulary, and the id in it for each provisional one, (V,)."""
        order = np.argsort(self._code_points)
        new_ids = np.empty(len(order), dtype=self.dtype)
        new_ids[order] = np.arange(len(order))
        return Vocabulary(self._code_points[order], is_bytes), new_ids


class _Segments:
    """An array that grows without ever being copied whole: segments, each in the type that its ids needed."""

    def __init__(self, limit: int) -> None:
        self.length = 0  # in ids
        self._limit = limit
        self._full: list[NDArray[Any]] = []
        self._open = np.empty(0, dtype=np.uint8)
        self._used = 0

    def append(self, ids: NDArray[Any], dtype: np.dtype[Any]) -> None:
        """Add ids, (N,), which fit `dtype`."""
        self.length += len(ids)
        if self.length * dtype.itemsize > self._limit:
            raise _too_large(self._limit)
        while len(ids):
            if self._used == len(self._open) or self._open.dtype != dtype:
                self._close()
                self._open = np.empty(_SEGMENT // dtype.itemsize, dtype)  # takes memory only as it is written
            part = ids[:len(self._open) - self._used]
            self._open[self._used:self._used + len(part)] = part
            self._used += len(part)
            ids = ids[len(part):]

    def join(self, dtype: np.dtype[Any], new_ids: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return all ids, (length,) of `dtype`, replaced by what `new_ids` has for them, and let go of the segments."""
        self._close()
        joined = np.empty(self.length, dtype)
        end = self.length
        while self._full:
            segment = self._full.pop()
            for stop in range(len(segment), 0, -_REWRITTEN):
                ids = segment[max(stop - _REWRITTEN, 0):stop]
                joined[end - len(ids):end] = ids if new_ids is None else new_ids[ids]
                end -= len(ids)
        return joined

    def _close(self) -> None:
        if self._used:
            self._full.append(self._open[:self._used])
        self._open, self._used = np.empty(0, dtype=np.uint8), 0  # not a view, which would keep the segment


def _refuse_empty(segments: _Segments, sources: list[Source]) -> None:
    if not segments.length:
        names = ", ".join(source.name for source in sources[:3])
        raise CorpusError(f"{names}: there is no text in it; name a file that holds some")


def _too_large(limit: int) -> CorpusError:
    return CorpusError(f"the text does not fit in memory, of which its characters may take {limit / 2**30:.3g} GiB; "
                       "train on a part of it")


def _half_of_memory() -> int:
    """Return half of the machine's memory in bytes, or 4 GiB where it does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30


def _digest(ids: NDArray[Any], vocabulary: Vocabulary) -> str:
    digest = hashlib.sha256(json.dumps(vocabulary.to_json(), sort_keys=True).encode())
    digest.update(ids.astype(ids.dtype.newbyteorder("<"), copy=False).data)
    return digest.hexdigest()
