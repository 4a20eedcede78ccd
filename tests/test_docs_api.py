"""The examples of the documents do what they show."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_the_examples_of_the_python_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = DOCS / "api.md"
    result = doctest.testfile(str(path), module_relative=False, encoding="utf-8")
    assert result.failed == 0
    text = path.read_text(encoding="utf-8")
    assert result.attempted == len(re.findall(r"^>>> ", text, re.MULTILINE)) > 20
    assert "+SKIP" not in text
