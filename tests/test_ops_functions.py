"""Smooth functions: values, extremes, and the root at zero. Gradients elsewhere: test_ops_gradients.py."""

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
