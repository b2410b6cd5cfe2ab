"""Pooling: values against loops, ties, padding, errors."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import ops
from minigrad.structure import Kept, Rows

SETTINGS = [(2, None, 0), (3, 1, 1), (2, 3, 1), ((3, 2), (1, 2), (2, 0)), (1, 2, 0), (3, 2, (1, 2))]


def loops(x, reduce, fill, kernel, stride, padding):
    (h, w), (ph, pw) = np.broadcast_to(kernel, 2), np.broadcast_to(padding, 2)
    sh, sw = np.broadcast_to(kernel if stride is None else stride, 2)
    padded = np.pad(x, [(0, 0), (ph, ph), (pw, pw), (0, 0)], constant_values=fill)
    rows, columns = (padded.shape[1] - h) // sh + 1, (padded.shape[2] - w) // sw + 1
    out = np.zeros((len(x), rows, columns, x.shape[3]))
    for n, a, b, c in np.ndindex(*out.shape):
        out[n, a, b, c] = reduce(padded[n, a * sh : a * sh + h, b * sw : b * sw + w, c])
    return out


@pytest.mark.parametrize(("kernel", "stride", "padding"), SETTINGS)
def test_values_against_loops(kernel, stride, padding):
    x = normal(0, 2, 5, 6, 3)
    largest = ops.max_pool2d(x, kernel, stride, padding).data
    np.testing.assert_array_equal(largest, loops(x, np.max, -np.inf, kernel, stride, padding))
    mean = ops.avg_pool2d(x, kernel, stride, padding).data
    np.testing.assert_allclose(mean, loops(x, np.mean, 0.0, kernel, stride, padding), rtol=1e-12, atol=1e-14)


def test_the_largest_of_negative_values_is_never_the_padding():
    assert ops.max_pool2d(-np.ones((1, 2, 2, 1)), 2, 1, 1).data.max() == -1
    assert ops.max_pool2d(np.full((1, 2, 2, 1), -3), 2, 1, 1).data.tolist() == np.full((1, 3, 3, 1), -3).tolist()


def test_the_padding_takes_no_part_in_a_tie():
    """Of 3×3 windows on 2×2 zeros each shares its cotangent among real pixels only; nothing is lost to the rim."""
    _, pullback = mg.vjp(lambda a: ops.max_pool2d(a, 2, 1, 1), np.zeros((1, 2, 2, 1)))
    assert pullback(np.ones((1, 3, 3, 1)))[0].ravel().tolist() == [2.25] * 4


def test_ties_share_the_cotangent_equally_as_in_max():
    x = np.zeros((1, 2, 2, 2))
    x[0, :, 0, 1] = 3.0
    _, pullback = mg.vjp(lambda a: ops.max_pool2d(a, 2), x)
    (got,) = pullback(np.array([4.0, 6.0]).reshape(1, 1, 1, 2))
    assert got[0, :, :, 0].tolist() == [[1, 1], [1, 1]] and got[0, :, :, 1].tolist() == [[3, 0], [3, 0]]
    _, other = mg.vjp(lambda a: a.max(axis=(1, 2), keepdims=True), x)
    np.testing.assert_array_equal(got, other(np.array([4.0, 6.0]).reshape(1, 1, 1, 2))[0])


def test_ties_in_windows_that_overlap():
    _, pullback = mg.vjp(lambda a: ops.max_pool2d(a, (1, 2), 1), np.array([1.0, 2.0, 2.0]).reshape(1, 1, 3, 1))
    # Windows (1, 2) and (2, 2): the middle takes all of the first and half of the second.
    assert pullback(np.ones((1, 1, 2, 1)))[0].ravel().tolist() == [0, 1.5, 0.5]


def test_nan_shows():
    x = np.ones((1, 2, 2, 1))
    x[0, 0, 0, 0] = np.nan
    y, pullback = mg.vjp(lambda a: ops.max_pool2d(a, 2), x)
    assert np.isnan(y).all() and pullback(np.ones_like(y))[0].shape == x.shape


@pytest.mark.parametrize("operation", [ops.max_pool2d, ops.avg_pool2d])
@pytest.mark.parametrize(
    ("shape", "args", "text"),
    [
        ((4, 4, 1), (2,), "images must have shape"),
        ((1, 4, 4, 1), (5,), "kernel, 5×5, is larger than the image, 4×4"),
        ((1, 4, 4, 1), (0,), "kernel=0 must be a whole number of at least 1"),
        ((1, 4, 4, 1), (2, 0), "stride=0 must be"),
        ((1, 4, 4, 1), (2, None, 2), "padding=2 must be smaller than the kernel"),
        ((1, 4, 4, 1), (2, None, -1), "padding=-1 must be"),
    ],
)
def test_errors_teach(operation, shape, args, text):
    with pytest.raises(ValueError, match=rf"{operation.__name__}: .*{text}"):
        operation(np.ones(shape), *args)


def test_flops_by_hand():
    """2×2 windows on 4×4 pixels and 3 channels: 12 outputs of 4 places each."""
    x = mg.Tensor(np.ones((1, 4, 4, 3)), requires_grad=True)
    with mg.Tape() as tape:
        ops.max_pool2d(x, 2)
        ops.avg_pool2d(x, 2)
    assert [node.primitive.forward_flops(node) for node in tape.nodes] == [48, 48]
    assert [node.primitive.backward_flops(node, 0, Kept()) for node in tape.nodes] == [192, 48]
    half = Kept(Rows, 0.5)
    assert [node.primitive.backward_flops(node, 0, half) for node in tape.nodes] == [96, 24]


def test_float32_stays_float32():
    for operation in (ops.max_pool2d, ops.avg_pool2d):
        y, pullback = mg.vjp(lambda a, of=operation: of(a, 2), np.ones((1, 4, 4, 2), np.float32))
        assert y.dtype == pullback(y)[0].dtype == np.float32


def test_the_mean_of_whole_numbers():
    assert ops.avg_pool2d(np.arange(16).reshape(1, 4, 4, 1), 2).data[0, :, :, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert ops.avg_pool2d(np.ones((1, 2, 2, 1), bool), 2).data.item() == 1.0
