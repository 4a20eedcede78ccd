"""The catalogue of corpora: what `corpora.toml` says about each."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from charrnn.errors import CorpusError
from charrnn.storage import printable
from charrnn.toml_file import read_toml

CATALOGUE = Path(__file__).with_name("corpora.toml")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A corpus of the catalogue; the comment at the head of `corpora.toml` explains the fields."""

    name: str
    about: str
    licence: str
    source: str
    bytes: int | None = None
    sha256: str | None = None
    made: str | None = None
    url: str | None = None
    package: str | None = None
    package_sha256: str | None = None
    members: tuple[str, ...] = ()


def read_catalogue() -> dict[str, Entry]:
    """Return all corpora by name, in the catalogue's order."""
    entries = {}
    for name, fields in read_toml(CATALOGUE).items():
        entries[name] = Entry(name=name, **{**fields, "members": tuple(fields.get("members", ()))})
    return entries


def find_entry(name: str) -> Entry:
    """Return the corpus of a name; raise `CorpusError`, with the one that is spelt like it, if there is none."""
    catalogue = read_catalogue()
    if name in catalogue:
        return catalogue[name]
    close = get_close_matches(name.lower(), catalogue, 1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(catalogue)}"
    raise CorpusError(f"there is no corpus {printable(repr(name), 100)} in the catalogue; {hint}")
