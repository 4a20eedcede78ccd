"""`charrnn sample --interactive` in a real terminal, and with its lines from a pipe."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .command_line import charrnn, environment

pexpect: Any = pytest.importorskip("pexpect")
if not hasattr(pexpect, "spawn"):
    pytest.skip("needs a pseudo terminal", allow_module_level=True)


def _text(model: Path, prime: str, *words: str) -> str:
    return charrnn("sample", model, "--prime", prime, *words).stdout


def _heed_ctrl_c() -> None:
    """Undo what shells do to commands in the background, which are to ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def terminal(trained: Path, tmp_path: Path) -> Iterator[Any]:
    """A session, at its first prompt."""
    inputrc = tmp_path / "inputrc"
    inputrc.write_text("set enable-bracketed-paste off\n")
    child = pexpect.spawn(sys.executable, ["-m", "charrnn", "sample", str(trained), "--interactive", "--length", "30"],
                          env=environment(TERM="xterm", NO_COLOR="1", INPUTRC=str(inputrc)), cwd=str(tmp_path),
                          encoding="utf-8", timeout=120, dimensions=(40, 200),
                          preexec_fn=_heed_ctrl_c)
    child.expect("/help explains.*\r\n> ")
    yield child
    child.close(force=True)


def test_a_session(terminal: Any, trained: Path, tmp_path: Path) -> None:
    def answer(line: str) -> str:
        terminal.sendline(line)
        terminal.expect_exact(line + "\r\n")
        terminal.expect("(.*?)\r\n> ")
        return terminal.match[1].replace("\r\n", "\n")

    assert answer("/seed 3") == "seed: 3, for every text"
    assert answer("/temperature 0.7") == "temperature: 0.7"
    text = _text(trained, "the ", "--length", "30", "--seed", "3", "--temperature", "0.7")
    shown = answer("the ")
    assert shown.startswith(text) and "seed 3)" in shown[len(text):]
    assert answer("the ").startswith(text)

    # The arrow brings the line back, a key takes its last letter away.
    terminal.send("\x1b[A")
    terminal.expect_exact("the ")
    terminal.send("\x7f\x7f\r")
    terminal.expect(r"\r\n(.*?)\r\n> ")
    expected = _text(trained, "th", "--length", "30", "--seed", "3", "--temperature", "0.7")
    assert terminal.match[1].replace("\r\n", "\n").startswith(expected)

    assert "saved 32 characters" in answer("/save kept.txt")
    assert (tmp_path / "kept.txt").read_text("utf-8") == expected
    assert "error: " in answer("€") and "error: " in answer("/nonsense")
    assert "/temperature N" in answer("/help")
    assert "as at the start" in answer("/reset")
    terminal.sendeof()
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_ctrl_c_stops_the_text_but_not_the_program(terminal: Any) -> None:
    terminal.sendline("/length 100000000")
    terminal.expect_exact("length: 100000000\r\n> ")
    terminal.sendline("the")
    terminal.expect("the.{20}")  # the text is coming
    terminal.sendintr()
    terminal.expect(r"\(stopped\)\r\n> ")
    terminal.send("half a line")
    terminal.expect_exact("half a line")
    terminal.sendintr()  # gives the line up
    terminal.expect("\r\n> ")
    terminal.sendline("/length 10")
    terminal.expect_exact("length: 10\r\n> ")
    terminal.sendline("")  # goes on with the text
    terminal.expect(r"\(10 characters, .*\)\r\n> ")


def test_lines_from_a_pipe(trained: Path) -> None:
    words = ("--length", "20", "--seed", "1")
    done = charrnn("sample", trained, "--interactive", *words, stdin=None, input="the\n/temperature 0.5\nfox\n")
    expected = [_text(trained, "the", *words), _text(trained, "fox", *words, "--temperature", "0.5")]
    assert (done.returncode, done.stdout) == (0, "".join(f"{text}\n" for text in expected))
    assert done.stderr == "temperature: 0.5\n"


def test_a_prime_may_begin_with_a_slash(trained: Path) -> None:
    done = charrnn("sample", trained, "--interactive", "--on-unknown", "skip", stdin=None, input="//the\n/the\n")
    assert "left out of the prime: '/'" in done.stderr and "no command /the" in done.stderr
