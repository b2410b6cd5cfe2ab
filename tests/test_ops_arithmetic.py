"""Arithmetic: values, and the stated rules at zero. Gradients elsewhere: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.array([[-2.0, 0.5, 3.0]])
Y = np.array([[1.5], [-0.25]])


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "maximum", "minimum"])
def test_values_of_two_arrays(name):
    np.testing.assert_array_equal(getattr(ops, name)(X, Y).data, getattr(np, name)(X, Y))


@pytest.mark.parametrize("name", ["negative", "absolute", "square"])
def test_values_of_one_array(name):
    np.testing.assert_array_equal(getattr(ops, name)(X).data, getattr(np, name)(X))


@pytest.mark.parametrize("y", [2, 3, -1, 0, 1, 0.5, np.array([1.0, 2.0, 3.0])])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers(y, dtype):
    x = np.abs(X).astype(dtype)
    y = y.astype(dtype) if isinstance(y, np.ndarray) else y
    np.testing.assert_allclose(ops.power(x, y).data, x**y, rtol=4 * np.finfo(dtype).eps)


def test_a_scalar_tensor_promotes_powers_as_it_promotes_products():
    x = mg.Tensor(np.ones(2, np.float32))
    assert ops.power(x, mg.Tensor(2.0)).dtype == ops.multiply(x, mg.Tensor(2.0)).dtype == (x.data * np.array(2.0)).dtype


@pytest.mark.parametrize("y, slope", [(3, 0), (2, 0), (1.5, 0), (1, 1), (0.5, 0), (0, 0)])
@pytest.mark.parametrize("wrap", [lambda y: y, lambda y: np.array([y, y])])
def test_power_at_zero_by_the_base(y, slope, wrap):
    gradient = mg.grad(lambda x: (x ** wrap(float(y))).sum())(np.array([0.0, 0.0]))
    assert gradient.tolist() == [slope, slope]


def test_a_pole_of_a_power_is_not_hidden():
    with np.errstate(divide="ignore"):
        assert mg.grad(lambda x: x**-1.0)(0.0) == -np.inf


@pytest.mark.parametrize("y", [0.0, 0.5, 2.0])
def test_power_at_zero_by_the_exponent(y):
    assert mg.grad(lambda y: mg.Tensor(0.0) ** y)(y) == 0


def test_powers_of_negative_bases():
    assert mg.grad(lambda x: x**3.0)(-2.0) == 12
    assert mg.grad(lambda x: x**2)(-2.0) == -4
    with np.errstate(invalid="ignore"):
        assert np.isnan(mg.grad(lambda x, y: x**y, argnums=1)(-2.0, 2.0))


def test_absolute_at_zero():
    assert mg.grad(lambda x: abs(x).sum())([-0.0, 0.0, -1.0]).tolist() == [0, 0, -1]


def test_a_gradient_is_summed_over_broadcast_axes():
    ga, gb = mg.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(X, Y)
    assert ga.shape == X.shape and gb.shape == Y.shape
    np.testing.assert_allclose(ga, np.full((1, 3), Y.sum()))
    np.testing.assert_allclose(gb, np.full((2, 1), X.sum()))


def test_the_same_tensor_on_both_sides():
    assert mg.grad(lambda x: (x * x + x / x - (x - x)).sum())([3.0]).tolist() == [6.0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_logaddexp_at_the_ends(dtype):
    """Values are NumPy's; the shares are those of logsumexp over the pair."""
    ends = np.array([-np.inf, np.inf, np.nan, -np.finfo(dtype).max, np.finfo(dtype).max, -60, 0, 60], dtype)
    x, y = (grid.ravel() for grid in np.meshgrid(ends, ends))
    with np.errstate(over="ignore", invalid="ignore"):
        value, pullback = mg.vjp(ops.logaddexp, x, y)
        expected = np.logaddexp(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
        _, of_pair = mg.vjp(lambda z: ops.logsumexp(z, axis=0), np.stack([x, y]))
    np.testing.assert_allclose(value, expected, rtol=4 * np.finfo(dtype).eps)
    got = np.stack(pullback(np.ones(x.size)))
    assert value.dtype == got.dtype == dtype
    np.testing.assert_allclose(got, of_pair(np.ones(x.size))[0], rtol=4 * np.finfo(dtype).eps)


def test_logaddexp_keeps_small_shares():
    """1 − σ(60) is 0 in floating point; the share of the smaller input is not."""
    _, pullback = mg.vjp(ops.logaddexp, 0.0, 60.0)
    assert pullback(1.0)[0] == pytest.approx(np.exp(-60.0), rel=1e-14)
