"""The catalogue of corpora."""

from __future__ import annotations

import re

import pytest

from charrnn.builtin import BUILTIN, read_builtin
from charrnn.catalogue import Entry, find_entry, read_catalogue
from charrnn.errors import CorpusError


def test_the_promised_corpora_are_there() -> None:
    assert {"python-docs", "python-source", "shakespeare", "tinyshakespeare", "warandpeace", "linux", "latex",
            "brackets"} <= set(read_catalogue())


@pytest.mark.parametrize("entry", read_catalogue().values(), ids=lambda entry: entry.name)
def test_an_entry_says_all_that_is_needed(entry: Entry) -> None:
    assert entry.about and entry.licence and entry.source and entry.bytes
    assert re.fullmatch(r"[a-z-]+", entry.name)
    assert (entry.made is None) + (entry.url is None) + (entry.package is None) == 2
    assert entry.made in (None, "python", "generator") and (entry.made != "python" or entry.name in BUILTIN)
    assert entry.url is None or entry.url.startswith("https://")
    assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)
    assert entry.package is None or re.fullmatch("[0-9a-f]{64}", entry.package_sha256 or "")
    assert not entry.package or entry.members


@pytest.mark.parametrize("name", BUILTIN)
def test_a_rough_size_is_about_right(name: str) -> None:
    size = sum(len(piece.encode()) for piece in read_builtin(name))
    assert find_entry(name).bytes == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize(("name", "hint"), [
    ("tinyshakespear", "did you mean tinyshakespeare?"), ("Linux", "did you mean linux?"),
    ("xyzzy", "there are python-docs, python-source, "), ("a\x1b[2J", "'a\\x1b[2J'"),
])
def test_an_unknown_name_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(CorpusError) as caught:
        find_entry(name)
    assert hint in str(caught.value) and "\x1b" not in str(caught.value)
