"""The pages: every command in them runs, every link in them leads somewhere, and the generator has nothing to say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .command_line import ROOT, charrnn_in_shell, environment

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.glob("*.md") if path.name != "reference.md")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)

#: Pages whose commands are run here, from top to bottom, on texts made up for them.
RECIPES = DOCS / "recipes.md"


def sections(page: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the sections of a page with their blocks of code, each with its language."""
    parts = _SECTION.split(page.read_text(encoding="utf-8"))
    return [(title, _BLOCK.findall(text)) for title, text in zip(parts[1::2], parts[2::2])]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small text of every kind that the recipes name."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "poems").mkdir()
    (folder / "src").mkdir()
    (folder / "other").mkdir()
    names = "".join(f"{first}{last}\n" for first in ("Mar", "An", "El") for last in ("ia", "na", "sef", "la")) * 25
    contents = {
        "names.txt": names,
        "first-line.txt": "A rose\n",
        "poems/one.txt": "A rose is red\nA sky is blue\n\n\n" * 40,
        "src/one.py": "def one(a):\n    return [a, (1, 2)]\n\n\n" * 40,
        "other/two.py": "def two(b):\n    return b\n",
        "tunes.abc": "X:1\nT:A tune\nM:4/4\nK:G\nGABc dedB|dedB dedB|\n\n" * 40,
        "japanese.txt": "吾輩は猫である。名前はまだ無い。\n" * 80,
        "russian.txt": "Мороз и солнце; день чудесный!\n" * 60,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode("cp1251" if name == "russian.txt" else "utf-8"))
    (folder / "mixed.bin").write_bytes(bytes(range(256)) * 20)
    return folder


def run(language: str, block: str, folder: Path) -> None:
    """Run a block as it stands, all training in it cut off after two steps of a small net."""
    short = {"CHARRNN_MAX_STEPS": "2", "CHARRNN_HIDDEN_SIZE": "8", "CHARRNN_BATCH_SIZE": "2"}
    if language == "sh":
        shell = "; ".join(f"export {name}={value}" for name, value in short.items())
        done = charrnn_in_shell(f"set -e; {shell}; {block}", folder)
    else:
        done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=120,
                              env=environment(), check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
def test_every_command_of_the_recipes_runs(texts: Path) -> None:
    for title, blocks in sections(RECIPES):
        if "another program" in title:
            continue
        for language, block in blocks:
            if language == "toml":
                (texts / block.split("\n")[0].removeprefix("# ")).write_text(block)
        for language, block in blocks:
            if language != "toml":
                run(language, block, texts)
    names = sorted(path.name for path in (texts / "checkpoints").iterdir())
    assert names == ["brackets", "code", "japanese", "mixed", "names", "poems", "russian", "small", "small-2", "tunes"]


@pytest.mark.slow
def test_the_recipe_for_other_programs(texts: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    [blocks] = [blocks for title, blocks in sections(RECIPES) if "another program" in title]
    [(_, training), *_] = next(blocks for title, blocks in sections(RECIPES) if title == "Names")
    run("sh", training.partition("charrnn sample")[0].rstrip() + " --overwrite", texts)
    letters = len(set((texts / "names.txt").read_text()))
    model = torch.nn.ModuleDict({"rnn": torch.nn.LSTM(letters, 4), "out": torch.nn.Linear(4, letters)})
    torch.save(model.state_dict(), texts / "theirs.pt")
    for language, block in blocks:
        run(language, block, texts)
    assert (texts / "names.onnx").stat().st_size and (texts / "checkpoints" / "theirs" / "best.safetensors").exists()


@pytest.mark.slow
def test_every_command_about_watching_a_run_runs(texts: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    (tmp_path / "names.txt").write_bytes((texts / "names.txt").read_bytes())
    for _, blocks in sections(DOCS / "report.md"):
        for language, block in blocks:
            run(language, block, tmp_path)
    assert (tmp_path / "comparison.html").exists() and (tmp_path / "checkpoints" / "names" / "report.html").exists()
    assert list((tmp_path / "checkpoints" / "board" / "tensorboard").iterdir())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists() or target == "reference.md", target


def test_the_reference_has_every_option() -> None:
    done = subprocess.run([sys.executable, DOCS / "reference.py"], capture_output=True, encoding="utf-8", timeout=60,
                          check=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    for words in ("## charrnn train", "## charrnn corpus get", "`--hidden-size N`", "`CHARRNN_HIDDEN_SIZE`",
                  "charrnn export checkpoints/novel --format pytorch"):
        assert words in done.stdout


def test_the_generator_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    done = subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d",
                           str(tmp_path / "trees"), str(DOCS), str(tmp_path / "html")],
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "charrnn corpus get" in (tmp_path / "html" / "reference.html").read_text(encoding="utf-8")
