"""The kernels one by one: matrix products of every tile size, element-wise functions, softmax, random numbers.

Their combination is tested through the network, in `test_network`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from charrnn.kernels import activation, generate, product
from charrnn.kernels.jit import _source_hash, is_compiled, jit, mark_compiled, noticing_compilation
from charrnn.kernels.product import (
    ADD,
    LEFT_COLUMNS,
    REPLACE,
    SUM_BLOCK,
    multiply,
    multiply_block,
    pack,
    pack_block,
    packed_room,
    panel_count,
    sum_room,
)
from charrnn.kernels.random import drop, mix, uniform
from charrnn.kernels.softmax import cross_entropy, softmax
from charrnn.kernels.tile import HAS_BF16, LANES, PANEL, ROWS, VECTORS

#: Element types of packed weights, with the error that a product may have, as a share of the sum of its terms' sizes.
#: Rounding a factor to bfloat16, eight bits, gives at most 2^-8.
PACKED = [
    pytest.param(np.float32, 1e-6, id="f32"),
    pytest.param(np.float64, 2e-15, id="f64"),
    pytest.param(np.uint32, 2**-8, id="bf16", marks=pytest.mark.skipif(not HAS_BF16, reason="no bfloat16 here")),
]


def dense(packed: type) -> type:
    """Return the dtype of the arrays that go with packed weights of that dtype."""
    return np.float64 if packed == np.float64 else np.float32


def packed_size(packed: type, rows: int, columns: int) -> int:
    return rows * columns // (2 if packed == np.uint32 else 1)


def exact_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a @ b, and the sum of the terms' sizes, which is what rounding is proportional to."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return a @ b, np.abs(a) @ np.abs(b)


def assert_product(got: np.ndarray, expected: tuple[np.ndarray, np.ndarray], tolerance: float) -> None:
    """Compare each element, and, more sharply where rounding errors cancel, all of them."""
    exact, size = expected
    assert (np.abs(got - exact) <= 2.01 * tolerance * size).all()
    assert np.linalg.norm(got - exact) <= tolerance * np.linalg.norm(exact)


@pytest.mark.parametrize("packed, tolerance", PACKED)
@pytest.mark.parametrize("k_len", [LANES, 3 * LANES])
def test_multiply(packed: type, tolerance: float, k_len: int) -> None:
    rng, dtype = np.random.default_rng(1), dense(packed)
    # Widths around whole panels: 1 to 5 panels, each with every number of vectors left over.
    for vectors in range(1, 5 * VECTORS + 1):
        columns = vectors * LANES
        weights = rng.standard_normal((columns, k_len)).astype(dtype)
        room = packed_room(packed_size(packed, k_len, columns), dtype=packed)
        pack(weights, np.int64(1), room, 0, panel_count(columns, room.itemsize))
        straight = np.zeros_like(room)
        pack(np.ascontiguousarray(weights.T), np.int64(0), straight, 0, panel_count(columns, room.itemsize))
        np.testing.assert_array_equal(straight, room)
        for rows in range(1, 2 * ROWS + 2):
            x = rng.standard_normal((1, rows, k_len)).astype(dtype)
            out = np.full((1, rows, columns), np.nan, dtype)
            multiply(x, room, out, out.shape[2], 0, rows, REPLACE)
            assert_product(out, exact_product(x, weights.T), tolerance)


@pytest.mark.parametrize("packed, tolerance", PACKED)
def test_multiply_touches_its_own_rows_alone_and_can_add(packed: type, tolerance: float) -> None:
    rng, dtype = np.random.default_rng(2), dense(packed)
    # More rows than a block of them, so that several blocks of time steps are gone through.
    steps, batch, k_len, columns = 30, 13, 2 * LANES, PANEL + LANES
    x = rng.standard_normal((steps, batch, k_len + LANES)).astype(dtype)  # only the first columns count
    x = np.ascontiguousarray(x)
    weights = rng.standard_normal((columns, k_len)).astype(dtype)
    room = packed_room(packed_size(packed, k_len, columns), dtype=packed)
    pack(weights, np.int64(1), room, 0, panel_count(columns, room.itemsize))
    exact, size = exact_product(x[..., :k_len], weights.T)
    for first, last in [(0, 13), (0, 5), (5, 13), (4, 5)]:
        out = np.full((steps, batch, columns), 7, dtype)
        multiply(x, room, out, out.shape[2], first, last, REPLACE)
        assert_product(out[:, first:last], (exact[:, first:last], size[:, first:last]), tolerance)
        assert (np.delete(out, np.s_[first:last], axis=1) == 7).all()
        multiply(x, room, out, out.shape[2], first, last, ADD)
        assert_product(out[:, first:last], (2 * exact[:, first:last], 2 * size[:, first:last]), tolerance)
        assert (np.delete(out, np.s_[first:last], axis=1) == 7).all()
    out = np.full((steps, batch, columns), 7, dtype)
    multiply(x, room, out, out.shape[2], 6, 6, REPLACE)
    assert (out == 7).all()


@pytest.mark.parametrize("packed, tolerance", PACKED)
@pytest.mark.parametrize("m_len", [1, 2, 7, SUM_BLOCK, SUM_BLOCK + 1, 2 * SUM_BLOCK + 3])
def test_multiply_block(packed: type, tolerance: float, m_len: int) -> None:
    rng, dtype = np.random.default_rng(3), dense(packed)
    wide = LEFT_COLUMNS + 2 * LANES
    for vectors, others in ((1, 0), (VECTORS, 1), (VECTORS + 1, VECTORS), (3 * VECTORS - 1, 3 * VECTORS)):
        g = rng.standard_normal((m_len, wide)).astype(dtype)
        xs = [rng.standard_normal((m_len, count * LANES)).astype(dtype) for count in (vectors, others)]
        left, right = sum_room(2, 3 * VECTORS * LANES, packed).of(1)
        for first, last in [(0, wide), (0, 5), (6, wide - 1), (LANES + 3, LANES + 3 + LEFT_COLUMNS), (3, 3)]:
            outs = [np.full((wide, x.shape[1]), 7, dtype) for x in xs]
            for start in range(0, m_len, SUM_BLOCK):
                count = min(SUM_BLOCK, m_len - start)
                for x, room in zip(xs, right):
                    pack_block(x, start, count, room)
                other = right[1] if others else right[1, :0]
                multiply_block(g, start, count, first, last, left, right[0], outs[0], other, outs[1],
                               ADD if start else REPLACE)
            for x, out in zip(xs, outs):
                if last > first and x.size:
                    exact, size = exact_product(g.T, x)
                    assert_product(out[first:last], (exact[first:last], size[first:last]), tolerance)
                assert (np.delete(out, np.s_[first:last], axis=0) == 7).all()


@pytest.mark.parametrize("packed", [np.float32, np.float64])
def test_pack_in_shares_equals_packing_at_once(packed: type) -> None:
    weights = np.random.default_rng(4).standard_normal((5 * PANEL + LANES, LANES)).astype(packed)
    panels = panel_count(len(weights), np.dtype(packed).itemsize)
    at_once, in_shares = np.zeros(weights.size, packed), np.zeros(weights.size, packed)
    pack(weights, np.int64(1), at_once, 0, panels)
    pack(weights, np.int64(1), in_shares, 0, 2)
    assert in_shares.any() and not np.array_equal(in_shares, at_once)
    pack(weights, np.int64(1), in_shares, 2, panels)
    np.testing.assert_array_equal(in_shares, at_once)
    np.testing.assert_array_equal(np.sort(at_once), np.sort(weights.reshape(-1)))


def test_bfloat16_rounds_to_nearest_and_ties_to_even() -> None:
    @numba.njit
    def rounded(values: np.ndarray) -> np.ndarray:
        out = np.empty(values.size, np.uint32)
        for i in range(values.size):
            out[i] = product.round_bf16(values[i])
        return out

    values = np.array([0x3F800000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F818000, 0xBF818000, 0x7F800000], np.uint32)
    expected = np.array([0x3F80, 0x3F80, 0x3F80, 0x3F81, 0x3F82, 0xBF82, 0x7F80])
    np.testing.assert_array_equal(rounded(values.view(np.float32)) >> 16, expected)


def applied(name: str) -> Any:
    """Return a compiled function that applies one of `charrnn.kernels.activation` to each element."""
    function = getattr(activation, name)

    @numba.njit
    def over(values: np.ndarray) -> np.ndarray:
        out = np.empty_like(values)
        for i in range(values.size):
            out[i] = function(values[i])
        return out

    return over


def spread(low: float, high: float) -> np.ndarray:
    """Return float32 numbers of all sizes between two limits, 0 and the smallest ones included."""
    tiny = np.float32(10.0) ** np.arange(-45, 0).astype(np.float32)
    values = np.concatenate([np.linspace(low, high, 200_001), tiny, -tiny, [0.0]]).astype(np.float32)
    return values[(values >= low) & (values <= high)]


def test_tanh_and_sigmoid_are_accurate_and_bounded() -> None:
    x = np.concatenate([spread(-20, 20), np.float32([-np.inf, -3e38, 3e38, np.inf])])
    for name, exact in (("tanh", np.tanh(x.astype(float))), ("sigmoid", 0.5 + 0.5 * np.tanh(x.astype(float) / 2))):
        got = applied(name)(x)
        assert np.abs(got - exact).max() < 3.5e-7, name
    assert np.abs(applied("tanh")(x)).max() <= 1
    assert applied("sigmoid")(x).min() >= 0
    small = spread(-1e-3, 1e-3)
    small = small[np.abs(small) > 1e-30]
    assert np.abs(applied("tanh")(small) / np.tanh(small.astype(float)) - 1).max() < 5e-7  # relative near 0
    exact = np.linspace(-30, 30, 1001)
    np.testing.assert_allclose(applied("tanh")(exact), np.tanh(exact), rtol=1e-15)
    np.testing.assert_allclose(applied("sigmoid")(exact), 1 / (1 + np.exp(-exact)), rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp"])
def test_nan_stays_nan(name: str, dtype: type) -> None:
    x = np.linspace(-9, 0, 67).astype(dtype)
    x[[0, 5, 17, 66]] = np.nan  # in the vectorised part and in the rest
    np.testing.assert_array_equal(np.isnan(applied(name)(x)), np.isnan(x))


def test_exp_is_accurate_and_vanishes_far_below_zero() -> None:
    x = spread(-86.9, 0)
    assert np.abs(applied("exp")(x) / np.exp(x.astype(float)) - 1).max() < 2.5e-7
    assert applied("exp")(np.float32([0.0]))[0] == 1
    assert not applied("exp")(np.float32([-88, -1e4, -3e38, -np.inf])).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_is_exact_and_safe(dtype: type) -> None:
    rng = np.random.default_rng(5)
    for logits in (rng.normal(0, 3, 65), np.array([1e4, -1e4, 0.0, 9999.0]), np.full(7, -1e4), np.full(5, 3e38)):
        row = logits.astype(dtype)
        shifted = row.astype(float) - row.max()
        log_total, top = softmax(row)
        np.testing.assert_allclose(row, np.exp(shifted) / np.exp(shifted).sum(), rtol=1e-6, atol=1e-37)
        assert top == logits.astype(dtype).max()
        assert log_total == pytest.approx(np.log(np.exp(shifted).sum()), abs=1e-6)


def loss_and_gradient(logits: np.ndarray, targets: np.ndarray, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return losses (T, B) and gradient (T, B, V) of logits, with padding and a bias that come to nothing."""
    steps, batch, vocab = logits.shape
    padded = np.full((steps, batch, vocab + 3), 5, np.float32)
    bias = np.linspace(-1, 1, vocab + 3).astype(np.float32)
    padded[..., :vocab] = logits - bias[:vocab]
    losses = np.full((steps, batch), 5, np.float32)
    cross_entropy(padded, bias, targets, losses, vocab, scale, 0, batch)
    assert not padded[..., vocab:].any() or np.isnan(logits).any()
    return losses, padded[..., :vocab]


def test_cross_entropy_of_huge_logits() -> None:
    logits = np.array([[[1e4, 0, -1e4], [1e4, 0, -1e4]], [[1e4, 1e4, 0], [-1e4, -1e4, -1e4]]], np.float32)
    losses, gradient = loss_and_gradient(logits, np.array([[0, 2], [0, 1]], np.uint8), scale=0.25)
    np.testing.assert_allclose(losses, [[0, 2e4], [np.log(2), np.log(3)]], rtol=1e-4, atol=1e-3)
    expected = [[[0, 0, 0], [1, 0, -1]], [[-0.5, 0.5, 0], [1 / 3, -2 / 3, 1 / 3]]]
    np.testing.assert_allclose(gradient, 0.25 * np.array(expected), atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 3, 16, 40])
def test_cross_entropy_never_hides_a_number_that_is_none(bad: float, place: int) -> None:
    logits = np.random.default_rng(6).normal(size=(1, 2, 41)).astype(np.float32)
    logits[0, 1, place] = bad
    losses, gradient = loss_and_gradient(logits, np.array([[1, 2]], np.uint8))
    assert np.isfinite(losses[0, 0]) and np.isfinite(gradient[0, 0]).all()
    assert not np.isfinite(losses[0, 1])
    assert not np.isfinite(gradient[0, 1]).all()


def test_mix_is_splitmix64() -> None:
    golden, word = 0x9E3779B97F4A7C15, 2**64 - 1

    def splitmix(key: int, value: int) -> int:
        x = ((key ^ (value * golden & word)) + golden) & word
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & word
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & word
        return x ^ (x >> 31)

    assert splitmix(0, 0) == 0xE220A8397B1DCDAF  # the generator's first published output
    for key, value in [(0, 0), (1, 2), (2**63 + 5, 2**40), (2**64 - 1, 12345)]:
        assert int(mix(np.uint64(key), np.uint64(value))) == splitmix(key, value)


@numba.njit
def _uniforms(key: Any, count: int) -> np.ndarray:
    out = np.empty(count)
    for i in range(count):
        out[i] = uniform(mix(key, i))
    return out


def test_uniform_is_uniform_and_independent() -> None:
    count = 1_000_000
    rows = _uniforms(np.uint64(7), count)
    assert rows.min() >= 0 and rows.max() < 1
    cells = np.bincount((rows * 100).astype(int), minlength=100)
    chi_square = ((cells - count / 100) ** 2 / (count / 100)).sum()
    assert 50 < chi_square < 170  # 99 degrees of freedom: outside with probability below 1e-5
    assert len(np.unique(rows)) > count - 5
    for lag in (1, 2, 64):
        assert abs(np.corrcoef(rows[:-lag], rows[lag:])[0, 1]) < 0.005
    assert abs(np.corrcoef(rows, _uniforms(np.uint64(8), count))[0, 1]) < 0.005


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_drop(dtype: type, share: float) -> None:
    size, keys = 1000, 200
    kept = np.zeros((keys, size), bool)
    for i in range(keys):
        key = np.uint64(mix(np.uint64(3), np.uint64(i)))
        row, again = np.full(size, 2, dtype), np.full(size, 2, dtype)
        drop(row, key, share)
        drop(again, key, share)
        np.testing.assert_array_equal(row, again)
        kept[i] = row != 0
        np.testing.assert_allclose(row[kept[i]], 2 / (1 - share), rtol=1e-6)
    deviation = np.sqrt(share * (1 - share) / kept.size)
    assert abs((~kept).mean() - share) < 5 * deviation
    for axis, count in ((0, keys), (1, size)):  # no element and no row is favoured
        spread_of_means = kept.mean(axis=axis).std() / np.sqrt(share * (1 - share) / count)
        assert 0.8 < spread_of_means < 1.2, axis
    if share == 0.5:
        signs = np.where(kept, 1.0, -1.0)
        assert abs((signs[:, 1:] * signs[:, :-1]).mean()) < 0.01
        assert abs((signs[1:] * signs[:-1]).mean()) < 0.01


def test_sort_descending_keeps_the_order_of_equals() -> None:
    @numba.njit
    def order(values: np.ndarray) -> np.ndarray:
        out = np.empty(values.size, np.int64)
        generate._sort_descending(values, out)
        return out

    rng = np.random.default_rng(8)
    for size in (1, 2, 9, 65, 3000):
        values = rng.integers(0, max(2, size // 3), size).astype(np.float32)
        np.testing.assert_array_equal(order(values), np.argsort(-values, kind="stable"))


def test_cache_depends_on_every_kernel_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "charrnn"
    for name in ("kernels/tile.py", "kernels/product.py", "cells/lstm.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("a = 1\n")
    monkeypatch.setattr("charrnn.kernels.jit._PACKAGE", package)
    hashes = {_source_hash()}
    for name in ("kernels/tile.py", "kernels/product.py", "cells/lstm.py"):
        (package / name).write_text("a = 2\n")
        hashes.add(_source_hash())
    (package / "cells/new.py").write_text("")
    hashes.add(_source_hash())
    assert len(hashes) == 5
    assert _source_hash() in hashes


def test_another_installation_of_the_same_sources_has_compiled_nothing(monkeypatch: pytest.MonkeyPatch,
                                                                       tmp_path: Path) -> None:
    source = tmp_path / "charrnn/kernels/tile.py"
    source.parent.mkdir(parents=True)
    source.write_text("a = 1\n")
    monkeypatch.setattr("charrnn.kernels.jit._PACKAGE", tmp_path / "charrnn")
    monkeypatch.setattr("charrnn.kernels.jit.CACHE_FOLDER", str(tmp_path))
    mark_compiled("task")
    assert is_compiled("task")
    os.utime(source, ns=(0, source.stat().st_mtime_ns + 10**9))  # as installing it once more does
    assert not is_compiled("task")
    mark_compiled("task")
    monkeypatch.setattr("charrnn.kernels.jit._PACKAGE", tmp_path / "other")
    assert not is_compiled("task")


def test_compiled_tasks_are_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("charrnn.kernels.jit.CACHE_FOLDER", str(tmp_path))
    assert not is_compiled("task")
    mark_compiled("task")
    assert is_compiled("task") and not is_compiled("other")
    monkeypatch.setattr("charrnn.kernels.jit.CACHE_FOLDER", None)
    mark_compiled("task")
    assert not is_compiled("task")


def test_the_first_compilation_is_noticed_and_none_that_comes_from_the_cache(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("charrnn.kernels.jit.CACHE_FOLDER", str(tmp_path))

    def doubling() -> Any:
        @jit
        def double(x):
            return 2 * x

        return double

    begun: list[bool] = []
    with noticing_compilation(lambda: begun.append(True)):
        assert not begun
        assert (doubling()(1), doubling()(1.5)) == (2, 3.0)
    assert begun == [True]
    with noticing_compilation(lambda: begun.append(True)):
        assert doubling()(1) == 2
    assert begun == [True]


def _host_has(*features: str) -> bool:
    from llvmlite import binding

    return all(binding.get_host_cpu_features().get(feature) for feature in features)


@pytest.mark.slow
@pytest.mark.skipif(not _host_has("avx2", "fma"), reason="these CPUs' code runs on x86-64 with AVX2 alone")
@pytest.mark.parametrize("name, features, lanes, vectors", [
    ("haswell", "+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2,+lzcnt,+movbe", 8, 2),
    ("generic", "", 4, 2),
])
def test_cpus_with_narrower_vectors(name: str, features: str, lanes: int, vectors: int, tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "CHARRNN_CACHE": str(tmp_path)}
    code = f"from charrnn.kernels import tile; assert (tile.LANES, tile.VECTORS) == ({lanes}, {vectors}), tile.FEATURES"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__,
         str(Path(__file__).parent / "test_network.py"), "-k",
         "test_multiply or (central_difference and gru-3-2-0.4) or (float32_equals and lstm)"],
        env=environment, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stdout[-3000:]
    assert "27 passed" in result.stdout
