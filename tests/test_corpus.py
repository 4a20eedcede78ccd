"""Texts as ids: sorted vocabularies, bounded memory, several sources, known vocabularies."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import corpus as corpus_module
from charrnn.builtin import read_builtin
from charrnn.config import TextConfig
from charrnn.corpus import Corpus, load_text, read_corpus, read_text
from charrnn.errors import CorpusError, EncodingError, UnknownCharacterError
from charrnn.vocabulary import Vocabulary

UTF8 = TextConfig()
BYTES = TextConfig(bytes=True)
texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


def read(data: bytes, text_config: TextConfig = UTF8, **options: object) -> Corpus:
    return read_corpus(["-"], text_config, stdin=io.BytesIO(data), **options)  # type: ignore[arg-type]


def text_of(corpus: Corpus) -> str:
    return corpus.vocabulary.decode(corpus.ids)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus_module, "_SEGMENT", 16)
    monkeypatch.setattr(corpus_module, "_REWRITTEN", 3)


def test_ids_follow_the_sorted_vocabulary() -> None:
    corpus = read(b"hello")
    assert corpus.vocabulary.code_points.tolist() == sorted(map(ord, "ehlo"))
    assert corpus.ids.tolist() == [1, 0, 2, 2, 3]
    assert corpus.ids.dtype == np.uint8
    assert len(corpus) == 5
    assert corpus.sources == ("standard input",)
    assert corpus.notices == ()
    assert corpus.text_config == UTF8


@pytest.mark.usefixtures("small_segments")
@given(texts.filter(lambda text: text not in ("\ufeff", "")), st.integers(1, 9))
def test_any_text_comes_back_whatever_the_blocks(text: str, block_size: int) -> None:
    corpus = read(text.encode(), block_size=block_size)
    whole = read(text.encode())
    assert text_of(corpus) == text.removeprefix("\ufeff").replace("\r\n", "\n")
    assert corpus.vocabulary.code_points.tolist() == sorted(set(map(ord, text_of(corpus))))
    assert (corpus.ids.dtype, corpus.sha256, corpus.notices) == (whole.ids.dtype, whole.sha256, whole.notices)


@pytest.mark.usefixtures("small_segments")
@given(st.binary(min_size=1).filter(lambda data: not data.startswith(b"\x1f\x8b\x08")), st.integers(1, 9))
def test_any_bytes_come_back(data: bytes, block_size: int) -> None:
    corpus = read(data, BYTES, block_size=block_size)
    assert corpus.vocabulary.decode_bytes(corpus.ids) == data
    assert corpus.vocabulary.bytes
    assert corpus.vocabulary.code_points.tolist() == sorted(set(data))


@pytest.mark.usefixtures("small_segments")
@pytest.mark.parametrize(("size", "dtype"), [(256, np.uint8), (257, np.uint16),
                                             (65_536, np.uint16), (65_537, np.uint32)])
def test_ids_widen_as_characters_appear(size: int, dtype: type) -> None:
    characters = [chr(code) for code in range(0x20, 0x20000) if not 0xD800 <= code < 0xE000][:size]
    text = "".join(reversed(characters)) + " the first ones again"
    corpus = read(text.encode(), block_size=100)
    assert corpus.ids.dtype == dtype
    assert len(corpus.vocabulary) == size
    assert text_of(corpus) == text


def test_a_million_distinct_characters() -> None:
    text = "".join(chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000)
    corpus = read(text.encode())
    assert len(corpus.vocabulary) == len(corpus) == 0x110000 - 2049
    assert np.array_equal(corpus.ids, np.arange(len(corpus)))


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux counts it")
def test_memory_is_that_of_the_ids(tmp_path: Path) -> None:
    file = tmp_path / "large.txt"
    file.write_bytes(b"The quick brown fox jumps over the lazy dog.\n" * 4_000_000)
    program = """
import re, sys
from pathlib import Path
from charrnn.config import TextConfig
from charrnn.corpus import read_corpus
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
print(read_corpus([sys.argv[1]], TextConfig()).ids.nbytes, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True)
    size, taken = map(int, done.stdout.split())
    assert size == 180_000_000
    assert size < taken < size + 2**26 + 2**25  # the ids, a segment, a few blocks


def test_a_text_beyond_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    with monkeypatch.context() as patch, pytest.raises(CorpusError, match="does not fit in memory"):
        patch.setattr(os, "open", lambda *_: pytest.fail("it is not even opened"))
        read_corpus([sparse], UTF8)
    with pytest.raises(CorpusError, match="does not fit in memory"):
        read(b"0123456789", memory_limit=9)
    assert len(read(b"0123456789", memory_limit=10)) == 10
    with pytest.raises(CorpusError, match="does not fit in memory"):
        read("".join(map(chr, range(257))).encode(), memory_limit=512)


def test_running_out_of_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(ids: object, vocabulary: object) -> str:
        raise MemoryError

    monkeypatch.setattr(corpus_module, "_digest", fail)
    with pytest.raises(CorpusError, match="does not fit in memory"):
        read(b"text")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", gzip.compress(b"")])
def test_an_empty_text_is_refused(data: bytes) -> None:
    for vocabulary in (None, Vocabulary(np.array([97]))):
        with pytest.raises(CorpusError, match="standard input: there is no text in it"):
            read(data, vocabulary=vocabulary)


@pytest.mark.parametrize("data", [b"a", b"aaaa", b"\0", b"\0" * 100, b"\n"])
def test_odd_but_sound_texts(data: bytes) -> None:
    corpus = read(data)
    assert len(corpus.vocabulary) == 1
    assert text_of(corpus).encode() == data


def test_a_line_of_a_hundred_megabytes(tmp_path: Path) -> None:
    file = tmp_path / "line.txt"
    file.write_bytes("é".encode() * (50 * 2**20))
    assert len(read_corpus([file], TextConfig(normalize="nfc"))) == 50 * 2**20


def test_surrogates_of_odd_codecs_are_refused() -> None:
    with pytest.raises(CorpusError, match="standard input: decodes to surrogates"):
        read(b"a+2AA-b", TextConfig(encoding="utf-7"))


# Several sources

def test_texts_follow_each_other_on_new_lines(tmp_path: Path) -> None:
    for name, content in {"a": b"one", "b": b"two\n", "c": b"", "d": b"\xef\xbb\xbfthree\r", "e": b"four"}.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in "abcde"]
    assert text_of(read_corpus(paths, UTF8)) == "one\ntwo\nthree\r\nfour"
    corpus = read_corpus([*paths[:2], "-"], BYTES, stdin=io.BytesIO(b"x"))
    assert corpus.vocabulary.decode_bytes(corpus.ids) == b"onetwo\nx"
    assert corpus.sources == (str(paths[0]), str(paths[1]), "standard input")


def test_folders_leave_out_what_is_no_text(tmp_path: Path) -> None:
    files = {"a.txt": b"text\n", "b.bin": b"\x7fELF\0\0", "c.txt": b"na\xefve", "d.gz": gzip.compress(b"more")}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    corpus = read_corpus([tmp_path], UTF8)
    assert text_of(corpus) == "text\nmore"
    assert corpus.notices == (f"{tmp_path / 'b.bin'}: skipped: looks like binary data, not text",
                              f"{tmp_path / 'c.txt'}: skipped: cannot be read as utf-8 text")
    with pytest.raises(CorpusError, match=r"b\.bin: there is no text|c\.txt: byte 2"):
        read_corpus([tmp_path / "c.txt"], UTF8)
    with pytest.raises(CorpusError, match="none of the 1 files found is text"):
        read_corpus([tmp_path], UTF8, glob="*.bin")
    assert len(read_corpus([tmp_path], BYTES)) == 5 + 6 + 5 + 4


def test_notices_reach_the_corpus() -> None:
    assert read(b"\xef\xbb\xbfe\xcc\x81\r\n").notices == (
        "standard input: its byte order mark is left out", "standard input: line ends CRLF are read as LF",
        "standard input: some characters are not in Unicode's composed form; --normalize nfc would compose them")


def test_the_built_in_corpora() -> None:
    assert text_of(read_corpus([], UTF8)) == "".join(read_builtin("python-docs"))
    corpus = read_corpus(["python-docs"], TextConfig(encoding="cp1251", errors="replace"))
    assert text_of(corpus) == "".join(read_builtin("python-docs"))
    assert corpus.sources == ("python-docs (built-in)",)


# Identity

def test_the_digest_tells_texts_and_vocabularies_apart() -> None:
    known = Vocabulary(np.array([97, 98, 99]))
    digests = {read(b"ab").sha256, read(b"ba").sha256, read(b"bc").sha256, read(b"ab", BYTES).sha256,
               read(b"ab", vocabulary=known).sha256}
    assert len(digests) == 5
    assert all(len(digest) == 64 for digest in digests)


def test_the_digest_is_of_the_decoded_text() -> None:
    text = "Grüße,\nMünchen\n"
    assert read(text.encode("utf-16")).sha256 == read(text.replace("\n", "\r\n").encode()).sha256
    assert read(gzip.compress(text.encode())).sha256 == read(text.encode()).sha256
    # Written down: digests in checkpoints must not change with a new version.
    content = b'{"bytes": false, "code_points": [101, 104, 108, 111]}' + bytes([1, 0, 2, 2, 3])
    assert read(b"hello").sha256 == hashlib.sha256(content).hexdigest()


# Known vocabularies

def test_a_known_vocabulary_gives_its_ids() -> None:
    vocabulary = Vocabulary(np.array(list(b"\nabcdef")))
    corpus = read(b"cab", vocabulary=vocabulary)
    assert corpus.ids.tolist() == [3, 1, 2]
    assert corpus.vocabulary == vocabulary


@pytest.mark.parametrize("block_size", [1, 3, 1000])
def test_unknown_characters_of_a_corpus_are_located(block_size: int) -> None:
    vocabulary = Vocabulary(np.array(list(b"abcde")))
    with pytest.raises(UnknownCharacterError, match=r"standard input: 1 .*'é' \(U\+00E9\) at 4.*nearest known 'e'"):
        read("abcdé".encode(), vocabulary=vocabulary, block_size=block_size)


@given(texts, st.integers(1, 9))
def test_blocks_of_a_text_are_its_characters(text: str, block_size: int) -> None:
    blocks = list(read_text(["-"], UTF8, stdin=io.BytesIO(text.encode()), block_size=block_size))
    cleaned = text.removeprefix("\ufeff").replace("\r\n", "\n")
    assert "".join(chr(code) for block in blocks for code in block.code_points) == cleaned
    assert {block.source for block in blocks} <= {"standard input"}


def test_blocks_of_several_texts_are_joined_as_in_a_corpus(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for path, text in zip(paths, ("one", "", "two\n", "three")):
        path.write_text(text)
    found = {path.name: "" for path in paths}
    for block in read_text(paths, UTF8):
        found[Path(block.source).name] += "".join(map(chr, block.code_points))
    assert found == {"a": "one\n", "b": "", "c": "two\n", "d": "three"}
    assert "".join(found.values()) == text_of(read_corpus(paths, UTF8))


def test_a_text_without_end_is_read_in_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"a" * size

    stream = Endless()
    blocks = read_text(["-"], UTF8, stdin=stream, block_size=1000)  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert 999 <= len(next(blocks).code_points) <= 1000
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_what_to_do_about_bytes_of_another_encoding_depends_on_who_reads_them() -> None:
    invalid = "é".encode("latin-1")
    with pytest.raises(EncodingError, match=r"not valid utf-8.*--encoding cp1251.*--errors replace or --bytes"):
        read(invalid)
    advice = r"not valid ascii.*; texts for this model are read as ascii: convert it to that$"
    with pytest.raises(EncodingError, match=advice):
        list(read_text(["-"], TextConfig(encoding="ascii"), stdin=io.BytesIO(invalid)))
    with pytest.raises(EncodingError, match=advice):
        load_text("-", TextConfig(encoding="ascii"), stdin=io.BytesIO(invalid))


def test_a_text_read_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "prime.txt"
    file.write_bytes(b"\xef\xbb\xbfe\xcc\x81\r\n")
    assert load_text(file, TextConfig(normalize="nfc")) == "é\n"
    assert load_text(file, BYTES) == b"\xef\xbb\xbfe\xcc\x81\r\n"
    assert load_text("-", UTF8, stdin=io.BytesIO(b"")) == ""
    with pytest.raises(CorpusError, match="more than the 3 characters"):
        load_text(file, BYTES, max_length=3)
    with pytest.raises(CorpusError, match="no such file"):
        load_text(os.fspath(tmp_path / "missing"), UTF8)
