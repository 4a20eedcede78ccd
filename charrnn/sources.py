"""Where a corpus comes from: files, folders, standard input or a built-in text, each read as blocks of bytes.

Nothing here is read without a bound: a block at a time, never a device, a pipe only when something arrives, a gzip file
only while it expands like text, and a file only while it stays the same.
"""

from __future__ import annotations

import errno
import functools
import io
import itertools
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO

from charrnn.builtin import BUILTIN, DEFAULT_BUILTIN, read_builtin
from charrnn.errors import ConfigError, CorpusError
from charrnn.storage import printable

#: Bytes read at a time: what is done once a block costs nothing, and its characters still fit a processor's cache.
BLOCK_SIZE = 2**20

#: A gzip file is refused when it has expanded to more than this many bytes and to more than this multiple of itself.
#: Prose shrinks to a third, logs to a thirtieth; only a file made for it reaches the format's limit of a thousandth.
MAX_INFLATED = 64 * 2**20
MAX_INFLATION = 200

#: Seconds within which a named pipe must deliver something.
PIPE_PATIENCE = 10.0

_GZIP_MAGIC = b"\x1f\x8b\x08"
_REASONS = {errno.ENOENT: "there is no such file", errno.EACCES: "permission denied",
            errno.EMFILE: "too many files are open; see `ulimit -n`"}


@dataclass(frozen=True)
class Source:
    """One text to read.

    Attributes
    ----------
    name : what messages call it, safe to print.
    open : given a block size, yields the source's bytes in blocks.
    size : its length in bytes, 0 when that is not known in advance.
    optional : found in a folder, not named; left out, with a notice, when it is no text.
    is_utf8 : whatever `--encoding` says: a built-in corpus, or a text that was given as characters.
    """

    name: str
    open: Callable[[int], Iterator[bytes]]
    size: int = 0
    optional: bool = False
    is_utf8: bool = False

    def blocks(self, block_size: int = BLOCK_SIZE) -> Iterator[bytes]:
        """Yield the source's bytes in blocks of about `block_size`, unpacked when they are gzip's.

        Raises
        ------
        CorpusError : it cannot be read, changes meanwhile, is a device, or a damaged or malicious gzip file.
        """
        head, blocks = peek(self.open(block_size), len(_GZIP_MAGIC))
        return _inflate(blocks, self.name, block_size) if head.startswith(_GZIP_MAGIC) else blocks


class Notices:
    """Words for the user about the sources: one line for each thing to say, however many it holds for."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, message: str, name: str) -> None:
        """Note that `message` holds for the source called `name`."""
        names = self._names.setdefault(message, [])
        if name not in names[-1:]:
            names.append(name)

    def lines(self) -> tuple[str, ...]:
        """Return one line for each message, with the names it holds for, the first three spelt out."""
        return tuple(", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") + f": {message}"
                     for message, names in self._names.items())


def given_text(text: str) -> Source:
    """Return a text that is in memory already as a source."""
    data = text.encode("utf-8", "surrogatepass")  # which decoding refuses, in words
    return Source("the given text", lambda block_size: _read_stream(io.BytesIO(data), "the given text", block_size),
                  len(data), is_utf8=True)


def peek(blocks: Iterator[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """Return at least the first `size` bytes (fewer at the end), and an iterator over the same bytes in blocks."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= size:
            break
    return head, itertools.chain([head] if head else [], blocks)


def find_sources(paths: Sequence[str | os.PathLike[str]], notices: Notices, *, glob: str | None = None,
                 stdin: BinaryIO | None = None, builtin: bool = True) -> list[Source]:
    """Return what some paths stand for, in their order.

    Parameters
    ----------
    paths : files; folders, read recursively in the order of their names, hidden files and folders left out; "-" for
        standard input; names of built-in corpora where no such file exists. None at all: the default built-in corpus.
    glob : which files of folders to take: a pattern for the name, or, with a "/" in it, for the path below the folder.
    stdin : the stream that "-" reads; None is the process's own.
    builtin : whether names of built-in corpora count.

    Raises
    ------
    CorpusError : a path does not exist, cannot be read, is a device, or a folder without files to read.
    ConfigError : `glob` without a folder, or "-" named twice.
    """
    named = [os.fsdecode(path) for path in paths] or [DEFAULT_BUILTIN]
    if named.count("-") > 1:
        raise ConfigError("standard input (-) can be read only once")
    if glob is not None and not any(Path(path).is_dir() for path in named):
        raise ConfigError("--glob chooses among the files of a folder: name a folder, or leave it out")
    seen: set[object] = set()
    sources: list[Source] = []
    for path in named:
        name = printable(path)
        if not path:
            raise CorpusError("an empty name is no file's: name a file, a folder, or - for standard input")
        if path == "-":
            sources.append(Source("standard input", functools.partial(_read_stdin, stdin)))
            continue
        status: os.stat_result | None
        try:
            status = Path(path).stat()
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError) and builtin
            if path not in BUILTIN or not missing:
                hint = f"; the built-in corpora are {', '.join(BUILTIN)}" if missing else ""
                raise _unreadable(name, error, hint) from None
            status = None
        key: object = (status.st_dev, status.st_ino) if status else path
        if key in seen:
            notices.add("named more than once, and read as often", name)
        seen.add(key)
        if status is None:
            sources.append(Source(f"{path} (built-in)", functools.partial(_read_builtin, path), is_utf8=True))
            continue
        if stat.S_ISDIR(status.st_mode):
            sources += _files_of(path, notices, glob)
        else:
            _refuse_device(status.st_mode, name)
            sources.append(Source(name, functools.partial(_read_file, path, name), status.st_size))
    return sources


def _files_of(folder: str, notices: Notices, glob: str | None) -> list[Source]:
    """Return the regular files of a folder, as sources that may be left out."""
    name = printable(folder)

    def unlisted(error: OSError) -> None:
        if error.filename == folder:
            raise _unreadable(name, error)
        notices.add("skipped: the folder cannot be read", printable(str(error.filename)))

    sources = []
    for parent, subfolders, files in os.walk(folder, onerror=unlisted):
        subfolders[:] = sorted(sub for sub in subfolders if not sub.startswith("."))
        for file in sorted(files):
            path = Path(parent, file)
            matched = path.relative_to(folder).as_posix() if glob and "/" in glob else file
            if file.startswith(".") or (glob is not None and not fnmatchcase(matched, glob)):
                continue
            try:
                status = path.stat()
            except OSError:
                notices.add("skipped: cannot be read", printable(path))
                continue
            if stat.S_ISREG(status.st_mode):
                reader = functools.partial(_read_file, str(path), printable(path))
                sources.append(Source(printable(path), reader, status.st_size, optional=True))
    if not sources:
        which = "" if glob is None else f" that match --glob {printable(repr(glob))}"
        raise CorpusError(f"{name}: the folder has no files{which}, hidden ones not counted")
    return sources


def _read_file(path: str, name: str, block_size: int) -> Iterator[bytes]:
    """Yield a file's bytes, and see to it that they are those of one moment."""
    try:
        # Without blocking, since opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            _refuse_device(before.st_mode, name)
            if stat.S_ISFIFO(before.st_mode):
                if not select.select([descriptor], [], [], PIPE_PATIENCE)[0]:
                    raise CorpusError(f"{name}: nothing came out of this pipe for {PIPE_PATIENCE:g} seconds; "
                                      "start what writes to it first, or pipe it into `-`")
                os.set_blocking(descriptor, True)
                yield from _read_stream(file, name, block_size)
                return
            length = 0
            for block in _read_stream(file, name, block_size):
                length += len(block)
                if 0 < before.st_size < length:  # files of /proc state no size
                    raise _changed(name)
                yield block
            after = Path(path).stat()
            if any(getattr(before, field) != getattr(after, field)
                   for field in ("st_size", "st_mtime_ns", "st_ino", "st_dev")):
                raise _changed(name)
    except OSError as error:
        raise _unreadable(name, error) from None


def _read_stdin(stream: BinaryIO | None, block_size: int) -> Iterator[bytes]:
    name = "standard input"
    if stream is None:
        if sys.stdin is None:
            raise CorpusError(f"{name} is closed: pipe a text into it, or name a file")
        stream = sys.stdin.buffer
    try:
        descriptor = stream.fileno()
    except (io.UnsupportedOperation, AttributeError):
        descriptor = None  # a stream in memory
    try:
        if descriptor is not None and not os.isatty(descriptor):
            _refuse_device(os.fstat(descriptor).st_mode, name)
        yield from _read_stream(stream, name, block_size)
    except (OSError, ValueError) as error:  # ValueError: the stream was closed
        raise _unreadable(name, error) from None


def _read_builtin(name: str, block_size: int) -> Iterator[bytes]:
    data = io.BytesIO("".join(read_builtin(name)).encode())  # a few megabytes
    return _read_stream(data, name, block_size)


def _read_stream(stream: BinaryIO | io.BufferedIOBase, name: str, block_size: int) -> Iterator[bytes]:
    """Yield a stream's bytes in blocks of `block_size`, the last one shorter."""
    while True:
        pieces: list[bytes] = []
        missing = block_size
        while missing:  # a pipe gives what is there, which may be less than was asked for
            piece = stream.read(missing)
            if piece is None:
                raise CorpusError(f"{name}: has nothing to read now and does not block; copy the text into a file")
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        if pieces:
            yield b"".join(pieces)
        if missing:
            return


def _inflate(blocks: Iterator[bytes], name: str, block_size: int) -> Iterator[bytes]:
    """Yield what gzip's bytes expand to, member after member, at most `block_size` at a time."""
    packed = unpacked = 0
    inflater = zlib.decompressobj(wbits=31)
    for block in blocks:
        packed += len(block)
        while block:
            if inflater.eof:
                block = block.lstrip(b"\0")  # some writers pad to a whole sector
                if not block:
                    break
                inflater = zlib.decompressobj(wbits=31)
            try:
                data = inflater.decompress(block, block_size)
            except zlib.error as error:
                raise CorpusError(f"{name}: the gzip data is damaged near byte {packed - len(block)} ({error}); "
                                  "get the file again, or unpack what can be saved with `gzip -dc`") from None
            unpacked += len(data)
            if unpacked > MAX_INFLATED and unpacked > MAX_INFLATION * packed:
                raise CorpusError(f"{name}: expands to more than {MAX_INFLATION} times its size, as no text does but a "
                                  "decompression bomb; if you trust it, unpack it first with `gunzip`")
            if data:
                yield data
            block = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    if not inflater.eof:
        raise CorpusError(f"{name}: the gzip data ends too early, after {packed} bytes; get the file again")


def _refuse_device(mode: int, name: str) -> None:
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISDIR(mode) or stat.S_ISSOCK(mode)):
        raise CorpusError(f"{name}: is a device, whose data may never end; copy the text into a file")


def _changed(name: str) -> CorpusError:
    return CorpusError(f"{name}: the file changed while it was read; wait until nothing writes to it, or use a copy")


def _unreadable(name: str, error: Exception, hint: str = "") -> CorpusError:
    if not isinstance(error, OSError):
        return CorpusError(f"{name}: cannot be read: {printable(str(error))}")
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return CorpusError(f"{name}: cannot be read: {printable(reason)}{hint}")
