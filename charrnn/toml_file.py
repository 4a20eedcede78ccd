"""TOML files as dictionaries: the catalogue of corpora, and settings in files of a user's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from charrnn.errors import ConfigError
from charrnn.storage import printable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MAX_SIZE = 10**6  # bytes; a file of settings has a thousand


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a TOML file holds; raise `ConfigError` if it cannot be read or is none."""
    name = printable(path)
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_SIZE + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or printable(str(error))
        raise ConfigError(f"{name} cannot be read: {reason}; name a TOML file") from None
    if len(data) > _MAX_SIZE:
        raise ConfigError(f"{name} is larger than {_MAX_SIZE:,} bytes; name a TOML file of settings")
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except RecursionError:
        raise ConfigError(f"{name} is nested too deeply; name a TOML file of settings") from None
    except ValueError as error:  # of TOML, of UTF-8, and of numbers with thousands of digits
        raise ConfigError(f"{name} is no valid TOML: {printable(str(error), 200)}; write lines such as "
                          'hidden-size = 512 or cell = "gru"') from None
