"""Differences, numerical derivatives and integrals: values and errors as in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.random.default_rng(0).standard_normal((3, 4, 5))
PLACES = np.cumsum(np.random.default_rng(1).uniform(0.5, 1.5, 4))
integral = getattr(np, "trapezoid", None) or getattr(np, "trapz")  # noqa: B009 — its name before NumPy 2


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_diff(n, axis):
    np.testing.assert_array_equal(ops.diff(X, n, axis).data, np.diff(X, n, axis))
    np.testing.assert_array_equal(
        ops.diff(X, n, axis, prepend=1.0, append=X).data, np.diff(X, n, axis, prepend=1.0, append=X)
    )


def test_diff_of_integers():
    x = np.array([3, 5, 4], np.uint8)
    np.testing.assert_array_equal(ops.diff(x).data, np.diff(x))
    assert mg.grad(lambda x: ops.diff(x, 0).sum())([1.0, 2.0]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("ends", [{}, {"to_end": 1.0}, {"to_begin": [1.0, 2.0]}, {"to_begin": X[0], "to_end": 3.0}])
def test_ediff1d(ends):
    np.testing.assert_array_equal(ops.ediff1d(X, **ends).data, np.ediff1d(X, **ends))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("places", ["none", "vector", "all"])
def test_trapezoid(axis, places):
    settings = {"none": {"dx": 0.5}, "vector": {"x": np.arange(X.shape[axis]) ** 2.0}, "all": {"x": X**3}}[places]
    np.testing.assert_allclose(
        ops.trapezoid(X, axis=axis, **settings).data, integral(X, axis=axis, **settings), rtol=1e-12, atol=1e-14
    )


def test_trapezoid_of_bytes():
    assert ops.trapezoid(np.array([200, 200], np.uint8), np.array([5, 3], np.uint8)).item() == -400


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("spacing", [(), (0.5,), (PLACES,)])
@pytest.mark.parametrize("axis", [1, -2])
def test_gradient_along_one_axis(axis, spacing, order):
    got = ops.gradient(X, *spacing, axis=axis, edge_order=order)
    np.testing.assert_allclose(got.data, np.gradient(X, *spacing, axis=axis, edge_order=order), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "spacing, axis", [((), None), ((2.0,), None), ((1.0, PLACES, 0.5), None), ((PLACES, 2.0), (1, 2)), ((), (2, 0))]
)
def test_gradient_along_several(spacing, axis):
    got, expected = ops.gradient(X, *spacing, axis=axis), np.gradient(X, *spacing, axis=axis)
    assert isinstance(got, tuple) and len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one.data, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_gradient_of_few_values(n):
    x = np.arange(n) ** 2.0
    np.testing.assert_allclose(ops.gradient(x).data, np.gradient(x))
    if n > 2:
        np.testing.assert_allclose(ops.gradient(x, edge_order=2).data, np.gradient(x, edge_order=2))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ops.diff(X, -1), ValueError, "diff: n=-1 must not be negative"),
        (lambda: ops.diff(1.0), ValueError, "diff: x must have an axis"),
        (lambda: ops.diff(X, axis=3), np.exceptions.AxisError, "diff: axis 3 is out of bounds"),
        (lambda: ops.gradient(X, axis=3), np.exceptions.AxisError, "gradient: axis 3 is out of bounds"),
        (lambda: ops.trapezoid(X, axis=3), np.exceptions.AxisError, "trapezoid: axis 3 is out of bounds"),
        (lambda: ops.gradient(X, 1.0, 2.0), TypeError, "gradient: there are 2 distances for 3 axes"),
        (lambda: ops.gradient(X[:1], axis=0), ValueError, "1 values along axis 0 are too few for edge_order=1"),
        (lambda: ops.gradient(X, PLACES, axis=0), ValueError, r"places along axis 0 have shape \(4,\), not \(3,\)"),
        (lambda: ops.gradient(X, edge_order=3), ValueError, "edge_order=3 must be 1 or 2"),
        (lambda: ops.gradient(X, mg.Tensor(1.0, requires_grad=True)), TypeError, "a distance is not differentiable"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
