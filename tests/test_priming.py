"""Primes: cleaned, and fitted to what the model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from charrnn.config import TextConfig
from charrnn.errors import UnknownCharacterError
from charrnn.priming import Prime, fit_prime, load_prime
from charrnn.vocabulary import Vocabulary

LETTERS = Vocabulary(np.array(sorted(map(ord, "\n abcdefghijklmnopqrstuvwxyz")), np.uint32))
BYTES = Vocabulary(np.arange(256, dtype=np.uint32), bytes=True)


@pytest.mark.parametrize(("on_unknown", "expected"), [
    ("nearest", Prime("unicode", {"Ü": "u", "ï": "i", "C": "c"})),
    ("skip", Prime("node", {"Ü": "", "ï": "", "C": ""})),
])
def test_unknown_characters_are_dealt_with_and_told(on_unknown: str, expected: Prime) -> None:
    assert fit_prime("ÜnïCode", LETTERS, TextConfig(), on_unknown) == expected


def test_unknown_characters_are_named_with_their_places_and_neighbours() -> None:
    with pytest.raises(UnknownCharacterError) as caught:
        fit_prime("ünïcodeü", LETTERS, TextConfig(), "error")
    message = str(caught.value)
    assert "'ü' (U+00FC) at 0, 7, nearest known 'u'" in message
    assert "'ï' (U+00EF) at 2, nearest known 'i'" in message
    with pytest.raises(UnknownCharacterError, match=r"nothing near '猫'.*skip"):
        fit_prime("a猫", LETTERS, TextConfig(), "nearest")


def test_marks_belong_to_the_letter_before_them() -> None:
    kana = Vocabulary(np.array(sorted(map(ord, "カガ")), np.uint32))
    assert fit_prime("ｶﾞｶ", kana, TextConfig(), "nearest") == Prime("ガカ", {"ｶ": "カ"})
    assert fit_prime("x\u0301", LETTERS, TextConfig(), "nearest") == Prime("x", {"\u0301": ""})


def test_a_known_prime_is_only_cleaned() -> None:
    assert fit_prime("a\r\nb", LETTERS, TextConfig(), "error") == Prime("a\nb", {})
    assert fit_prime("e\u0301", BYTES, TextConfig(normalize="nfc"), "error") == Prime("é", {})
    assert fit_prime("", LETTERS, TextConfig(), "error") == Prime("", {})


def test_files(tmp_path: Path) -> None:
    (tmp_path / "prime").write_bytes("Ünïcode\r\n".encode("utf-16"))
    assert load_prime(str(tmp_path / "prime"), LETTERS, TextConfig(), "nearest").text == "unicode\n"
    (tmp_path / "prime").write_bytes(b"a\xff\r\n")
    assert load_prime(str(tmp_path / "prime"), BYTES, TextConfig(bytes=True), "error").text == "a\udcff\r\n"
