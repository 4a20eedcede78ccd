"""Matrix products over register tiles: weights are packed once per update, activations are used where they lie.

Shapes: T steps, B rows of the batch, K summed over, N columns of the result. Every K and N is a multiple of `LANES`, so
no product has an edge. Each element of a result is one sum in a fixed order, whatever the number of rows or threads;
that is what makes results independent of how the work is divided.

The dtype of the packed weights selects the arithmetic: float32 and float64 are themselves; uint32 holds pairs of
bfloat16 values, and the other operand is rounded to bfloat16 on the way in.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from charrnn.kernels.jit import FASTMATH, jit
from charrnn.kernels.tile import (
    LANES,
    VECTOR_BYTES,
    VECTORS,
    address,
    interleave_bf16,
    keep_alive,
    multiply_rows,
    prepare,
    round_bf16_row,
)

#: Rows of activations that pass through one panel of weights before the next panel is taken up.
ROW_BLOCK = 192

#: Rows (time steps x batch) that a weight gradient is summed over before its result goes back to memory.
SUM_BLOCK = 256

#: Columns of a block that are summed over at a time: the block's part of them stays in a core's own cache meanwhile.
LEFT_COLUMNS = 192

#: Whether a product replaces what its result holds, or adds to it. (Plain 0 and 1 would each be compiled for.)
REPLACE, ADD = np.int64(0), np.int64(1)
_ZERO, _ONE = np.int64(0), np.int64(1)

#: One half of a float32's bits, and the bit that rounds what is cut off.
_HALF = np.uint32(0x7FFF)


class Sums(NamedTuple):
    """Room for the operands of sums over a block of rows."""

    left: np.ndarray  # (threads, SUM_BLOCK * (LEFT_COLUMNS + 2 * LANES)) for bfloat16, else (threads, 0)
    right: np.ndarray  # (threads, 2, SUM_BLOCK * K)

    def of(self, thread: int) -> Sums:
        """Return one thread's."""
        return Sums(self.left[thread], self.right[thread])


def packed_room(*shape: int, dtype: Any) -> np.ndarray:
    """Return zeros for packed weights or a scratch, which have to be made by this to be multiplied with."""
    prepare(dtype)
    return np.zeros(shape, dtype)


def sum_room(threads: int, widest: int, dtype: Any) -> Sums:
    """Return room for each of `threads` to sum over blocks; `widest` is the most columns that a right operand has."""
    copied = SUM_BLOCK * (LEFT_COLUMNS + 2 * LANES) if dtype == np.uint32 else 0  # others are read where they lie
    return Sums(packed_room(threads, copied, dtype=dtype),
                packed_room(threads, 2, SUM_BLOCK * widest, dtype=dtype))


@jit(inline="always")
def round_bf16(x):
    """Return the bits of float32 `x` rounded to bfloat16 (to nearest, ties to even), in the upper half of a uint32."""
    bits = np.float32(x).view(np.uint32)
    return np.uint32(bits + np.uint32(_HALF + np.uint32(np.uint32(bits >> np.uint32(16)) & np.uint32(1))))


@jit(inline="always")
def pair_bf16(low, high):
    """Return two float32 values as one pair of bfloat16 values, `low` first in memory."""
    return np.uint32(np.uint32(round_bf16(low) >> np.uint32(16)) | np.uint32(round_bf16(high) & np.uint32(0xFFFF0000)))


def _pack_row(low, high, row):
    raise NotImplementedError("compiled code only")


@overload(_pack_row, jit_options={"fastmath": FASTMATH}, inline="always")
def _pack_row_overload(low, high, row):
    """Fill one row of a panel from a row of the matrix, or with the pairs of two."""
    if row.dtype == types.uint32:

        def pairs(low, high, row):
            for n in range(row.size):
                row[n] = pair_bf16(low[n], high[n])

        return pairs

    def plain(low, high, row):
        for n in range(row.size):
            row[n] = low[n]

    return plain


def _pack_column(line, panel, step):
    raise NotImplementedError("compiled code only")


@overload(_pack_column, jit_options={"fastmath": FASTMATH}, inline="always")
def _pack_column_overload(line, panel, step):
    """Write a row of a transposed matrix, or its pairs, into a panel: in steps, each into the next row."""
    if panel.dtype == types.uint32:

        def pairs(line, panel, step):
            for k in range(line.size // 2):
                panel[np.uint64(k * step)] = pair_bf16(line[2 * k], line[2 * k + 1])

        return pairs

    def plain(line, panel, step):
        for k in range(line.size):
            panel[np.uint64(k * step)] = line[k]

    return plain


@jit
def pack(source, transposed, packed, first, last):
    """Copy panels `first` to `last` of a matrix into the order in which tiles read it.

    Parameters
    ----------
    source : (K, N), or (N, K) when `transposed` (0 or 1); contiguous.
    packed : (K * N,), or (K * N / 2,) uint32 for pairs of bfloat16 (out). Panel after panel of `VECTORS` vectors of
        columns (the last may be narrower), each as K rows.
    """
    flat = source.reshape(-1)
    n_len, k_len = source.shape if transposed else (source.shape[1], source.shape[0])
    factors = packed.size // n_len  # K, or K / 2 pairs
    together = k_len // factors
    width = VECTOR_BYTES * VECTORS // packed.itemsize
    for start in range(first * width, min(last * width, n_len), width):
        columns = min(width, n_len - start)
        panel = packed[start * factors:][:columns * factors]
        if transposed:  # read in order and write in steps: gathering takes longer
            for n in range(columns):
                _pack_column(flat[(start + n) * k_len:][:k_len], panel[n:], columns)
        else:
            for k in range(factors):
                low = flat[k * together * n_len + start:][:columns]
                high = flat[((k + 1) * together - 1) * n_len + start:][:columns]
                _pack_row(low, high, panel[k * columns:][:columns])


@jit
def panel_count(n_len, itemsize):
    """Return how many panels a packed matrix with `n_len` columns has."""
    width = VECTOR_BYTES * VECTORS // itemsize
    return -(-n_len // width)


def _left_operand(x, t, steps, first, last, packed, factors):
    raise NotImplementedError("compiled code only")


@overload(_left_operand, jit_options={"fastmath": FASTMATH})
def _left_operand_overload(x, t, steps, first, last, packed, factors):
    """Rows `first` to `last` of `steps` time steps as tiles read them: (owner, address, strides of a step, a row)."""
    if packed.dtype == types.uint32:

        def rounded(x, t, steps, first, last, packed, factors):
            out = np.empty((steps, last - first, factors), np.uint32)
            rows, k_len = x.shape[1], x.shape[2]
            for i in range(steps):
                for b in range(last - first):
                    round_bf16_row(address(x) + ((t + i) * rows + first + b) * k_len * x.itemsize,
                                   address(out) + (i * (last - first) + b) * factors * out.itemsize, 2 * factors)
            return out, address(out), (last - first) * factors, factors

        return rounded

    def as_is(x, t, steps, first, last, packed, factors):
        rows, k_len = x.shape[1], x.shape[2]
        return x, address(x) + (t * rows + first) * k_len * x.itemsize, rows * k_len, k_len

    return as_is


@jit
def _multiply_panels(x, packed, out, n_len, first, last, first_panel, last_panel, add):
    """As `multiply`, of some panels of the columns alone."""
    steps, batch = x.shape[:2]
    n_stride = out.shape[2]
    rows = last - first
    if rows <= 0:
        return
    width = VECTOR_BYTES * VECTORS // packed.itemsize
    lanes = VECTOR_BYTES // packed.itemsize
    factors = packed.size // n_len  # K, or K / 2 pairs
    panels, result = address(packed), address(out)
    block = max(1, ROW_BLOCK // rows)
    for t in range(0, steps, block):
        count = min(block, steps - t)
        owner, left, step_stride, row_stride = _left_operand(x, t, count, first, last, packed, factors)
        runs, run = count, rows
        if rows == batch:  # nothing lies between one step's rows and the next's
            runs, run = 1, count * rows
        for start in range(first_panel * width, min(last_panel * width, n_len), width):
            columns = min(width, n_len - start)
            for i in range(runs):
                multiply_rows(packed, left + i * step_stride * packed.itemsize, row_stride, _ONE,
                              panels + start * factors * packed.itemsize, columns,
                              result + (((t + i) * batch + first) * n_stride + start) * out.itemsize, n_stride, run,
                              columns // lanes, factors, add)
        keep_alive(owner)


@jit
def multiply(x, packed, out, n_len, first, last, add):
    """out[:, first:last, :n_len] (+)= x[:, first:last] @ packed.

    Parameters
    ----------
    x : (T, B, K or more) contiguous; the first K columns count.
    packed : (K * N,), as `pack` writes it.
    out : (T, B, N or more) contiguous (out).
    n_len : N.
    first, last : rows of the batch to do.
    add : `REPLACE` or `ADD`.
    """
    _multiply_panels(x, packed, out, n_len, first, last, _ZERO, panel_count(n_len, packed.itemsize), add)


@jit(inner=True)
def multiply_share(x, packed, out, n_len, share, add):
    """As `multiply`, of the rows and columns that are a thread's `Share`."""
    panels = panel_count(n_len, packed.itemsize)
    _multiply_panels(x, packed, out, n_len, share.first, share.last, panels * share.part // share.parts,
                     panels * (share.part + 1) // share.parts, add)


def _pack_rows(x, start, count, column, columns, packed):
    raise NotImplementedError("compiled code only")


@overload(_pack_rows, jit_options={"fastmath": FASTMATH})
def _pack_rows_overload(x, start, count, column, columns, packed):
    """Copy `count` rows of `columns` columns of (M, N) `x` next to each other; returns how many k there are."""
    if packed.dtype == types.uint32:

        def rounded(x, start, count, column, columns, packed):
            stride = x.shape[1] * x.itemsize
            low = address(x) + start * stride + column * x.itemsize
            for m in range(count // 2):
                interleave_bf16(low, low + stride, address(packed) + m * columns * packed.itemsize, columns)
                low += 2 * stride
            if count % 2:
                row, line = packed[count // 2 * columns:][:columns], x[start + count - 1][column:][:columns]
                for n in range(columns):
                    row[n] = np.uint32(round_bf16(line[n]) >> np.uint32(16))
            return (count + 1) // 2

        return rounded

    def as_is(x, start, count, column, columns, packed):
        for m in range(count):
            row = packed[m * columns:][:columns]
            line = x[start + m][column:][:columns]
            for n in range(columns):
                row[n] = line[n]
        return count

    return as_is


@jit
def pack_block(x, start, count, packed):
    """Copy `count` rows of (M, K) `x` into panels, as `multiply_block` reads its right operand.

    Returns the number of rows of a panel: `count`, or that of the pairs of rows.
    """
    width = VECTOR_BYTES * VECTORS // packed.itemsize
    k_len = 0
    for column in range(0, x.shape[1], width):
        k_len = _pack_rows(x, start, count, column, min(width, x.shape[1] - column), packed[column * k_len:])
    return k_len


def _left_columns(g, start, count, column, columns, left):
    raise NotImplementedError("compiled code only")


@overload(_left_columns, jit_options={"fastmath": FASTMATH})
def _left_columns_overload(g, start, count, column, columns, left):
    """Rows of (M, N) `g`, to be read by column, as tiles read them: (address, stride of k, how many k)."""
    if left.dtype == types.uint32:

        def rounded(g, start, count, column, columns, left):
            before = column % LANES  # whole vectors are converted, from the one on that holds the first column
            wide = (before + columns + LANES - 1) // LANES * LANES
            k_len = _pack_rows(g, start, count, column - before, wide, left)
            return address(left) + before * left.itemsize, wide, k_len

        return rounded

    def as_is(g, start, count, column, columns, left):
        return address(g) + (start * g.shape[1] + column) * g.itemsize, g.shape[1], count

    return as_is


@jit
def multiply_block(g, start, count, first, last, left, right, out, also_right, also_out, add):
    """out[first:last] (+)= g[start:start + count, first:last]^T @ x, and likewise of another x if there is one.

    Parameters
    ----------
    g : (M, R) contiguous.
    start, count : its rows that are summed over, at most `SUM_BLOCK`.
    left : room for `LEFT_COLUMNS` columns of them.
    right, also_right : x, (count, K), as `pack_block` writes it; the second may be empty.
    out, also_out : (R, K) (out).
    first, last : rows of `out` to do.
    """
    for column in range(first, last, LEFT_COLUMNS):
        columns = min(LEFT_COLUMNS, last - column)
        operand, stride, k_len = _left_columns(g, start, count, column, columns, left)
        _multiply_packed(operand, stride, k_len, right, out, column, columns, add)
        if also_right.size > 0:
            _multiply_packed(operand, stride, k_len, also_right, also_out, column, columns, add)


@jit
def _multiply_packed(operand, stride, k_len, right, out, row, rows, add):
    """Multiply columns at the address `operand`, `stride` apart in k, into `rows` rows of `out` from `row` on."""
    k_columns = out.shape[1]
    width = VECTOR_BYTES * VECTORS // right.itemsize
    lanes = VECTOR_BYTES // right.itemsize
    panels, result = address(right), address(out)
    for column in range(0, k_columns, width):
        columns = min(width, k_columns - column)
        multiply_rows(right, operand, _ONE, stride, panels + column * k_len * right.itemsize, columns,
                      result + (row * k_columns + column) * out.itemsize, k_columns, rows, columns // lanes, k_len, add)
