"""The package as users get it: built, installed in fresh environments with every Python there is, and used.

    pip install ".[install]" && pytest -m install

It needs the network, and takes minutes. Interpreters are looked for on the PATH and below ~/.pyenv/versions; those that
are missing are skipped. No compiler is needed: CC and CXX are set to programs that fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .command_line import ROOT

pytestmark = pytest.mark.install

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
DATA = {path.relative_to(ROOT).as_posix() for path in (ROOT / "charrnn").rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc", ".md")}


def run(*words: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program in an environment without a compiler, and return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False,
                          timeout=900, env={**kept, "CC": "false", "CXX": "false", "CHARRNN_CACHE": str(cwd / "cache"),
                                            **variables})
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def interpreter(version: str) -> str:
    """Return a Python of a version, or skip the test."""
    found = [shutil.which(f"python{version}"), *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for candidate in filter(None, found):
        check = [str(candidate), "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(check, capture_output=True, text=True, check=False).stdout.strip() == version:
            return str(candidate)
    pytest.skip(f"there is no Python {version}")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("built")
    files = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "source" / name)
    output = run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "source", cwd=folder)
    assert "warning" not in output.lower()
    return folder / "dist"


def test_the_wheel_has_all_of_the_package_and_nothing_else(built: Path) -> None:
    [wheel] = built.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "charrnn").rglob("*.py")}
    assert names == modules | DATA
    assert {"charrnn/corpora.toml", "charrnn/py.typed", "charrnn/checkpoints/python-docs/best.safetensors"} <= DATA


def test_the_sdist_can_build_it(built: Path) -> None:
    [sdist] = built.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert names >= DATA | {"pyproject.toml", "setup.cfg", "README.md", "LICENSE", "charrnn/__main__.py"}


@dataclass(frozen=True)
class Newcomer:
    """What the first commands with an installed program print."""

    version: str
    text: str
    text_again: str  # by the model's name, with the same seed
    first_look: str
    cells: dict[str, Any]
    flow: str
    short_text: str  # of the length in a settings file
    info: str


def newcomer(program: Path, folder: Path) -> Newcomer:
    """Do with an installed program what a newcomer does first; no command may fail."""
    sampled = ("--length", "40", "--seed", "1")
    version = run(program, "--version", cwd=folder)
    text = run(program, "sample", *sampled, cwd=folder)
    text_again = run(program, "sample", "python-docs", *sampled, cwd=folder)
    first_look = run(program, "inspect-cells", cwd=folder)
    cells = json.loads(run(program, "inspect-cells", "--json", cwd=folder))
    flow = run(program, "gradient-flow", cwd=folder)
    run(program, "corpus", "get", "brackets", cwd=folder)
    run(program, "train", "corpora/brackets.txt", "--max-steps", "3", "--hidden-size", "8", "--num-layers", "2",
        "--out", "run", cwd=folder)
    (folder / "settings.toml").write_text("length = 7\n")
    short_text = run(program, "sample", "run", "--config", "settings.toml", cwd=folder)
    info = run(program, "info", "run", cwd=folder)
    return Newcomer(version, text, text_again, first_look, cells, flow, short_text, info)


def is_served(seen: Newcomer) -> bool:
    """Tell whether every command printed what it should."""
    return (seen.version.startswith("charrnn ") and len(seen.text) == 40 and seen.text == seen.text_again
            and "when this model was made" in seen.first_look and seen.cells["characters"] > 10_000
            and "python-docs" in seen.flow and len(seen.short_text) == 7 and "2 × 8 LSTM" in seen.info)


@pytest.mark.parametrize("version", PYTHONS)
def test_a_fresh_environment(version: str, built: Path, tmp_path: Path) -> None:
    run(interpreter(version), "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    pip, [wheel] = [tmp_path / "venv" / "bin" / "python", "-m", "pip", "--quiet"], built.glob("*.whl")
    run(*pip, "install", "--only-binary", ":all:", wheel, cwd=tmp_path)
    run(*pip, "check", cwd=tmp_path)
    seen = newcomer(tmp_path / "venv" / "bin" / "charrnn", tmp_path)
    assert is_served(seen), seen


def test_uv_tool(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    run(sys.executable, "-m", "uv", "tool", "install", "--python", sys.executable, wheel, cwd=tmp_path,
        UV_TOOL_DIR=str(tmp_path / "tools"), UV_TOOL_BIN_DIR=str(tmp_path / "bin"))
    seen = newcomer(tmp_path / "bin" / "charrnn", tmp_path)
    assert is_served(seen), seen


def test_pipx(built: Path, tmp_path: Path) -> None:
    [wheel] = built.glob("*.whl")
    run(sys.executable, "-m", "pipx", "install", "--python", sys.executable, wheel, cwd=tmp_path,
        PIPX_HOME=str(tmp_path / "pipx"), PIPX_BIN_DIR=str(tmp_path / "bin"))
    seen = newcomer(tmp_path / "bin" / "charrnn", tmp_path)
    assert is_served(seen), seen
