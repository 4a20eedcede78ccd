"""TOML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from charrnn.errors import ConfigError
from charrnn.toml_file import read_toml


def test_values_and_tables(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('a = 1\n[b]\nc = "d"\n', encoding="utf-8-sig")
    assert read_toml(file) == {"a": 1, "b": {"c": "d"}}


@pytest.mark.parametrize(("content", "message"), [
    (b"a 1\n", "is no valid TOML"), (b"\xff\xfe", "is no valid TOML"),
    (b"a = [" + b"[" * 9999, "TOML file of settings"),
    (b"a = " + b"1" * 9999, "is no valid TOML"), (b"#" * 1_000_001, "larger than 1,000,000 bytes"),
])
def test_anything_else_is_one_clear_line(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_toml(tmp_path / "a.toml")
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml cannot be read: No such file"):
        read_toml(tmp_path / "missing.toml")


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have(name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .*; name a TOML file"):
        read_toml(name)
