"""`charrnn corpus`, and how it shows a corpus on its way."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from charrnn import catalogue
from charrnn.__main__ import main
from charrnn.catalogue import find_entry, read_catalogue
from charrnn.console.corpora import follow
from charrnn.download import Progress

from .web_server import Faults, serving

TEXT = b"hello\n" * 100


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_has_every_corpus_and_no_line_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "list"]) == 0
    page = capsys.readouterr().out
    for entry in read_catalogue().values():
        assert f"\n{entry.name} " in f"\n{page}"
        assert entry.about in page and f"{entry.licence} · {entry.source}" in page
    assert "linux            ~ 6.21 MB" in page and "tinyshakespeare    1.12 MB" in page


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "list", "--json"]) == 0
    found = {entry["name"]: entry for entry in map(json.loads, capsys.readouterr().out.splitlines())}
    assert list(found) == list(read_catalogue())
    assert found["tinyshakespeare"]["verified"] and not found["linux"]["verified"]
    assert found["warandpeace"]["sha256"] == find_entry("warandpeace").sha256


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus"]) == 0
    page = capsys.readouterr().out
    assert "  get " in page and "  list " in page and "Examples:\n  charrnn corpus list" in page


@pytest.mark.parametrize("name", ["list", "get"])
def test_both_commands_have_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", name, "--help"]) == 0
    assert f"Examples:\n  charrnn corpus {name}" in capsys.readouterr().out


def test_getting_one_made_here_prints_its_path_and_once_is_enough(folder: Path,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "get", "python-docs"]) == 0
    first = capsys.readouterr()
    assert first.out == "corpora/python-docs.txt\n" and (folder / "corpora" / "python-docs.txt").stat().st_size > 10**5
    assert first.err.startswith("making python-docs from pydoc_data.topics of the running Python; PSF-2.0\n")
    assert main(["corpus", "get", "python-docs"]) == 0
    again = capsys.readouterr()
    assert again.out == first.out and again.err == "corpora/python-docs.txt is there already (cannot be verified)\n"


def test_a_text_of_ones_own_is_replaced_only_when_asked(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                        capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "corpora").mkdir()
    mine = folder / "corpora" / "names.txt"
    mine.write_text("mine")
    with serving(Faults(TEXT)) as url:
        entry = replace(find_entry("names"), url=url, bytes=len(TEXT), sha256=hashlib.sha256(TEXT).hexdigest())
        monkeypatch.setattr(catalogue, "read_catalogue", lambda: {"names": entry})
        assert main(["corpus", "get", "names"]) == 1
        assert mine.read_text() == "mine" and "--overwrite" in capsys.readouterr().err
        assert main(["corpus", "get", "names", "--overwrite"]) == 0
    assert mine.read_bytes() == TEXT


def test_what_cannot_be_fetched_is_not_said_to_be(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                                  capsys: pytest.CaptureFixture[str]) -> None:
    entry = replace(find_entry("names"), url="http://localhost:1/names.txt")
    monkeypatch.setattr(catalogue, "read_catalogue", lambda: {"names": entry})
    assert main(["corpus", "get", "names"]) == 1
    said = capsys.readouterr()
    assert "fetched" not in said.err and "cannot be reached" in said.err and not said.out


def test_what_cannot_be_verified_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Faults(TEXT)) as url:
        monkeypatch.setattr(catalogue, "read_catalogue", lambda: {"linux": entry})
        entry = replace(read_catalogue()["linux"], url=url)
        assert main(["corpus", "get", "linux"]) == 0
    assert "its SHA-256 is not known" in capsys.readouterr().err


def test_an_unknown_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "get", "shakespear"]) == 1
    assert capsys.readouterr().err.endswith("did you mean shakespeare?\n")
    assert not list(folder.iterdir())


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    follow(find_entry("names"), [Progress(1_000, 2_000), Progress(2_000, 2_000)])
    shown = terminal.getvalue()
    assert "2.0/2.0 kB" in shown and shown.index("fetching names from https://") == 0
    assert shown.rindex("\x1b[2K") > shown.rindex("kB") and "\x1b[?25h" in shown  # its line cleared, the cursor shown
