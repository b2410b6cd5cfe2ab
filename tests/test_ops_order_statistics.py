"""Sorting, quantiles and ranges: values as in NumPy; ties, NaN and errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.random.default_rng(0).standard_normal((2, 3, 4))
METHODS = [
    "linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
    "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased", "normal_unbiased",
]  # fmt: skip


WRONG_BEFORE = ("averaged_inverted_cdf", "interpolated_inverted_cdf", "weibull")
"""Methods by which NumPy before 2.0 looks beyond the first and the last value."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("q", [0, 0.3, 0.5, 1, [0.1, 0.77], [[0.25], [0.9]], []])
@pytest.mark.parametrize("axis, keepdims", [(None, False), (0, True), (-1, False), ((0, 2), True), ((2, 0), False)])
def test_quantiles(method, q, axis, keepdims):
    if method in WRONG_BEFORE and np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("this NumPy is wrong at the ends, by its own later releases")
    expected = np.quantile(X, q, axis=axis, method=method, keepdims=keepdims)
    got = ops.quantile(X, q, axis=axis, method=method, keepdims=keepdims).data
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)
    percent = ops.percentile(X, np.multiply(q, 100), axis=axis, method=method, keepdims=keepdims).data
    np.testing.assert_allclose(percent, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("axis", [None, 0, 1, (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["median", "ptp"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_medians_and_ranges(name, axis, keepdims, dtype):
    x = (9 * X).astype(dtype)
    got, expected = getattr(ops, name)(x, axis, keepdims).data, getattr(np, name)(x, axis=axis, keepdims=keepdims)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_])
def test_sorting(axis, dtype):
    x = (9 * X).astype(dtype)
    np.testing.assert_array_equal(ops.sort(x, axis).data, np.sort(x, axis))
    for kth in (0, -1, [0, 1]):
        np.testing.assert_array_equal(ops.partition(x, kth, axis).data, np.partition(x, kth, axis))


def test_ties():
    """A stable sort keeps the order of equal values; a quantile between equal values is half of each."""
    weights = np.array([1.0, 10.0, 100.0])
    assert mg.grad(lambda x: (ops.sort(x) * weights).sum())([2.0, 1.0, 2.0]).tolist() == [10.0, 1.0, 100.0]
    gradient = mg.grad(ops.median)([2.0, 7.0, 2.0, 1.0])
    assert sorted(gradient.tolist()) == [0.0, 0.0, 0.5, 0.5] and gradient[[1, 3]].tolist() == [0.0, 0.0]
    assert mg.grad(ops.ptp)([1.0, 3.0, 3.0]).tolist() == [-1.0, 0.5, 0.5]


@pytest.mark.parametrize("q", [0.0, 0.3, 0.5, 1.0])
def test_infinite_and_equal_values(q):
    for x in ([np.inf] * 3, [-np.inf, -np.inf, 1.0], [0.1] * 5):
        got = ops.quantile(x, q).item()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert got in np.sort(x) or np.isinf(np.quantile(x, q)) or np.isnan(np.quantile(x, q))
        assert not np.isnan(got)
    assert ops.quantile([0.1] * 5, q).item() == 0.1


def test_beside_nan_nothing_is_known():
    x = np.array([[1.0, np.nan, 3.0], [4.0, 6.0, 5.0]])
    for fn in (ops.median, lambda x, axis: ops.quantile(x, 0.0, axis), lambda x, axis: ops.ptp(x, axis)):
        value, pullback = mg.vjp(lambda x, fn=fn: fn(x, axis=1), x)
        (gradient,) = pullback(np.ones(2))
        assert np.isnan(value[0]) and np.isnan(gradient[0]).all()
        assert not np.isnan(value[1]) and not np.isnan(gradient[1]).any()


def test_second_derivatives_are_those_of_what_is_chosen():
    x = np.array([5.0, 1.0, 3.0])
    by = mg.grad(lambda x: (mg.grad(lambda x: ops.median(x**3))(x) * [1.0, 1.0, 1.0]).sum())(x)
    np.testing.assert_allclose(by, [0, 0, 18.0])
    by = mg.grad(lambda x: mg.grad(lambda x: (ops.sort(x) ** 3 * [1.0, 2.0, 3.0]).sum())(x).sum())(x)
    np.testing.assert_allclose(by, [6 * 5 * 3, 6 * 1 * 1, 6 * 3 * 2])


def test_errors():
    with pytest.raises(ValueError, match="quantile: q=50 must lie between 0 and 1; percentile takes 0 to 100"):
        ops.quantile(X, 50)
    with pytest.raises(ValueError, match="percentile: q=-1 must lie between 0 and 100"):
        ops.percentile(X, -1)
    with pytest.raises(ValueError, match="must lie between"):
        ops.quantile(X, np.nan)
    with pytest.raises(TypeError, match="quantile: q is not differentiable.*pass its `.data`"):
        ops.quantile(X, mg.Tensor(0.5, requires_grad=True))
    with pytest.raises(ValueError, match="hold no values"):
        ops.median(np.zeros((0, 2)), axis=0)
    with pytest.raises(ValueError, match="method"):
        ops.quantile(X, 0.5, method="quick")
    with pytest.raises(ValueError, match="kth"):
        ops.partition(X, 9)
    with pytest.raises(TypeError, match=r"sort: axis=\(0, 1\) must be an int"):
        ops.sort(X, axis=(0, 1))


@pytest.mark.parametrize("name", ["median", "partition", "ptp", "quantile", "sort"])
def test_an_axis_that_there_is_not(name):
    more = {"partition": (0,), "quantile": (0.5,)}.get(name, ())
    with pytest.raises(np.exceptions.AxisError, match=rf"{name if name != 'ptp' else 'max'}: axis 3 is out of bounds"):
        getattr(ops, name)(X, *more, axis=3)
