"""elementwise_grad: the diagonal of the Jacobian of an element-wise function."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import Mask

X = np.random.default_rng(0).standard_normal((4, 3))


def test_it_is_the_diagonal_of_the_jacobian():
    def fn(x):
        return np.sin(x) * x**2

    whole = mg.jacobian(fn)(X).reshape(12, 12)
    assert not np.any(whole - np.diag(np.diag(whole)))
    np.testing.assert_allclose(mg.elementwise_grad(fn)(X), np.diag(whole).reshape(4, 3), rtol=1e-14)
    np.testing.assert_allclose(mg.elementwise_grad(fn)(0.5), mg.grad(fn)(0.5), rtol=1e-14)
    assert mg.elementwise_grad(fn)(X.astype(np.float32)).dtype == np.float32


def test_it_nests():
    third = mg.elementwise_grad(mg.elementwise_grad(mg.elementwise_grad(np.sin)))
    np.testing.assert_allclose(third(X), -np.cos(X), rtol=1e-12)
    by_scale = mg.grad(lambda a: mg.elementwise_grad(lambda x: np.sin(a * x))(X).sum())
    np.testing.assert_allclose(by_scale(1.5), (np.cos(1.5 * X) - 1.5 * X * np.sin(1.5 * X)).sum(), rtol=1e-12)
    mixed = mg.elementwise_grad(mg.elementwise_grad(lambda x, y: x**2 + y**2, 0), 1)
    assert mixed(X, X).tolist() == np.zeros((4, 3)).tolist()


def test_a_network_on_each_row():
    model = nn.mlp(1, 8, 1, rng=0).astype(np.float64)
    rows = X.reshape(-1, 1)
    found = mg.elementwise_grad(model)(rows)
    alone = [mg.grad(lambda x: model(x).sum())(row[None])[0, 0] for row in rows]
    np.testing.assert_allclose(found[:, 0], alone, rtol=1e-12)


def test_containers_several_arguments_keywords_and_draws():
    def fn(p, x, k=1.0):
        return k * p["a"] * x

    by_p, by_x = mg.elementwise_grad(fn, (0, 1))({"a": X, "b": 1.0}, 2 * X, k=3.0)
    assert by_p["a"].tolist() == (6 * X).tolist() and by_p["b"] == 0.0 and by_x.tolist() == (3 * X).tolist()
    noisy = mg.elementwise_grad(lambda x: ops.exp(x, vjp=Mask(0.5)))
    assert noisy(X, rng=1).tolist() == noisy(X, rng=1).tolist() != mg.elementwise_grad(ops.exp)(X).tolist()


def test_errors():
    with pytest.raises(TypeError, match="elementwise_grad: the function returned a container"):
        mg.elementwise_grad(lambda x: (x, x))(X)
    with pytest.raises(TypeError, match="elementwise_grad: the function must return a Tensor"):
        mg.elementwise_grad(lambda x: x.data)(X)
    with pytest.raises(TypeError, match="elementwise_grad: argnums= takes an int"):
        mg.elementwise_grad(np.sin, "x")
