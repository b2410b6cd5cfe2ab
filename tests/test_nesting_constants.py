"""A derivative within a function may not hang on its argument: it is a constant, with derivative 0, and no mistake."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg


def own_tape(fn, u):
    with mg.Tape() as tape:
        leaf = mg.Tensor(u, requires_grad=True)
        value = fn(leaf)
    return tape.gradients(value, [leaf])[0]


def pushed(fn, u):
    with mg.Tape() as tape:
        leaf = mg.Tensor(u, requires_grad=True)
        value = fn(leaf)
    return tape.pushforward([(leaf, np.ones(2))])[value.node]


INNER = {
    "grad": lambda fn, u: mg.grad(fn)(u),
    "value of value_and_grad": lambda fn, u: mg.value_and_grad(fn)(u)[0],
    "value of vjp": lambda fn, u: mg.vjp(fn, u)[0],
    "vjp": lambda fn, u: mg.vjp(fn, u)[1](1.0)[0],
    "jvp": lambda fn, u: mg.jvp(fn, (u,), (np.ones(2),))[1],
    "jacobian": lambda fn, u: mg.jacobian(fn)(u),
    "hessian": lambda fn, u: mg.hessian(fn)(u),
    "hvp": lambda fn, u: mg.hvp(fn, (u,), (np.ones(2),)),
    "Tape.gradients": own_tape,
    "Tape.pushforward": pushed,
}
"""A derivative of fn at u."""

OUTER = {
    "grad": lambda fn, x: mg.grad(lambda x: fn(x).sum())(x),
    "value_and_grad": lambda fn, x: mg.value_and_grad(lambda x: fn(x).sum())(x)[1],
    "vjp": lambda fn, x: mg.vjp(fn, x)[1](np.ones(np.shape(fn(x))))[0],
    "jvp": lambda fn, x: mg.jvp(fn, (x,), (np.ones(3),))[1],
    "jacobian": lambda fn, x: mg.jacobian(fn)(x),
    "jacobian, forward": lambda fn, x: mg.jacobian(fn, mode="forward")(x),
    "hessian": lambda fn, x: mg.hessian(lambda x: fn(x).sum())(x),
    "hvp": lambda fn, x: mg.hvp(lambda x: fn(x).sum(), (x,), (np.ones(3),)),
}


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", OUTER)
def test_the_derivative_of_a_constant_derivative_is_zero(outer, inner):
    u, x = np.array([1.0, 2.0]), np.ones(3)
    derivative = INNER[inner]

    def separate(x):
        return derivative(lambda u: (u**3).sum(), u)

    def together(x):
        return derivative(lambda u: (x**2).sum() * (u**3).sum(), u)

    assert not np.any(OUTER[outer](separate, x))
    assert np.any(OUTER[outer](together, x))


def test_mixed_derivatives_of_a_sum_of_functions_by_argument():
    cost = lambda x, u: np.sum(x**2) + np.sum(u**2)  # noqa: E731
    x, u = np.ones(2), np.ones(1)
    assert mg.jacobian(mg.grad(cost, 1), 0)(x, u).tolist() == [[0.0, 0.0]]
    assert mg.grad(lambda x: np.linalg.inv(mg.hessian(cost, 1)(x, u)).sum())(x).tolist() == [0.0, 0.0]
    assert mg.jvp(lambda x: {"g": mg.grad(cost, 1)(x, u), "n": 3.0}, (x,), (x,))[1]["g"].tolist() == [0.0]


def test_a_pullback_of_before_may_be_a_constant():
    _, pullback = mg.vjp(lambda u: 3 * u, 2.0)
    assert mg.grad(lambda x: pullback(1.0)[0])(5.0) == 0.0
    _, nothing = mg.vjp(lambda u: mg.Tensor(1.0), 2.0)
    assert mg.grad(lambda x: nothing(1.0)[0])(5.0) == 0.0


def test_other_arrays_are_a_mistake_and_the_message_says_what_to_write():
    for fn in (
        lambda x: x.data.sum(),
        lambda x: 0.0,
        lambda x: max(x, 2),
        lambda x: (x**2).item(),
        lambda x: {"y": x.data},
    ):
        with pytest.raises(
            TypeError, match=r"must return a Tensor.*0 everywhere.*`\.data` or `\.item\(\)`.*minigrad\.Tensor\(c\)"
        ):
            mg.vjp(fn, 1.0)
    with pytest.raises(TypeError, match="must return a Tensor, but returned a tuple without any"):
        mg.vjp(lambda x: () if mg.grad(np.sin)(1.0) else x, 1.0)
    assert mg.grad(lambda x: x**2 if x > 0 else mg.Tensor(0.0))(-1.0) == 0.0
    mg.grad(np.sin)(1.0)
    with pytest.raises(TypeError, match="must return a Tensor"):  # a derivative that was taken before says nothing
        mg.grad(lambda x: 1.0)(1.0)
