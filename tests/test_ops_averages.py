"""Weighted means, covariances, correlations: values and errors as in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 3, 4))
W = RNG.uniform(0.1, 1.0, (2, 3, 4))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "axis, weights", [(None, None), (1, None), (None, W), (1, W), (-1, W[0, 0]), (0, W[:, 0, 0]), ((0, 2), W)]
)
def test_average(axis, weights, keepdims):
    expected, sums = np.average(X, axis=axis, weights=weights, returned=True, keepdims=keepdims)
    got, totals = ops.average(X, axis=axis, weights=weights, returned=True, keepdims=keepdims)
    np.testing.assert_allclose(got.data, expected, rtol=1e-13)
    np.testing.assert_allclose(totals.data, sums, rtol=1e-13)
    assert got.shape == totals.shape == np.shape(expected)


@pytest.mark.parametrize("axes", [(0, 2), (2, 0), (-1, 1)])
def test_weights_of_several_axes(axes):
    weights = RNG.uniform(0.1, 1.0, tuple(X.shape[a] for a in axes))
    spread = np.einsum(weights, [a % 3 for a in axes], X * 0 + 1, [0, 1, 2], [0, 1, 2])
    expected = (X * spread).sum(axis=axes) / spread.sum(axis=axes)
    np.testing.assert_allclose(ops.average(X, axes, weights).data, expected, rtol=1e-13)


def test_average_of_integers_is_not_cut_off():
    bytes_ = np.array([200, 100], np.uint8)
    assert ops.average(bytes_, weights=bytes_).item() == pytest.approx(500 / 3)


def test_weights_that_do_not_fit():
    with pytest.raises(
        TypeError, match=r"average: weights of shape \(3,\) for values of shape \(2, 3, 4\) need an axis"
    ):
        ops.average(X, weights=np.ones(3))
    with pytest.raises(ValueError, match=r"average: weights have shape \(3,\).*along axis 2, \(4,\)"):
        ops.average(X, axis=2, weights=np.ones(3))
    with pytest.raises(ZeroDivisionError, match="add up to 0"):
        ops.average([1.0, 2.0], weights=[1.0, -1.0])


M, V = RNG.standard_normal((3, 5)), RNG.standard_normal(5)
COVARIANCES = {
    "rows": ((M,), {}), "a vector": ((V,), {}), "columns": ((M,), {"rowvar": False}), "two": ((M, V), {}),
    "two matrices": ((M, M[:2] ** 2), {}), "columns of two": ((M.T, M.T**2), {"rowvar": False}),
    "bias": ((M,), {"bias": True}), "ddof": ((M,), {"ddof": 2}), "counts": ((M,), {"fweights": [1, 2, 1, 0, 3]}),
    "weights": ((M,), {"aweights": [0.1, 0.2, 1, 0.5, 0.3]}),
    "both": ((M,), {"aweights": [0.1, 0.2, 1, 0.5, 0.3], "fweights": [1, 2, 1, 0, 3]}),
    "a column vector with rowvar": ((V,), {"rowvar": False}),
}  # fmt: skip


@pytest.mark.parametrize("name", COVARIANCES)
def test_cov(name):
    arrays, settings = COVARIANCES[name]
    got, expected = ops.cov(*arrays, **settings).data, np.cov(*arrays, **settings)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    if set(settings) <= {"rowvar"}:
        got, expected = ops.corrcoef(*arrays, **settings).data, np.corrcoef(*arrays, **settings)
        assert np.shape(got) == np.shape(expected)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_correlations_do_not_exceed_one():
    x = np.array([0.1, 0.2, 0.3])
    assert np.abs(ops.corrcoef(x, 3 * x).data).max() <= 1


def test_cov_that_cannot_be():
    with pytest.raises(ValueError, match=r"cov: 1 observations leave no degrees of freedom \(ddof=1\)"):
        ops.cov([[1.0], [2.0]])
    with pytest.raises(ValueError, match=r"cov: variables and observations are two axes, but there are 3"):
        ops.cov(X)
    with pytest.raises(ValueError, match="cov: aweights must be 5 numbers"):
        ops.cov(M, aweights=[1.0])
    with pytest.raises(ValueError, match="cov: fweights must be 5 numbers"):
        ops.cov(M, fweights=-np.ones(5))
    with pytest.raises(ValueError, match="whole numbers"):
        ops.cov(M, fweights=np.full(5, 0.5))
    with pytest.raises(TypeError, match="cov: aweights is not differentiable"):
        ops.cov(M, aweights=mg.Tensor(np.ones(5), requires_grad=True))


def test_an_axis_that_there_is_not():
    with pytest.raises(np.exceptions.AxisError, match="average: axis 3 is out of bounds"):
        ops.average(X, axis=3, weights=W)
