"""Damaged and hostile checkpoints: each is read right or refused with one clear line, quickly and in little memory."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.__main__ import main
from charrnn.checkpoint import Checkpoint, decode_checkpoint, encode_checkpoint
from charrnn.config import ModelConfig
from charrnn.errors import CheckpointError
from charrnn.model import parameter_shapes
from tests.checkpoints import ZEROS, make, signed
from tests.command_line import SMALL, TEXT
from tests.soak import Outcome

SLOW = 2.0  # seconds of computing
_HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**60, -0.0, 1e308, "", "lstm", "\x1b[2J", "\ud800", "x" * 10_000, [], [[]],
    [0] * 70, {}, {"a": {}}, [-1], [2**62, 0], ["\x1b]0;x\x07"])


@dataclasses.dataclass
class _File:
    """A checkpoint's file, taken apart so that it can be put together wrongly."""

    data: bytes
    chance: random.Random

    def __post_init__(self) -> None:
        end = 8 + int.from_bytes(self.data[:8], "little")
        self.tensors: dict[str, Any] = json.loads(self.data[8:end])
        self.description = {**json.loads(self.tensors.pop("__metadata__")["charrnn"]), "checksum": ZEROS}
        self.body = self.data[end:]

    def text(self) -> str:
        inner = json.dumps(self.description, sort_keys=True, separators=(",", ":"))
        return json.dumps({"__metadata__": {"charrnn": inner}, **self.tensors}, separators=(",", ":"))

    def sealed(self) -> bytes:
        return signed(self.text(), self.body)

    def place(self) -> int:
        return self.chance.randrange(len(self.data))


def _flip_bits(file: _File) -> bytes:
    data = bytearray(file.data)
    for _ in range(file.chance.randint(1, 8)):
        data[file.place()] ^= 1 << file.chance.randrange(8)
    return bytes(data)


def _cut_off(file: _File) -> bytes:
    return file.data[:file.place()]


def _insert_or_drop(file: _File) -> bytes:
    start, more = file.place(), file.chance.randbytes(file.chance.choice((0, 1, 2, 8, 100)))
    return file.data[:start] + more + file.data[start + file.chance.choice((0, 1, 8)):]


def _move_blocks(file: _File) -> bytes:
    data, size = bytearray(file.data), file.chance.choice((1, 16, 512))
    one, other = file.place(), file.place()
    block = bytes(data[other:other + size])
    data[one:one + len(block)] = file.chance.choice((block, bytes(len(block))))
    return bytes(data)


def _change_length(file: _File) -> bytes:
    length = int.from_bytes(file.data[:8], "little")
    other = file.chance.choice((0, length - 1, length + 1, 10**14, 2**63, 2**64 - 1, file.chance.randrange(2**20)))
    return other.to_bytes(8, "little") + file.data[8:]


def _change_entry(file: _File) -> bytes:
    name = file.chance.choice(list(file.tensors))
    entry = file.tensors[name]
    match file.chance.randrange(5):
        case 0:
            entry[file.chance.choice(("dtype", "shape", "data_offsets", "more"))] = file.chance.choice(_HOSTILE)
        case 1:
            entry["data_offsets"][file.chance.randrange(2)] += file.chance.choice((-4, 4, 2**40, -2**40))
        case 2:
            entry["shape"] = [*entry["shape"], file.chance.choice((0, 1, 2, 2**62, -1))]
        case 3:
            file.tensors[file.chance.choice(("\x1b[31m", "train.x", "", "a" * 9999))] = file.tensors.pop(name)
        case _:
            file.tensors["train.more"] = {"dtype": "F64", "shape": [10**9] * file.chance.randint(1, 9),
                                          "data_offsets": [0, 10**14]}
    return file.sealed()


def _change_description(file: _File) -> bytes:
    place: Any = file.description
    while True:
        key = file.chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if isinstance(place[key], (dict, list)) and place[key] and file.chance.random() < 0.7:
            place = place[key]
            continue
        place[key] = file.chance.choice(_HOSTILE)
        with contextlib.suppress(UnicodeEncodeError):
            return file.sealed()
        return file.data


def _change_text(file: _File) -> bytes:
    text = file.text()
    for _ in range(file.chance.randint(1, 4)):
        start = file.chance.randrange(len(text))
        piece = file.chance.choice(('"', "{", "[", "}", "]", ",", ":", "\\", "\\ud800", "NaN", "1e999", "-", "[" * 5000,
                                    '"a":1,"a":2,', "\x00", "é", "9" * 400))
        text = text[:start] + piece + text[start + file.chance.randrange(3):]
    return signed(text, file.body)


def _change_numbers(file: _File) -> bytes:
    body = bytearray(file.body)
    start = file.chance.randrange(0, len(body) - 4, 4)
    body[start:start + 4] = np.float32(file.chance.choice((np.nan, np.inf, -np.inf, 3e38, -0.0))).tobytes()
    file.body = bytes(body)
    return file.sealed()


def _change_vocabulary(file: _File) -> bytes:
    points = file.description["vocabulary"]["code_points"]
    at = file.chance.randrange(len(points))
    points[at] = file.chance.choice((0, 7, 27, 0x9B, 0x202E, 0xD800, 0xDFFF, 0x10FFFF, 0x110000, -1, points[at - 1]))
    if file.chance.random() < 0.8:
        file.description["vocabulary"]["code_points"] = sorted(set(points)) if file.chance.random() < 0.5 else \
            sorted(points)
    return file.sealed()


MUTATIONS: tuple[Callable[[_File], bytes], ...] = (
    _flip_bits, _cut_off, _insert_or_drop, _move_blocks, _change_length, _change_entry, _change_description,
    _change_text, _change_numbers, _change_vocabulary)


def _problem(data: bytes, original: Checkpoint, source: bytes) -> str:
    """Return what is wrong with the answer to a file, or ''."""
    begin = time.process_time()
    try:
        found = decode_checkpoint(data)
    except CheckpointError as error:
        message = str(error)
        if not message.isprintable() or len(message) > 700:
            return f"an unclear message: {message!r}"
    except BaseException as error:  # whatever else comes out is what this looks for
        return f"{type(error).__name__}: {error}"
    else:
        shapes = {name: array.shape for name, array in found.weights.items()}
        if shapes != parameter_shapes(found.model) or len(found.vocabulary) != found.model.vocab_size:
            return "a model that contradicts itself"
        if not all(np.isfinite(array).all() for array in found.weights.values()):
            return "weights that are no numbers"
        if data[:8] == source[:8] and len(data) == len(source) and data != source and encode_checkpoint(found) != data:
            return "another checkpoint than the file holds"
    seconds = time.process_time() - begin
    return f"{seconds:.1f} s" if seconds > SLOW else ""


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024
    return 0


def _commands_problem(path: Path) -> str:
    """Return what is wrong with how the commands answer a checkpoint file, or ''."""
    text = path.with_name("text.txt")
    text.write_text("abcabc\n")
    for words in (["info", path], ["info", path, "--json"], ["eval", path, text], ["sample", path, "--length", "5"],
                  ["train", text, "--init-from", path, "--dry-run"]):
        problem = _command_problem(words)
        if problem:
            return problem
    return ""


def _command_problem(words: list[Any]) -> str:
    """Return what is wrong with how a command is answered, or ''."""
    shown, said = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    begin = time.process_time()
    try:
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(said):
            code = main(list(map(str, words)))
    except BaseException as error:  # as above
        return f"{words[0]}: {type(error).__name__}: {error}"
    seconds = time.process_time() - begin
    lines = said.getvalue().split("\n")[:-1]
    if code not in (0, 1, 2) or (code and not lines[-1].startswith("error: ")):
        return f"{words[0]}: exit code {code}, {lines}"
    shown.seek(0)
    page = shown.read() if words[0] != "sample" else ""
    if not all(line.isprintable() for line in [*lines, *page.split("\n")]):
        return f"{words[0]}: control characters"
    return f"{words[0]}: {seconds:.1f} s" if code and seconds > SLOW else ""


def _resumed(number: int, chance: random.Random) -> Outcome:
    """Train a small run, and go on from so many mutations of its last checkpoint, checksums made right again."""
    outcome = Outcome("mutated checkpoints of a run that is resumed", tried=number)
    with tempfile.TemporaryDirectory() as scratch:
        text, folder = Path(scratch, "text.txt"), Path(scratch, "run")
        text.write_text(TEXT)
        train = ["train", "--out", folder, "--quiet", "--max-steps"]
        assert main(list(map(str, [*train, 7, text, *SMALL]))) == 0
        source = (folder / "last.safetensors").read_bytes()
        for trial in range(number):
            mutate = (_change_description, _change_numbers, _change_entry)[trial % 3]
            (folder / "last.safetensors").write_bytes(mutate(_File(source, chance)))
            problem = _command_problem([*train, 9, "--resume", "--threads", 1])
            if problem:
                outcome.failures.append(f"{mutate.__name__}, trial {trial}: {problem}")
    return outcome


def _tried(test: str, files: Iterable[bytes], original: Checkpoint, source: bytes) -> Outcome:
    outcome, before = Outcome(test), peak_memory()
    worst = 0.0
    for data in files:
        outcome.tried += 1
        begin = time.process_time()
        problem = _problem(data, original, source)
        worst = max(worst, time.process_time() - begin)
        if problem:
            outcome.failures.append(f"file {outcome.tried}: {problem}")
    outcome.measured = f"slowest {worst * 1000:.0f} ms, memory +{(peak_memory() - before) / 1e6:.0f} MB"
    return outcome


def checkpoint_of(size: int) -> Checkpoint:
    """Return a checkpoint whose file has so many bytes."""
    model = ModelConfig(vocab_size=20, cell="gru", hidden_size=24, num_layers=1)
    checkpoint = make(model=model, corpus={"padding": ""})
    missing = size - len(encode_checkpoint(checkpoint))
    padded = dataclasses.replace(checkpoint, corpus={"padding": "x" * (missing - missing % 8)})
    return padded if len(encode_checkpoint(padded)) == size else dataclasses.replace(
        padded, corpus={"padding": "x" * missing})


def run(*, quick: bool) -> Iterator[Outcome]:
    """Read mutated checkpoints, and one with every bit flipped and every byte cut off, one at a time."""
    mutated, stride = (500, 97) if quick else (20_000, 1)
    original = checkpoint_of(20_000)
    source = encode_checkpoint(original)
    chance = random.Random(7)

    def mutants() -> Iterable[bytes]:
        return (MUTATIONS[number % len(MUTATIONS)](_File(source, chance)) for number in range(mutated))

    def flips() -> Iterable[bytes]:
        for number in range(0, 8 * len(source), stride):
            data = bytearray(source)
            data[number // 8] ^= 1 << number % 8
            yield bytes(data)

    yield _tried("mutated checkpoints (10 kinds): right answer or one clear error", mutants(), original, source)
    yield _tried(f"every single-bit flip of a file of {len(source):,} bytes", flips(), original, source)
    yield _tried("every truncation of it", (source[:n] for n in range(0, len(source), stride)), original, source)
    commands = Outcome("mutated checkpoints given to info, eval, sample and train", tried=mutated // 100)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.safetensors"
        for number in range(commands.tried):
            path.write_bytes(MUTATIONS[number % len(MUTATIONS)](_File(source, chance)))
            problem = _commands_problem(path)
            if problem:
                commands.failures.append(f"{MUTATIONS[number % len(MUTATIONS)].__name__}: {problem}")
    yield commands
    yield _resumed(mutated // 20, chance)
