"""Bytes to text: encodings, byte order marks, line ends, normalisation, wherever the blocks are cut."""

from __future__ import annotations

import codecs
import time
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import decoding
from charrnn.config import TextConfig
from charrnn.decoding import clean_text, is_text, read_texts
from charrnn.errors import CorpusError
from charrnn.sources import BLOCK_SIZE, Notices, Source

texts = st.text(st.characters(exclude_categories=("Cs",)))
# Characters that merge, reorder or decompose: accents of several classes, Hangul, kana with voice marks, Indic vowels.
merging = st.text(st.sampled_from(
    "aeE \r\n\u0301\u0308\u0316\u0323\u0345éệÅΩﬁ½각가각ｶﾞがか゛\u3099कि\u09c7\u09be\u0f71\u0f72😀"))
block_sizes = st.integers(1, 9)


def source_of(data: bytes, **fields: bool) -> Source:
    def blocks(size: int) -> Iterator[bytes]:
        return (data[i:i + size] for i in range(0, len(data), size))

    return Source("corpus.txt", blocks, **fields)


def read(data: bytes, block_size: int = BLOCK_SIZE, **settings: str) -> tuple[str, tuple[str, ...]]:
    notices = Notices()
    pieces = list(read_texts(source_of(data), TextConfig(**settings), notices, block_size))  # type: ignore[arg-type]
    assert all(pieces)
    return "".join(pieces), notices.lines()


def plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


@given(texts, block_sizes)
def test_any_utf8_text(text: str, block_size: int) -> None:
    assert read(text.encode(), block_size) == read(text.encode())
    assert read(text.encode(), block_size)[0] == plain(text)


@given(st.text(st.sampled_from("\r\na")), block_sizes)
def test_line_ends_across_borders(text: str, block_size: int) -> None:
    read_text, notices = read(text.encode(), block_size)
    assert read_text == text.replace("\r\n", "\n")
    assert notices == (("corpus.txt: line ends CRLF are read as LF",) if "\r\n" in text else ())


@given(merging, block_sizes, st.sampled_from(["nfc", "nfkc"]))
def test_normalising_blocks_is_normalising_the_whole(text: str, block_size: int, form: str) -> None:
    whole = unicodedata.normalize(form.upper(), plain(text))  # type: ignore[arg-type]
    assert read(text.encode(), block_size, normalize=form)[0] == whole


@given(merging, block_sizes)
def test_text_that_is_not_composed_is_noticed(text: str, block_size: int) -> None:
    noticed = any("--normalize nfc" in notice for notice in read(text.encode(), block_size)[1])
    assert noticed == (unicodedata.normalize("NFC", plain(text)) != plain(text))


def test_every_character_may_follow_a_border() -> None:
    # A base for everything that can compose, then the character; cut between them wherever that is held to be safe.
    for form in ("NFC", "NFKC"):
        for char in map(chr, (*range(0x300, 0xD800), *range(0xE000, 0x20000))):
            if decoding._starts_anew(char):
                for base in ("a\u0323", "가", "か", "\u09c7", "\u0f71"):
                    whole = unicodedata.normalize(form, base + char)  # type: ignore[arg-type]
                    assert whole == (unicodedata.normalize(form, base)  # type: ignore[arg-type]
                                     + unicodedata.normalize(form, char)), f"U+{ord(char):04X}"  # type: ignore[arg-type]


def test_what_composes_is_what_unicode_says() -> None:
    for code in range(0x110000):
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1 and unicodedata.normalize("NFC", parts) == chr(code):
            assert not decoding._starts_anew(parts[-1]), f"U+{code:04X}"


@pytest.mark.parametrize(("mark", "encoding", "notice"), [
    (codecs.BOM_UTF8, "utf-8", None), (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"), (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32")])
@given(text=texts.filter(lambda text: not text.startswith(("\0", "\ufeff"))), block_size=block_sizes)
def test_byte_order_marks(mark: bytes, encoding: str, notice: str | None, text: str, block_size: int) -> None:
    read_text, notices = read(mark + text.encode(encoding), block_size)
    assert read_text == plain(text)
    assert "corpus.txt: its byte order mark is left out" in notices
    if notice:
        assert f"corpus.txt: read as {notice}, as its byte order mark says" in notices


@given(texts, st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "gb18030"]), block_sizes)
def test_named_encodings(text: str, encoding: str, block_size: int) -> None:
    if encoding == "utf-7" and "\0" in text:
        return  # Python's decoder and encoder disagree about it
    assert read(text.encode(encoding), block_size, encoding=encoding)[0] == plain(text)


def test_legacy_encodings() -> None:
    assert read("Привет".encode("cp1251"), encoding="cp1251")[0] == "Привет"
    assert read("吾輩は猫である".encode("shift_jis"), 1, encoding="shift_jis")[0] == "吾輩は猫である"


@pytest.mark.parametrize("block_size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(("data", "offset", "line"), [
    (b"caf\xe9 au lait", 3, 1), (b"one\ntwo\r\nth\xffree", 11, 3), (b"\xff\xfa", 0, 1), (b"ok\n\xe2\x82", 3, 2),
    ("ünï\n".encode() + b"\xc3(", 6, 2), (b"a\xed\xa0\x80", 1, 1)])
def test_invalid_bytes_are_located(data: bytes, offset: int, line: int, block_size: int) -> None:
    with pytest.raises(CorpusError) as caught:
        read(data, block_size)
    message = str(caught.value)
    assert message.startswith(f"corpus.txt: byte {offset} (line {line}), in b")
    assert f"\\x{data[offset]:02x}" in message


def test_invalid_utf16_and_multibyte_are_located() -> None:
    odd = codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le") + b"\x00\xd8" + "c".encode("utf-16-le")
    for block_size in (4, 5, 100):
        with pytest.raises(CorpusError, match=r"byte 8 \(line 2\).*not valid utf-16-le"):
            read(odd, block_size)
    for block_size in (1, 2, 100):
        with pytest.raises(CorpusError, match=r"byte 2 \(line 1\).*not valid shift_jis"):
            read("猫".encode("shift_jis") + b"\x81\x01", block_size, encoding="shift_jis")


@given(st.binary(), block_sizes)
def test_replacing_and_ignoring_never_fail(data: bytes, block_size: int) -> None:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE, b"\x1f\x8b\x08")):
        return
    for errors in ("replace", "ignore"):
        assert read(data, block_size, errors=errors)[0] == plain(data.decode("utf-8", errors))


@given(st.binary(max_size=30), st.sampled_from(["utf-8", "idna", "punycode", "utf-7", "undefined", "unicode_escape"]))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of unicode_escape, about unknown escapes
def test_any_bytes_in_any_encoding_are_text_or_one_error(data: bytes, encoding: str) -> None:
    try:
        text, _ = read(data, encoding=encoding)
    except CorpusError as error:
        assert str(error).startswith("corpus.txt: ")
        assert "\n" not in str(error)
    else:
        assert isinstance(text, str)


def test_the_built_in_corpus_is_utf8_whatever_the_encoding() -> None:
    source = source_of("“é”".encode(), is_utf8=True)
    assert "".join(read_texts(source, TextConfig(encoding="cp1251"), Notices())) == "“é”"


@pytest.mark.parametrize("accents", ["\u0301\u0316" * 500_000, "\u0301\u0316" * 50_000, "\u0301" * 1_000_000])
def test_endless_accents_are_read_but_not_normalised(accents: str) -> None:
    # Sorting a run of accents takes quadratic time: minutes for these.
    started = time.perf_counter()
    for text in (f"a{accents}", f"a{accents}b"):
        assert read(text.encode())[0] == text
        with pytest.raises(CorpusError, match="combining characters in a row"):
            read(text.encode(), normalize="nfc")
    assert time.perf_counter() - started < 10


def test_runs_of_accents_up_to_a_thousand_are_normalised() -> None:
    text = ("a" + "\u0301\u0316" * 500 + "가") * 20
    for block_size in (100, 1000, BLOCK_SIZE):
        assert read(text.encode(), block_size, normalize="nfc")[0] == unicodedata.normalize("NFC", text)


def test_which_files_of_a_folder_are_text() -> None:
    for data, settings, expected in [(b"text", {}, True), (b"", {}, True),
                                     (b"PNG\0\0", {}, False), (b"\xff", {}, False),
                                     (b"\xe9", {"encoding": "latin-1"}, True), (b"\0\xff", {"bytes": True}, True),
                                     ("text".encode("utf-16"), {}, True), (b"\xff", {"errors": "replace"}, True),
                                     (b"a" * 3_000_000 + b"\xff", {}, False)]:
        notices = Notices()
        assert is_text(source_of(data), TextConfig(**settings), notices) == expected  # type: ignore[arg-type]
        assert bool(notices.lines()) != expected
        assert all("corpus.txt: skipped" in line for line in notices.lines())


def test_primes_are_cleaned_like_the_corpus() -> None:
    assert clean_text("e\u0301\r\n", TextConfig()) == "e\u0301\n"
    assert clean_text("e\u0301\r\n", TextConfig(normalize="nfc")) == "é\n"
    assert clean_text("e\u0301\r\n", TextConfig(bytes=True)) == "e\u0301\r\n"
    assert clean_text("", TextConfig()) == ""


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_byte_order_mark_is_noticed(encoding: str) -> None:
    data = "Plain text in another encoding.\n".encode(encoding) * 4
    assert any(f"--encoding {encoding} would" in line for line in read(data)[1])
    assert read(data, encoding=encoding) == ("Plain text in another encoding.\n" * 4, ())
    assert read(b"a text with one NUL: \0\n")[1] == ()
