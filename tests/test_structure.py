"""The package's shape: imports go one way, each library stays in its place, every cell is one file."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import charrnn
from charrnn.cells import CELLS, get_cell
from charrnn.kernels.cell import Cell

PACKAGE = Path(charrnn.__file__).parent

#: From the bottom up: a module imports only from layers below its own, or from its own package.
LAYERS = (
    ("errors", "events", "presets", "thinning"),
    ("kernels",),
    ("cells",),
    ("config",),
    ("threads", "strict_json", "storage", "model", "streams"),
    ("builtin", "tensor_file", "vocabulary", "network", "event_log", "machine"),
    ("toml_file", "brackets", "download"),
    ("catalogue",),
    ("corpora",),
    ("sources",),
    ("decoding",),
    ("corpus", "optimizers", "averaging", "generator", "evaluation", "activations", "checkpoint", "garbling",
     "novelty", "sizing"),
    ("run_folder",),
    ("exchange",),
    ("held_out", "surprise", "reader", "training_state", "dynamic", "beam", "plain", "priming", "compiling"),
    ("stability", "timetable"),
    ("learner",),
    ("sampling", "training"),
    ("language_model", "session", "run_history"),
    ("inspection",),
    ("gradient_flow",),
    ("page",),
    ("recording", "reporting"),
    ("training_run",),
    ("console",),
    ("cli",),
    ("__main__",),
)
LAYER = {name: height for height, names in enumerate(LAYERS) for name in names}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module of the package under its dotted name, with its source as a tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name:
            yield name, ast.parse(path.read_text("utf-8"))


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield what is imported, function bodies included, but not what only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if is_for_types(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" if node.module == "charrnn" else str(node.module)
                        for alias in node.names)
        else:
            yield from imports(node)


MODULES = dict(modules())


def test_every_module_has_a_layer() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(LAYER)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downwards(name: str) -> None:
    own = name.partition(".")[0]
    for imported in imports(MODULES[name]):
        package, _, rest = imported.partition(".")
        if package == "charrnn" and rest and not rest.startswith("__"):
            other = rest.partition(".")[0]
            assert other == own or LAYER[other] < LAYER[own], f"charrnn.{name} imports {imported}"


def test_modules_do_not_import_in_circles() -> None:
    # At their heads; a function may import what is slow to load when it is called.
    heads = {name: ast.Module([node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], [])
             for name, tree in MODULES.items()}
    edges = {name: {imported.removeprefix("charrnn.") for imported in imports(head) if imported.startswith("charrnn.")}
             for name, head in heads.items()}
    while edges:
        free = {name for name, others in edges.items() if not any(other in edges for other in others - {name})}
        assert free, f"a circle among {sorted(edges)}"
        edges = {name: others for name, others in edges.items() if name not in free}


@pytest.mark.parametrize("library, allowed", [
    ("click", {"cli", "__main__"}), ("rich", {"console"}), ("safetensors", {"tensor_file"}),
    ("llvmlite", {"kernels"}), ("numba", {"kernels"}),
])
def test_libraries_stay_in_their_place(library: str, allowed: set[str]) -> None:
    users = {name.partition(".")[0] for name, tree in MODULES.items()
             for imported in imports(tree) if imported.partition(".")[0] == library}
    assert users and users <= allowed


def test_nothing_else_is_imported_from_outside() -> None:
    known = {"charrnn", "numpy", "numba", "llvmlite", "click", "rich", "safetensors", "tomllib", "tomli"}
    known |= set(sys.stdlib_module_names)
    for name, tree in MODULES.items():
        assert {imported.partition(".")[0] for imported in imports(tree)} <= known, name


def test_kernels_import_numpy_numba_llvmlite_and_each_other() -> None:
    allowed = {"numpy", "numba", "llvmlite"} | set(sys.stdlib_module_names)
    for name, tree in MODULES.items():
        if name.startswith("kernels."):
            others = {imported for imported in imports(tree) if imported.partition(".")[0] not in allowed}
            assert all(imported.startswith("charrnn.kernels.") for imported in others), (name, others)


def test_nothing_prints() -> None:
    for name, tree in MODULES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), name


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_a_module_with_its_specification(name: str) -> None:
    cell = importlib.import_module(f"charrnn.cells.{name}").CELL
    assert isinstance(cell, Cell) and get_cell(name) is cell
    assert cell.name == name
    assert cell.states[0] == "h"
    assert cell.apart <= min(cell.kept, len(cell.gates))
    assert cell.forget_gate is None or cell.gates[cell.forget_gate] == "f"


def test_cells_are_the_files_of_their_package() -> None:
    files = {path.stem for path in (PACKAGE / "cells").glob("*.py")} - {"__init__"}
    assert set(CELLS) == files and CELLS[0] == "lstm"
    for name, tree in MODULES.items():
        compared = [node for node in ast.walk(tree) if isinstance(node, ast.Compare)]
        texts = {constant.value for node in compared for constant in ast.walk(node)
                 if isinstance(constant, ast.Constant) and isinstance(constant.value, str)}
        if name != "cells":
            assert not texts & set(CELLS), f"charrnn.{name} asks for a cell by name"


def test_help_needs_neither_numpy_nor_numba() -> None:
    code = ("import sys; from charrnn.__main__ import main; sys.argv = ['charrnn', 'train', '--help']\n"
            "try: main()\nexcept SystemExit: pass\n"
            "print(sorted({'numpy', 'numba', 'safetensors'} & set(sys.modules)), file=sys.stderr)")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "--hidden-size" in result.stdout
    assert result.stderr.strip().splitlines()[-1] == "[]"
