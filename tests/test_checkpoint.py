"""The checkpoint: what goes in comes out, damage is noticed, and no file can do harm."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charrnn.cells import CELLS
from charrnn.checkpoint import (
    FORMAT_VERSION,
    Checkpoint,
    decode_checkpoint,
    encode_checkpoint,
    is_checkpoint,
    load_checkpoint,
    read_description,
    save_checkpoint,
    thinned,
)
from charrnn.config import ModelConfig, TextConfig, TrainConfig
from charrnn.errors import CheckpointError
from charrnn.model import parameter_shapes
from charrnn.vocabulary import Vocabulary

from .checkpoints import ZEROS, forged, make, parts, signed

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX system")

#: Written by charrnn 0.1.0, and never written again: what users have on their disks does not change either.
GOLDEN = Path(__file__).parent / "data" / "format-1.safetensors"


def assert_same(got: Checkpoint, expected: Checkpoint) -> None:
    for item in dataclasses.fields(Checkpoint):
        if item.name not in ("weights", "training_state"):
            assert getattr(got, item.name) == getattr(expected, item.name), item.name
    assert list(got.weights) == list(parameter_shapes(expected.model))
    for arrays, expected_arrays in ((got.weights, expected.weights), (got.training_state, expected.training_state)):
        assert arrays.keys() == expected_arrays.keys()
        for name, array in expected_arrays.items():
            assert arrays[name].dtype == array.dtype.newbyteorder("="), name
            assert arrays[name].shape == array.shape, name
            assert np.array_equal(arrays[name], array), name


def refused(data: bytes) -> str:
    """Return the message with which data are refused; a stray exception or a success fails the test."""
    with pytest.raises(CheckpointError) as caught:
        decode_checkpoint(data)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    assert ";" in message  # what is wrong; what to do
    return message


# --- round trips ----------------------------------------------------------------------------------------------------


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    code_points = draw(st.sets(st.characters(exclude_categories=["Cs"]).map(ord), min_size=1, max_size=20))
    model = ModelConfig(vocab_size=len(code_points), cell=draw(st.sampled_from(CELLS)),
                        hidden_size=draw(st.integers(1, 5)), num_layers=draw(st.integers(1, 3)),
                        embedding_size=draw(st.integers(0, 3)))
    real = st.floats(allow_nan=False, allow_infinity=False)
    value = st.recursive(st.none() | st.booleans() | st.integers(-2**200, 2**200) | real | st.text(),
                         lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
    record = st.dictionaries(st.text(), value, max_size=4)
    return make(draw(st.integers(0, 99)), model=model, vocabulary=Vocabulary(np.array(sorted(code_points))),
                text=TextConfig(normalize=draw(st.sampled_from(["none", "nfc"]))),
                train=TrainConfig(lr=draw(st.none() | st.floats(1e-9, 1)), seed=draw(st.integers(0, 2**63 - 1))),
                progress=draw(record), corpus=draw(record), history=draw(st.lists(record, max_size=4)),
                version=draw(st.text(max_size=10)))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(checkpoints())
def test_what_is_encoded_is_decoded(checkpoint: Checkpoint) -> None:
    data = encode_checkpoint(checkpoint)
    assert_same(decode_checkpoint(data), checkpoint)
    assert encode_checkpoint(decode_checkpoint(data)) == data


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding_size", [0, 3])
def test_what_is_saved_is_loaded(tmp_path: Path, cell: str, embedding_size: int) -> None:
    checkpoint = make(model=ModelConfig(vocab_size=4, cell=cell, hidden_size=3, embedding_size=embedding_size))
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, checkpoint)
    assert_same(load_checkpoint(path, training_state=True), checkpoint)
    assert_same(load_checkpoint(path), dataclasses.replace(checkpoint, training_state={}))
    described = read_description(path)
    assert (described.model, described.vocabulary) == (checkpoint.model, checkpoint.vocabulary)
    assert (described.progress, described.corpus) == (checkpoint.progress, checkpoint.corpus)


@pytest.mark.parametrize("damaged", ["a path", "the last tensor"])
def test_no_description_is_taken_from_a_damaged_file(tmp_path: Path, damaged: str) -> None:
    data = bytearray(encode_checkpoint(make(corpus={"paths": ["novel.txt"]})))
    data[data.index(b"novel.txt") if damaged == "a path" else -1] ^= 1
    path = tmp_path / "last.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        read_description(path)


def test_loaded_arrays_can_be_trained_on() -> None:
    checkpoint = decode_checkpoint(encode_checkpoint(make()))
    assert all(array.flags.writeable and array.flags.owndata
               for array in (*checkpoint.weights.values(), *checkpoint.training_state.values()))


def test_same_checkpoint_same_bytes_in_another_process() -> None:
    code = "from tests.test_checkpoint import *; print(hashlib.sha256(encode_checkpoint(make())).hexdigest())"
    digests = {subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=True, text=True,
                              capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout for seed in "12"}
    assert digests == {hashlib.sha256(encode_checkpoint(make())).hexdigest() + "\n"}


def test_order_of_names_does_not_change_the_bytes() -> None:
    checkpoint = make()
    reordered = dataclasses.replace(checkpoint, weights=dict(reversed(checkpoint.weights.items())),
                                    progress=dict(reversed(checkpoint.progress.items())))
    assert encode_checkpoint(reordered) == encode_checkpoint(checkpoint)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda array: np.repeat(array, 2, axis=0)[::2],
                                    lambda array: array.astype(array.dtype.newbyteorder(">"))])
def test_memory_layout_does_not_change_the_bytes(change: Callable[[np.ndarray], np.ndarray]) -> None:
    checkpoint = make()
    weights = {name: change(array) for name, array in checkpoint.weights.items()}
    assert encode_checkpoint(dataclasses.replace(checkpoint, weights=weights)) == encode_checkpoint(checkpoint)


def test_checksum_is_what_the_format_says() -> None:
    data = encode_checkpoint(make())
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    checksum = json.loads(header["__metadata__"]["charrnn"])["checksum"]
    assert data.count(checksum.encode()) == 1
    assert hashlib.sha256(data.replace(checksum.encode(), ZEROS.encode())).hexdigest() == checksum


def test_the_library_reads_the_same_arrays() -> None:
    checkpoint = make()
    arrays = safetensors.numpy.load(encode_checkpoint(checkpoint))
    assert arrays.keys() == checkpoint.weights.keys() | checkpoint.training_state.keys()
    for name, array in {**checkpoint.weights, **checkpoint.training_state}.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.parametrize("cell", CELLS)
def test_pytorch_reads_the_weights(tmp_path: Path, cell: str) -> None:
    pytest.importorskip("torch")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    from tests.reference.pytorch import LAYERS

    checkpoint = make(model=ModelConfig(vocab_size=5, cell=cell, hidden_size=3), training_state={})
    save_checkpoint(tmp_path / "best.safetensors", checkpoint)
    loaded = safetensors_torch.load_file(tmp_path / "best.safetensors")
    module = LAYERS[cell](5, 3, checkpoint.model.num_layers)
    module.load_state_dict({name[len("rnn."):]: tensor for name, tensor in loaded.items() if name.startswith("rnn.")})
    for name, parameter in module.named_parameters():
        np.testing.assert_array_equal(parameter.detach().numpy(), checkpoint.weights[f"rnn.{name}"])


def test_a_file_of_format_1_stays_readable() -> None:
    loaded = load_checkpoint(GOLDEN, training_state=True)
    model = ModelConfig(vocab_size=3, cell="lstm", hidden_size=2, num_layers=1)
    assert (loaded.train.batch_size, loaded.train.lr) == (2, 0.1)  # the other settings may get new defaults
    assert_same(loaded, make(model=model, version="0.1.0", train=loaded.train, weights={
        name: np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
        for name, shape in parameter_shapes(model).items()}))


def test_a_very_long_history_loses_steps_evenly_and_keeps_the_rest() -> None:
    history: list[dict[str, Any]] = []
    for number in range(35_001):
        history = thinned([*history, {"event": "step", "step": number}])
        if number % 5_000 == 0:
            history = thinned([*history, {"event": "eval", "step": number}])
    stored = decode_checkpoint(encode_checkpoint(make(history=history))).history
    assert stored == history and 500 < len(stored) <= 2_000
    assert [event["step"] for event in stored if event["event"] == "eval"] == list(range(0, 35_001, 5_000))
    steps = [event["step"] for event in stored if event["event"] == "step"]
    assert steps[0] == 0 and max(np.diff([*steps, 35_001])) <= 4 * 35


def test_a_history_of_other_events_keeps_the_newest() -> None:
    history: list[dict[str, Any]] = [{"event": "eval", "step": number} for number in range(3_000)]
    assert thinned(history) == history[1_000:]
    assert len(thinned([{"event": "step", "step": 1}] * 3_000)) == 2_000


def test_nan_in_the_history_becomes_null() -> None:
    checkpoint = make(history=[{"grad_norm": float("inf"), "nested": [float("nan")]}])
    assert decode_checkpoint(encode_checkpoint(checkpoint)).history == [{"grad_norm": None, "nested": [None]}]


# --- what must not be written ---------------------------------------------------------------------------------------


def with_weight(name: str, array: np.ndarray) -> Checkpoint:
    checkpoint = make()
    return dataclasses.replace(checkpoint, weights={**checkpoint.weights, name: array})


@pytest.mark.parametrize(("checkpoint", "words"), [
    (with_weight("output.bias", np.array([0, np.nan, 0], np.float32)), "output.bias hold NaN or infinity"),
    (with_weight("output.bias", np.array([0, -np.inf, 0], np.float32)), "output.bias hold NaN or infinity"),
    (with_weight("output.bias", np.zeros(4, np.float32)), r"is F32 \(4,\) where its model needs F32 \(3,\)"),
    (with_weight("output.bias", np.zeros(3)), r"output.bias is F64"),
    (with_weight("rnn.weight_ih_l2", np.zeros(3, np.float32)), "its model has no tensor rnn.weight_ih_l2"),
    (make(weights={}), "it lacks the tensor embedding.weight"),
    (make(training_state={"moment": np.zeros(3)}), "its model has no tensor moment"),
    (make(training_state={"train.complex": np.zeros(3, complex)}), "train.complex has the type complex128"),
    (make(progress={"best_val_loss": float("inf")}), "progress or corpus holds NaN or infinity"),
    (make(corpus={"text": "x" * 16_000_000}), "larger than 16 MB"),
])
def test_what_is_wrong_is_not_written(tmp_path: Path, checkpoint: Checkpoint, words: str) -> None:
    with pytest.raises(CheckpointError, match=rf"last\.safetensors cannot be written: .*{words}.*; "):
        save_checkpoint(tmp_path / "last.safetensors", checkpoint)
    assert list(tmp_path.iterdir()) == []


# --- damage ---------------------------------------------------------------------------------------------------------


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield a file's every truncation, every single-bit flip, and one more byte at either end."""
    yield from (data[:size] for size in range(len(data)))
    yield from (data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1:]
                for place in range(len(data)) for bit in range(8))
    yield from (data + b"\0", b"\0" + data, data + b" ")


def undetected(data: bytes, share: float = 1.0) -> list[bytes]:
    """Return the damaged files, of a random share of them all, that are read as if nothing were wrong."""
    choice = random.Random(1)
    found = []
    for variant in damaged(data):
        if choice.random() < share:
            try:
                decode_checkpoint(variant)
            except CheckpointError:
                continue
            found.append(variant)
    return found


def test_every_bit_and_every_byte_counts() -> None:
    assert undetected(encode_checkpoint(make()), share=0.15) == []


@pytest.mark.slow
def test_every_bit_and_every_byte_counts_without_exception() -> None:
    assert undetected(encode_checkpoint(make())) == []


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_refused(data: bytes, sized: bool) -> None:
    assert refused(len(data).to_bytes(8, "little") + data if sized else data)


def test_damage_is_told_from_a_foreign_file(tmp_path: Path) -> None:
    data = encode_checkpoint(make())
    path = tmp_path / "best.safetensors"
    for content, ours in ((data, True), (data[:-5], True), (data[:30], False), (b"", False),
                          (safetensors.numpy.save({"a": np.zeros(3)}), False)):
        path.write_bytes(content)
        assert is_checkpoint(path) is ours
    assert not is_checkpoint(tmp_path)


# --- attacks --------------------------------------------------------------------------------------------------------


def setting(*path: str | int, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Return an edit that puts a value into the description, or with "tensors" first into the entries."""
    def edit(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        place: Any = {"tensors": tensors, **description}
        for key in path[:-1]:
            place = place[key]
        if len(path) == 1:
            place = description
        place[path[-1]] = value
    return edit


def removing(*names: str) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def edit(description: dict[str, Any], tensors: dict[str, Any]) -> None:
        for name in names:
            description.pop(name, None) if name in description else tensors.pop(name)
    return edit


def test_the_forger_can_forge() -> None:
    assert_same(decode_checkpoint(forged()), make(corpus={}))


BIAS = "output.bias"
DESCRIPTIONS = {
    "future": (setting("format_version", value=FORMAT_VERSION + 1), r"format 2, .* up to 1; install a newer"),
    "future of long ago": (setting("format_version", value=10**60), "install a newer charrnn"),
    "past": (setting("format_version", value=0), "format version"),
    "true version": (setting("format_version", value=True), "format version"),
    "text version": (setting("format_version", value="1"), "format version"),
    "no version": (removing("format_version"), "format version"),
    "no model": (removing("model"), 'lacks a valid "model"'),
    "no history": (removing("history"), 'lacks a valid "history"'),
    "odd history": (setting("history", value=[[]]), 'lacks a valid "history"'),
    "odd progress": (setting("progress", value=[]), 'lacks a valid "progress"'),
    "odd vocabulary": (setting("vocabulary", value=[97, 98, 99]), 'lacks a valid "vocabulary"'),
    "odd program": (setting("version", value=None), 'lacks a valid "version"'),
    "negative size": (setting("model", "hidden_size", value=-1), "--hidden-size must be a whole number"),
    "huge size": (setting("model", "hidden_size", value=10**9), "--hidden-size must be a whole number"),
    "large model": (setting("model", "hidden_size", value=65536), "where its model needs F32"),
    "many layers": (setting("model", "num_layers", value=1000), "lacks the tensor rnn.weight_ih_l2"),
    "real size": (setting("model", "hidden_size", value=2.0), "--hidden-size must be a whole number"),
    "unknown cell": (setting("model", "cell", value="../../x\x1b[31m\n"), "--cell must be one of"),
    "endless cell": (setting("model", "cell", value="x" * 10**6), "--cell must be one of"),
    "odd cell": (setting("model", "cell", value=["lstm"]), "--cell must be one of"),
    "unknown setting": (setting("train", "turbo", value=1), "settings this version does not know"),
    "unknown codec": (setting("text", "encoding", value="zip"), "no text encoding"),
    "NUL codec": (setting("text", "encoding", value="a\0b"), "no text encoding"),
    "odd codec": (setting("text", "encoding", value=8), "no text encoding"),
    "surrogate": (setting("vocabulary", "code_points", value=[97, 98, 0xD800]), "surrogates"),
    "no code point": (setting("vocabulary", "code_points", value=[97, 98, 0x110000]), "whole numbers"),
    "giant code point": (setting("vocabulary", "code_points", value=[97, 98, 10**50]), "whole numbers"),
    "unsorted": (setting("vocabulary", "code_points", value=[98, 97, 99]), "ascending"),
    "few characters": (setting("vocabulary", "code_points", value=[97, 98]), "has 2 characters and its model 3"),
    "other checksum": (setting("checksum", value="f" * 64), "damaged"),
    "odd checksum": (setting("checksum", value=1), 'lacks a valid "checksum"'),
    "NaN": (setting("progress", "epoch", value=float("nan")), "JSON with NaN"),
    "infinity": (setting("progress", "epoch", value=-float("inf")), "JSON with -Infinity"),
    "giant number": (setting("progress", "step", value=10**4000), "a number of 4001 digits"),
}
TENSORS = {
    "overlap": (setting("tensors", BIAS, "data_offsets", value=[0, 12]), "overlap others or leave a gap"),
    "beyond the end": (setting("tensors", BIAS, "data_offsets", value=[2**40, 2**40 + 12]), "leave a gap"),
    "backwards": (setting("tensors", BIAS, "data_offsets", value=[12, 0]), "contradicts itself"),
    "negative place": (setting("tensors", BIAS, "data_offsets", value=[-12, 0]), "contradicts itself"),
    "three places": (setting("tensors", BIAS, "data_offsets", value=[0, 6, 12]), "contradicts itself"),
    "real place": (setting("tensors", BIAS, "data_offsets", value=[0.0, 12.0]), "contradicts itself"),
    "2^62": (setting("tensors", BIAS, "shape", value=[0, 2**62]), "contradicts itself"),
    "2^62 of nothing": (setting("tensors", "train.more", value={
        "dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}), "contradicts itself"),
    "2^93 of nothing": (setting("tensors", "train.more", value={
        "dtype": "U8", "shape": [2**31, 2**31, 2**31, 0], "data_offsets": [0, 0]}), "contradicts itself"),
    "65 dimensions": (setting("tensors", BIAS, "shape", value=[1] * 64 + [3]), "contradicts itself"),
    "negative shape": (setting("tensors", BIAS, "shape", value=[-1, -3]), "contradicts itself"),
    "true shape": (setting("tensors", BIAS, "shape", value=[True, 3]), "contradicts itself"),
    "odd shape": (setting("tensors", BIAS, "shape", value=3), "contradicts itself"),
    "other shape": (setting("tensors", BIAS, "shape", value=[1, 3]), r"F32 \(1, 3\) where its model needs F32 \(3,\)"),
    "BF16": (setting("tensors", BIAS, "dtype", value="BF16"), "type BF16"),
    "wide type": (setting("tensors", BIAS, "dtype", value="F64"), "contradicts itself"),
    "same width": (setting("tensors", BIAS, "dtype", value="I32"), "is I32"),
    "odd type": (setting("tensors", BIAS, "dtype", value=["F32"]), "type"),
    "terminal type": (setting("tensors", BIAS, "dtype", value="\x1b[2J"), r"\\x1b"),
    "no type": (setting("tensors", BIAS, value={"shape": [3], "data_offsets": [0, 12]}), "contradicts itself"),
    "odd entry": (setting("tensors", BIAS, value=7), "contradicts itself"),
    "gap": (removing(BIAS), "overlap others or leave a gap|header promises"),
    "foreign tensor": (setting("tensors", "\x1b[2Jx" + "y" * 10**5, value={
        "dtype": "F32", "shape": [0], "data_offsets": [0, 0]}), r"no tensor \\x1b"),
}


@pytest.mark.parametrize("name", [*DESCRIPTIONS, *TENSORS])
def test_a_forged_header_is_refused(name: str) -> None:
    edit, words = (DESCRIPTIONS | TENSORS)[name]
    with pytest.raises(CheckpointError, match=words):
        decode_checkpoint(forged(edit))
    refused(forged(edit))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_forged_nan_weights_are_refused(value: float) -> None:
    place = parts()[1][BIAS]["data_offsets"][0]
    data = forged(body=lambda body: body[:place] + np.float32(value).tobytes() + body[place + 4:])
    assert "the weights output.bias hold NaN or infinity" in refused(data)


@pytest.mark.parametrize("body", [lambda body: body + b"\0", lambda body: body[:-1], lambda body: b""])
def test_more_or_fewer_bytes_than_the_header_promises_are_refused(body: Callable[[bytes], bytes]) -> None:
    assert "where its header promises" in refused(forged(body=body))


def test_a_header_that_promises_100_tb_is_refused() -> None:
    end = len(parts()[2])
    entry = {"dtype": "U8", "shape": [10**14], "data_offsets": [end, end + 10**14]}
    assert "where its header promises 1000000000" in refused(forged(setting("tensors", "train.huge", value=entry)))


EMPTY = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
HEADERS = {
    "nothing": ("", "damaged"),
    "no JSON": ("hello", "damaged"),
    "a list": ("[]", "no JSON object"),
    "a number": ("1" * 5000, "5000 digits"),
    "no metadata": ("{}", "another program wrote it"),
    "odd metadata": ('{"__metadata__":[]}', "metadata are no JSON object"),
    "odd description": ('{"__metadata__":{"charrnn":7}}', "another program wrote it"),
    "description is no JSON": ('{"__metadata__":{"charrnn":"x"}}', "description is damaged"),
    "description is a list": ('{"__metadata__":{"charrnn":"[]"}}', "description is no JSON object"),
    "surrogates": ('{"__metadata__":{"charrnn":"\\ud800"}}', "not ASCII"),
    "beyond ASCII": ('{"é":' + EMPTY + "}", "not ASCII"),
    "same key twice": ('{"a":' + EMPTY + ',"a":' + EMPTY + "}", "same key twice"),
    "same key twice, escaped": ('{"a":' + EMPTY + ',"\\u0061":' + EMPTY + "}", "same key twice"),
    "same key twice inside": ('{"__metadata__":{"charrnn":"{\\"a\\":1,\\"a\\":2}"}}', "same key twice"),
    "deep": ("[" * 100_000, "nested too deeply"),
    "deep inside": ('{"__metadata__":{"charrnn":"' + '{\\"a\\":' * 100_000 + '"}}', "nested too deeply"),
    "no float": ('{"a":1e999}', "no float can hold"),
    "a million lists": ("[" + "[]," * 10**6 + "[]]", "more entries than any model needs"),
    "a million tensors": ("{" + ",".join(f'"{i}":{EMPTY}' for i in range(200_000)) + "}", "more entries"),
    "a million texts": ('["' + '","' * 1_400_000 + '"]', "more entries"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_refused(name: str) -> None:
    text, words = HEADERS[name]
    assert words in refused(signed(text, b""))


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 10**14, 16 * 10**6 + 1])
def test_a_header_longer_than_any_is_refused(length: int) -> None:
    assert "longer than 16 MB" in refused(length.to_bytes(8, "little") + b"{}")


def test_same_description_twice_is_refused() -> None:
    data = forged()
    text = data[8:8 + int.from_bytes(data[:8], "little")].decode()
    twice = text[:-1] + ',"__metadata__":{}}'
    assert "same key twice" in refused(signed(twice, data[8 + len(text):]))


INFO = """
import sys
from charrnn.__main__ import main
code = main(["info", sys.argv[1]])
print(code, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(("data", "words"), [
    ("{" + ",".join(f'"{i:06x}":{EMPTY}' for i in range(49_000)) + "}", "another program wrote it"),
    ("[" + ",".join(f'"{i:06x}"' for i in range(499_000)) + "]", "no JSON object"),
    ("{" + ",".join(f'"{i:06x}":0' for i in range(199_000)) + "}", "contradicts itself"),
    ('{"__metadata__":{"charrnn":"[' + ",".join(map(str, range(10**6, 10**6 + 1_299_000))) + ']"}}', "no JSON object"),
    ('{"__metadata__":{"charrnn":"' + "a" * 15_900_000 + '\\ud83d"}}', "not ASCII"),
    ("[0." + "1" * 15_900_000 + "]", "no JSON object"),
])
def test_the_worst_headers_cost_little(tmp_path: Path, data: str, words: str) -> None:
    path = tmp_path / "worst.safetensors"
    path.write_bytes(signed(data, b""))
    result = subprocess.run([sys.executable, "-c", INFO, str(path)], cwd=Path(__file__).parents[1],
                            capture_output=True, text=True, check=False)
    assert words in result.stderr and result.stderr.count("\n") == 1
    code, peak = map(int, result.stdout.split())
    assert code == 1 and peak * 1024 < 200 * 10**6


@posix
def test_a_sparse_file_beyond_the_memory_is_refused_at_once(tmp_path: Path) -> None:
    length = 2**41  # 2 TB of zeros
    data = forged(lambda description, tensors: tensors.update({"train.zeros": {
        "dtype": "U8", "shape": [length - len(parts()[2])], "data_offsets": [len(parts()[2]), length]}}))
    path = tmp_path / "sparse.safetensors"
    path.write_bytes(data)
    try:
        os.truncate(path, 8 + int.from_bytes(data[:8], "little") + length)
    except OSError:
        pytest.skip("this file system has no files of 2 TB")
    with pytest.raises(CheckpointError, match=r"sparse\.safetensors .* take 2\.2e\+03 GB and this machine has"):
        load_checkpoint(path, training_state=True)


# --- files that are none --------------------------------------------------------------------------------------------


def test_paths_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"gone\\n does not exist; check the path"):
        load_checkpoint(tmp_path / "gone\n")
    with pytest.raises(CheckpointError, match="is a folder, not a checkpoint; name a file in it"):
        load_checkpoint(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CheckpointError, match="empty is no usable checkpoint: it ends after 0 bytes"):
        read_description(tmp_path / "empty")


@posix
def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(CheckpointError, match="is no regular file; copy the checkpoint into one"):
            load_checkpoint(path)


def test_a_file_that_is_replaced_while_it_is_read_gives_the_old_checkpoint(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from charrnn import tensor_file

    path = tmp_path / "best.safetensors"
    old, new = make(seed=1), make(seed=2)
    save_checkpoint(path, old)
    read_header = tensor_file.read_header

    def replace_meanwhile(file: Any) -> Any:
        save_checkpoint(path, new)
        return read_header(file)

    monkeypatch.setattr(tensor_file, "read_header", replace_meanwhile)
    assert_same(load_checkpoint(path, training_state=True), old)
    monkeypatch.undo()
    assert_same(load_checkpoint(path, training_state=True), new)
