"""What several test modules need, and takes a while to make."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from charrnn.__main__ import main

from .command_line import SMALL, TEXT

settings.register_profile("charrnn", deadline=None)  # how long an example takes says more about the machine
settings.load_profile("charrnn")


@pytest.fixture(scope="session", autouse=True)
def _hang_up_as_usual() -> Iterator[None]:
    """Have SIGHUP do what it does by default, here and in child processes, should the tests run under nohup."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small run on `fox.txt`, which lies beside it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "fox.txt").write_text(TEXT)
    words = ["train", str(folder / "fox.txt"), "--out", str(folder / "run"), "--max-steps", "12", "--eval-every", "4"]
    assert main([*words, "--quiet", *SMALL]) == 0
    return folder / "run"
