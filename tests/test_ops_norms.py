"""Norms of orders: values and errors as in NumPy, and what the derivative is at 0. Others: test_ops_reductions.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.testing import assert_gradients_close

X = np.random.default_rng(0).standard_normal((3, 4, 2))
VECTOR = [None, 2, 1, 3, 1.5, 0.5, -1, -2.5, 0, np.inf, -np.inf]
MATRIX = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize(
    "order, axis", [(order, axis) for order in VECTOR for axis in (0, -1)]
    + [(order, axis) for order in MATRIX for axis in ((0, 1), (-1, 0), (1, 2))],
)  # fmt: skip
def test_values(order, axis, dtype, keepdims):
    x = (X * 5).astype(dtype)
    with np.errstate(divide="ignore"):  # integers hold zeros
        got, expected = ops.norm(x, order, axis, keepdims).data, np.linalg.norm(x, order, axis, keepdims)
    assert got.shape == expected.shape and got.dtype == (np.float64 if dtype == np.int64 else dtype)
    np.testing.assert_allclose(got, expected, rtol=1e-12 if dtype != np.float32 else 1e-5)


@pytest.mark.parametrize("order", VECTOR[1:])
def test_of_a_whole_vector(order):
    np.testing.assert_allclose(ops.norm(X[0, :, 0], order).data, np.linalg.norm(X[0, :, 0], order), rtol=1e-13)
    np.testing.assert_allclose(mg.Tensor(X[0]).norm(np.inf).data, np.linalg.norm(X[0], np.inf), rtol=1e-13)


@pytest.mark.parametrize("order", ["nuc", 2, -2])
@pytest.mark.parametrize("axis", [(0, 1), (2, 0)])
def test_gradients_of_those_of_singular_values(order, axis):
    assert_gradients_close(lambda x: ops.norm(x, order, axis), X)


@pytest.mark.parametrize("order", VECTOR)
def test_at_zero_the_derivative_is_zero(order):
    x = np.array([[0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(mg.grad(lambda x: ops.norm(x, order, axis=1).sum())(x), x)


@pytest.mark.parametrize(
    "order, expected",
    [(1, [0, -1, 1]), (3, [0, -(9 ** (-2 / 3)), 4 * 9 ** (-2 / 3)]), (0.5, [0, -1 - 2**0.5, 1 + 0.5**0.5])],
)
def test_an_entry_of_zero_has_no_slope(order, expected):
    gradient = mg.grad(lambda x: ops.norm(x, order))(np.array([0.0, -1.0, 2.0]))
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)


def test_largest_entries_share_and_the_count_has_no_slope():
    assert mg.grad(lambda x: ops.norm(x, np.inf))([3.0, -3.0, 1.0]).tolist() == [0.5, -0.5, 0.0]
    assert mg.value_and_grad(lambda x: ops.norm(x, 0))([3.0, 0.0, 1.0])[1].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("order", [1.5, 3, 4])
def test_powers_neither_overflow_nor_underflow(order, scale):
    value, gradient = mg.value_and_grad(lambda x: ops.norm(x, order))(np.array([3.0, 4.0]) * scale)
    expected, slope = mg.value_and_grad(lambda x: ops.norm(x, order))(np.array([3.0, 4.0]))
    np.testing.assert_allclose(value / scale, expected, rtol=1e-14)
    np.testing.assert_allclose(gradient, slope, rtol=1e-14)


@pytest.mark.parametrize(
    "order, axis", [("fro", 0), ("nuc", 0), (3, (0, 1)), (0, (0, 1)), (1, (0, 1, 2)), (1, None), ("max", (0, 1))]
)
def test_an_order_that_there_is_not(order, axis):
    with pytest.raises(ValueError, match=r"norm: there is no ord=.* over \d axes; one axis takes a number"):
        ops.norm(X, order, axis)


def test_an_axis_that_there_is_not():
    with pytest.raises(np.exceptions.AxisError, match="norm: axis 3 is out of bounds"):
        ops.norm(X, 1, axis=3)
