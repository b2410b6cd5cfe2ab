"""Second derivatives of reductions, losses and normalisation at zeros, at infinity and between equal values, where
`gradient_table` has no points; and that none of them has a side effect. Elsewhere: test_ops_tangents.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops


def hessian(fn, x):
    x = np.asarray(x, float)
    with np.errstate(all="ignore"):
        return np.array([mg.grad(lambda x, i=i: mg.grad(fn)(x)[i])(x) for i in range(len(x))])


def from_forward(fn, x):
    """The same by forward mode over the gradient."""
    x = np.asarray(x, float)
    with np.errstate(all="ignore"):
        return np.array([mg.hvp(fn, (x,), (row,)) for row in np.eye(len(x))])


CENTRED = np.eye(3) - 1 / 3
CASES = {
    "the variance of equal values": (ops.var, [2.0, 2.0, 2.0], 2 / 3 * CENTRED),
    "their standard deviation": (ops.std, [2.0, 2.0, 2.0], np.zeros((3, 3))),
    "the norm of 0": (ops.norm, [0.0, 0.0], np.zeros((2, 2))),
    "the norm beside 0": (ops.norm, [0.0, 2.0], [[0.5, 0.0], [0.0, 0.0]]),
    "the 3-norm of 0": (lambda x: ops.norm(x, 3), [0.0, 0.0], np.zeros((2, 2))),
    "the 3-norm beside 0": (lambda x: ops.norm(x, 3), [0.0, 2.0], np.zeros((2, 2))),
    "the 1-norm": (lambda x: ops.norm(x, 1), [-1.0, 2.0], np.zeros((2, 2))),
    "a maximum of equal values": (ops.max, [1.0, 1.0, 0.0], np.zeros((3, 3))),
    "its square": (lambda x: x.max() ** 2, [1.0, 1.0, 0.0], [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]),
    "logsumexp of equal values": (ops.logsumexp, [1.0, 1.0], [[0.25, -0.25], [-0.25, 0.25]]),
    "logsumexp of large ones": (ops.logsumexp, [1e4, 1e4], [[0.25, -0.25], [-0.25, 0.25]]),
    "logsumexp beside -inf": (ops.logsumexp, [-np.inf, 1.0], np.zeros((2, 2))),
    "logsumexp of -inf": (ops.logsumexp, [-np.inf, -np.inf], np.zeros((2, 2))),
    "logsumexp of inf": (ops.logsumexp, [np.inf, 1.0], np.zeros((2, 2))),
    "the median of equal values": (lambda x: ops.median(x) ** 2, [1.0, 1.0], [[0.5, 0.5], [0.5, 0.5]]),
    "cross-entropy of a class of probability 0": (
        lambda x: ops.cross_entropy(x, np.array([0.0, 0.5, 0.5])), [-1e3, 0.0, 0.0],
        [[0, 0, 0], [0, 0.25, -0.25], [0, -0.25, 0.25]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("derive", [hessian, from_forward])
@pytest.mark.parametrize("name", CASES)
def test_second_derivatives(name, derive):
    fn, x, expected = CASES[name]
    np.testing.assert_allclose(derive(fn, x), expected, rtol=1e-12, atol=1e-12)


def test_statistics_are_observed_once():
    """Neither forward mode nor a derivative of the gradient runs the forward pass again."""
    seen = []

    def fn(x):
        return (ops.batch_norm(x, np.ones(2), np.zeros(2), observe=lambda *both: seen.append(both)) ** 3).sum()

    x = np.array([[1.0, 5.0], [3.0, 4.0], [0.0, 2.0]])
    for count, derive in enumerate(
        [lambda: mg.grad(fn)(x), lambda: mg.jvp(fn, (x,), (x,)), lambda: mg.grad(lambda x: mg.grad(fn)(x)[0, 0])(x),
         lambda: mg.hvp(fn, (x,), (x,))], start=1
    ):  # fmt: skip
        derive()
        assert len(seen) == count


def test_given_statistics_may_run_on_before_the_backward_pass():
    mean, var = np.zeros(2), np.ones(2)
    x = mg.Tensor([[1.0, 2.0]], requires_grad=True)
    gain = mg.Tensor([1.0, 3.0], requires_grad=True)
    with mg.Tape():
        with mg.Tape() as tape:
            y = (ops.batch_norm(x, gain, np.zeros(2), mean, var, eps=0.0) ** 2).sum()
        mean += 100.0
        var *= 9.0
        by_x, by_gain = tape.gradients(y, [x, gain])
    np.testing.assert_allclose(np.asarray(getattr(by_x, "data", by_x)), [[2.0, 36.0]])
    np.testing.assert_allclose(np.asarray(getattr(by_gain, "data", by_gain)), [2.0, 24.0])
