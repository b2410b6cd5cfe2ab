"""Reductions that leave NaN out: values as in NumPy, and derivatives those of the values that are there."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.random.default_rng(0).standard_normal((3, 4, 2))
HOLED = np.where(np.random.default_rng(1).random(X.shape) < 0.3, np.nan, X)
HOLED[0, 0] = HOLED[:, 1, 1] = np.nan
NAMES = ["nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "x", [X, HOLED, HOLED.astype(np.float32), (9 * X).astype(np.int64)], ids=["none", "64", "32", "i"]
)
def test_values(name, axis, keepdims, x):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where there are only NaN
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
    got = getattr(ops, name)(x, axis=axis, keepdims=keepdims).data
    assert (got.shape, got.dtype) == (np.shape(expected), expected.dtype)
    np.testing.assert_allclose(got, expected, rtol=1e-5 if x.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("name", ["nanvar", "nanstd"])
def test_degrees_of_freedom(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(np, name)(HOLED, axis=0, ddof=2)
    np.testing.assert_allclose(getattr(ops, name)(HOLED, axis=0, ddof=2).data, expected, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_the_values_alone(name):
    whole = np.array([1.5, -2.0, 0.5])
    x = np.array([np.nan, 1.5, -2.0, np.nan, 0.5])
    expected = mg.grad(getattr(ops, name.removeprefix("nan")))(whole)
    gradient = mg.grad(getattr(ops, name))(x)
    np.testing.assert_allclose(gradient[[1, 2, 4]], expected, rtol=1e-14)
    np.testing.assert_array_equal(gradient[[0, 3]], 0)


@pytest.mark.parametrize("name", ["nanmax", "nanmean", "nanmin", "nanvar", "nanstd"])
def test_of_nan_alone_neither_is_known(name):
    value, gradient = mg.value_and_grad(getattr(ops, name))(np.full(2, np.nan))
    assert np.isnan(value) and np.isnan(gradient).all()


def test_empty_sums_and_products():
    assert ops.nansum([np.nan]).item() == 0 and ops.nanprod([np.nan]).item() == 1
    assert mg.grad(ops.nansum)([np.nan]).tolist() == [0.0]


def test_second_derivatives():
    x = np.array([2.0, np.nan, 3.0])
    np.testing.assert_allclose(mg.grad(lambda x: mg.grad(ops.nanprod)(x)[0])(x), [0, 0, 1])
    np.testing.assert_allclose(mg.grad(lambda x: mg.grad(ops.nanvar)(x)[0])(x), [0.5, 0, -0.5])
