"""Atomic writing: whatever fails, the old file stays, no litter stays, and the message says what to do."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from charrnn import storage
from charrnn.errors import CheckpointError
from charrnn.storage import check_output, check_writable, printable, sweep_temps, write_atomically

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")

OLD, NEW = b"old content", bytes(range(256)) * 1000


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file with old content, alone in its folder."""
    path = tmp_path / "last.safetensors"
    path.write_bytes(OLD)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(error: int) -> Any:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(error, os.strerror(error))
    return fail


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=Path(__file__).parents[1],
                          capture_output=True, text=True, timeout=60, check=False)


def test_replaces_the_content_and_leaves_nothing_else(target: Path) -> None:
    write_atomically(target, NEW)
    assert target.read_bytes() == NEW
    assert names(target.parent) == [target.name]


def test_writes_empty_content(target: Path) -> None:
    write_atomically(target, b"")
    assert target.read_bytes() == b""


@posix
def test_mode_follows_the_umask(target: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(target, NEW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_short_writes_are_continued(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    sizes: list[int] = []

    def write_a_little(fd: int, data: memoryview) -> int:
        sizes.append(write(fd, data[:100_000]))
        return sizes[-1]

    monkeypatch.setattr(os, "write", write_a_little)
    write_atomically(target, NEW)
    assert target.read_bytes() == NEW
    assert sizes == [100_000, 100_000, 56_000]


def test_flushes_file_then_renames_then_flushes_folder(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def record_fsync(fd: int) -> None:
        calls.append("flush folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "flush file")
        fsync(fd)

    def record_replace(source: Path, destination: Path) -> Path:
        calls.append("rename")
        return replace(source, destination)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "replace", record_replace)
    write_atomically(target, NEW)
    assert calls == (["flush file", "rename"] if os.name == "nt" else ["flush file", "rename", "flush folder"])


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
@pytest.mark.parametrize(("error", "words"), [
    (errno.ENOSPC, "disk is full"), (errno.EIO, "disk reports an error"), (errno.EROFS, "read-only"),
    (errno.EMFILE, "too many files"), (errno.EACCES, "permission denied"), (errno.EFBIG, "larger than files may be"),
])
def test_an_error_leaves_the_old_file_and_no_litter(
        target: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int, words: str) -> None:
    monkeypatch.setattr(os, call, failing(error))
    with pytest.raises(CheckpointError, match=words) as caught:
        write_atomically(target, NEW)
    monkeypatch.undo()
    assert str(target) in str(caught.value)
    assert target.read_bytes() == OLD
    assert names(target.parent) == [target.name]


def test_a_failed_rename_leaves_the_old_file_and_no_litter(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", failing(errno.EIO))
    with pytest.raises(CheckpointError, match="disk reports an error"):
        write_atomically(target, NEW)
    assert target.read_bytes() == OLD
    assert names(target.parent) == [target.name]


def test_an_interrupt_leaves_the_old_file_and_no_litter(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, NEW)
    assert target.read_bytes() == OLD
    assert names(target.parent) == [target.name]


def test_a_disk_that_stores_something_else_is_noticed(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data).replace(b"\x07", b"\x08")))
    with pytest.raises(CheckpointError, match="disk reports an error"):
        write_atomically(target, NEW)
    assert target.read_bytes() == OLD


@posix
def test_a_folder_that_cannot_be_flushed_is_an_error_only_if_the_disk_failed(
        target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def failing_for_folders(error: int) -> Any:
        return lambda fd: failing(error)() if stat.S_ISDIR(os.fstat(fd).st_mode) else fsync(fd)

    monkeypatch.setattr(os, "fsync", failing_for_folders(errno.EINVAL))
    write_atomically(target, NEW)
    assert target.read_bytes() == NEW
    monkeypatch.setattr(os, "fsync", failing_for_folders(errno.EIO))
    with pytest.raises(CheckpointError, match="disk reports an error"):
        write_atomically(target, OLD)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone.*does not exist"):
        write_atomically(tmp_path / "gone" / "last.safetensors", NEW)


def test_a_folder_in_the_files_place_stays(tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").mkdir()
    with pytest.raises(CheckpointError):
        write_atomically(tmp_path / "last.safetensors", NEW)
    assert names(tmp_path) == ["last.safetensors"]
    assert (tmp_path / "last.safetensors").is_dir()


@posix
def test_a_file_size_limit_leaves_the_old_file(target: Path) -> None:
    result = run(
        "import resource, sys; from pathlib import Path\n"
        "from charrnn.errors import CheckpointError\n"
        "from charrnn.storage import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))\n"
        "try: write_atomically(Path(sys.argv[1]), bytes(100_000))\n"
        "except CheckpointError as error: print(error)", target)
    assert "larger than files may be" in result.stdout, result.stderr
    assert target.read_bytes() == OLD
    assert names(target.parent) == [target.name]


DIE_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from charrnn.storage import write_atomically
def die(fd): os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
write_atomically(Path(sys.argv[1]), bytes(100_000))
"""


@posix
def test_a_kill_leaves_the_old_file_and_a_temporary_that_is_swept(target: Path) -> None:
    assert run(DIE_WHILE_WRITING, target).returncode == -signal.SIGKILL
    assert target.read_bytes() == OLD
    assert len(names(target.parent)) == 2
    sweep_temps(target.parent)
    assert names(target.parent) == [target.name]


@posix
def test_sweeping_spares_what_is_being_written_and_what_is_not_ours(target: Path) -> None:
    ours_by_name_only = target.parent / ".a.1-0123abcd.charrnn-tmp"
    ours_by_name_only.mkdir()
    foreign = [target.parent / name for name in ("notes.tmp", ".a.charrnn-tmp", "a.1-0123abcd.charrnn-tmp")]
    for path in foreign:
        path.write_bytes(b"")
    with storage._temporary(target) as (temp, fd):
        sweep_temps(target.parent)
        assert temp.exists()
        os.close(fd)
        sweep_temps(target.parent)
        assert not temp.exists()
    assert names(target.parent) == sorted([target.name, ours_by_name_only.name, *(path.name for path in foreign)])


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path)
    assert names(tmp_path) == []


def test_check_writable_reports_what_writing_would_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        check_writable(tmp_path / "gone")
    monkeypatch.setattr(os, "fsync", failing(errno.ENOSPC))
    with pytest.raises(CheckpointError, match="disk is full"):
        check_writable(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("text", "shown"), [
    ("plain é 語 'x'", "plain é 語 'x'"),
    ("a\nb\x1b[31m\u202e", r"a\nb\x1b[31m\u202e"),
    ("\udcff", r"\udcff"),
    (Path("a") / "b", os.path.join("a", "b")),  # noqa: PTH118
])
def test_printable_escapes_what_would_drive_a_terminal(text: str | Path, shown: str) -> None:
    assert printable(text) == shown


def test_printable_cuts_long_texts_off() -> None:
    assert printable("x" * 1001) == "x" * 1000 + "..."


def test_a_result_goes_where_nothing_of_others_is_lost(tmp_path: Path) -> None:
    text, earlier, empty = tmp_path / "novel.txt", tmp_path / "earlier", tmp_path / "empty"
    text.write_text("Chapter 1")
    earlier.write_text("<two> or ]one[")
    empty.touch()
    for path in (tmp_path / "new", empty, earlier, Path(os.devnull)):
        check_output(path, b"<one>", b"<two>")
    with pytest.raises(CheckpointError, match=r"novel.txt is in the way.* choose another"):
        check_output(text, b"<one>", b"<two>")
    with pytest.raises(CheckpointError, match="its folder does not exist"):
        check_output(tmp_path / "no" / "new", b"<one>")
