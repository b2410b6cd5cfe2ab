"""Indexing: repeated indices add up, and errors. Gradients elsewhere: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    "index",
    [0, -1, (1, 2), slice(None, None, 2), (slice(None), None, 1), ..., [0, 2, 0], ([0, 1], [3, 3]), X > 5,
     np.array([True, False, True]), (np.array([[0], [2]]), np.array([1, 1])), np.int64(1), None],
)  # fmt: skip
def test_values_and_adjoint(index):
    """The VJP is the transpose of picking: Σ g·x[i] = Σ vjp(g)·x for every x and g."""
    y, pullback = mg.vjp(lambda x: x[index], X)
    np.testing.assert_array_equal(y, X[index])
    g = np.random.default_rng(0).standard_normal(y.shape)
    np.testing.assert_allclose((pullback(g)[0] * X).sum(), (g * X[index]).sum(), rtol=1e-12)


def test_tensors_as_indices():
    chosen = mg.Tensor([2, 0, 2])
    assert mg.Tensor(X)[chosen].data.tolist() == X[[2, 0, 2]].tolist()
    assert mg.Tensor(X)[chosen, 1].data.tolist() == X[[2, 0, 2], 1].tolist()


def test_repeated_indices_add_up():
    assert mg.grad(lambda x: x[[1, 1, 1]].sum())([5.0, 6.0]).tolist() == [0, 3]
    assert mg.grad(lambda x: (x[[0, 0], [1, 1]]).sum())(X).tolist()[0] == [0, 2, 0, 0]
    assert mg.grad(lambda x: ops.take(x, [[2, 2], [0, 2]]).sum())(X).sum(axis=1).tolist() == [4, 0, 12]
    assert mg.grad(lambda x: ops.take_along_axis(x, [[0, 0, 0]] * 3).sum())(X)[:, 0].tolist() == [3, 3, 3]


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gathers_as_in_numpy(axis):
    indices = np.array([[0, -1], [1, 1]])
    np.testing.assert_array_equal(ops.take(X, indices, axis).data, np.take(X, indices, axis))
    along = np.argsort(-X, axis=axis)
    np.testing.assert_array_equal(ops.take_along_axis(X, along, axis).data, np.take_along_axis(X, along, axis))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: mg.Tensor(X)[3], IndexError, r"getitem: .*x \(3, 4\)"),
        (lambda: mg.Tensor(X)[0, 0, 0], IndexError, "getitem: too many indices"),
        (lambda: mg.Tensor(X)[1.5], IndexError, "getitem: "),
        (lambda: ops.take(X, [3]), IndexError, "take: .*out of bounds"),
        (lambda: ops.take(X, [0.5]), ValueError, "take: indices must be integers"),
        (lambda: ops.take(X, [0], axis=2), ValueError, "take: axis 2 is out of bounds"),
        (lambda: ops.take_along_axis(X, [[4]] * 3), IndexError, "take_along_axis: .*out of bounds"),
        (lambda: ops.take_along_axis(X, [0, 1]), ValueError, r"take_along_axis: indices have shape \(2,\)"),
        (lambda: ops.take_along_axis(X, [[0]] * 3, axis=2), ValueError, "take_along_axis: axis 2 is out of bounds"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "index, expected",
    [(((0, 0, 2),), [2, 0, 1]), ([], [0, 0, 0]), ([mg.Tensor(1), mg.Tensor(1)], [0, 2, 0]), (range(2), [1, 1, 0])],
)
def test_sequences_within_an_index(index, expected):
    assert mg.grad(lambda x: x[index].sum())([5.0, 6.0, 7.0]).tolist() == expected


def test_only_the_outermost_tuple_stays_one():
    assert mg.grad(lambda x: x[:, (0, 0)].sum())(np.ones((2, 2))).tolist() == [[2, 0], [2, 0]]


@pytest.mark.parametrize(
    "pick", [lambda w, i: w[i], lambda w, i: w[i,], lambda w, i: w[mg.Tensor(i)], ops.take, ops.take_along_axis]
)
def test_indices_may_be_reused_before_the_backward_pass(pick):
    w, i = mg.Tensor([1.0, 2.0, 3.0], requires_grad=True), np.array([0, 0])
    with mg.Tape() as tape:
        loss = pick(w, i).sum()
    i[:] = 2
    assert tape.gradients(loss, [w])[0].tolist() == [2, 0, 0]


BOX = np.arange(60.0).reshape(3, 4, 5)
ROWS, COLUMNS = np.array([2, 0, 2]), np.array([[1], [3]])


@pytest.mark.parametrize(
    "index",
    [
        (..., 1), (1, ...), (0, ..., slice(None, None, -1)), (slice(None, None, -2), None, ..., -1), (None, None),
        (slice(3, None, -1), slice(-1, 0, -3)), (ROWS, ..., ROWS), (ROWS, slice(None), COLUMNS), (..., COLUMNS, ROWS),
        (None, ROWS, 0), (ROWS, None, COLUMNS), (0, slice(None), ROWS), (slice(None), 0, ROWS), BOX > 30,
        (BOX[:, :, 0] > 20), (BOX[:, :, 0] > 20, 1), (BOX[:, 0, 0] > 20, ROWS[:2]), (slice(None), BOX[0] > 7),
        (BOX[:, 0, 0] >= 0, slice(None, None, 2), ROWS), np.ix_([0, 2], [1, 1, 3], [4]), True, False, (True, ROWS),
        np.bool_(True), (np.array(True), 1), (slice(4, 1), 0), np.zeros(3, bool), (-1, -1, -1), (np.int8(-1), ROWS),
        [[0, 1], [2, 2]], ([0, 1], [2, 2], [0, 0]), ((0, 2), (1, 1)), (COLUMNS - 1, COLUMNS), np.empty((0, 2), int),
        (np.uint8(1), slice(np.int64(1), None)), (), ([True, False, True], 0), (..., [0, 0, 0]),
    ],
)  # fmt: skip
def test_every_kind_of_index(index):
    """The value is NumPy's, and the VJP the transpose, entry by entry: each place gets what was read from it."""
    y, pullback = mg.vjp(lambda x: x[index], BOX)
    np.testing.assert_array_equal(y, BOX[index], strict=True)
    g = np.random.default_rng(0).standard_normal(y.shape)
    expected = np.bincount(BOX[index].astype(int).reshape(-1), weights=g.reshape(-1), minlength=BOX.size)
    np.testing.assert_allclose(pullback(g)[0].reshape(-1), expected, rtol=1e-14, atol=1e-14)
    y, tangent = mg.jvp(lambda x: x[index], [BOX], [-BOX])
    np.testing.assert_array_equal(tangent, -y)
