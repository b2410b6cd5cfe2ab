"""Slices through moves of axes and through what is broadcast against them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from minigrad.structure import Columns, Rows, Slices, contract_batches, dense, multiply_batches, sum_to

SHAPE = (2, 3, 4, 5)


def kept(axis, shape=SHAPE):
    some = np.array([0, 2])
    values = np.random.default_rng(0).standard_normal([2 if a - len(shape) == axis else n for a, n in enumerate(shape)])
    return Slices(values, some, shape, axis)


@pytest.mark.parametrize("axis", [-2, -3])
def test_every_order_of_axes(axis):
    g = kept(axis)
    for order in itertools.permutations(range(4)):
        moved = g.permuted(order)
        np.testing.assert_array_equal(moved.dense(), g.dense().transpose(order))
        assert type(moved) is (Columns if order[-1] == 4 + axis else Slices)


REFOLDED = [
    (-2, (2, 3, 20), Columns), (-3, (2, 60), Columns), (-2, (24, 5), Rows), (-2, (6, 4, 5), Slices),
    (-3, (2, 3, 20), Slices), (-3, (2, 3, 2, 2, 5), Slices), (-2, (2, 1, 3, 4, 5), Slices), (-3, (6, 20), Rows),
    (-2, (8, 15), np.ndarray), (-3, (120,), np.ndarray), (-2, (2, 3, 4, 5, 1), Slices),
]  # fmt: skip


@pytest.mark.parametrize(("axis", "shape", "kind"), REFOLDED)
def test_reshape(axis, shape, kind):
    g = kept(axis)
    folded = g.refolded(shape)
    np.testing.assert_array_equal(dense(folded), g.dense().reshape(shape))
    assert type(folded) is kind


@pytest.mark.parametrize("axis", [-2, -3])
@pytest.mark.parametrize("lead", [(2, 3), (2, 1), (1, 3), (3,), (1,), ()])
def test_products_with_batches_that_are_broadcast(axis, lead):
    g, rng = kept(axis), np.random.default_rng(1)
    b, a = rng.standard_normal((*lead, 6, 5)), rng.standard_normal((*lead, 4, 6))
    np.testing.assert_allclose(dense(multiply_batches(g, b)), g.dense() @ np.swapaxes(b, -1, -2), atol=1e-12)
    np.testing.assert_allclose(dense(multiply_batches(b, g)), b @ np.swapaxes(g.dense(), -1, -2), atol=1e-12)
    np.testing.assert_allclose(dense(contract_batches(a, g)), np.swapaxes(a, -1, -2) @ g.dense(), atol=1e-12)
    np.testing.assert_allclose(dense(contract_batches(g, a)), np.swapaxes(g.dense(), -1, -2) @ a, atol=1e-12)


@pytest.mark.parametrize("axis", [-2, -3])
@pytest.mark.parametrize("shape", [(4, 5), (3, 1, 5), (1, 4, 1), (5,), (2, 3, 1, 1), (1, 1, 1, 1), (2, 1, 4, 5), ()])
def test_sums_to_what_was_broadcast(axis, shape):
    g = kept(axis)
    np.testing.assert_allclose(dense(sum_to(g, shape)), sum_to(g.dense(), shape), atol=1e-12)


def test_wrong_places_would_be_seen():
    g = kept(-3)
    wrong = Slices(g.values, np.array([0, 1]), g.shape, -3)
    assert np.abs(wrong.permuted((0, 2, 1, 3)).dense() - g.dense().transpose(0, 2, 1, 3)).max() > 0.1
