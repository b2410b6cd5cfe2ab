"""Products, cumulative sums and products: values and dtypes as in NumPy, and derivatives at zeros."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.random.default_rng(0).standard_normal((2, 3, 4))


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.bool_])
def test_values(name, axis, dtype):
    x = (X * 2).astype(dtype)
    got, expected = getattr(ops, name)(x, axis=axis).data, getattr(np, name)(x, axis=axis)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(getattr(mg.Tensor(x), name)(axis).data, expected)


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, np.bool_])
def test_values_of_prod(axis, keepdims, dtype):
    x = (X * 2).astype(dtype)
    got, expected = ops.prod(x, axis=axis, keepdims=keepdims).data, np.prod(x, axis=axis, keepdims=keepdims)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def without(x, *left_out):
    return np.prod([value for k, value in enumerate(x) if k not in left_out])


@pytest.mark.parametrize("zeros", [(), (0,), (3,), (1, 2), (0, 2, 3), (0, 1, 2, 3)])
def test_derivatives_of_prod_at_zeros(zeros):
    """The product of the others, and of the others but two: exactly, for there is no division."""
    x = np.array([2.0, -3.0, 5.0, 7.0])
    x[list(zeros)] = 0
    np.testing.assert_array_equal(mg.grad(ops.prod)(x), [without(x, i) for i in range(4)])
    hessian = [mg.grad(lambda x, i=i: mg.grad(ops.prod)(x)[i])(x) for i in range(4)]
    np.testing.assert_array_equal(hessian, [[0 if i == j else without(x, i, j) for j in range(4)] for i in range(4)])
    third = mg.grad(lambda x: mg.grad(lambda x: mg.grad(ops.prod)(x)[0])(x)[1])(x)
    np.testing.assert_array_equal(third, [0, 0, without(x, 0, 1, 2), without(x, 0, 1, 3)])


@pytest.mark.parametrize("zeros", [(), (0,), (3,), (1, 2), (0, 2, 3), (0, 1, 2, 3)])
def test_derivatives_of_cumprod_at_zeros(zeros):
    x = np.array([2.0, -3.0, 5.0, 7.0])
    x[list(zeros)] = 0
    weights = np.array([1.0, 10.0, 100.0, 1000.0])

    def expected(*by):
        return sum(
            w * without(x[: j + 1], *by) for j, w in enumerate(weights) if j >= max(by) and len({*by}) == len(by)
        )

    def fn(x):
        return (x.cumprod() * weights).sum()

    np.testing.assert_array_equal(mg.grad(fn)(x), [expected(i) for i in range(4)])
    for i, j in itertools.product(range(4), repeat=2):
        assert mg.grad(lambda x, i=i: mg.grad(fn)(x)[i])(x)[j] == expected(i, j)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 100])
def test_the_recurrence_of_any_length(n):
    """The rule on whole arrays is that of one entry after the other."""
    x, g = np.random.default_rng(n).uniform(0.5, 1.5, (2, n))
    (got,) = mg.vjp(ops.cumprod, x)[1](g)
    out, s = np.zeros(n), 0.0
    for i in reversed(range(n)):
        s = g[i] + (x[i + 1] * s if i + 1 < n else 0.0)
        out[i] = np.prod(x[:i]) * s
    np.testing.assert_allclose(got, out, rtol=1e-12)


@pytest.mark.parametrize("name", ["prod", "cumsum", "cumprod"])
def test_of_nothing(name):
    value, gradient = mg.value_and_grad(lambda x: getattr(ops, name)(x, axis=1).sum())(np.ones((2, 0)))
    assert value == (2 if name == "prod" else 0)
    assert gradient.shape == (2, 0)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_axes_that_there_are_not(name):
    with pytest.raises(np.exceptions.AxisError, match=rf"{name}: axis 3 is out of bounds"):
        getattr(ops, name)(X, axis=3)
    with pytest.raises(TypeError, match=rf"{name}: axis=\(0, 1\) must be an int"):
        getattr(ops, name)(X, axis=(0, 1))


def test_float16_adds_up_in_float32():
    ones = np.ones(5000, np.float16)
    value, gradient = mg.value_and_grad(lambda x: ops.cumsum(x)[-1])(ones)
    assert value == 5000 and gradient.dtype == np.float16
    np.testing.assert_array_equal(gradient, ones)


def test_kept_samples_stay_short():
    x = mg.Tensor(X, requires_grad=True)
    with mg.Tape(rng=0) as tape:
        y = ops.multiply(ops.prod(x, axis=2), 1.0, vjp=mg.estimators.Mask(0.5, axis="sample"))
    mean = np.mean([tape.gradients(y, [x], cotangent=np.ones((2, 3)), rng=k)[0] for k in range(400)], axis=0)
    exact = mg.grad(lambda x: ops.prod(x, axis=2).sum())(X)
    # 400 draws: the error of a mean has a standard deviation of 5 % of its entry, and none of the 24 exceeds 5 of them.
    assert (np.abs(mean - exact) < 0.25 * np.abs(exact)).all()
