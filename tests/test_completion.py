"""Completion in shells: click's own, in the shells themselves where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .command_line import ROOT, charrnn, environment

SHELLS = ("bash", "zsh", "fish")
CASES = [
    ("charrnn tr", "train"), ("charrnn corpus g", "get"), ("charrnn train --hid", "--hidden-size"),
    ("charrnn train --cell g", "gru"), ("charrnn corpus get tiny", "tinyshakespeare"),
    ("charrnn export --f", "--format"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell in which `charrnn` is a program."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "charrnn").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m charrnn "$@"\n')
    (folder / "charrnn").chmod(0o755)
    return environment(PATH=f"{folder}:{os.environ['PATH']}", PYTHONPATH=str(ROOT), HOME=str(folder))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_every_shell(shell: str) -> None:
    done = charrnn(env=environment(_CHARRNN_COMPLETE=f"{shell}_source"))
    assert done.returncode == 0 and f"_CHARRNN_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(("line", "word"), CASES)
def test_words_that_fit(line: str, word: str) -> None:
    done = charrnn(env=environment(_CHARRNN_COMPLETE="zsh_complete", COMP_WORDS=line,
                                   COMP_CWORD=str(len(line.split()) - 1)))
    assert done.stdout.split("\n")[:2] == ["plain", word]


@pytest.mark.parametrize("line", ["charrnn train fo", "charrnn sample che", "charrnn train --out r", "charrnn info x"])
def test_files_are_left_to_the_shell(line: str) -> None:
    done = charrnn(env=environment(_CHARRNN_COMPLETE="zsh_complete", COMP_WORDS=line,
                                   COMP_CWORD=str(len(line.split()) - 1)))
    assert done.stdout.split("\n")[0] == "file"


@pytest.mark.parametrize(("line", "word"), CASES[:3])
def test_in_bash(line: str, word: str, program: dict[str, str]) -> None:
    script = (f'eval "$(_CHARRNN_COMPLETE=bash_source charrnn)"; COMP_WORDS=({line}); '
              f'COMP_CWORD={len(line.split()) - 1}; _charrnn_completion charrnn; echo "${{COMPREPLY[@]}}"')
    done = subprocess.run(["bash", "-c", script], env=program, capture_output=True, text=True, timeout=120, check=True)
    assert word in done.stdout.split()


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize(("line", "word"), CASES[:3])
def test_in_fish(line: str, word: str, program: dict[str, str], tmp_path: Path) -> None:
    script = f'_CHARRNN_COMPLETE=fish_source charrnn | source; complete -C "{line}"'
    done = subprocess.run(["fish", "-c", script], env=program, capture_output=True, text=True, timeout=120, check=True)
    assert word in done.stdout.split()
