"""The register tile: the inner loop of every matrix product, emitted as LLVM IR.

A tile is `rows` x `vectors` accumulators that stay in registers over the whole sum:

    C[i, n] (+)= sum_k A[i * row_stride + k * k_stride] * B[k * b_stride + n]     i < rows, n < vectors * lanes

Compilers do not find this by themselves: Numba's loops spill the accumulators, and a BLAS packs the same weights again
at every step of a recurrent net. What varies with the CPU is the vector's width and the number of registers, so the
widths are chosen from the features that Numba compiles for (environment variables NUMBA_CPU_NAME and NUMBA_CPU_FEATURES
included).

The element type comes from the arguments: float32 and float64 use the fused multiply-add, uint32 is a pair of bfloat16
values that follow each other in k, multiplied by the AVX512_BF16 dot product with float32 accumulators.
"""

from __future__ import annotations

import ctypes
import os

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic

from charrnn.kernels.jit import compile_c


def _features() -> set[str]:
    """Return the names of the vector extensions that Numba generates code for."""
    if "NUMBA_CPU_FEATURES" in os.environ:
        return {name[1:] for name in os.environ["NUMBA_CPU_FEATURES"].split(",") if name.startswith("+")}
    if os.environ.get("NUMBA_CPU_NAME") == "generic":
        return set()
    return {name for name, present in llvm.get_host_cpu_features().items() if present}


FEATURES = _features()

#: Bytes in a vector register, and vectors in a row of the tile: 24 of 32, 12 of 16 or 24 of 32 registers accumulate.
if "avx512f" in FEATURES:
    VECTOR_BYTES, VECTORS = 64, 4
elif "avx" in FEATURES:
    VECTOR_BYTES, VECTORS = 32, 2
elif "neon" in FEATURES or "asimd" in FEATURES:
    VECTOR_BYTES, VECTORS = 16, 4
else:
    VECTOR_BYTES, VECTORS = 16, 2

#: Rows of the largest tile.
ROWS = 6

#: Columns of a full panel of packed float32 (or pairs of bfloat16), and the multiple that sizes are padded to.
LANES = VECTOR_BYTES // 4
PANEL = LANES * VECTORS

HAS_BF16 = "avx512bf16" in FEATURES and VECTOR_BYTES == 64

if HAS_BF16:
    llvm.initialize_native_asmparser()  # the dot product is written as inline assembly


class _Element:
    """What the tile needs to know about an element type: its LLVM types, its lanes and its multiply-add."""

    def __init__(self, element: types.Type) -> None:
        self.pairs = element == types.uint32
        self.bytes = 8 if element == types.float64 else 4
        self.lanes = VECTOR_BYTES // self.bytes
        scalar = ir.DoubleType() if element == types.float64 else ir.FloatType()
        self.sum_scalar = scalar
        self.sum = ir.VectorType(scalar, self.lanes)
        self.factor_scalar = ir.IntType(32) if self.pairs else scalar
        self.factor = ir.VectorType(self.factor_scalar, self.lanes)

    def multiply_add(self, builder: ir.IRBuilder, a: ir.Value, b: ir.Value, total: ir.Value) -> ir.Value:
        if self.pairs:
            kind = ir.FunctionType(self.sum, [self.sum, self.factor, self.factor])
            return builder.asm(kind, "vdpbf16ps $3, $2, $0", "=v,0,v,v", [total, a, b], side_effect=False)
        name = f"llvm.fma.v{self.lanes}f{8 * self.bytes}"
        fma = builder.module.globals.get(name)
        if fma is None:
            fma = ir.Function(builder.module, ir.FunctionType(self.sum, [self.sum] * 3), name)
        return builder.call(fma, [a, b, total])


def _prefetch(builder, pointer):
    """Ask for the cache line at `pointer`, to be written soon; the sum is long enough for it to arrive meanwhile."""
    i8, i32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    name = "llvm.prefetch.p0i8"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [i8, i32, i32, i32]), name)
    builder.call(function, [builder.bitcast(pointer, i8), ir.Constant(i32, 1), ir.Constant(i32, 3),
                            ir.Constant(i32, 1)])


def _emit_tile(builder, element, rows, vectors, a, row_stride, k_stride, b, b_stride, c, c_stride, k_len, add, done):
    """Emit the loop over k for one size of tile, then the stores, then a jump to `done`."""
    i64, i32 = ir.IntType(64), ir.IntType(32)
    zero = ir.Constant(element.sum, [0.0] * element.lanes)
    undefined = ir.Constant(element.factor, ir.Undefined)
    splat = ir.Constant(ir.VectorType(i32, element.lanes), [0] * element.lanes)
    size = [(i, j) for i in range(rows) for j in range(vectors)]

    for i, j in size:
        _prefetch(builder, builder.gep(c, [builder.add(builder.mul(c_stride, ir.Constant(i64, i)),
                                                       ir.Constant(i64, j * element.lanes))]))
    entry = builder.block
    a_rows = [builder.gep(a, [builder.mul(row_stride, ir.Constant(i64, i))]) for i in range(rows)]
    loop = builder.append_basic_block("k")
    builder.branch(loop)

    builder.position_at_end(loop)
    k = builder.phi(i64)
    totals = {place: builder.phi(element.sum) for place in size}
    b_row = builder.gep(b, [builder.mul(k, b_stride)])
    right = []
    for j in range(vectors):
        pointer = builder.gep(b_row, [ir.Constant(i64, j * element.lanes)])
        right.append(builder.load(builder.bitcast(pointer, element.factor.as_pointer()), align=element.bytes))
    a_step = builder.mul(k, k_stride)
    sums = {}
    for i in range(rows):
        scalar = builder.load(builder.gep(a_rows[i], [a_step]))
        left = builder.insert_element(undefined, scalar, ir.Constant(i32, 0))
        left = builder.shuffle_vector(left, undefined, splat)
        for j in range(vectors):
            sums[i, j] = element.multiply_add(builder, left, right[j], totals[i, j])
    k_next = builder.add(k, ir.Constant(i64, 1))
    for phi, first, later in [(k, ir.Constant(i64, 0), k_next), *((totals[p], zero, sums[p]) for p in size)]:
        phi.add_incoming(first, entry)
        phi.add_incoming(later, loop)
    store = builder.append_basic_block("store")
    builder.cbranch(builder.icmp_signed("<", k_next, k_len), loop, store)

    builder.position_at_end(store)
    accumulate, overwrite = builder.append_basic_block("accumulate"), builder.append_basic_block("overwrite")
    builder.cbranch(builder.icmp_signed("!=", add, ir.Constant(i64, 0)), accumulate, overwrite)
    for block in (accumulate, overwrite):
        builder.position_at_end(block)
        for i, j in size:
            pointer = builder.gep(c, [builder.add(builder.mul(c_stride, ir.Constant(i64, i)),
                                                  ir.Constant(i64, j * element.lanes))])
            pointer = builder.bitcast(pointer, element.sum.as_pointer())
            total = sums[i, j]
            if block is accumulate:
                total = builder.fadd(builder.load(pointer, align=element.bytes), total)
            builder.store(total, pointer, align=element.bytes)
        builder.branch(done)


@intrinsic
def address(typing_context, array):
    """Return the address of an array's first element: what tiles take, so that one compilation serves every shape."""

    def emit(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.intp(array), emit


@intrinsic
def keep_alive(typing_context, array):
    """Do nothing, but after whatever uses the array's address: Numba frees an array after the last use it sees."""
    return types.void(array), lambda context, builder, signature, arguments: context.get_dummy_value()


def _convert_loop(builder, count, step, emit):
    """Emit a loop that calls `emit` with i = 0, step, ... below `count` (an i64 above 0)."""
    entry, loop, done = builder.block, builder.append_basic_block("convert"), builder.append_basic_block("converted")
    builder.branch(loop)
    builder.position_at_end(loop)
    i = builder.phi(ir.IntType(64))
    emit(i)
    following = builder.add(i, ir.Constant(ir.IntType(64), step))
    i.add_incoming(ir.Constant(ir.IntType(64), 0), entry)
    i.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, done)
    builder.position_at_end(done)


@intrinsic
def interleave_bf16(typing_context, low, high, target, count):
    """Round two rows of float32 to bfloat16 and store them as pairs, `low` first in each.

    `low`, `high` and `target` are addresses; `count`, a multiple of 16 above 0, is that of the pairs.
    """
    signature = types.void(types.intp, types.intp, types.intp, types.intp)

    def emit(context, builder, signature, arguments):
        low, high, target, count = arguments
        floats, halves = ir.VectorType(ir.FloatType(), 16), ir.VectorType(ir.IntType(16), 32)
        low, high = (builder.inttoptr(row, ir.FloatType().as_pointer()) for row in (low, high))
        target = builder.inttoptr(target, ir.IntType(32).as_pointer())
        order = ir.Constant(ir.VectorType(ir.IntType(32), 32), [i // 2 + 16 * (i % 2) for i in range(32)])

        def sixteen(i):
            rows = [builder.load(builder.bitcast(builder.gep(row, [i]), floats.as_pointer()), align=4)
                    for row in (high, low)]
            kind = ir.FunctionType(halves, [floats, floats])
            both = builder.asm(kind, "vcvtne2ps2bf16 $2, $1, $0", "=v,v,v", rows, side_effect=False)
            pairs = builder.shuffle_vector(both, ir.Constant(halves, ir.Undefined), order)
            builder.store(pairs, builder.bitcast(builder.gep(target, [i]), halves.as_pointer()), align=4)

        _convert_loop(builder, count, 16, sixteen)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def round_bf16_row(typing_context, source, target, count):
    """Round a row of float32 to bfloat16, kept in order: elements 2 k and 2 k + 1 become pair k.

    `source` and `target` are addresses; `count`, a multiple of 16 above 0, is that of the elements.
    """
    signature = types.void(types.intp, types.intp, types.intp)

    def emit(context, builder, signature, arguments):
        source, target, count = arguments
        floats, halves = ir.VectorType(ir.FloatType(), 16), ir.VectorType(ir.IntType(16), 16)
        source = builder.inttoptr(source, ir.FloatType().as_pointer())
        target = builder.inttoptr(target, ir.IntType(16).as_pointer())

        def sixteen(i):
            row = builder.load(builder.bitcast(builder.gep(source, [i]), floats.as_pointer()), align=4)
            kind = ir.FunctionType(halves, [floats])
            rounded = builder.asm(kind, "vcvtneps2bf16 $1, $0", "=v,v", [row], side_effect=False)
            builder.store(rounded, builder.bitcast(builder.gep(target, [i]), halves.as_pointer()), align=2)

        _convert_loop(builder, count, 16, sixteen)
        return context.get_dummy_value()

    return signature, emit


def _tile_of(element_type):
    """Return the intrinsic for one element type; see the head of this file."""
    element = _Element(element_type)

    @intrinsic
    def multiply_tile(typing_context, rows, vectors, a, row_stride, k_stride, b, b_stride, c, c_stride, k_len, add):
        """Multiply one tile of `rows` (1 to ROWS) x `vectors` (1 to VECTORS) vectors.

        `a`, `b` and `c` are addresses; strides count elements; `k_len` is at least 1; `add` not 0 keeps what `c` holds.
        Nothing is checked: the caller answers for the bounds.
        """

        def emit(context, builder, signature, arguments):
            rows, vectors, a, row_stride, k_stride, b, b_stride, c, c_stride, k_len, add = arguments
            a, b = (builder.inttoptr(x, element.factor_scalar.as_pointer()) for x in (a, b))
            c = builder.inttoptr(c, element.sum_scalar.as_pointer())
            done = builder.append_basic_block("done")
            size = builder.add(builder.mul(rows, ir.Constant(ir.IntType(64), VECTORS + 1)), vectors)
            switch = builder.switch(size, done)
            for r in range(1, ROWS + 1):
                for v in range(1, VECTORS + 1):
                    block = builder.append_basic_block(f"tile_{r}x{v}")
                    switch.add_case(ir.Constant(ir.IntType(64), r * (VECTORS + 1) + v), block)
                    builder.position_at_end(block)
                    _emit_tile(builder, element, r, v, a, row_stride, k_stride, b, b_stride, c, c_stride, k_len, add,
                               done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 11), emit

    return multiply_tile


def multiply_tile(rows, vectors, a, row_stride, k_stride, b, b_stride, c, c_stride, k_len, add):
    """Stand-in for the intrinsic of an element type."""
    raise NotImplementedError


def _multiply_rows(a, row_stride, k_stride, b, b_stride, c, c_stride, m_len, vectors, k_len, add):
    """Multiply `m_len` rows at address `a` with one panel at address `b`, in tiles of nearly equal height."""
    tiles = (m_len + ROWS - 1) // ROWS
    for i in range(tiles):
        rows = m_len // tiles + (1 if i < m_len % tiles else 0)
        multiply_tile(rows, vectors, a, row_stride, k_stride, b, b_stride, c, c_stride, k_len, add)
        a += rows * row_stride * ELEMENT_BYTES
        c += rows * c_stride * ELEMENT_BYTES


#: Stand-in for the size of the element type that `_multiply_rows` is compiled for.
ELEMENT_BYTES = 4

# Numba optimises everything that a kernel calls again with that kernel, which for the tiles took longer than all the
# rest. So they are compiled once for themselves, and kernels call them by address, which they find under this name.
_ELEMENTS = (types.float32, types.float64, types.uint32)
_ADDRESSES = (ctypes.c_int64 * len(_ELEMENTS))()
_SYMBOL = "charrnn_multiply_rows"
llvm.add_symbol(_SYMBOL, ctypes.addressof(_ADDRESSES))


def prepare(dtype) -> None:
    """Make sure that tiles of packed elements of this dtype can be called; kernels crash without."""
    index = _ELEMENTS.index(from_dtype(np.dtype(dtype)))
    if not _ADDRESSES[index]:
        element = _ELEMENTS[index]
        _ADDRESSES[index] = compile_c(_multiply_rows, str(element), types.void(*[types.intp] * 11),
                                      multiply_tile=_tile_of(element), ELEMENT_BYTES=np.dtype(dtype).itemsize).address


@intrinsic
def multiply_rows(typing_context, packed, a, row_stride, k_stride, b, b_stride, c, c_stride, m_len, vectors, k_len,
                  add):
    """Call the tiles for the element type of the array `packed`; the other arguments are those of `_multiply_rows`."""
    index = _ELEMENTS.index(packed.dtype)

    def emit(context, builder, signature, arguments):
        i64 = ir.IntType(64)
        table = builder.module.globals.get(_SYMBOL)
        if table is None:
            table = ir.GlobalVariable(builder.module, ir.ArrayType(i64, len(_ELEMENTS)), _SYMBOL)
        place = builder.gep(table, [ir.Constant(i64, 0), ir.Constant(i64, index)])
        kind = ir.FunctionType(ir.VoidType(), [i64] * 11)
        builder.call(builder.inttoptr(builder.load(place), kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(packed, *[types.intp] * 11), emit
