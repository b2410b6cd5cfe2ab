"""Functions of one or two variables: values, ends, and stated rules. Gradients elsewhere: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import minigrad as mg
from minigrad import ops

X = np.linspace(-4, 4, 33)
REFERENCES = {
    "exp": np.exp, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "sigmoid": special.expit,
    "softplus": lambda x: np.log1p(np.exp(x)), "gelu": lambda x: x * stats.norm.cdf(x),
    "silu": lambda x: x / (1 + np.exp(-x)), "relu": lambda x: np.where(x > 0, x, 0),
    "log": lambda x: np.log(x), "sqrt": np.sqrt, "log1p": np.log1p,
}  # fmt: skip


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(name, dtype):
    x = (np.abs(X) + 0.1 if name in ("log", "sqrt", "log1p") else X).astype(dtype)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(getattr(ops, name)(x).data, REFERENCES[name](x), rtol=16 * eps, atol=2 * eps)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "tanh", "gelu", "silu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_and_no_nan_far_out(name, dtype):
    x = np.array([-1e4, -200.0, 200.0, 1e4], dtype)
    value, gradient = mg.value_and_grad(lambda x: getattr(ops, name)(x).sum())(x)
    limits = {"sigmoid": [0, 0, 0, 0], "tanh": [0, 0, 0, 0]}.get(name, [0, 0, 1, 1])
    assert np.isfinite(value)
    np.testing.assert_allclose(gradient, limits, atol=1e-30 if name != "tanh" else 1e-12)


ENDS = [0.0, -0.0, 0.3, -0.6, 1.0, -1.0, 1.5, -2.5, 7.0, 40.0, -40.0, 1e-8, np.inf, -np.inf, np.nan]
ONE = [
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil", "cos", "cosh",
    "deg2rad", "degrees", "exp", "exp2", "expm1", "fabs", "floor", "log", "log10", "log1p", "log2", "nan_to_num",
    "negative", "positive", "rad2deg", "radians", "rint", "round", "sign", "sin", "sinc", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc",
]  # fmt: skip
TWO = [
    "add", "arctan2", "divide", "float_power", "floor_divide", "fmax", "fmin", "hypot", "logaddexp",
    "logaddexp2", "maximum", "minimum", "mod", "multiply", "power", "remainder", "subtract",
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ONE)
def test_values_of_one_variable_are_those_of_numpy_at_the_ends_as_well(name, dtype):
    x = np.array(ENDS, dtype)
    with np.errstate(all="ignore"):
        got, expected = getattr(ops, name)(x).data, getattr(np, name)(x)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TWO)
def test_values_of_two_variables_are_those_of_numpy_at_the_ends_as_well(name, dtype):
    x = np.array(ENDS, dtype)
    with np.errstate(all="ignore"):
        got, expected = getattr(ops, name)(x[:, None], x).data, getattr(np, name)(x[:, None], x)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=2 * np.finfo(got.dtype).eps)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
@pytest.mark.parametrize("name", ["remainder", "floor_divide", "fmax", "fmin", "sign", "positive"])
def test_integers_stay_integers(name, dtype):
    x, y = np.array([100, 7, 3], dtype), np.array([3, 7, 100], dtype)
    arrays = (x,) if name in ("sign", "positive") else (x, y)
    got, expected = getattr(ops, name)(*arrays).data, getattr(np, name)(*arrays)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def test_functions_of_which_numpy_cuts_integers_give_floats():
    assert ops.reciprocal([4]).data.tolist() == [0.25]
    assert ops.float_power(np.array([2], np.int64), -2).data.tolist() == [0.25]
    assert ops.fabs(np.array([-3])).dtype == ops.floor(np.array([3])).dtype == np.float64


def derivatives(fn, x, order=3):
    """The derivatives of a function of one number, from the first on."""
    found = []
    for _ in range(order):
        fn = mg.grad(fn)
        with np.errstate(all="ignore"):
            found.append(fn(x).item())
    return found


INF, PI2 = np.inf, np.pi**2
AT = {
    # The power at 0, with whole exponents as numbers, as arrays, and as tensors that have a gradient.
    **{f"x**{y}": (lambda x, y=y: x**y, 0.0, slopes)
       for y, slopes in {0: [0, 0, 0], 1: [1, 0, 0], 2: [0, 2, 0], 3: [0, 0, 6], 4: [0, 0, 0], 2.5: [0, 0, 0],
                         0.5: [0, 0, 0], -1: [-INF, INF, -INF]}.items()},
    "x**2 at -3": (lambda x: x**2, -3.0, [-6, 2, 0]),
    "x**3.0 at -2": (lambda x: x**3.0, -2.0, [12, -12, 6]),
    "x**[2, 3]": (lambda x: (x ** np.array([2.0, 3.0])).sum(), 0.0, [0, 2, 6]),
    "square": (ops.square, 0.0, [0, 2, 0]),
    "sqrt": (ops.sqrt, 0.0, [0, 0, 0]),
    "cbrt": (ops.cbrt, 0.0, [0, 0, 0]),
    "absolute": (ops.absolute, 0.0, [0, 0, 0]),
    "fabs": (ops.fabs, -2.0, [-1, 0, 0]),
    "relu": (ops.relu, 0.0, [0, 0, 0]),
    "relu, squared": (lambda x: ops.relu(x) ** 2, 3.0, [6, 2, 0]),
    "sign": (ops.sign, 0.0, [0, 0, 0]),
    "floor": (ops.floor, 2.0, [0, 0, 0]),
    "x mod 2": (lambda x: x % 2.0, 4.0, [1, 0, 0]),
    "5.5 mod x": (lambda x: 5.5 % x, 2.0, [-2, 0, 0]),
    "7 // x": (lambda x: 7 // x, 2.0, [0, 0, 0]),
    "maximum": (lambda x: ops.maximum(x, 1.0), 1.0, [0.5, 0, 0]),
    "clip": (lambda x: x.clip(0.0, 1.0), 1.0, [1, 0, 0]),
    "sinc at 0": (ops.sinc, 0.0, [0, -PI2 / 3, 0, PI2**2 / 5]),
    "sinc near 0": (ops.sinc, 1e-7, [-PI2 / 3e7, -PI2 / 3, PI2**2 / 5e7]),
    "sinc at 1": (ops.sinc, 1.0, [-1, 2, PI2 - 6]),
    "erf": (ops.erf, 0.0, [2 / np.sqrt(np.pi), 0, -4 / np.sqrt(np.pi)]),
    "erf at ∞": (ops.erf, INF, [0, 0, 0]),
    "gelu": (ops.gelu, 0.0, [0.5, np.sqrt(2 / np.pi), 0, -2 * np.sqrt(2 / np.pi)]),
    "gelu at ∞": (ops.gelu, INF, [1, 0, 0]),
    "gelu at −∞": (ops.gelu, -INF, [0, 0, 0]),
    "silu": (ops.silu, 0.0, [0.5, 0.5, 0, -0.5]),
    "silu at ∞": (ops.silu, INF, [1, 0, 0]),
    "softplus": (ops.softplus, 0.0, [0.5, 0.25, 0, -0.125]),
    "tanh": (ops.tanh, 0.0, [1, 0, -2]),
    "log1p": (ops.log1p, 0.0, [1, -1, 2]),
    "expm1 far out": (ops.expm1, -60.0, [np.exp(-60.0)] * 3),
    "log outside": (ops.log, -1.0, [np.nan] * 3),
    "log1p outside": (ops.log1p, -2.0, [np.nan] * 3),
    "log10 outside": (ops.log10, -2.0, [np.nan] * 3),
    "arctanh outside": (ops.arctanh, 2.0, [np.nan] * 3),
    "arccosh outside": (ops.arccosh, -2.0, [np.nan] * 3),
    "arcsin outside": (ops.arcsin, 2.0, [np.nan] * 3),
    "arcsin at 1": (ops.arcsin, 1.0, [INF]),
    "arccos at 1": (ops.arccos, 1.0, [-INF]),
    "arctan far out": (ops.arctan, 1e200, [0, 0, 0]),
    "arcsinh far out": (ops.arcsinh, 1e200, [1e-200, 0, 0]),
    "hypot far out": (lambda x: ops.hypot(x, 4e200), 3e200, [0.6, 0.64 / 5e200, 0]),
    "arctan2 far out": (lambda y: ops.arctan2(y, 4e200), 3e200, [1.6e-201, 0]),
    "logaddexp of ties": (lambda x: ops.logaddexp(x, 1.0), 1.0, [0.5, 0.25, 0]),
    "logaddexp of ∞ and ∞": (lambda x: ops.logaddexp(x, INF), INF, [0.5, 0, 0]),
    "logaddexp of −∞ and −∞": (lambda x: ops.logaddexp(x, -INF), -INF, [0, 0, 0]),
    "nan_to_num": (ops.nan_to_num, np.nan, [0, 0, 0]),
    "fmax beside NaN": (lambda x: ops.fmax(np.nan, x), 2.0, [1, 0, 0]),
    "fmax of NaN": (lambda x: ops.fmax(x, 2.0), np.nan, [0, 0, 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", AT)
def test_derivatives_at_single_points(name):
    """Exact values where the formula of a textbook has 0·∞ or ∞ − ∞, and the stated rules at kinks and steps."""
    fn, x, expected = AT[name]
    np.testing.assert_allclose(derivatives(fn, x, len(expected)), expected, rtol=1e-8, atol=1e-15 if abs(x) < 1 else 0)


@pytest.mark.parametrize("fn", [ops.hypot, ops.arctan2, ops.maximum])
def test_functions_of_two_variables_at_the_origin(fn):
    first = mg.grad(fn, argnums=(0, 1))(0.0, 0.0)
    assert [g.item() for g in first] == ([0.5, 0.5] if fn is ops.maximum else [0, 0])
    for by in (0, 1):
        second = mg.grad(mg.grad(fn, argnums=by), argnums=(0, 1))(0.0, 0.0)
        assert [g.item() for g in second] == [0, 0]


def test_mixed_derivatives_of_a_power():
    """A base with the exponent 2 has a short cut, which must not hide that the slope hangs on the exponent."""
    expected = 2 * (1 + 2 * np.log(2.0))
    assert mg.grad(mg.grad(ops.power, argnums=0), argnums=1)(2.0, 2.0) == pytest.approx(expected, rel=1e-14)
    assert mg.grad(mg.grad(ops.power, argnums=1), argnums=0)(2.0, 2.0) == pytest.approx(expected, rel=1e-14)
    assert mg.grad(lambda y: mg.grad(lambda x: x**y)(2.0))(2.0) == pytest.approx(expected, rel=1e-14)
    for by in (0, 1):
        assert [g.item() for g in mg.grad(mg.grad(ops.power, argnums=by), argnums=(0, 1))(0.0, 3.0)] == [0, 0]
    assert mg.grad(mg.grad(ops.power, argnums=0), argnums=0)(0.0, 2.0) == 2


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_relu_of_large_arrays_in_the_second_order(share):
    """Of large arrays it keeps bits, and those of the NaN only where there are some."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((700, 9))
    x[rng.random(x.shape) < share] = np.nan
    second = mg.grad(lambda x: mg.grad(lambda x: (ops.relu(x) ** 3).sum())(x).sum())(x)
    np.testing.assert_allclose(second, 6 * np.where(np.isnan(x), np.nan, np.maximum(x, 0)), rtol=1e-14)


def test_operators():
    x = mg.Tensor([5.5, -5.5])
    assert (+x).data.tolist() == [5.5, -5.5] and (x % 2).data.tolist() == [1.5, 0.5]
    assert (x // 2).data.tolist() == [2, -3] and (7 % x).data.tolist() == [1.5, -4.0]
    assert (np.array([7.0, 7.0]) // x).data.tolist() == [1, -2]
    assert x.round().data.tolist() == [6, -6] and mg.Tensor(2.25).round(1).item() == 2.2
    assert mg.grad(lambda x: (+x * x % 3).sum())([2.0]).tolist() == [4.0]


def test_sqrt_at_zero():
    assert mg.grad(lambda x: x.sqrt().sum())([0.0, 0.25, 0.0]).tolist() == [0, 1, 0]
    assert mg.grad(lambda x: x.sqrt())(0.0) == 0
    # The composition that has made norms NaN elsewhere.
    assert mg.grad(lambda x: (x * x).sum().sqrt())(np.zeros(3)).tolist() == [0, 0, 0]


def test_log1p_is_exact_near_zero():
    assert ops.log1p(1e-12).item() == np.log1p(1e-12)


@pytest.mark.parametrize("name", ["gelu", "silu"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_limits_at_infinity(name, dtype):
    far = 0.9 * float(np.finfo(dtype).max)
    value, pullback = mg.vjp(getattr(ops, name), np.array([np.inf, -np.inf, far, -far, np.nan], dtype))
    np.testing.assert_array_equal(value, np.array([np.inf, 0, far, 0, np.nan], dtype))
    np.testing.assert_array_equal(pullback(np.ones(5))[0], [1, 0, 1, 0, np.nan])
