"""The vocabulary: ids and back, unknown characters, and what must not be let in."""

from __future__ import annotations

import json
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import CharRNNError, CheckpointError, CorpusError, UnknownCharacterError
from charrnn.vocabulary import Vocabulary, id_dtype

texts = st.text(st.characters(exclude_categories=("Cs",)))


def vocabulary_of(text: str) -> Vocabulary:
    return Vocabulary(np.array(sorted(set(map(ord, text)))))


def bytes_vocabulary_of(data: bytes) -> Vocabulary:
    return Vocabulary(np.array(sorted(set(data))), bytes=True)


def test_ids_are_places_in_the_sorted_vocabulary() -> None:
    vocabulary = vocabulary_of("hello")
    assert vocabulary.code_points.tolist() == sorted(map(ord, "ehlo"))
    assert vocabulary.code_points.dtype == np.uint32
    assert vocabulary.encode("hello").tolist() == [1, 0, 2, 2, 3]
    assert len(vocabulary) == 4


@given(texts.filter(bool))
def test_any_text_comes_back(text: str) -> None:
    vocabulary = vocabulary_of(text)
    ids = vocabulary.encode(text)
    assert ids.dtype == vocabulary.dtype
    assert vocabulary.decode(ids) == text
    assert vocabulary.decode_bytes(ids) == text.encode()


@given(st.binary(min_size=1))
def test_any_bytes_come_back(data: bytes) -> None:
    vocabulary = bytes_vocabulary_of(data)
    ids = vocabulary.encode(data)
    assert vocabulary.decode_bytes(ids) == data
    assert vocabulary.decode(ids) == data.decode("utf-8", "replace")


@pytest.mark.parametrize(("size", "dtype"), [(1, np.uint8), (256, np.uint8), (257, np.uint16), (65536, np.uint16),
                                             (65537, np.uint32), (0x110000 - 2048, np.uint32)])
def test_ids_take_the_smallest_type(size: int, dtype: type) -> None:
    code_points = np.delete(np.arange(0x110000), np.arange(0xD800, 0xE000))[:size]
    vocabulary = Vocabulary(code_points)
    assert vocabulary.dtype == id_dtype(size) == dtype
    last = chr(code_points[-1])
    assert vocabulary.encode(last).tolist() == [size - 1]
    assert vocabulary.decode([0, size - 1]) == "\0" + last


def test_text_for_bytes_is_utf8_and_stray_bytes_of_the_command_line_survive() -> None:
    vocabulary = Vocabulary(np.arange(256), bytes=True)
    assert vocabulary.encode("é").tolist() == [0xC3, 0xA9]
    assert vocabulary.encode("\udcff").tolist() == [0xFF]
    with pytest.raises(UnknownCharacterError, match="half of a pair"):
        vocabulary.encode("a\ud800")


def test_empty_text() -> None:
    assert vocabulary_of("a").encode("").shape == (0,)
    assert vocabulary_of("a").decode([]) == ""


def test_equality_is_of_content() -> None:
    assert vocabulary_of("ab") == vocabulary_of("ba")
    assert hash(vocabulary_of("ab")) == hash(vocabulary_of("ba"))
    assert vocabulary_of("ab") != vocabulary_of("abc")
    assert vocabulary_of("ab") != bytes_vocabulary_of(b"ab")
    assert vocabulary_of("ab") != "ab"


def test_it_cannot_be_changed() -> None:
    source = np.array([97, 98])
    vocabulary = Vocabulary(source)
    source[0] = 0
    assert vocabulary.decode([0]) == "a"
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.code_points[0] = 0


@pytest.mark.parametrize(("code_points", "is_bytes"), [([], False), ([98, 97], False), ([97, 97], False), ([-1], False),
                                                       ([0x110000], False), ([0xD800], False), ([97, 0xDFFF], False),
                                                       ([256], True), ([[97]], False)])
def test_what_is_no_vocabulary_is_refused(code_points: list[int], is_bytes: bool) -> None:
    with pytest.raises(CorpusError):
        Vocabulary(np.array(code_points), is_bytes)
    with pytest.raises(CheckpointError):
        Vocabulary.from_json({"bytes": is_bytes, "code_points": code_points})


# Unknown characters

def test_unknown_characters_are_named_with_places_and_nearest_known_ones() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        vocabulary_of("Unicode").encode("Ünïcode Ü\x1b")
    message = str(caught.value)
    assert "4 characters" in message
    assert "'Ü' (U+00DC) at 0, 8, nearest known 'U'" in message
    assert "'ï' (U+00EF) at 2, nearest known 'i'" in message
    assert "'\\x1b' (U+001B) at 9" in message
    assert message.isprintable()


def test_many_unknown_characters_make_a_short_message() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        vocabulary_of("a").encode("".join(map(chr, range(0x4E00, 0x5200))) * 10)
    assert "1024 characters" in str(caught.value)
    assert "and 1019 more" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_skip_and_nearest() -> None:
    vocabulary = vocabulary_of("Unicode")
    assert vocabulary.decode(vocabulary.encode("Ünïcode!", "skip")) == "ncode"
    assert vocabulary.decode(vocabulary.encode("ÜNÏCÖDÉ", "nearest")) == "Unicode"
    with pytest.raises(UnknownCharacterError, match=r"nothing near '!' \(U\+0021\)"):
        vocabulary.encode("Ünïcode!", "nearest")


@pytest.mark.parametrize(("known", "text", "nearest"), [
    ("é", "e\u0301", "é"), ("e", "e\u0301", "e"), ("x", "x\u0301\u0302", "x"),  # as macOS writes an accent
    ("カガ", "ｶﾞｶ", "ガカ"), ("カ", "ｶﾞ", "カ"), ("ｶ", "ｶﾞ", "ｶ"), ("パ", "ﾊﾟ", "パ"),
    ("e\u0301", "e\u0301", "e\u0301"), ("e\u0301", "e\u0301\u0302", "e\u0301"), ("a", "\u0301a", "a")])
def test_nearest_of_a_letter_and_its_marks(known: str, text: str, nearest: str) -> None:
    vocabulary = vocabulary_of(known)
    assert vocabulary.decode(vocabulary.encode(text, "nearest")) == nearest


def test_skip_and_nearest_take_whole_characters_of_bytes_vocabularies() -> None:
    vocabulary = bytes_vocabulary_of("helloé".encode())  # knows C3, the first byte of è and É, but not their second
    assert vocabulary.decode_bytes(vocabulary.encode("hèé", "skip")) == "hé".encode()
    assert vocabulary.decode_bytes(vocabulary.encode("hèÉ", "nearest")) == "heé".encode()
    assert vocabulary.decode_bytes(vocabulary.encode(b"h\xff\xc3", "skip")) == b"h\xc3"
    with pytest.raises(UnknownCharacterError, match="0xFF at 1"):
        vocabulary.encode(b"h\xff\xc3", "nearest")


@pytest.mark.parametrize(("known", "char", "nearest"), [
    ("Uuü", "Ü", "U"), ("uü", "Ü", "ü"), ("u", "Ü", "u"), ("U", "u", "U"),  # no accent, other case, both
    ("o", "ø", "o"), ("L", "ł", "L"), ("е", "Ё", "е"),                      # accents that only the name tells; Cyrillic
    ("fi", "ﬁ", "fi"), (".", "…", "..."), ("A", "Ａ", "A"), ("カ", "ｶ", "カ"), ("s", "ß", "ss"),
    ("'", "’", "'"), ("-", "—", "-"), ('"', "“", '"'), ("'", '"', "'"), ("'", "”", "'"),
    (" ", "\u00a0", " "), ("\n\u3000", " ", "\u3000"), ("\n\u3000", "\t", "\u3000"),
    (" ", "\t", " "), ("\n", "\t", "\n"),
    ("é", "e", "é"), ("Ａ", "a", "Ａ"), ("éè", "ê", "è"),                   # the same base letter
    ("a", "\u0301", ""), ("カ", "ﾞ", ""),                                     # an accent by itself
    ("a", "b", None), ("a", "猫", None), ("a", "\ud800", None)])
def test_nearest(known: str, char: str, nearest: str | None) -> None:
    assert vocabulary_of(known).nearest(char) == nearest


@given(texts.filter(bool), st.characters())
def test_nearest_is_always_known(known: str, char: str) -> None:
    vocabulary = vocabulary_of(known)
    nearest = vocabulary.nearest(char)
    assert nearest is None or vocabulary.encode_counting(nearest)[1] == 0


@given(texts.filter(bool), texts)
def test_counting_agrees_with_a_plain_count(known: str, text: str) -> None:
    vocabulary = vocabulary_of(known)
    ids, unknown = vocabulary.encode_counting(text)
    assert vocabulary.decode(ids) == "".join(c for c in text if c in known)
    assert unknown == sum(c not in known for c in text)
    assert ids.dtype == vocabulary.dtype


# Streams

@given(texts, st.data())
def test_pieces_of_bytes_decode_to_the_same_text(text: str, data: st.DataObject) -> None:
    vocabulary = Vocabulary(np.arange(256), bytes=True)
    ids = vocabulary.encode(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)))))
    decoder = vocabulary.decoder()
    pieces = [decoder.decode(ids[low:high]) for low, high in zip([0, *cuts], [*cuts, len(ids)])]
    assert "".join(pieces) + decoder.decode([], final=True) == text


def test_a_stream_shows_a_character_with_its_last_byte() -> None:
    decoder = Vocabulary(np.arange(256), bytes=True).decoder()
    assert [decoder.decode([i]) for i in (0x68, 0xC3, 0xA9, 0xE2)] == ["h", "", "é", ""]
    assert decoder.decode([], final=True) == "\udce2"  # surrogateescape: what is written out is the byte again
    assert vocabulary_of("hé").decoder().decode([1]) == "é"


# JSON

@given(texts.filter(bool))
def test_json_round_trip(text: str) -> None:
    for vocabulary in (vocabulary_of(text), bytes_vocabulary_of(text.encode())):
        assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                           lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@given(json_values | st.fixed_dictionaries({"bytes": json_values, "code_points": json_values | st.lists(json_values)})
       | st.fixed_dictionaries({"bytes": st.booleans(), "code_points": st.lists(st.integers(-5, 2**70))}))
def test_hostile_json_gives_a_vocabulary_or_one_kind_of_error(data: object) -> None:
    try:
        vocabulary = Vocabulary.from_json(data)
    except CharRNNError as error:
        assert isinstance(error, CheckpointError)
        assert "\n" not in str(error)
    else:
        assert vocabulary.to_json() == data


@pytest.mark.parametrize("data", [None, [], {}, {"bytes": False}, {"bytes": 0, "code_points": [97]},
                                  {"bytes": False, "code_points": "abc"}, {"bytes": False, "code_points": [True]},
                                  {"bytes": False, "code_points": [97.0]}, {"bytes": False, "code_points": [10**100]},
                                  {"bytes": False, "code_points": [97], "more": 1},
                                  {"bytes": False, "code_points": [0] * 0x110001}])
def test_wrong_json_is_refused(data: object) -> None:
    with pytest.raises(CheckpointError):
        Vocabulary.from_json(data)


def test_nearest_of_every_accented_latin_letter_is_its_base() -> None:
    vocabulary = vocabulary_of("abcdefghijklmnopqrstuvwxyz")
    accented = re.compile("LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH (?!SMALL)")  # not the digraph "D with small Z"
    letters = map(chr, range(0xC0, 0x250))
    bases = {c: match[1].lower() for c in letters if (match := accented.match(unicodedata.name(c)))}
    assert len(bases) > 200
    assert {c: vocabulary.nearest(c) for c in bases} == bases
