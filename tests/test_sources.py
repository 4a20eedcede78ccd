"""Reading bytes: which files, in which order, and everything odd that a path can stand for."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import sources
from charrnn.builtin import read_builtin
from charrnn.errors import ConfigError, CorpusError
from charrnn.sources import Notices, Source, find_sources, peek

unix = pytest.mark.skipif(sys.platform == "win32", reason="pipes and devices are files on Unix")


def find(*paths: str | os.PathLike[str], glob: str | None = None, stdin: BinaryIO | None = None) -> list[Source]:
    return find_sources(paths, Notices(), glob=glob, stdin=stdin)


def read(path: str | os.PathLike[str], block_size: int = sources.BLOCK_SIZE, stdin: BinaryIO | None = None) -> bytes:
    [source] = find(path, stdin=stdin)
    return b"".join(source.blocks(block_size))


def refusal(path: str | os.PathLike[str], stdin: BinaryIO | None = None) -> str:
    with pytest.raises(CorpusError) as caught:
        read(path, stdin=stdin)
    message = str(caught.value)
    assert message.isprintable(), "one line, without control characters"
    return message


@given(st.binary(max_size=50).filter(lambda data: not data.startswith(b"\x1f\x8b\x08")), st.integers(1, 20))
def test_blocks_add_up(data: bytes, block_size: int) -> None:
    blocks = list(Source("x", lambda size: sources._read_stream(io.BytesIO(data), "x", size)).blocks(block_size))
    assert b"".join(blocks) == data
    assert all(0 < len(block) <= block_size + 2 for block in blocks)


def test_peek_takes_nothing_away() -> None:
    head, blocks = peek(iter([b"a", b"b", b"cd", b"e"]), 3)
    assert head == b"abcd"
    assert list(blocks) == [b"abcd", b"e"]
    head, blocks = peek(iter([]), 3)
    assert (head, list(blocks)) == (b"", [])


# Files

def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"some text")
    [source] = find(file)
    assert source.name == str(file)
    assert source.size == 9
    assert not source.optional
    assert list(source.blocks(4)) == [b"some", b" tex", b"t"]


def test_no_path_is_the_default_corpus() -> None:
    [source] = find()
    assert source.name == "python-docs (built-in)"
    assert source.is_utf8
    assert b"".join(source.blocks(1000)).decode() == "".join(read_builtin("python-docs"))


def test_what_is_named_twice_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b.txt"):
        Path(name).write_bytes(b"text")
    words = "named more than once, and read as often"
    for named, lines in ((["a.txt", "b.txt"], ()), (["a.txt", "./a.txt"], (f"./a.txt: {words}",)),
                         (["python-docs"] * 3, (f"python-docs: {words}",))):
        notices = Notices()
        assert len(find_sources(named, notices)) == len(named)
        assert notices.lines() == lines


def test_built_in_names_may_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "the built-in corpora are" in refusal("nothing.txt")
    for name in ("nothing.txt", "python-docs"):
        with pytest.raises(CorpusError, match=r"there is no such file$"):
            find_sources([name], Notices(), builtin=False)


def test_a_built_in_name_gives_way_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find("python-source")[0].is_utf8
    Path("python-source").write_bytes(b"mine")
    assert read("python-source") == b"mine"


@pytest.mark.parametrize(("path", "words"), [("missing.txt", "there is no such file"), ("", "empty name"),
                                             ("a\0b", "a\\x00b: cannot be read"), ("x" * 5000, "cannot be read"),
                                             ("new\nline\x1b[31m", "new\\nline\\x1b[31m: cannot be read")])
def test_paths_that_lead_nowhere(path: str, words: str) -> None:
    assert words in refusal(path)


@unix
@pytest.mark.parametrize("name", [b"new\nline.txt", b"caf\xe9.txt"])
def test_odd_names_are_read_and_shown_on_one_line(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"text")
    assert read(path) == b"text"
    assert find(path)[0].name.isprintable()


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "a.txt").write_bytes(b"text")
    monkeypatch.setattr(os, "open", refuse)
    assert refusal(tmp_path / "a.txt").endswith("a.txt: cannot be read: permission denied")


@unix
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_devices_are_refused(device: str) -> None:
    assert "is a device" in refusal(device)
    with Path(device).open("rb") as stream:
        assert "is a device" in refusal("-", stdin=stream)


@unix
def test_a_pipe_is_read_unless_nobody_writes_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(sources, "PIPE_PATIENCE", 0.05)
    assert "nothing came out of this pipe" in refusal(pipe)
    monkeypatch.setattr(sources, "PIPE_PATIENCE", 10)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"text" * 50_000,))
    writer.start()
    assert read(pipe) == b"text" * 50_000
    writer.join()


@pytest.mark.parametrize("change", ["grow", "shrink", "vanish", "replace", "rewrite"])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, change: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"0123456789")
    os.utime(file, ns=(0, 0))
    [source] = find(file)

    def blocks() -> Iterator[bytes]:
        with_change = source.blocks(4)
        yield next(with_change)
        if change == "grow":
            with file.open("ab") as more:
                more.write(b"more")
        elif change == "shrink":
            os.truncate(file, 6)
        elif change == "vanish":
            file.unlink()
        elif change == "replace":
            other = tmp_path / "b.txt"
            other.write_bytes(b"9876543210")
            os.utime(other, ns=(0, 0))
            other.replace(file)
        else:
            file.write_bytes(b"9876543210")
        yield from with_change

    with pytest.raises(CorpusError, match=r"changed while it was read|there is no such file"):
        list(blocks())


def test_a_file_that_never_stops_growing_is_given_up_at_once(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(b"0123")
    [source] = find(file)
    blocks = source.blocks(4)
    next(blocks)
    with file.open("ab") as more:
        more.write(b"0123")
    with pytest.raises(CorpusError, match="changed"):
        next(blocks)


# Standard input

def test_standard_input_and_short_reads() -> None:
    class Trickle(io.RawIOBase):
        left = 10

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"ab" if self.left > 0 and size > 1 else b"c" if self.left > 0 else b""

    assert list(find("-", stdin=io.BytesIO(b"text"))[0].blocks(3)) == [b"tex", b"t"]
    blocks = list(find("-", stdin=Trickle())[0].blocks(6))  # type: ignore[arg-type]
    assert list(map(len, blocks)) == [6, 6, 6]


def test_standard_input_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.BytesIO(b"text")
    closed.close()
    assert "standard input: cannot be read" in refusal("-", stdin=closed)
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refusal("-")
    with pytest.raises(ConfigError, match="only once"):
        find("-", "-")


@unix
def test_a_pipe_as_standard_input() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        assert read("-", stdin=stream) == b"text"


@unix
def test_a_stream_that_does_not_block_is_refused() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb", buffering=0) as stream, os.fdopen(writing, "wb"):
        assert "nothing to read" in refusal("-", stdin=stream)  # type: ignore[arg-type]


# gzip

@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 30), st.integers(0, 20))
def test_gzip_members_and_padding(first: bytes, second: bytes, block_size: int, padding: int) -> None:
    packed = gzip.compress(first) + gzip.compress(second) + bytes(padding)
    assert read("-", block_size, io.BytesIO(packed)) == first + second


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    file = tmp_path / "named.txt"
    file.write_bytes(gzip.compress(b"text"))
    assert read(file) == b"text"


def test_damaged_gzip() -> None:
    packed = gzip.compress(os.urandom(1000))
    for length in (3, 10, 500, len(packed) - 1):
        assert "ends too early" in refusal("-", io.BytesIO(packed[:length]))
    broken = bytearray(packed)
    broken[-6] ^= 1  # the checksum
    assert "is damaged" in refusal("-", io.BytesIO(bytes(broken)))
    assert "is damaged near byte" in refusal("-", io.BytesIO(packed + b"trailing words"))


def test_a_gzip_bomb_is_refused_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_INFLATED", 2**20)
    bomb = gzip.compress(bytes(2**24))
    [source] = find("-", stdin=io.BytesIO(bomb))
    unpacked = 0
    with pytest.raises(CorpusError, match="decompression bomb"):
        for block in source.blocks(2**16):
            unpacked += len(block)
    assert unpacked <= 200 * len(bomb) < 2**24 / 4


def test_gzip_expands_a_block_at_a_time() -> None:
    [source] = find("-", stdin=io.BytesIO(gzip.compress(bytes(2**20))))
    assert list(map(len, source.blocks(2**16))) == [2**16] * 16


def test_text_that_compresses_well_is_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_INFLATED", 1000)
    text = b"".join(b"%d bottles of beer on the wall\n" % n for n in range(20_000))
    assert read("-", stdin=io.BytesIO(zlib.compress(text, wbits=31))) == text


# Folders

@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    for name in ("b.txt", "a.py", "z/inner/d.py", "c/e.py", ".hidden/x.py", ".hidden.py"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return root


def names_in(folder: Path, glob: str | None = None) -> list[str]:
    return [Path(source.name).relative_to(folder).as_posix() for source in find(folder, glob=glob)]


def test_folders_are_read_in_order_without_hidden_files(folder: Path) -> None:
    assert names_in(folder) == ["a.py", "b.txt", "c/e.py", "z/inner/d.py"]
    assert all(source.optional for source in find(folder))


def test_the_order_is_that_of_names_not_of_the_disk(tmp_path: Path) -> None:
    names = [f"{folder}/{file}" for folder in "hbfadgce" for file in "1726354"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names_in(tmp_path) == sorted(names)


@pytest.mark.parametrize(("glob", "names"), [("*.py", ["a.py", "c/e.py", "z/inner/d.py"]), ("*.txt", ["b.txt"]),
                                             ("z/*.py", ["z/inner/d.py"]), ("?.txt", ["b.txt"])])
def test_glob(folder: Path, glob: str, names: list[str]) -> None:
    assert names_in(folder, glob) == names


def test_glob_without_anything_to_choose_from(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"no files that match --glob '\*\.c'"):
        find(folder, glob="*.c")
    with pytest.raises(ConfigError, match="--glob"):
        find(folder / "a.py", glob="*.py")
    (folder.parent / "empty").mkdir()
    with pytest.raises(CorpusError, match="has no files"):
        find(folder.parent / "empty")


@unix
def test_only_regular_files_of_folders_are_read(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "linked.txt").symlink_to(folder / "b.txt")
    notices = Notices()
    found = find_sources([folder], notices)
    assert [Path(source.name).name for source in found] == ["a.py", "b.txt", "linked.txt", "e.py", "d.py"]
    assert notices.lines() == (f"{folder / 'dangling'}: skipped: cannot be read",)


def test_an_unreadable_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir
    closed = {folder / "c"}

    def scandir(path: str) -> object:
        if Path(path) in closed:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    notices = Notices()
    assert len(find_sources([folder], notices)) == 3
    assert notices.lines() == (f"{folder / 'c'}: skipped: the folder cannot be read",)
    closed.add(folder)
    with pytest.raises(CorpusError, match="permission denied"):
        find(folder)


def test_notices_say_each_thing_once() -> None:
    notices = Notices()
    for name in "abbcde":
        notices.add("is strange", name)
    notices.add("is stranger", "a")
    assert notices.lines() == ("a, b, c and 2 more: is strange", "a: is stranger")
