"""The recurrent cells, one file each; a new cell is one new file.

`CELLS` lists the files, so it can be read without importing Numba; `get_cell` imports one and returns its `CELL`.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charrnn.kernels.cell import Cell

#: Names of the cells, the modules of this package.
CELLS: tuple[str, ...] = tuple(sorted((module.name for module in pkgutil.iter_modules(__path__)),
                                      key=lambda name: (name != "lstm", name)))


def get_cell(name: str) -> Cell:
    """Return the specification of the cell called `name`, one of `CELLS`."""
    cell: Cell = importlib.import_module(f"{__name__}.{name}").CELL
    return cell
