"""Shapes: values as in NumPy, and errors. Gradients: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops
from minigrad.testing import assert_gradients_close

X = np.arange(24.0).reshape(2, 3, 4)
CASES = [
    (ops.reshape, np.reshape, ((4, -1),)), (ops.transpose, np.transpose, ()),
    (ops.transpose, np.transpose, ((2, 0, -2),)),
    (ops.swapaxes, np.swapaxes, (0, -1)), (ops.moveaxis, np.moveaxis, (0, -1)),
    (ops.moveaxis, np.moveaxis, ((0, 1), (-1, 0))), (ops.expand_dims, np.expand_dims, (-1,)),
    (ops.expand_dims, np.expand_dims, ((0, 2),)), (ops.broadcast_to, np.broadcast_to, ((5, 2, 3, 4),)),
    (ops.pad, np.pad, (1,)), (ops.pad, np.pad, (((0, 1), (2, 0), (1, 1)),)),
]  # fmt: skip


@pytest.mark.parametrize("op, reference, args", CASES)
def test_values(op, reference, args):
    np.testing.assert_array_equal(op(X, *args).data, reference(X, *args))


def test_squeeze():
    x = X.reshape(2, 1, 12, 1)
    for axis in (None, 1, -1, (1, 3)):
        np.testing.assert_array_equal(ops.squeeze(x, axis).data, np.squeeze(x, axis))
    with pytest.raises(ValueError, match=r"squeeze: .*x \(2, 1, 12, 1\)"):
        ops.squeeze(x, 0)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_joining(axis):
    parts = [X, X + 100, X * 2]
    np.testing.assert_array_equal(ops.concatenate(parts, axis).data, np.concatenate(parts, axis))
    np.testing.assert_array_equal(ops.stack(parts, axis).data, np.stack(parts, axis))


@pytest.mark.parametrize("sections, axis", [(2, 0), (3, 1), (1, -1), ([1], 2), ([1, 1, 3], -1), ([], 0), ([9], 1)])
def test_split(sections, axis):
    got, expected = ops.split(X, sections, axis), np.split(X, sections, axis)
    assert len(got) == len(expected)
    for piece, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(piece.data, other)


def test_casts_there_and_back():
    w = mg.Tensor(np.ones(2, np.float32), requires_grad=True)
    with mg.Tape() as tape:
        loss = w.astype(np.float64).exp().sum()
    assert loss.dtype == np.float64 and tape.gradients(loss, [w])[0].dtype == np.float32
    with pytest.raises(ValueError, match="complex128 has no derivative"):
        w.astype(np.complex128)


@pytest.mark.parametrize("dtype", [int, bool, np.int8, "uint16", np.dtype("i4")])
def test_a_cast_to_integers_or_truth_values_is_an_array(dtype):
    def between(x):
        """Linear interpolation in a table, by the integer part."""
        left = np.floor(x).astype(int)
        return (table[left] * (1 - (x - left)) + table[left + 1] * (x - left)).sum()

    table, x = np.array([1.0, 4.0, 2.0]), np.array([0.25, 1.5])
    with mg.Tape():
        w = mg.Tensor(x, requires_grad=True)
        for cast in (w.astype(dtype), ops.astype(w * 1, dtype), ops.astype(x, dtype)):
            assert type(cast) is np.ndarray and cast.dtype == dtype and (cast == x.astype(dtype)).all()
            assert not np.shares_memory(cast, w.data)
    assert mg.grad(between)(x).tolist() == [3.0, -2.0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.reshape(X, (5, 5)), r"reshape: .*x \(2, 3, 4\)"),
        (lambda: ops.transpose(X, (0, 1)), "transpose: "),
        (lambda: ops.transpose(X, (0, 1, 1)), "transpose: "),
        (lambda: ops.swapaxes(X, 0, 3), "swapaxes: .*out of bounds"),
        (lambda: ops.moveaxis(X, 0, 3), "moveaxis: .*out of bounds"),
        (lambda: ops.expand_dims(X, 9), "expand_dims: .*out of bounds"),
        (lambda: ops.broadcast_to(X, (3, 4)), "broadcast_to: "),
        (lambda: ops.concatenate([X, X[0]]), r"concatenate: .*arrays\[0\] \(2, 3, 4\), arrays\[1\] \(3, 4\)"),
        (lambda: ops.concatenate([X, X], axis=3), "concatenate: .*out of bounds"),
        (lambda: ops.stack([X, X[:1]]), "stack: "),
        (lambda: ops.split(X, 2, axis=1), "split: axis 1 of length 3 cannot be cut into 2 equal pieces"),
        (lambda: ops.split(X, 0), "split: .*0 equal pieces"),
        (lambda: ops.split(X, 2, axis=3), r"split: axis 3 is out of bounds.*\(2, 3, 4\)"),
        (lambda: ops.split(np.array(1.0), 1), "split: axis 0 is out of bounds"),
        (lambda: ops.pad(X, (1, 2, 3)), "pad: "),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_empty_axis_is_split_into_empties():
    assert [part.shape for part in ops.split(np.ones((0, 2)), 3)] == [(0, 2)] * 3


def test_concatenate_of_everything_flattens():
    a, b = X, X[0, 0]
    np.testing.assert_array_equal(ops.concatenate([a, b, 2.0], axis=None).data, np.concatenate([a, b, 2.0], axis=None))
    assert_gradients_close(lambda a, b: ops.concatenate([a, b], axis=None), a, b)


@pytest.mark.parametrize("width", [{0: 1}, {-1: (1, 2), 0: (0, 1)}, {1: (2, 0)}, {}])
def test_pad_by_a_dict_of_axes(width):
    pairs = [(0, 0)] * X.ndim
    for axis, pair in width.items():
        pairs[axis] = (pair, pair) if isinstance(pair, int) else pair
    np.testing.assert_array_equal(ops.pad(X, width).data, np.pad(X, pairs))
    assert_gradients_close(lambda x: ops.pad(x, width), X)


@pytest.mark.parametrize(
    "call",
    [
        lambda axis: ops.stack([X, X], axis=axis),
        lambda axis: ops.split(X, 2, axis=axis),
        lambda axis: ops.take(X, [0], axis=axis) if axis is not None else ops.stack([X], axis=axis),
        lambda axis: ops.take_along_axis(X, np.zeros(X.shape, int), axis=axis),
        lambda axis: ops.concatenate([X, X], axis=axis) if axis is not None else ops.stack([X], axis=axis),
    ],
)
def test_an_axis_that_is_no_number_is_explained(call):
    for axis, hint in ((None, "flatten"), ((0, 1), r"\(0, 1\)"), ("rows", "'rows'")):
        with pytest.raises(TypeError, match=f"axis=.*must be an int.*{hint}|axis={hint} must be an int"):
            call(axis)


def test_pad_names_the_axis_that_is_not_there():
    for width in ({3: 1}, {"rows": 1}):
        with pytest.raises(ValueError, match=r"pad: pad_width=.* names .*no axis of x"):
            ops.pad(X, width)
