"""Kinks: the stated derivative, exactly. Gradients elsewhere: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops


def test_relu():
    x = [-1.0, -0.0, 0.0, 2.0]
    assert ops.relu(x).data.tolist() == [0, 0, 0, 2]
    assert mg.grad(lambda x: ops.relu(x).sum())(x).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("op, by_x", [(ops.maximum, [0, 0.5, 1]), (ops.minimum, [1, 0.5, 0])])
def test_equal_values_share(op, by_x):
    x, y = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    gx, gy = mg.grad(lambda x, y: op(x, y).sum(), argnums=(0, 1))(x, y)
    assert gx.tolist() == by_x and (gx + gy).tolist() == [1, 1, 1]
    assert mg.grad(lambda x: op(x, x).sum())(x).tolist() == [1, 1, 1]
    assert mg.grad(lambda x: op(x, 2.0))(2.0) == 0.5


def test_where_gives_exactly_zero_to_the_branch_not_taken():
    x = np.array([-1.0, 4.0])
    gradient = mg.grad(lambda x: ops.where(x > 0, ops.where(x > 0, x, 1.0).log(), 0.0).sum())(x)
    assert gradient.tolist() == [0, 0.25]
    g = mg.vjp(lambda a, b: ops.where([True, False], a, b), x, x)[1](np.array([np.nan, np.inf]))
    assert str([part.tolist() for part in g]) == "[[nan, 0.0], [0.0, inf]]"
    np.testing.assert_array_equal(ops.where(x > 0, x, np.zeros((3, 1))).data, np.where(x > 0, x, np.zeros((3, 1))))


def test_clip():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    for low, high in [(-1, 1), (None, 1), (-1, None), (np.full(5, -1.0), 1)]:
        np.testing.assert_array_equal(ops.clip(x, low, high).data, np.clip(x, low, high))
    assert ops.clip(x).data.tolist() == x.tolist()
    assert mg.grad(lambda x: x.clip(-1, 1).sum())(x).tolist() == [0, 1, 1, 1, 0]
    with pytest.raises(ValueError, match=r"clip: .*x \(5,\)"):
        ops.clip(x, np.zeros(3))


def test_a_condition_may_be_reused_before_the_backward_pass():
    w, condition = mg.Tensor([1.0, 2.0], requires_grad=True), np.array([True, False])
    with mg.Tape() as tape:
        loss = ops.where(condition, w, 0.0).sum()
    condition[:] = True
    assert tape.gradients(loss, [w])[0].tolist() == [1, 0]
