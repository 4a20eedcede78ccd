"""The built-in corpora."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from charrnn import builtin
from charrnn.builtin import BUILTIN, DEFAULT_BUILTIN, read_builtin
from charrnn.errors import CorpusError


def test_the_default_is_the_language_reference() -> None:
    assert DEFAULT_BUILTIN == "python-docs"
    text = "".join(read_builtin(DEFAULT_BUILTIN))
    assert len(text) > 300_000
    assert 'The "while" statement' in text


@pytest.mark.parametrize("name", BUILTIN)
def test_it_is_the_same_every_time(name: str) -> None:
    assert list(read_builtin(name)) == list(read_builtin(name))


def test_topics_are_sorted_and_set_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", SimpleNamespace(topics={"b": "\nSecond\n", "a": "First"}))
    assert "".join(read_builtin("python-docs")) == "First\n\n\nSecond\n\n\n"


def test_the_library_source_is_code() -> None:
    text = "".join(read_builtin("python-source"))
    assert "def dataclass(" in text
    assert len(text) > 5_000_000


def test_library_files_are_chosen_and_ordered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"b.py": b"b = 1\n", "a.py": b"a = 1", "z/c.py": b"c = 1\n\n\n\n", "test/t.py": b"t", "x.txt": b"x",
             "site-packages/p.py": b"p", ".hidden/h.py": b"h", "empty.py": b"\n", "old.py": b"\xe9"}
    for name, content in files.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    assert list(read_builtin("python-source")) == ["a = 1\n\n\n", "b = 1\n\n\n", "c = 1\n\n\n"]
    monkeypatch.setattr(builtin, "MAX_SOURCE_CHARACTERS", 12)
    assert list(read_builtin("python-source")) == ["a = 1\n\n\n", "b = 1\n\n\n"]


def test_a_stripped_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(CorpusError, match=r"lacks pydoc_data\.topics"):
        list(read_builtin("python-docs"))
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path / "missing")})
    with pytest.raises(CorpusError, match="no source files"):
        list(read_builtin("python-source"))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(CorpusError, match="python-docs, python-source"):
        read_builtin("nonsense")
