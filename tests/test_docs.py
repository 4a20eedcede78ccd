"""The pages: every command in them runs, every link in them leads somewhere, and the generator has nothing to say."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from charrnn.cli import cli

from .command_line import ROOT, charrnn_in_shell, environment
from .test_readme import all_commands

DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.glob("*.md") if path.name != "reference.md")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)

#: Pages whose blocks of commands have a test of their own here, which runs them from top to bottom on texts made up for
#: them; `test_docs_api.py` runs those of api.md.
README, TUTORIAL, HOW_IT_WORKS, RECIPES, REPORT = (
    ROOT / "README.md", DOCS / "tutorial.md", DOCS / "how-it-works.md", DOCS / "recipes.md", DOCS / "report.md")
_OTHERS = [page for page in PAGES if page not in (TUTORIAL, HOW_IT_WORKS, RECIPES, REPORT, DOCS / "api.md")]

_IN_A_SENTENCE = re.compile(r"`((?:charrnn|head|tail|python -m benchmarks\.\w+) [^`]+)`")
#: What words in these commands stand for, and sizes that a test has the time for.
_MEANT = {r"\bTEXT(\.\.\.)?": "novel.txt", r"\bCHECKPOINT|\bRUN\b|\bDIR\b": "checkpoints/novel",
          r"\bFILE\b": "losses.jsonl", r"(?<= )S\b": "1", r"(?<= )T\b": "5m",
          r"(?<=--max-steps )\d+|(?<=--seeds )\d+": "1", r"(?<=--hidden-size )\d+": "48",
          r"(benchmarks.precision .*)": r"\1 2", r"(?<=benchmarks.profile --hidden )\d+": "8",
          "(?<=benchmarks.plain )4000": "40"}
#: Parts of those that are left out: forms, what another test runs, what needs the network, and 27 nets.
_LEFT_OUT = ("[", "train ...", "COMMAND", "head -c 200000", "FILE.pt", "--preset", "corpus get NAME",
             "cells python-docs", "corpus get names", "benchmarks.quality grid")


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
        "src/one.py": "def one(a):\n    return [a, (1, 2)]  # It was in Chapter 1.\n\n\n" * 40,
        "other/two.py": "def two(b):\n    return b\n",
        "novel.txt": "Chapter 1\nIt was a grey day, and nobody came. Yes, nobody: the dogs slept.\n\n" * 800,
        "other.txt": "It was nobody. The day came, grey.\n" * 4,
        "tunes.abc": "X:1\nT:A tune\nM:4/4\nK:G\nGABc dedB|dedB dedB|\n\n" * 40,
        "japanese.txt": "吾輩は猫である。名前はまだ無い。\n" * 80,
        "russian.txt": "Мороз и солнце; день чудесный!\n" * 60,
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode("cp1251" if name == "russian.txt" else "utf-8"))
    (folder / "mixed.bin").write_bytes(bytes(range(256)) * 20)
    (folder / "logs.gz").write_bytes(gzip.compress(b"12:00 started\n12:01 stopped\n" * 40))
    return folder


def commands_in(block: str) -> Iterator[list[str]]:
    """Yield the words of every call of charrnn in a block of shell, without its name."""
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] | None = None
        for word in [*lexer, "|"]:
            if word == "charrnn":
                words = []
            elif words is not None and set(word) <= set("();<>|&"):
                yield words
                words = None
            elif words is not None:
                words.append(word)


def check(words: list[str]) -> None:
    """Let a command read its words, and do nothing."""
    if "--config" in words:  # which is read at once
        place = words.index("--config")
        words = words[:place] + words[place + 2:]
    context, command = click.Context(cli, info_name="charrnn"), cli.get_command(click.Context(cli), words[0])
    assert command, words
    while isinstance(command, click.Group):
        words = words[1:]
        command = command.get_command(context, words[0])
        assert command, words
    command.make_context(words[0], words[1:], parent=context)


def run(language: str, block: str, folder: Path) -> None:
    """Run a block as it stands, all training in it cut off after two steps of a small net."""
    short = {"CHARRNN_MAX_STEPS": "2", "CHARRNN_HIDDEN_SIZE": "8", "CHARRNN_BATCH_SIZE": "2"}
    if language == "sh":
        shell = "; ".join([f'python() {{ "{sys.executable}" "$@"; }}',
                           *(f"export {name}={value}" for name, value in short.items())])
        # The kernels may have to be compiled first.
        done = charrnn_in_shell(f"set -e; {shell}; {block}", folder, timeout=1200)
    else:
        done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=120,
                              env=environment(), check=False)
    assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"


def test_every_command_in_the_pages_is_one_that_there_is() -> None:
    checked = 0
    for page in (README, *PAGES):
        for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
            for words in commands_in(block) if language == "sh" else ():
                if words:
                    check(words)
                    checked += 1
    assert checked > 60
    with pytest.raises(click.NoSuchOption):
        check(next(commands_in("zcat x.gz | charrnn train - --hidden-syze 3 > out")))


@pytest.mark.parametrize(("name", "command"), [*all_commands(), ("", cli)], ids=lambda value: str(value or "charrnn"))
def test_every_example_of_the_help_is_one_that_works(name: str, command: click.Command) -> None:
    examples = [*commands_in(re.sub(r"  +.*", "", command.examples))]  # type: ignore[attr-defined]
    assert len(examples) > 1
    for words in examples:
        check(words)
    assert any(words[:len(name.split())] == name.split() for words in examples)


@pytest.mark.slow
def test_every_command_of_the_readme_runs(texts: Path) -> None:
    ran = 0
    for block in (block for language, block in _BLOCK.findall(README.read_text(encoding="utf-8")) if language == "sh"):
        if "pip install" not in block and "_source" not in block:
            run("sh", block, texts)
            ran += 1
    [block] = [block for language, block in _BLOCK.findall(README.read_text(encoding="utf-8")) if language == "python"]
    run("python", block.replace("max_time=900", "max_steps=2, hidden_size=8, overwrite=True"), texts)
    assert ran >= 4 and (texts / "runs" / "logs" / "best.safetensors").exists()
    assert (texts / "cells.html").stat().st_size > 10_000


@pytest.mark.slow
def test_every_command_of_the_tutorial_runs(texts: Path, tmp_path: Path) -> None:
    for block in (block for _, blocks in sections(TUTORIAL) for language, block in blocks if language == "sh"):
        run("sh", block, tmp_path)
        made = tmp_path / "corpora" / "brackets.txt"
        if "corpus get" in block:  # goes on with less of it
            made.write_text(made.read_text()[:80_000])
    assert (tmp_path / "written.txt").stat().st_size == 1000
    assert (tmp_path / "cells.html").stat().st_size > 10_000 and (tmp_path / "cells.json").stat().st_size > 100


@pytest.mark.slow
def test_every_command_of_how_it_works_runs(texts: Path, tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_bytes((texts / "novel.txt").read_bytes())
    run("sh", "charrnn train novel.txt", tmp_path)
    for block in (block for _, blocks in sections(HOW_IT_WORKS) for language, block in blocks if language == "sh"):
        run("sh", block, tmp_path)
    assert (tmp_path / "flow.html").exists() and (tmp_path / "checkpoints" / "min-char-rnn").is_dir()


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
    names = {path.name for path in (texts / "checkpoints").iterdir()}
    assert names >= {"brackets", "code", "japanese", "mixed", "names", "poems", "russian", "small", "small-2", "tunes"}


@pytest.mark.slow
def test_every_other_command_of_the_pages_runs(tmp_path: Path) -> None:
    source = 'if (a == b) {\n\tprint("the sum of a and b", a + b); /* and so on */\n}\n\n' * 900
    (tmp_path / "corpora").mkdir()
    for name in ("novel.txt", "shakespeare200.txt", "corpora/linux.txt", "corpora/tinyshakespeare.txt"):
        (tmp_path / name).write_text(source)
    run("sh", "charrnn train novel.txt; charrnn train corpora/linux.txt --hidden-size 48", tmp_path)
    ran = []
    for page in (*PAGES, README, ROOT / "benchmarks" / "README.md"):
        text = page.read_text(encoding="utf-8")
        for found in _IN_A_SENTENCE.findall(_BLOCK.sub("", text)):
            command = " ".join(found.split())
            if len(command.split()) > 2 and not any(part in command for part in _LEFT_OUT):
                for pattern, meant in _MEANT.items():
                    command = re.sub(pattern, meant, command)
                if command not in ran:
                    run("sh", command, tmp_path)
                    ran.append(command)
        for language, block in _BLOCK.findall(text) if page in _OTHERS else ():
            if "import feature\n" in block:
                (tmp_path / "features.py").write_text(block)
                run("sh", "charrnn inspect-cells checkpoints/linux --features features.py --export cells.npz", tmp_path)
            elif language != "text":
                run(language, block, tmp_path)
    assert len(ran) > 15 and (tmp_path / "cells.html").exists() and (tmp_path / "cells.npz").exists()


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
    for _, blocks in sections(REPORT):
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
