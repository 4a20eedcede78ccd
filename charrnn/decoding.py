"""From bytes to text: encoding, byte order mark, line ends and Unicode normalisation, a block at a time.

How a text is cut into blocks never changes what comes out: whatever could merge with the characters that follow (half
of a character, half of a CRLF, a letter whose accent is still to come) is held back until they are there.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import itertools
import sys
import unicodedata
from collections.abc import Iterator
from typing import Literal

from charrnn.config import TextConfig
from charrnn.errors import CorpusError, EncodingError
from charrnn.sources import BLOCK_SIZE, Notices, Source, peek
from charrnn.storage import printable

# UTF-32 before UTF-16: the mark of the one begins with that of the other.
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
                     (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

#: Characters normalised at once. Sorting accents takes the square of their number, so a longer run of them is refused.
_PIECE = 4096

#: Characters among which a NUL means that a file of a folder is no text.
_SNIFFED = 8192


def read_texts(source: Source, config: TextConfig, notices: Notices, block_size: int = BLOCK_SIZE) -> Iterator[str]:
    """Yield a source's text in blocks, decoded and cleaned as `config` says.

    A byte order mark is dropped, and CRLF becomes LF; single CRs stay.

    Raises
    ------
    EncodingError : its bytes are not valid in the encoding.
    CorpusError : the source cannot be read.
    """
    if source.is_utf8:
        config = config.replace(encoding="utf-8", errors="strict")
    return _clean(_decode(source, config, notices, block_size), source.name, config, notices)


def is_text(source: Source, config: TextConfig, notices: Notices) -> bool:
    """Tell whether a source can be read, all of it decoded, and has no NUL near its start; say in a notice if not."""
    try:
        if config.bytes:
            next(source.blocks(), None)
            return True
        texts = _decode(source, config, Notices(), BLOCK_SIZE)
        if "\0" in next(texts, "")[:_SNIFFED]:
            notices.add("skipped: looks like binary data, not text", source.name)
            return False
        for _ in texts:
            pass
    except CorpusError:
        how = "" if config.bytes else f" as {config.encoding} text"
        notices.add(f"skipped: cannot be read{how}", source.name)
        return False
    return True


def clean_text(text: str, config: TextConfig) -> str:
    """Return a text that is already decoded, such as a prime, cleaned like the text that the model learned from.

    Raises
    ------
    CorpusError : the text cannot be normalised.
    """
    return text if config.bytes else "".join(_clean(iter([text]), "the text", config, Notices()))


def _decode(source: Source, config: TextConfig, notices: Notices, block_size: int) -> Iterator[str]:
    head, blocks = peek(source.blocks(block_size), 4)
    encoding = config.encoding
    is_utf8 = codecs.lookup(encoding).name == "utf-8"
    if is_utf8:
        for mark, marked in _BYTE_ORDER_MARKS:
            if head.startswith(mark):
                encoding = marked
                notices.add(f"read as {encoding[:6].upper()}, as its byte order mark says", source.name)
                break
    decoder = codecs.getincrementaldecoder(encoding)(config.errors)
    offset, line = 0, 1  # where the next block starts
    first = True
    for block in itertools.chain(blocks, [b""]):
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            raise _undecodable(error, source.name, encoding, offset + len(block), line) from None
        offset += len(block)
        line += text.count("\n")
        if first and text:
            first = False
            if text.startswith("\ufeff"):
                text = text[1:]
                notices.add("its byte order mark is left out", source.name)
            if is_utf8 and encoding == config.encoding and 4 * block.count(0) > len(block):
                order = "le" if block[1::2].count(0) > block[::2].count(0) else "be"
                notices.add(f"a quarter of it or more are NUL bytes, as in UTF-16; --encoding utf-16-{order} would "
                            "read it as that", source.name)
        if text:
            yield text


def _undecodable(error: UnicodeError, name: str, encoding: str, end: int, line: int) -> EncodingError:
    """Return a decoder's error as a message; the data it saw end at byte `end` and start in line `line`."""
    where = reason = ""
    if isinstance(error, UnicodeDecodeError):
        data, start = error.object, error.start
        with contextlib.suppress(UnicodeError):  # a few codecs have only strict decoding
            line += data[:start].decode(encoding, "replace").count("\n")
        where = f"byte {end - len(data) + start} (line {line}), in {data[max(start - 10, 0):start + 10]!r}, "
        reason = f" ({error.reason})"
    return EncodingError(f"{name}: {where}is not valid {printable(encoding)}{reason}")


def _clean(texts: Iterator[str], name: str, config: TextConfig, notices: Notices) -> Iterator[str]:
    held, is_nfc = "", True
    for last, text in itertools.chain(((False, text) for text in texts), [(True, "")]):
        text = held + text
        if "\r\n" in text:
            text = text.replace("\r\n", "\n")
            notices.add("line ends CRLF are read as LF", name)
        cut = len(text) if last else _last_border(text, max(len(text) - _PIECE, 0), len(text) - 1)
        if cut < 0:
            cut = 0 if len(text) <= _PIECE or config.normalize != "none" else len(text)
        text, held = text[:cut], text[cut:]
        if config.normalize != "none":
            if len(held) > _PIECE:
                raise _too_many_accents(name)
            text = _normalize(text, config.normalize, name)
        elif is_nfc and not unicodedata.is_normalized("NFC", text):
            is_nfc = False
            notices.add("some characters are not in Unicode's composed form; --normalize nfc would compose them", name)
        if text:
            yield text


def _normalize(text: str, form: str, name: str) -> str:
    """Return a text's normal form, taking pieces that cannot affect each other."""
    if text.isascii():
        return text
    unicode_form: Literal["NFC", "NFKC"] = "NFC" if form == "nfc" else "NFKC"
    pieces = []
    start = 0
    while start < len(text):
        end = len(text)
        if end - start > _PIECE:
            end = _last_border(text, start, start + _PIECE)
            if end < 0:
                raise _too_many_accents(name)
        pieces.append(unicodedata.normalize(unicode_form, text[start:end]))
        start = end
    return "".join(pieces)


def _too_many_accents(name: str) -> CorpusError:
    return CorpusError(f"{name}: more than {_PIECE} combining characters in a row, which cannot be normalised; "
                       "leave --normalize out")


def _last_border(text: str, low: int, high: int) -> int:
    """Return the last place above `low`, up to `high`, where a text can be cut and normalised apart, or -1."""
    for place in range(high, low, -1):
        if _starts_anew(text[place]):
            return place
    return -1


def _starts_anew(char: str) -> bool:
    """Tell whether a character never merges, nor changes places, with what stands before it."""
    if char < "\u0300":
        return True
    first = unicodedata.normalize("NFKD", char)[0]
    return not unicodedata.combining(first) and first not in _composing()


@functools.cache
def _composing() -> frozenset[str]:
    """Characters that can merge with the one before them, though some of them are no combining marks."""
    found = set(map(chr, [*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))  # Hangul, composed by rule
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(chr(int(parts[1], 16)))
    return frozenset(found)
