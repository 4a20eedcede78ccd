"""Libraries that only an extra installs."""

from __future__ import annotations

import importlib
from typing import Any

from charrnn.errors import CharRNNError


class MissingLibraryError(CharRNNError):
    """A library that is not installed."""


def library(module: str, name: str, extra: str) -> Any:
    """Return an imported module; raise `MissingLibraryError`, which says how to install it, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingLibraryError(f"this needs {name}, which cannot be imported ({error}); install it with "
                                  f'`pip install "charrnn[{extra}]"`') from None
