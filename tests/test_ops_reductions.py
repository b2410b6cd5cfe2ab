"""Reductions: values as in NumPy and SciPy, ties and zeros. Gradients elsewhere: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import minigrad as mg
from minigrad import ops

X = np.random.default_rng(0).standard_normal((2, 3, 4))
REFERENCES = {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "var": np.var, "std": np.std,
    "logsumexp": special.logsumexp,
    "norm": lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)),
}  # fmt: skip
AXES = [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2), ()]


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(name, axis, keepdims, dtype):
    x = X.astype(dtype)
    got = getattr(ops, name)(x, axis=axis, keepdims=keepdims).data
    expected = REFERENCES[name](x, axis=axis, keepdims=keepdims)
    assert got.shape == expected.shape and got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=50 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["var", "std"])
def test_degrees_of_freedom(name):
    for axis in (0, 1, None):
        expected = getattr(np, name)(X, axis=axis, ddof=1)
        np.testing.assert_allclose(getattr(ops, name)(X, axis=axis, ddof=1).data, expected, rtol=1e-13)
    with pytest.raises(ValueError, match=rf"{name}: ddof=2 leaves no degrees of freedom.*2 values"):
        getattr(ops, name)(X, axis=0, ddof=2)


@pytest.mark.parametrize("name", sorted(REFERENCES))
@pytest.mark.parametrize("axis", [3, -4, (0, 5)])
def test_an_unknown_axis_is_named(name, axis):
    with pytest.raises(ValueError, match=rf"{name}: axis (3|-4|5) is out of bounds.*x \(2, 3, 4\)"):
        getattr(ops, name)(X, axis=axis)


@pytest.mark.parametrize("name", ["mean", "var", "std", "max", "min", "logsumexp"])
def test_nothing_to_reduce(name):
    with pytest.raises(ValueError, match=name):
        getattr(ops, name)(np.zeros((0, 2)), axis=0)


def test_ties_share_equally():
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    gradient = mg.grad(lambda x: x.max(axis=1).sum())(x)
    np.testing.assert_allclose(gradient, [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])
    gradient = mg.grad(lambda x: x.min())(x)
    np.testing.assert_allclose(gradient, [[1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(mg.grad(lambda x: x.max())(np.zeros((2, 2))), np.full((2, 2), 0.25))


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_norm_at_zero(axis):
    gradient = mg.grad(lambda x: x.norm(axis=axis).sum())(np.zeros((2, 3)))
    np.testing.assert_array_equal(gradient, np.zeros((2, 3)))


@pytest.mark.parametrize("scale, dtype", [(1e-30, np.float32), (1e30, np.float32), (1e-200, float), (1e200, float)])
def test_norm_neither_overflows_nor_underflows(scale, dtype):
    x = np.array([3.0, 4.0], dtype) * dtype(scale)
    value, gradient = mg.value_and_grad(lambda x: x.norm())(x)
    np.testing.assert_allclose(value, 5 * dtype(scale), rtol=1e-6)
    np.testing.assert_allclose(gradient, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("constant", [0.0, 2.0, 0.1, 1e-3, 1e10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_std_of_constants(constant, dtype, axis):
    x = np.full((7, 3), constant, dtype)
    value, gradient = mg.value_and_grad(lambda x: x.std(axis=axis).sum())(x)
    assert value == 0
    np.testing.assert_array_equal(gradient, np.zeros((7, 3)))


def test_std_of_some_constants():
    x = np.array([[1.0, 1.0], [1.0, 3.0]])
    np.testing.assert_allclose(mg.grad(lambda x: x.std(axis=1).sum())(x), [[0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize(
    "x, value, gradient",
    [
        ([-np.inf, -np.inf], -np.inf, [0, 0]),
        ([-np.inf, 1.0], 1.0, [0, 1]),
        ([np.inf, 1.0], np.inf, [1, 0]),
        ([np.inf, np.inf], np.inf, [0.5, 0.5]),
        ([np.inf, -np.inf], np.inf, [1, 0]),
        ([1e4, 1e4], 1e4 + np.log(2), [0.5, 0.5]),
        ([-1e4, -1e4], -1e4 + np.log(2), [0.5, 0.5]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logsumexp_at_infinity(x, value, gradient, dtype):
    got, slope = mg.value_and_grad(lambda x: x.logsumexp())(np.array(x, dtype))
    np.testing.assert_allclose(got, value, rtol=1e-6)
    np.testing.assert_allclose(slope, gradient, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [None, 0])
def test_the_root_of_the_variance_of_constants(dtype, axis):
    gradient = mg.grad(lambda x: x.var(axis=axis).sqrt().sum())(np.full((7, 2), 0.1, dtype))
    np.testing.assert_array_equal(gradient, np.zeros((7, 2)))


@pytest.mark.parametrize("scale, dtype", [(1e-30, np.float32), (1e30, np.float32), (1e-200, float), (1e200, float)])
def test_std_neither_overflows_nor_underflows(scale, dtype):
    value, gradient = mg.value_and_grad(lambda x: x.std())(np.array([1.0, 2.0], dtype) * dtype(scale))
    np.testing.assert_allclose(value, 0.5 * dtype(scale), rtol=1e-6)
    np.testing.assert_allclose(gradient, [-0.5, 0.5], rtol=1e-6)


def test_float16_with_more_values_than_it_can_count():
    n = 70_000
    x = np.arange(n) % 7 * 1.0
    for name in ("mean", "max", "min", "var", "std", "logsumexp", "norm"):
        f = getattr(ops, name)
        value, gradient = mg.value_and_grad(lambda x, f=f: f(x))(x.astype(np.float16))
        expected, slope = mg.value_and_grad(lambda x, f=f: f(x))(x)
        assert value.dtype == gradient.dtype == np.float16
        np.testing.assert_allclose(value, expected, rtol=2e-3, err_msg=name)
        np.testing.assert_allclose(gradient, slope, rtol=2e-2, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", sorted(REFERENCES))
@pytest.mark.parametrize("axis, message", [([0, 1], r"write axis=\(0, 1\)"), (1.0, "axis=1.0 is not an int")])
def test_an_axis_of_another_type_is_explained(name, axis, message):
    with pytest.raises(TypeError, match=rf"{name}: .*{message}.*x \(2, 3, 4\)"):
        getattr(ops, name)(X, axis=axis)
