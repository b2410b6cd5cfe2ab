"""vjp, grad, value_and_grad."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops


def test_vjp_pulls_back_as_often_as_one_likes():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    y, pullback = mg.vjp(lambda a, b: a @ b, a, b)
    np.testing.assert_array_equal(y, a @ b)
    for g in (np.array([1.0, 0.0]), np.array([2.0, -1.0])):
        ga, gb = pullback(g)
        np.testing.assert_array_equal(ga, np.outer(g, b))
        np.testing.assert_array_equal(gb, a.T @ g)
    with pytest.raises(ValueError, match=r"cotangent has shape \(3,\)"):
        pullback(np.ones(3))


def test_vjp_of_functions_that_do_nothing():
    y, pullback = mg.vjp(lambda x: x, np.array([1.0, 2.0]))
    assert y.tolist() == [1, 2] and pullback([3.0, 4.0])[0].tolist() == [3, 4]
    y, pullback = mg.vjp(lambda x: mg.Tensor(5.0), np.array([1.0, 2.0]))
    assert y == 5 and pullback(1.0)[0].tolist() == [0, 0]


def test_randomised_vjps_take_a_seed():
    class Coin(mg.Estimator):
        def sample(self, g, node, rng):
            return g * rng.random()

    _, pullback = mg.vjp(lambda x: ops.multiply(x, 2.0, vjp=Coin()), np.ones(2))
    assert pullback(np.ones(2), rng=1)[0].tolist() == pullback(np.ones(2), rng=1)[0].tolist()
    assert pullback(np.ones(2), rng=1)[0].tolist() != pullback(np.ones(2), rng=2)[0].tolist()
    gradient = mg.grad(lambda x: ops.multiply(x, 2.0, vjp=Coin()).sum())
    assert gradient(np.ones(2), rng=1).tolist() == gradient(np.ones(2), rng=1).tolist()


def test_grad_by_one_and_by_several():
    f = lambda x, y, scale=1.0: (x * y).sum() * scale  # noqa: E731
    x, y = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert mg.grad(f)(x, y).tolist() == [3, 4]
    assert mg.grad(f, argnums=1)(x, y).tolist() == [1, 2]
    assert mg.grad(f, argnums=-1)(x, y).tolist() == [1, 2]
    gx, gy = mg.grad(f, argnums=(0, 1))(x, y, scale=2.0)
    assert gx.tolist() == [6, 8] and gy.tolist() == [2, 4]
    (only,) = mg.grad(f, argnums=[1])(x, y)
    assert only.tolist() == [1, 2]
    value, gradient = mg.value_and_grad(f)(x, y)
    assert value == 11 and gradient.tolist() == [3, 4]


def test_dtypes():
    f = lambda x: (x * x).sum()  # noqa: E731
    assert mg.grad(f)(np.ones(2, np.float32)).dtype == np.float32
    assert mg.grad(f)([1, 2]).dtype == np.float64
    assert mg.grad(f)(mg.Tensor(np.ones(2, np.float32))).dtype == np.float32


def test_a_leaf_gives_its_values_outside_of_a_tape():
    w = mg.Tensor([1.0, 2.0], requires_grad=True)
    assert mg.grad(lambda x: (x**2).sum())(w).tolist() == [2, 4]
    assert mg.vjp(lambda p: p["w"] * 3, {"w": w})[1](np.ones(2))[0]["w"].tolist() == [3, 3]
    with mg.Tape() as tape:  # within one it is a derivative that has derivatives itself
        g = mg.grad(lambda p: (p["w"] ** 3).sum())({"w": w})["w"]
    assert tape.gradients(g, [w], cotangent=[1.0, 0.0])[0].tolist() == [6, 0]


def test_grad_works_inside_a_tape_without_leaving_a_trace():
    w = mg.Tensor([2.0], requires_grad=True)
    with mg.Tape() as tape:
        y = w * 3
        inner = mg.grad(lambda x: (x**3).sum())(w.data)
        loss = (y * inner).sum()
    assert inner.tolist() == [12.0] and len(tape.nodes) == 3
    assert tape.gradients(loss, [w])[0].tolist() == [36.0]


def test_errors():
    with pytest.raises(mg.TapeError, match=r"returned shape \(2,\)"):
        mg.grad(lambda x: x)(np.ones(2))
    with pytest.raises(TypeError, match="must return a Tensor, but returned a float"):
        mg.grad(lambda x: 1.0)(np.ones(2))
    with pytest.raises(IndexError, match="argument number 1 of a call with 1"):
        mg.grad(lambda x: x.sum(), argnums=1)(np.ones(2))
    with pytest.raises(TypeError, match="dtype complex"):
        mg.grad(lambda x: x.sum())(np.ones(2, complex))


def test_argument_numbers_are_checked():
    x, y = np.ones(2), np.ones(2)
    for argnums in ((0, 0), (0, -2), [1, -1]):
        with pytest.raises(ValueError, match="given twice"):
            mg.grad(lambda x, y: (x * y).sum(), argnums=argnums)(x, y)
    for argnums in (1.0, (0, 1.0), "0", None):
        with pytest.raises(TypeError, match="an int or a sequence of ints"):
            mg.grad(lambda x, y: (x * y).sum(), argnums=argnums)
    assert len(mg.grad(lambda x, y: (x * y).sum(), argnums=np.array([0, 1]))(x, y)) == 2


def test_a_constant_function_checks_its_cotangent():
    _, pullback = mg.vjp(lambda x: mg.Tensor(np.ones(3)), np.ones(2))
    with pytest.raises(ValueError, match=r"vjp: the cotangent has shape \(2,\)"):
        pullback(np.ones(2))
    assert pullback(np.ones(3))[0].tolist() == [0, 0]


def test_a_second_derivative():
    def inner(a):
        return mg.grad(lambda b: (b**3).sum())(a) * a

    assert mg.grad(inner)(2.0) == 36.0
    assert mg.grad(mg.grad(lambda x: 3.0 * x))(2.0) == 0.0  # a constant gradient is a tensor within another


THREE = mg.Tensor(3.0)
IN_DIRECTION = {
    "vjp": (lambda g: mg.vjp(lambda x: x * 3, 2.0)[1](g)[0], 3),
    "vjp of a constant": (lambda g: mg.vjp(lambda x: THREE, 2.0)[1](g)[0], 0),
    "vjp of a constant, at the same point": (lambda x: mg.vjp(lambda x: THREE, x)[1](x)[0], 0),
    "vjp by an argument that is not used": (lambda g: mg.vjp(lambda x, y: x * 3, 2.0, 4.0)[1](g)[1], 0),
    "vjp of a container with a constant": (lambda g: mg.vjp(lambda x: {"a": THREE}, 2.0)[1]({"a": g})[0], 0),
    "vjp of a container": (lambda g: mg.vjp(lambda x: (THREE, 2 * x), 2.0)[1]((g, 1.0))[0], 0),
    "jvp": (lambda t: mg.jvp(lambda x: x * 3, (2.0,), (t,))[1], 3),
    "jvp of a constant": (lambda t: mg.jvp(lambda x: THREE, (2.0,), (t,))[1], 0),
    "jvp by an argument that is not used": (lambda t: mg.jvp(lambda x, y: x * 3, (2.0, 4.0), (1.0, t))[1], 0),
    "jvp of a container": (lambda t: mg.jvp(lambda x: (x * 3, THREE), (2.0,), (t,))[1][1], 0),
    "hvp": (lambda t: mg.hvp(lambda x: x**3, (2.0,), (t,)), 12),
    "hvp of a linear function": (lambda t: mg.hvp(lambda x: x * 3, (2.0,), (t,)), 0),
    "gauss_newton_product": (lambda t: mg.gauss_newton_product(lambda x: x * 3, (2.0,), (t,)), 9),
    "gauss_newton_product of a constant": (lambda t: mg.gauss_newton_product(lambda x: THREE, (2.0,), (t,)), 0),
}


@pytest.mark.parametrize("name", IN_DIRECTION)
def test_products_are_differentiated_by_the_direction(name):
    """They are linear in it, and where they are 0 whatever it is, the derivative is 0, too, and no error."""
    product, slope = IN_DIRECTION[name]
    assert mg.grad(product)(1.5) == slope and mg.jvp(product, (1.5,), (1.0,))[1] == slope
    assert mg.grad(mg.grad(lambda t: product(t) * t))(1.5) == 2 * slope


def test_a_list_of_numbers_is_an_array():
    assert mg.grad(lambda x: (x**2).sum())([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[2.0, 4.0], [6.0, 8.0]]
