"""The standard streams in every state in which a shell may hand them over."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest

from charrnn.console import stdio

from .command_line import charrnn_in_shell


class _Failing(io.StringIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error
        self.attempts = 0

    def write(self, text: str) -> int:
        self.attempts += 1
        raise self.error

    def flush(self) -> None:
        raise self.error


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_messages_that_cannot_be_written_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Failing(OSError(errno.EIO, "the terminal is gone"))
    monkeypatch.setattr(sys, "stderr", stream)
    stdio.say("nobody reads this")
    stdio.Messages().flush()
    assert stream.attempts > 0


def test_a_result_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(stdio.OutputError, match="No space left on device"):
        stdio.write("result")


def test_a_closed_pipe_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Failing(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    with pytest.raises(BrokenPipeError):
        stdio.write("result")


def test_messages_are_one_line_without_controls(capsys: pytest.CaptureFixture[str]) -> None:
    stdio.say("no file \x1b[31mred\nname", "error: ", "31")
    assert capsys.readouterr().err == "error: no file \\x1b[31mred\\nname\n"


@pytest.mark.parametrize(("variables", "coloured"), [
    ({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": ""}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ({"TERM": "dumb"}, False), ({}, False),
])
def test_colours_only_where_they_are_welcome(variables: dict[str, str], coloured: bool,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    stdio.say("message", "error: ", "31")
    assert terminal.getvalue() == ("\x1b[31merror: \x1b[0mmessage\n" if coloured else "error: message\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["charrnn --help", "charrnn --version", "charrnn train --help"])
def test_a_full_device(command: str, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"{command} > /dev/full", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("error: ") and "No space left on device" in done.stderr


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    done = charrnn_in_shell("charrnn train --help | true; echo ${PIPESTATUS[0]}", tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_closed_standard_output_is_an_error(tmp_path: Path) -> None:
    done = charrnn_in_shell("charrnn --help >&-", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Bad file descriptor" in done.stderr


@pytest.mark.parametrize("closing", ["<&-", "2>&-"])
def test_other_closed_streams_do_no_harm(closing: str, tmp_path: Path) -> None:
    done = charrnn_in_shell(f"charrnn --version {closing}", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "charrnn 0.1.0\n", "")
