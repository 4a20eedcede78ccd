"""How much of a text stands in a corpus: against a search that tries everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from charrnn import novelty as module
from charrnn.errors import ConfigError
from charrnn.novelty import NGRAM, Novelty, novelty


def pieces(corpus: str, *cuts: int) -> list[np.ndarray]:
    """Return a corpus as code points, cut at some places."""
    code_points = np.array([ord(char) for char in corpus], np.uint32)
    return np.split(code_points, sorted(min(cut, len(corpus)) for cut in cuts))


def by_brute_force(text: str, corpus: str) -> Novelty:
    length, run = 0, ""
    while (found := next((text[i:i + length + 1] for i in range(len(text) - length)
                          if text[i:i + length + 1] in corpus), None)) is not None:
        length, run = length + 1, found
    ngrams = [text[i:i + NGRAM] for i in range(len(text) - NGRAM + 1)]
    share = sum(ngram in corpus for ngram in ngrams) / len(ngrams) if ngrams else None
    return Novelty(longest_run=length, run=run, ngram_share=share)


FEW = st.text("ab", max_size=120)
MORE = st.text("abcé語", max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.lists(FEW | MORE, max_size=4), FEW | MORE, st.integers(0, 120))
@example(["ab" * 30, "", "ba" * 5], "ab" * 40, 7)
@example(["aaa", "aaa"], "aaaaaa", 3)
@example(["ab", "cd"], "abcd", 2)
def test_it_finds_what_trying_everything_finds(texts: list[str], corpus: str, cut: int) -> None:
    assert novelty(texts, pieces(corpus, cut)) == [by_brute_force(text, corpus) for text in texts]


def test_a_copied_passage_is_found_whole() -> None:
    corpus = "".join(np.random.default_rng(0).choice(list("abcdefgh "), 5000))
    copied = corpus[2000:2030]
    (found,) = novelty([f"XX{copied}Y"], pieces(corpus, 2010, 2011))
    assert found == Novelty(longest_run=30, run=copied, ngram_share=11 / 14)
    assert found.to_json() == {"longest_run": 30, "run": copied, "ngram_share": 11 / 14}


def test_unknown_characters_of_the_corpus_part_what_stands_around_them() -> None:
    assert novelty(["abcd"], pieces("abécd"))[0].run == "ab"


def test_texts_of_bytes() -> None:
    corpus = [np.frombuffer(b"xx\xff\xfe\x00yy", np.uint8)]
    text = b"a\xff\xfe\x00b".decode("utf-8", "surrogateescape")
    assert novelty([text], corpus, as_bytes=True)[0] == Novelty(longest_run=3, run="��\0", ngram_share=None)


def test_nothing_to_judge() -> None:
    assert novelty([], pieces("abc")) == []
    assert novelty(["", "abc"], []) == [Novelty(longest_run=0, run="", ngram_share=None)] * 2


def test_more_than_fits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 10)
    assert len(novelty(["abcd", "abcd"], [])) == 2
    with pytest.raises(ConfigError, match="--novelty can judge 10 characters at once, not 11"):
        novelty(["abcd", "abcde"], [])
