"""Downloads from a server that cuts, stalls, changes its mind and refuses."""

from __future__ import annotations

import fcntl
import socket
from pathlib import Path

import pytest

from charrnn.download import Progress, discard, download
from charrnn.errors import CharRNNError, CorpusError

from .web_server import Faults, serving

CONTENT = bytes(range(256)) * 4096  # 1 MB


def fetched(faults: Faults, part: Path, *, limit: int = 10**7, attempts: int = 4,
            patience: float = 5.0) -> list[Progress]:
    """Return the steps of a download, which waits for nothing between attempts."""
    with serving(faults) as url:
        return list(download(url, part, limit=limit, attempts=attempts, patience=patience, pause=0.0))


def test_a_plain_download(tmp_path: Path) -> None:
    steps = fetched(Faults(CONTENT), tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert steps[0] == (0, len(CONTENT)) and steps[-1] == (len(CONTENT), len(CONTENT))
    assert steps == sorted(steps)


def test_a_cut_connection_goes_on_where_it_stopped(tmp_path: Path) -> None:
    faults = Faults(CONTENT, cuts=[300_000, 400_000])
    fetched(faults, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert faults.asked == [None, "bytes=300000-", "bytes=700000-"]


def test_a_later_command_goes_on_where_an_earlier_one_stopped(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"the connection was cut after 300,000 bytes; give the same command again"):
        fetched(Faults(CONTENT, cuts=[300_000, 0]), tmp_path / "part", attempts=2)
    faults = Faults(CONTENT)
    fetched(faults, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT and faults.asked == ["bytes=300000-"]


@pytest.mark.parametrize("second", [
    Faults(CONTENT[::-1], etag='"2"'), Faults(CONTENT[::-1], ranges=False), Faults(CONTENT[::-1], etag=None),
], ids=["changed", "no ranges", "no tag"])
def test_what_cannot_be_continued_starts_anew(second: Faults, tmp_path: Path) -> None:
    with pytest.raises(CorpusError):
        fetched(Faults(CONTENT, cuts=[300_000]), tmp_path / "part", attempts=1)
    fetched(second, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == second.content


@pytest.mark.parametrize("etag", [None, 'W/"1"'], ids=["no tag", "a weak one"])
def test_nothing_is_continued_that_the_server_does_not_identify(etag: str | None, tmp_path: Path) -> None:
    faults = Faults(CONTENT, cuts=[300_000], etag=etag)
    fetched(faults, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT and faults.asked == [None, None]


@pytest.mark.parametrize("garbled", [b"", b"\xff", b"a\r\nHost: elsewhere", bytes(3)])
def test_what_a_crash_leaves_beside_a_part(garbled: bytes, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x" * 1000)
    (tmp_path / "part.etag").write_bytes(garbled)
    faults = Faults(CONTENT)
    fetched(faults, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT and faults.asked == [None]


def test_a_part_that_is_whole_already(tmp_path: Path) -> None:
    fetched(Faults(CONTENT), tmp_path / "part")
    fetched(Faults(CONTENT), tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_a_silent_server(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"the server fell silent after [\d,]+ bytes"):
        fetched(Faults(CONTENT, silence=9.0), tmp_path / "part", attempts=1, patience=1.0)


def test_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    faults = Faults(CONTENT, errors=[503, 429])
    fetched(faults, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT and len(faults.asked) == 3


def test_a_missing_page_is_not_asked_for_again(tmp_path: Path) -> None:
    faults = Faults(CONTENT, errors=[404] * 9)
    with pytest.raises(CorpusError, match="the server answered 404 Not Found; the text may have moved"):
        fetched(faults, tmp_path / "part")
    assert len(faults.asked) == 1


def test_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="longer than 1,000,000 bytes"):
        fetched(Faults(CONTENT), tmp_path / "part", limit=1_000_000)
    assert not list(tmp_path.iterdir())


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        with pytest.raises(CorpusError, match=r"cannot be reached \(.*refused.*\); check the network") as caught:
            list(download(url, tmp_path / "part", limit=1))
    assert "python-docs" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_another_process_at_it(tmp_path: Path) -> None:
    with (tmp_path / "part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CorpusError, match="written by another process"):
            list(download("http://127.0.0.1:1/", tmp_path / "part", limit=1))
    assert (tmp_path / "part").exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CharRNNError, match="its folder does not exist"):
        list(download("http://127.0.0.1:1/", tmp_path / "missing" / "part", limit=1))


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    fetched(Faults(CONTENT), tmp_path / "part")
    discard(tmp_path / "part")
    assert not list(tmp_path.iterdir())
