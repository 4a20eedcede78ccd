"""What `import charrnn` gives: at once, with its help, and nothing that is not promised."""

from __future__ import annotations

import pydoc
import subprocess
import sys

import pytest

import charrnn


def test_importing_loads_nothing_else() -> None:
    code = ("import sys; before = set(sys.modules); import charrnn; charrnn.TrainConfig\n"
            "print(sorted({'numpy', 'numba', 'click', 'rich', 'safetensors'} & set(sys.modules)))\n"
            "charrnn.load\nprint('numba' in sys.modules)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\nTrue\n"


@pytest.mark.parametrize("name", charrnn.__all__)
def test_what_is_promised_is_there(name: str) -> None:
    assert getattr(charrnn, name).__name__ == name
    assert getattr(charrnn, name) is getattr(charrnn, name)
    assert name in dir(charrnn)


def test_the_help_shows_what_there_is() -> None:
    shown = pydoc.plain(pydoc.render_doc(charrnn))
    for line in ("class LanguageModel", "class TrainConfig", "load(path", "train(corpus", "generate(self, prime"):
        assert line in shown


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'charrnn' has no attribute 'lod'"):
        _ = charrnn.lod
