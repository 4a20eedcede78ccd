"""Hostile texts and hostile options, in-process through the real functions and the real command line."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from charrnn.__main__ import main
from charrnn.cli import cli
from charrnn.config import TextConfig
from charrnn.corpus import read_corpus
from charrnn.errors import CharRNNError
from tests.command_line import SMALL
from tests.soak import Outcome

SLOW = 2.0  # seconds of computing
_PROSE = "The quick brown fox jumps over the lazy dog.\r\nZwölf Boxkämpfer — 語 😀 e\u0301\n"
SEEDS = (
    b"", b"a", b"\n", b"aaaa", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff" * 9, b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    _PROSE.encode(), _PROSE.encode("utf-16"), _PROSE.encode("utf-32"), _PROSE.encode("utf-16-be"),
    "Привет, мир\n".encode("cp1251"), gzip.compress(_PROSE.encode()), gzip.compress(gzip.compress(bytes(9999))),
    ("e" + "\u0301" * 5000).encode(), "\u1100\u1161\u11a8".encode() * 50, b"+2AA-", b"\\ud800", bytes(range(256)))
_ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1251", "shift_jis", "utf-7",
              "unicode_escape", "ascii", "idna", "gb18030", "hz", "zip", "x")

_VALUES = ("0", "-1", "1", "2", "-0", "0.5", "1e-320", "1e308", "1e309", "nan", "inf", "-inf", "NaN", "", " ", "abc",
           "٣", "0x10", "1,5", "1_0", "5 ", "2147483647", "2147483648", "9223372036854775807", "9" * 30, "9" * 5000,
           "1h", "90s", "0s", "1e9", "\x1b[2J", "\udcff", "-", "--", "lstm", "all", "🙂", "x" * 3000)
#: What every option of these commands that takes a value gets in turn.
OPTIONS = ("train", "sample", "eval", "inspect-cells", "gradient-flow")
EXTREMES = ("0", "-1", "nan", "inf", "-inf", "1e308", "1e-320", "9" * 30)
#: What would be done, correctly and for ever, if it were asked for in such numbers.
_ENDLESS = {"--length", "--num-samples", "--epochs"}


def mutated(chance: random.Random) -> bytes:
    """Return bytes that have something of a text."""
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(6)):
        start = chance.randrange(len(data) + 1)
        piece = chance.choice((chance.randbytes(chance.randrange(9)), chance.choice(SEEDS)[:chance.randrange(99)],
                               bytes([chance.randrange(256)]) * chance.randrange(50)))
        data[start:start + chance.randrange(9)] = piece
    return bytes(data)


def _corpus_problem(path: Path, chance: random.Random) -> str:
    """Return what is wrong with how a file is read under random settings, or ''."""
    data, folder = mutated(chance), chance.random() < 0.1
    path.write_bytes(data)
    block_size = chance.choice((1, 3, 64, 2**20))
    begin = time.process_time()
    try:
        config = TextConfig(encoding=chance.choice(_ENCODINGS), errors=chance.choice(("strict", "replace", "ignore")),
                            normalize=chance.choice(("none", "none", "nfc", "nfkc"))) if chance.random() < 0.8 else \
            TextConfig(bytes=True)
        corpus = read_corpus([path.parent if folder else path], config, block_size=block_size)
    except CharRNNError as error:
        if not str(error).isprintable() or len(str(error)) > 1000:
            return f"an unclear message: {error}"
    except BaseException as error:  # whatever else comes out is what this looks for
        return f"{type(error).__name__}: {error} ({data[:50]!r})"
    else:
        text = corpus.vocabulary.decode_bytes(corpus.ids)
        if data.startswith(b"\x1f\x8b\x08"):
            return ""
        if config.bytes and text != data:
            return f"other bytes than those of the file ({data[:50]!r})"
        marked = data.startswith((b"\xff\xfe", b"\xfe\xff", bytes(2)))  # UTF-16, UTF-32
        if config.encoding == "utf-8" and config.normalize == "none" and not config.bytes and not marked:
            try:
                wanted = data.decode("utf-8", config.errors).removeprefix("\ufeff").replace("\r\n", "\n")
            except UnicodeDecodeError:
                return f"a text from a file that holds none ({data[:50]!r})"
            if text.decode() != wanted:
                return f"another text than that of the file ({data[:50]!r})"
        if not all(notice.isprintable() for notice in corpus.notices):
            return "control characters in a notice"
    seconds = time.process_time() - begin
    return f"{seconds:.1f} s ({data[:50]!r})" if seconds > SLOW else ""


def _options(name: str) -> list[click.Option]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _options_problem(words: list[str]) -> str:
    """Return what is wrong with how a command line is answered, or ''."""
    shown, said = io.StringIO(), io.StringIO()
    begin = time.process_time()
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            code = main(words)
    except BaseException as error:  # as above
        return f"{type(error).__name__}: {error}"
    lines = said.getvalue().splitlines()
    if code not in (0, 1, 2) or (code and (not lines or not lines[-1].startswith("error: "))):
        return f"exit code {code}, {lines}"
    if not all(line.isprintable() for line in lines):
        return f"control characters: {lines}"
    seconds = time.process_time() - begin
    return f"{seconds:.1f} s" if seconds > SLOW else ""


def _words(name: str, corpus: Path, model: Path) -> list[str]:
    """Return a command that takes little time."""
    return [name, *{"train": [str(corpus), "--dry-run", "--out", str(corpus.parent / "new")],
                    "sample": [str(model), "--length", "3", "--seed", "1"], "eval": [str(model), str(corpus)],
                    "info": [str(model)], "inspect-cells": [str(model), str(corpus)],
                    "gradient-flow": [str(model), "--reach", "5"]}[name]]


def extremes(names: Sequence[str], corpus: Path, model: Path) -> Iterator[list[str]]:
    """Yield commands with every option that takes a number or a free text at each of the extremes."""
    for name in names:
        for option in _options(name):
            if not option.is_flag and not isinstance(option.type, click.Choice):
                for value in EXTREMES:
                    if not (name == "sample" and option.opts[0] in _ENDLESS and value.isdigit()):
                        yield [*_words(name, corpus, model), option.opts[0], value]


def command_line(chance: random.Random, corpus: Path, model: Path) -> list[str]:
    """Return a command with some hostile options, none of which takes long if it is right."""
    name = chance.choice(("train", "train", "train", "sample", "eval", "info"))
    words = _words(name, corpus, model)
    for option in chance.sample(_options(name), min(chance.randint(1, 4), len(_options(name)))):
        spelling = chance.choice([*option.opts, *option.secondary_opts])
        value = chance.choice(_VALUES)
        if spelling in _ENDLESS and name == "sample" and value.strip().isdigit():
            value = "2"
        words += [spelling] if option.is_flag else [spelling, value]
    return words


def run(*, quick: bool) -> Iterator[Outcome]:
    """Read 10,000 mutated texts, give every option its extremes, and run 10,000 odd commands (300 and 150 if quick)."""
    chance = random.Random(3)
    texts = Outcome("fuzzed corpora: the text itself or one clear error", 300 if quick else 10_000)
    single = Outcome(f"every option of {', '.join(OPTIONS)} at 0, negative, NaN, infinite and huge")
    lines = Outcome("fuzzed options of train, sample, eval, info: done or one clear line", 150 if quick else 10_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts", "text.txt")
        path.parent.mkdir()
        for number in range(texts.tried):
            problem = _corpus_problem(path, chance)
            if problem:
                texts.failures.append(f"text {number}: {problem}")
        yield texts
        corpus, model = Path(folder, "fox.txt"), Path(folder, "run")
        corpus.write_text("the quick brown fox jumps over the lazy dog\n" * 200)
        before, stdin = Path.cwd(), sys.stdin
        os.chdir(folder)
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - closed below
        try:
            assert main(["train", str(corpus), "--out", str(model), "--max-steps", "2", "--quiet", *SMALL]) == 0
            names = OPTIONS[:1] if quick else OPTIONS
            for words in (*(_words(name, corpus, model) for name in {*names, "sample", "eval"}),
                          [*_words("eval", corpus, model), "--dynamic"]):
                _options_problem(words)  # compiles, which no answer has to wait for
            extreme = list(extremes(names, corpus, model))
            single.tried = len(extreme)
            random_lines = (command_line(chance, corpus, model) for _ in range(lines.tried))
            for outcome, commands in ((single, extreme), (lines, random_lines)):
                for words in commands:
                    problem = _options_problem(words)
                    if problem:
                        outcome.failures.append(f"{' '.join(word[:40] for word in words)!r}: {problem}")
        finally:
            os.chdir(before)
            sys.stdin.close()
            sys.stdin = stdin
    yield single
    yield lines
