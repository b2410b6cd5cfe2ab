"""Every product of two matrices of any structures equals the product of the arrays that they write out."""

from __future__ import annotations

import numpy as np
import pytest
from test_structure import every

from minigrad.structure import (
    Columns,
    Entries,
    Factors,
    Rows,
    Structured,
    add,
    column_sums,
    contract,
    contract_batches,
    dense,
    multiply,
    multiply_batches,
    narrow,
    reshape_rows,
    row_squares,
    scale,
    sum_to,
    take_columns,
    take_rows,
    take_samples,
    transpose,
)

LEADS = [(4,), (3, 2), (2, 1, 3)]


def same(got, expected):
    """Equal arrays, to rounding, of one dtype."""
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(dense(got), expected, rtol=1e-10, atol=1e-12)


def operands(shape, seed=0, dtype=np.float64):
    """An array of the shape, and draws of it in every structure."""
    rng = np.random.default_rng(seed)
    yield rng.standard_normal(shape).astype(dtype)
    for g, _ in every(shape, seed, dtype):
        yield g


def swap(array):
    return np.swapaxes(array, -1, -2)


@pytest.mark.parametrize("lead", LEADS)
def test_multiply(lead):
    for g in operands((*lead, 5)):
        for w in operands((5, 6), 1):
            same(multiply(g, w), dense(g) @ dense(w))


@pytest.mark.parametrize("lead", LEADS)
def test_contract(lead):
    for g in operands((*lead, 5)):
        for x in operands((*lead, 6), 1):
            same(contract(g, x), dense(g).reshape(-1, 5).T @ dense(x).reshape(-1, 6))


@pytest.mark.parametrize(("lead", "other"), [((4,), (4,)), ((3, 2), (3, 2)), ((4,), ()), ((), (3,)), ((4,), (1,))])
def test_products_of_batches(lead, other):
    for g in operands((*lead, 4, 5)):
        for b in operands((*other, 6, 5), 1):
            same(multiply_batches(g, b), dense(g) @ swap(dense(b)))
        for a in operands((*other, 4, 6), 1):
            same(contract_batches(a, g), swap(dense(a)) @ dense(g))


def test_products_keep_float32():
    for g in operands((3, 2, 5), 0, np.float32):
        for w in operands((5, 4), 1, np.float32):
            assert multiply(g, w).dtype == np.float32
        for x in operands((3, 2, 4), 1, np.float32):
            assert contract(g, x).dtype == contract_batches(x, g).dtype == np.float32
        assert column_sums(g).dtype == np.float32 and row_squares(g).dtype == np.float64


@pytest.mark.parametrize("lead", LEADS)
def test_sums_and_parts(lead):
    for g in operands((*lead, 5)):
        whole = dense(g)
        flat = whole.reshape(-1, 5)
        same(column_sums(g), flat.sum(axis=0))
        same(row_squares(g), (whole**2).sum(axis=-1))
        same(reshape_rows(g, (len(flat), 1)), whole.reshape(-1, 1, 5))
        for at in ([0, 2, 3], [1, 2], [3], []):
            indices = np.array(at, np.intp)
            same(take_columns(g, indices), whole[..., indices])
            rows = indices[indices < len(flat)]
            same(take_rows(g, rows), flat[rows])
            samples = indices[indices < len(whole)]
            same(take_samples(g, samples), whole[samples])
        left, right = narrow(g, np.arange(20.0).reshape(4, 5))
        np.testing.assert_allclose(left @ right.T, whole @ np.arange(20.0).reshape(4, 5).T, atol=1e-12)
        for h in operands((*lead, 5), 3):
            same(add(g, h), whole + dense(h))
        if isinstance(g, Structured):
            same(scale(g, 3.0), 3 * whole)


def test_transpose():
    for g in operands((4, 5)):
        if not (isinstance(g, Rows) and g.values.ndim != 2):
            same(transpose(g), dense(g).T)


@pytest.mark.parametrize("shape", [(5,), (2, 5), (1, 5), (3, 1, 5), (3, 2, 1), (1, 1, 1), ()])
def test_sum_to(shape):
    for g in operands((3, 2, 5)):
        got = sum_to(g, shape)
        ones = np.ones(shape)
        expected = np.einsum("abc,abc->abc", dense(g), np.broadcast_to(1.0, (3, 2, 5)))
        axes = tuple(k for k, n in enumerate((1,) * (3 - ones.ndim) + shape) if n == 1 and dense(g).shape[k] != 1)
        same(got, expected.sum(axis=axes, keepdims=True).reshape(shape))
    assert sum_to(np.ones((3, 2)), (4, 2)) is None


class Quantised(Structured):
    """A structure that says nothing but what it writes out."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    @property
    def parts(self):
        return (self.values,)

    def dense(self):
        return self.values.astype(np.float64)


@pytest.mark.parametrize("other", [np.ones, None], ids=["array", "structured"])
def test_a_structure_of_ones_own_needs_dense_alone(other):
    """Adding a structure is one class: every product falls back to what it writes out, on either side."""
    own = Quantised(np.arange(20).reshape(4, 5))
    whole = own.dense()
    for x in [np.arange(12.0).reshape(4, 3)] if other else list(operands((4, 3), 1))[1:]:
        np.testing.assert_allclose(dense(contract(own, x)), whole.T @ dense(x), atol=1e-12)
        np.testing.assert_allclose(dense(contract(x, own)), dense(x).T @ whole, atol=1e-12)
    for w in operands((5, 3), 2):
        np.testing.assert_allclose(dense(multiply(own, w)), whole @ dense(w), atol=1e-12)
    for b in operands((3, 5), 2):
        np.testing.assert_allclose(dense(multiply_batches(own, b)), whole @ dense(b).T, atol=1e-12)
        np.testing.assert_allclose(dense(multiply_batches(b, own)), dense(b) @ whole.T, atol=1e-12)
    np.testing.assert_allclose(column_sums(own), whole.sum(axis=0))


def test_what_is_sparse_stays_sparse():
    """Two kept sets multiply to the smaller product, and leave the structure that it has."""
    x, w = np.ones((8, 3)), np.ones((5, 3))
    columns = Columns(np.ones((8, 2)), np.array([1, 4]), (8, 5))
    rows = Rows(np.ones((2, 5)), np.array([0, 7]), (8, 5))
    assert isinstance(contract(columns, x), Rows) and isinstance(multiply(rows, w), Rows)
    kept = Rows(np.ones((3, 3)), np.array([0, 4, 7]), (8, 3))
    assert isinstance(contract(columns, kept), Rows) and isinstance(contract(x, columns), Columns)
    thin = Factors(np.ones((8, 1)), np.ones((1, 3)), (8, 3))
    assert isinstance(contract(columns, thin), Rows)
    assert isinstance(take_rows(Entries(np.ones(1), np.array([7]), (8, 5)), np.array([1])), Entries)
