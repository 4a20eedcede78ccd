"""The program as a whole: its commands, its quick help, and one line for everything that goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import types
from collections.abc import Callable

import click
import pytest

from charrnn import cli
from charrnn.__main__ import main
from charrnn.errors import CharRNNError, ConfigError

from .command_line import environment


def _command_that(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Put a command `fake` into the program."""
    module = types.ModuleType("charrnn_fake_command")
    module.command = click.Command("fake", callback=action)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "charrnn_fake_command", module)
    monkeypatch.setitem(cli.COMMANDS, "fake", ("charrnn_fake_command", "Fakes."))


def _raising(error: BaseException) -> Callable[[], object]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(("error", "code", "message"), [
    (CharRNNError("file.txt: it is broken"), 1, "error: file.txt: it is broken\n"),
    (CharRNNError("na\x1bme\nbroken"), 1, "error: na\\x1bme\\nbroken\n"),
    (CharRNNError("[bold]markup[/bold] :smile:"), 1, "error: [bold]markup[/bold] :smile:\n"),
    (ConfigError("--lr must be above 0"), 2, "error: --lr must be above 0\n"),
    (click.UsageError("Wrong  words."), 2, "error: wrong words; see charrnn fake --help\n"),
    (OSError(errno.ENOENT, "No such file or directory", "a\nb"), 1, "error: a\\nb: No such file or directory\n"),
    (OSError(errno.EIO, "Input/output error"), 1, "error: reading or writing failed: Input/output error\n"),
    (MemoryError(), 1, "error: out of memory; use a smaller text or model\n"),
    (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
    (KeyboardInterrupt(), 130, ""),
    (click.Abort(), 130, ""),
])
def test_what_goes_wrong_is_one_line_and_an_exit_code(error: BaseException, code: int, message: str,
                                                      monkeypatch: pytest.MonkeyPatch,
                                                      capsys: pytest.CaptureFixture[str]) -> None:
    _command_that(monkeypatch, _raising(error))
    assert main(["fake"]) == code
    assert capsys.readouterr().err == message


def test_a_mistake_of_the_program_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    _command_that(monkeypatch, _raising(RecursionError("a bug")))
    with pytest.raises(RecursionError):
        main(["fake"])


def test_a_command_returns_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    _command_that(monkeypatch, lambda: 143)
    assert main(["fake"]) == 143


def test_help_imports_nothing_large() -> None:
    script = ("import sys; from charrnn.__main__ import main; main(['--help']); main(['train', '--help']);"
              "print(*sorted({'numpy', 'numba', 'rich'} & set(sys.modules)), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=60,
                          check=True)
    assert done.stderr == "\n"


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    page = capsys.readouterr().out
    for name, (_, text) in cli.COMMANDS.items():
        assert f"  {name} " in page and text in page
    assert "Examples:" in page


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"Usage: charrnn {name} ")
    assert f"Examples:\n  charrnn {name}" in page
    _, short = cli.COMMANDS[name]
    assert page.splitlines()[2].strip().startswith(short.rstrip("."))


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "charrnn 0.1.0\n"


@pytest.mark.parametrize(("words", "hint"), [
    (["trian"], "did you mean train?"), (["corpus", "lst"], "did you mean list?"),
    (["xyzzy"], "there are train, sample, "),
    (["train", "--hiden-size", "3"], "--hidden-size"), (["train", "--hidden-size", "many"], "charrnn train --help"),
])
def test_misspelt_words_are_wrong_usage_with_a_hint(words: list[str], hint: str,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and hint in message and message.count("\n") == 1


def test_a_blas_gets_one_thread_unless_another_number_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert main(["--version"]) == 0 and os.environ["OPENBLAS_NUM_THREADS"] == "3"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert main(["--version"]) == 0 and os.environ.pop("OPENBLAS_NUM_THREADS") == "1"
