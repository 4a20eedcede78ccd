"""Every command in every surrounding: terminals of all kinds, pipes, full devices, closed streams, odd locales."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.command_line import SMALL, environment
from tests.soak import Outcome

SURROUNDINGS = ("pipe", "closed pipe", "/dev/full", "closed stdin", "closed stdout", "closed stderr", "C locale",
                "terminal", "NO_COLOR", "TERM=dumb", "20 columns", "40 columns")
_TERMINALS = {"terminal": {}, "NO_COLOR": {"NO_COLOR": "1"}, "TERM=dumb": {"TERM": "dumb"},
              "20 columns": {"COLUMNS": "20", "NO_COLOR": "1"}, "40 columns": {"COLUMNS": "40", "NO_COLOR": "1"}}
_REDIRECTIONS = {"pipe": "| cat", "closed pipe": "| true", "/dev/full": "> /dev/full", "closed stdin": "<&-",
                 "closed stdout": ">&-", "closed stderr": "2>&-", "C locale": "| cat"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_HOSTILE = "fo\x1b[31mx\nöl"  # a name and a text with an escape sequence in it


def commands(text: str, run: str) -> dict[str, list[str]]:
    """Return every command with words that let it end soon."""
    return {
        "--help": ["--help"], "train --help": ["train", "--help"],
        "train": ["train", text, "--out", "new", "--overwrite", "--max-steps", "4", "--sample-every", "2", *SMALL],
        "train --json": ["train", text, "--out", "new", "--overwrite", "--max-steps", "4", "--json", *SMALL],
        "train --dry-run": ["train", text, "--dry-run", *SMALL], "sample": ["sample", run, "--length", "200"],
        "sample --json": ["sample", run, "--length", "20", "--json"], "eval": ["eval", run, text],
        "inspect-cells": ["inspect-cells", run, text], "report": ["report", run],
        "gradient-flow": ["gradient-flow", run, "--text", text, "--reach", "20"],
        "info": ["info", run], "info --json": ["info", run, "--json"], "corpus list": ["corpus", "list"],
        "an error": ["sample", "no such " + _HOSTILE],
    }


def on_terminal(words: Sequence[str], folder: Path, **variables: str) -> tuple[int, str]:
    """Run the program on a pseudo-terminal; returns its exit code and all that it has written."""
    import fcntl
    import pty
    import struct
    import termios

    leader, follower = pty.openpty()
    columns = int(variables.get("COLUMNS", "80"))
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    surrounding = environment(**{"TERM": "xterm-256color", "LINES": "40", **variables})
    process = subprocess.Popen([sys.executable, "-m", "charrnn", *words], cwd=folder, env=surrounding, stdin=follower,
                               stdout=follower, stderr=follower, start_new_session=True)
    os.close(follower)
    shown = b""
    try:
        while piece := os.read(leader, 65536):
            shown += piece
    except OSError as error:
        if error.errno != errno.EIO:  # the process has ended
            raise
    os.close(leader)
    return process.wait(timeout=900), shown.decode(errors="replace").replace("\r\n", "\n")


def _on_terminal_problem(name: str, words: list[str], where: str, folder: Path) -> str:
    code, shown = on_terminal(words, folder, **_TERMINALS[where])
    if code != (1 if name == "an error" else 0) or "Traceback" in shown:
        return f"exit code {code}: {shown[-300:]}"
    # What the display itself uses: colours, the cursor's visibility and moves, erased lines.
    plain = re.sub(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AGK]|2K)|\r", "", shown)
    if _CONTROL.search(plain):
        return f"control characters: {plain!r}"
    if where == "TERM=dumb" and "\x1b" in shown:
        return "escape sequences"
    if "NO_COLOR" in _TERMINALS[where] and re.search(r"\x1b\[[0-9;]*m", shown):
        return "colours"
    return ""


def _redirected_problem(name: str, words: list[str], where: str, folder: Path) -> str:
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"} if where == "C locale" else {}
    script = f'"$@" {_REDIRECTIONS[where]}; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", script, "bash", sys.executable, "-m", "charrnn", *words], cwd=folder,
                          env=environment(**variables), stdin=subprocess.DEVNULL, capture_output=True, timeout=900,
                          check=False)
    said = done.stderr.decode(errors="replace")
    writes = name not in ("train", "report", "an error")
    wanted = {1} if name == "an error" or (writes and where in ("/dev/full", "closed stdout")) else {0}
    if name == "train --json" and where == "closed pipe":
        wanted = {0, 141}  # it may be done before the pipe is closed
    if done.returncode not in wanted or "Traceback" in said or "Exception ignored" in said:
        return f"exit code {done.returncode}: {said[-300:]}"
    if _CONTROL.search(said):
        return f"control characters: {said!r}"
    return "one line was to be expected" if wanted == {1} and where != "closed stderr" and "error: " not in said else ""


def run(*, quick: bool) -> Iterator[Outcome]:
    """Run every command in every surrounding (a tenth of them if quick)."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = f"{_HOSTILE.replace(chr(10), ' ')}.txt"
        (folder / text).write_text(f"the quick {_HOSTILE} jumps over the lazy dog\n" * 120)
        first = ["train", text, "--out", "run", "--max-steps", "4", "--quiet", *SMALL]
        subprocess.run([sys.executable, "-m", "charrnn", *first], cwd=folder, env=environment(), check=True)
        for number, where in enumerate(SURROUNDINGS):
            outcome = Outcome(f"every command: {where}")
            cases = list(commands(text, "run").items())
            for name, words in cases[number % 12::12] if quick else cases:
                outcome.tried += 1
                check = _on_terminal_problem if where in _TERMINALS else _redirected_problem
                problem = check(name, words, where, folder)
                if problem:
                    outcome.failures.append(f"{name}: {problem}")
            yield outcome
