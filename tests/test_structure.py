"""Structured cotangents are what `dense()` writes out."""

from __future__ import annotations

import numpy as np
import pytest

from minigrad.structure import (
    Columns,
    Dense,
    Entries,
    Factors,
    Quantised,
    Rows,
    Slices,
    Structured,
    add,
    dense,
    matrix_shape,
)
from minigrad.structure.packing import pack
from minigrad.structure.quantised import folded, is_run

SHAPES = [(4, 3), (5,), (2, 3, 4), (2, 1, 3, 2)]


def every(shape, seed=0, dtype=np.float64):
    """One of each structure, with the dense array that it stands for, written out in another way."""
    rng = np.random.default_rng(seed)
    full = rng.standard_normal(shape).astype(dtype)
    rows, columns = matrix_shape(shape)
    matrix = full.reshape(rows, columns)
    some_columns = np.flatnonzero(rng.random(columns) < 0.6)
    some_rows = np.flatnonzero(rng.random(rows) < 0.6)
    samples = np.flatnonzero(rng.random(shape[0]) < 0.6)
    entries = np.flatnonzero(rng.random(full.size) < 0.5)
    keep = np.isin(np.arange(columns), some_columns)
    yield Columns(matrix[:, some_columns], some_columns, shape), full * keep
    keep = np.isin(np.arange(rows), some_rows).reshape(*shape[:-1], 1)
    yield Rows(matrix[some_rows], some_rows, shape), full * keep
    keep = np.isin(np.arange(shape[0]), samples).reshape(-1, *(1,) * (len(shape) - 1))
    yield Rows(full[samples], samples, shape), full * keep
    keep = np.isin(np.arange(full.size), entries).reshape(shape)
    yield Entries(full.ravel()[entries], entries, shape), full * keep
    left, right = rng.standard_normal((rows, 2)).astype(dtype), rng.standard_normal((2, columns)).astype(dtype)
    yield Factors(left, right, shape), np.einsum("ik,kj->ij", left, right).reshape(shape)
    yield Dense(full), full
    for bits, tile in [(3, (1, columns)), (8, (rows, 1)), (1, (2, 2)), (4, (2, columns))]:
        codes = rng.integers(2**bits, size=(rows, columns)).astype(np.uint8)
        tiles = (-(-rows // tile[0]), -(-columns // tile[1]))
        step, low = rng.random(tiles).astype(dtype), rng.standard_normal(tiles).astype(dtype)
        at = np.ix_(np.arange(rows) // tile[0], np.arange(columns) // tile[1])
        stored = folded(codes, tile[0]) if is_run(codes.shape, tile) else codes
        yield Quantised(pack(stored, bits), step, low, bits, shape, tile), (low[at] + step[at] * codes).reshape(shape)
    for axis in range(1 - len(shape), -1):  # beyond the first axis and before the last
        some = np.flatnonzero(rng.random(shape[axis]) < 0.6)
        keep = np.isin(np.arange(shape[axis]), some).reshape(-1, *(1,) * (-axis - 1))
        yield Slices(np.take(full, some, axis), some, shape, axis), full * keep


@pytest.mark.parametrize("shape", SHAPES)
def test_dense(shape):
    for g, expected in every(shape):
        assert g.shape == shape and isinstance(g, Structured)
        np.testing.assert_allclose(g.dense(), expected, rtol=1e-14, atol=1e-15)
        np.testing.assert_array_equal(dense(g), g.dense())
        assert dense(expected) is expected


@pytest.mark.parametrize("shape", SHAPES)
def test_dtype_and_bytes(shape):
    for g, _ in every(shape, dtype=np.float32):
        assert g.dtype == g.dense().dtype == np.float32
        assert g.nbytes == sum(part.nbytes for part in g.parts)
        wide = g.astype(np.float64)
        assert type(wide) is type(g) and wide.dtype == np.float64 and wide.shape == shape
        np.testing.assert_allclose(wide.dense(), g.dense(), rtol=1e-6, atol=1e-6)
        assert type(g).__name__ in repr(g) and "float32" in repr(g)


@pytest.mark.parametrize("shape", SHAPES)
def test_add_never_changes_its_arguments(shape):
    for (a, x), (b, y) in zip(every(shape, 1), every(shape, 2), strict=True):
        for first, second in [(a, b), (a, y), (x, b)]:
            before = dense(first).copy(), dense(second).copy()
            np.testing.assert_allclose(dense(add(first, second)), x + y, rtol=1e-13, atol=1e-14)
            np.testing.assert_array_equal(dense(first), before[0])
            np.testing.assert_array_equal(dense(second), before[1])


def test_equal_rows_stay_rows():
    a = Rows(np.ones((2, 3)), np.array([0, 2]), (4, 3))
    b = Rows(np.ones((2, 3)), np.array([1, 2]), (4, 3))
    assert isinstance(add(a, a), Rows) and isinstance(add(a, b), np.ndarray)


def test_rows_take_the_same_rows_of_another_array():
    x = np.arange(24.0).reshape(2, 3, 4)
    rows = Rows(np.ones((2, 5)), np.array([1, 4]), (2, 3, 5))
    np.testing.assert_array_equal(rows.take(x), x.reshape(6, 4)[[1, 4]])
    samples = Rows(np.ones((1, 3, 5)), np.array([1]), (2, 3, 5))
    np.testing.assert_array_equal(samples.take(x), x[[1]])


def test_a_structure_of_ones_own_must_say_what_it_is():
    class Half(Structured):
        pass

    for call in (lambda h: h.dense(), lambda h: h.astype(float), lambda h: h.nbytes):
        with pytest.raises(NotImplementedError, match="Half"):
            call(Half())
