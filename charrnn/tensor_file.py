"""The safetensors container, written by its library and read with distrust.

A file is the length of its header (8 bytes, little-endian), the header (a JSON object: for each tensor its type, shape
and place; under "__metadata__" texts), and the tensors' bytes without gaps. The library accepts duplicate keys, answers
some malformed headers with stray exceptions, and opens a path by itself, behind which another file may stand by then.
So reading is done here, from a file that is open: nothing is allocated that the file's size does not vouch for.
"""

from __future__ import annotations

import math
import os
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import safetensors.numpy

from charrnn import strict_json
from charrnn.storage import printable

MAX_HEADER = 16 * 10**6  # bytes
MAX_RANK = 8
MAX_ELEMENTS = 2**48  # of a shape whose zeros count as ones: NumPy multiplies those too, though such a tensor is empty
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1"}


class Unusable(Exception):
    """Why a file is refused, and what to do about it; whoever knows the file's name adds it."""

    def __init__(self, why: str, advice: str = "give a file charrnn wrote; copy it again if it was damaged") -> None:
        super().__init__(f"{why}; {advice}")


class Tensor(NamedTuple):
    """An entry of the header; `begin` and `end` are bytes from the end of the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """A header whose tensors, in the order of their places, fill the file; `length` includes the first 8 bytes."""

    tensors: list[Tensor]
    metadata: dict[str, Any]
    length: int


def encode(tensors: dict[str, np.ndarray], key: str, text: str) -> bytearray:
    """Return a file's bytes, with one text in the metadata: the library writes several in random order."""
    # The library stores the memory of a transposed or big-endian array as if it were plain.
    plain = {name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C") for name, array in tensors.items()}
    data = bytearray(safetensors.numpy.save(plain, metadata={key: text}))
    if int.from_bytes(data[:8], "little") > MAX_HEADER:
        raise Unusable(f"its description is larger than {MAX_HEADER / 1e6:g} MB", "train with a smaller vocabulary")
    return data


def read_header(file: BinaryIO) -> Header:
    """Return the header of an open file, checked against the file's size; raise `Unusable` if anything is wrong."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise Unusable(f"its header would be longer than {MAX_HEADER / 1e6:g} MB")
    if size < 8 + length:
        raise Unusable(f"it ends after {size} bytes, within its header")
    entries = parse_object(file.read(length), "header")
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise Unusable("its metadata are no JSON object")
    tensors = sorted((_tensor(name, entry) for name, entry in entries.items()),
                     key=lambda tensor: (tensor.begin, tensor.end, tensor.name))
    position = 0
    for tensor in tensors:
        if tensor.begin != position:
            raise Unusable(f"the data of the tensor {printable(tensor.name, 80)} overlap others or leave a gap")
        position = tensor.end
    if 8 + length + position != size:
        raise Unusable(f"it has {size} bytes where its header promises {printable(str(8 + length + position), 40)}")
    return Header(tensors, metadata, 8 + length)


def read_tensor(file: BinaryIO, header: Header, tensor: Tensor) -> np.ndarray:
    """Return a tensor of an open file as an array of its own, in the machine's byte order."""
    array = np.empty(tensor.shape, DTYPES[tensor.dtype])
    file.seek(header.length + tensor.begin)
    if array.nbytes and file.readinto(array.reshape(-1).view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
        raise Unusable("it became shorter while it was read")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def parse_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Return a JSON object; raise `Unusable` if the text, ASCII as all JSON that charrnn writes, is anything else."""
    try:
        # One character beyond ASCII would make Python's copies of a text up to four times as large.
        if not text.isascii():
            raise ValueError("not ASCII")
        value = strict_json.parse(text if isinstance(text, str) else text.decode("ascii"))
    except ValueError as error:
        raise Unusable(f"its {what} is damaged ({printable(str(error), 100)})") from None
    if not isinstance(value, dict):
        raise Unusable(f"its {what} is no JSON object")
    return value


def _tensor(name: str, entry: object) -> Tensor:
    if isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"}:
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise Unusable(f"the tensor {printable(name, 80)} has the type {printable(str(dtype)[:20])}, "
                           "which charrnn does not use")
        if (_are_counts(shape) and len(shape) <= MAX_RANK and math.prod(size or 1 for size in shape) <= MAX_ELEMENTS
                and _are_counts(offsets) and len(offsets) == 2
                and math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize == offsets[1] - offsets[0]):
            return Tensor(name, dtype, tuple(shape), *offsets)
    raise Unusable(f"its entry for the tensor {printable(name, 80)} contradicts itself")


def _are_counts(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)
