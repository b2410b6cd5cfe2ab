"""Groups, dilation, and one dimension: conv2d with blocks of channels, conv1d, convolve, and their layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimator_cases import assert_unbiased, finite, normal
from test_ops_linear import agree, empty
from test_structure import every

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import Mask
from minigrad.ops.windows import Windows
from minigrad.structure import Columns, Entries, Factors, Kept, Rows

# Kernel, stride, padding, dilation, groups, channels in each group: blocks, and channels by themselves.
SETTINGS = [
    ((3, 3), 1, 1, 1, 2, (2, 3)), ((2, 2), 2, 1, 1, 2, (3, 1)), ((1, 1), 1, 0, 1, 3, (2, 2)),
    ((3, 2), 1, 0, 1, 2, (1, 2)), ((3, 3), 1, 1, 1, 4, (1, 1)), ((2, 3), 2, (1, 2), 1, 3, (1, 2)),
    ((1, 1), 1, 0, 1, 3, (1, 1)), ((3, 3), 1, 2, 2, 1, (2, 3)), ((2, 2), 2, 1, (3, 1), 1, (2, 2)),
    ((3, 2), 1, 4, (2, 3), 2, (2, 1)), ((2, 2), 1, 1, 2, 3, (1, 2)), ((2, 2), 1, 3, (1, 2), 1, (2, 1)),
]  # fmt: skip
SETTING = pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups", "each"), SETTINGS)


def loops(x, w, stride, padding, dilation, groups):
    """The definition, written with one loop for each index."""
    (sh, sw), (ph, pw), (dh, dw) = [np.broadcast_to(pair, 2) for pair in (stride, padding, dilation)]
    n, height, width, channels = x.shape
    h, k, inner, m = w.shape
    rows, columns = (height + 2 * ph - dh * (h - 1) - 1) // sh + 1, (width + 2 * pw - dw * (k - 1) - 1) // sw + 1
    out = np.zeros((n, rows, columns, m))
    for s, a, c, j in np.ndindex(*out.shape):
        first = j // (m // groups) * (channels // groups)
        for i, l, q in itertools.product(range(h), range(k), range(inner)):
            row, column = a * sh + i * dh - ph, c * sw + l * dw - pw
            if 0 <= row < height and 0 <= column < width:
                out[s, a, c, j] += x[s, row, column, first + q] * w[i, l, q, j]
    return out


def node_of(kernel, stride, padding, dilation, groups, each, images=(2, 5, 4), dtype=np.float64):
    m = groups * each[1]
    shapes = (*images, groups * each[0]), (*kernel, each[0], m), (m,)
    leaves = [mg.Tensor(normal(k, *shape, dtype=dtype), requires_grad=True) for k, shape in enumerate(shapes)]
    with mg.Tape() as tape:
        y = ops.conv2d(*leaves, stride, padding, dilation, groups)
    return tape, y, leaves


@SETTING
def test_values_against_loops(kernel, stride, padding, dilation, groups, each):
    _, y, (x, w, b) = node_of(kernel, stride, padding, dilation, groups, each)
    expected = loops(x.data, w.data, stride, padding, dilation, groups) + b.data
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)


@SETTING
def test_vjps_are_the_transpose_of_the_map(kernel, stride, padding, dilation, groups, each):
    tape, y, (x, w, b) = node_of(kernel, stride, padding, dilation, groups, each)
    g = normal(7, *y.shape)
    gx, gw, gb = tape.gradients(y, [x, w, b], cotangent=g)
    other_x, other_w = normal(8, *x.shape), normal(9, *w.shape)
    settings = (None, stride, padding, dilation, groups)
    assert np.vdot(gx, other_x) == pytest.approx(np.vdot(g, ops.conv2d(other_x, w.data, *settings).data), rel=1e-11)
    assert np.vdot(gw, other_w) == pytest.approx(np.vdot(g, ops.conv2d(x.data, other_w, *settings).data), rel=1e-11)
    np.testing.assert_allclose(gb, g.sum(axis=(0, 1, 2)), rtol=1e-12)


@SETTING
def test_structured_rules_equal_the_dense_rule(kernel, stride, padding, dilation, groups, each):
    """Cotangents of every structure; and, for ∂w, sketches of x of every structure beside each of them."""
    tape, y, (x, _, _) = node_of(kernel, stride, padding, dilation, groups, each)
    node = tape.nodes[0]
    cotangents = [g for g, _ in every(y.shape, 0)] + list(empty(y.shape))
    sketches = [part for part, _ in every(x.shape, 1)]
    for g in cotangents:
        agree(node, g)
    for g, part in itertools.product([normal(7, *y.shape), *cotangents], sketches):
        got = node.primitive.pull(g, {**node.saved, "x": part}, 1)
        plain = g if isinstance(g, np.ndarray) else g.dense()
        expected = node.primitive.pull(plain, {**node.saved, "x": part.dense()}, 1)
        got = got if isinstance(got, np.ndarray) else got.dense()
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


@SETTING
def test_float32_stays_float32(kernel, stride, padding, dilation, groups, each):
    tape, y, _ = node_of(kernel, stride, padding, dilation, groups, each, dtype=np.float32)
    assert y.dtype == np.float32
    for g in [np.ones(y.shape, np.float32), *(g for g, _ in every(y.shape, dtype=np.float32))]:
        for edge in range(3):
            assert tape.nodes[0].primitive.pull(g, tape.nodes[0].saved, edge).dtype == np.float32


def test_groups_are_convolutions_beside_each_other():
    x, w = normal(0, 2, 5, 5, 6), normal(1, 3, 3, 2, 9)
    parts = [ops.conv2d(x[..., 2 * k : 2 * k + 2], w[..., 3 * k : 3 * k + 3], padding=1).data for k in range(3)]
    np.testing.assert_allclose(
        ops.conv2d(x, w, padding=1, groups=3).data, np.concatenate(parts, axis=-1), rtol=1e-13, atol=1e-13
    )


def test_kept_samples_stay_kept():
    for each in ((2, 3), (1, 2)):
        tape, y, _ = node_of((3, 3), 1, 1, 1, 2, each)
        samples = Rows(np.ones((1, *y.shape[1:])), np.array([1]), y.shape)
        assert isinstance(tape.nodes[0].primitive.pull(samples, tape.nodes[0].saved, 0), Rows)


def test_flops_by_hand():
    """2 samples of 5×4 pixels are B = 40 rows, a window of a group holds n = 9·2 = 18 values, m = 2·3 = 6 columns."""
    tape, _, _ = node_of((3, 3), 1, 1, 1, 2, (2, 3))
    node, of = tape.nodes[0], tape.nodes[0].primitive
    product = 2 * 40 * 18 * 6
    assert of.forward_flops(node) == product + 240
    assert [of.backward_flops(node, k, Kept()) for k in range(3)] == [product, product, 240]
    assert of.backward_flops(node, 0, Kept(Columns, 0.5)) == product / 2
    # Of rank 1 of 6: 40×1 meets the kernels of both groups, 1×6 that of its own.
    assert of.backward_flops(node, 0, Kept(Factors, 1 / 6)) == pytest.approx(2 * 18 * (40 * 2 + 6))
    # Rank 3 is no thinner than a group: made dense, which is one more product.
    assert of.backward_flops(node, 0, Kept(Factors, 0.5)) == pytest.approx(product + 2 * 40 * 3 * 6)
    tape, _, _ = node_of((3, 3), 1, 1, 1, 4, (1, 1))
    node = tape.nodes[0]
    product = 2 * 40 * 9 * 4
    for kept in (Kept(), Kept(Columns, 0.5), Kept(Factors, 0.5), Kept(Entries, 0.1), Kept(Rows, 0.5)):
        assert of.backward_flops(node, 1, kept) == product
    assert of.backward_flops(node, 1, Kept(Rows, 0.5, samples=True)) == product / 2


SMALL = {
    "two groups": ((1, 2, 1, 4), (2, 1, 2, 2), {"padding": (1, 0), "groups": 2}),
    "depthwise": ((2, 2, 1, 2), (2, 1, 1, 2), {"groups": 2}),
    "dilated": ((2, 3, 1, 1), (2, 1, 1, 2), {"dilation": (2, 1)}),
}


def small(name, vjp):
    image, kernel, settings = SMALL[name]
    leaves = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([image, kernel, kernel[3:]])]
    with mg.Tape() as tape:
        y = ops.conv2d(*leaves, **settings, vjp=vjp)
    return tape, y, leaves, normal(9, *y.shape)


@pytest.mark.parametrize("estimator", finite(0.4), ids=repr)
def test_every_estimator_is_unbiased(estimator):
    for name in SMALL:
        assert_unbiased(*small(name, estimator))


def test_positions_agree_with_the_view():
    windows = Windows((7, 6), (3, 2), (2, 1), (1, 2), (2, 3))
    x = normal(1, 3, 7, 6, 2)
    flat = np.concatenate([x.reshape(-1, 2), np.zeros((1, 2))])  # a place in the padding is behind the last pixel
    pixels = np.array([0, 7, 20, 3 * np.prod(windows.out) - 1])
    np.testing.assert_array_equal(flat[windows.positions(pixels, 3)], windows.view(x).reshape(-1, 6, 2)[pixels])


@pytest.mark.parametrize(
    ("shapes", "settings", "text"),
    [
        (((1, 3, 4, 4), (1, 1, 2, 4)), {"groups": 3}, "groups=3 must be a whole number that divides .* 4, and .* 4"),
        (((1, 3, 4, 4), (1, 1, 2, 3)), {"groups": 2}, "groups=2 must be a whole number that divides"),
        (((1, 3, 4, 4), (1, 1, 4, 4)), {"groups": 2}, "there are 2 each, but w is a kernel for 4; w must have shape"),
        (((1, 3, 4, 4), (1, 1, 4, 4)), {"groups": 0}, "groups=0 must be"),
        (((1, 3, 4, 4), (1, 1, 4, 4)), {"groups": 2.0}, "groups=2.0 must be"),
        (((1, 3, 4, 2), (2, 2, 2, 2)), {"dilation": 3}, "kernel, 4×4, is larger than the image, 3×4"),
        (((1, 3, 4, 2), (2, 2, 2, 2)), {"dilation": 0}, "dilation=0 must be a whole number of at least 1"),
    ],
)
def test_errors_teach(shapes, settings, text):
    with pytest.raises(ValueError, match=rf"conv2d: .*{text}.*\[shapes: x "):
        ops.conv2d(*[np.ones(shape) for shape in shapes], **settings)


def test_empty_batches_and_channels():
    for kernel in ((2, 2, 2, 4), (2, 2, 1, 4), (2, 2, 1, 0), (2, 2, 2, 0)):
        groups = 4 // kernel[2]
        y, pullback = mg.vjp(lambda *a, n=groups: ops.conv2d(*a, groups=n), np.ones((0, 3, 3, 4)), np.ones(kernel))
        assert y.shape == (0, 2, 2, kernel[3])
        assert [g.shape for g in pullback(np.ones(y.shape))] == [(0, 3, 3, 4), kernel]


# One dimension


def test_conv1d_is_conv2d_of_one_row_of_pixels():
    x, w, b = normal(0, 2, 9, 4), normal(1, 3, 2, 6), normal(2, 6)
    estimator = Mask(0.5, axis="row")
    leaves = [mg.Tensor(array, requires_grad=True) for array in (x, w, b)]
    with mg.Tape(rng=0) as tape:
        y = ops.conv1d(*leaves, stride=2, padding=1, dilation=2, groups=2, vjp=estimator, save=Mask(0.5))
    expected = ops.conv2d(x[:, None], w[None], b, (1, 2), (0, 1), (1, 2), 2).data[:, 0]
    np.testing.assert_array_equal(y.data, expected)
    (node,) = [node for node in tape.nodes if node.primitive.name == "conv2d"]
    assert node.vjp == estimator and isinstance(node.saved["x"], Columns)
    with mg.Tape() as plain:
        ops.conv2d(x[:, None], mg.Tensor(w[None], requires_grad=True), leaves[2], (1, 2), (0, 1), (1, 2), 2)
    assert node.primitive.forward_flops(node) == node.primitive.forward_flops(plain.nodes[0]) > 0


@pytest.mark.parametrize("estimator", finite(0.4), ids=repr)
def test_conv1d_is_unbiased(estimator):
    leaves = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([(2, 2, 2), (2, 2, 2), (2,)])]
    with mg.Tape() as tape:
        y = ops.conv1d(*leaves, vjp=estimator)
    assert_unbiased(tape, y, leaves, normal(9, *y.shape))


@pytest.mark.parametrize(
    ("shapes", "settings", "text"),
    [
        (((3, 2), (1, 2, 2)), {}, r"x must have shape \(N, L, C\), but it has shape \(3, 2\)"),
        (((1, 3, 2), (2, 2)), {}, r"w must have shape \(kernel length, in channels, out channels\)"),
        (((1, 3, 2), (1, 2, 2)), {"stride": (1, 2)}, r"stride=\(1, 2\) must be .*: there is one axis"),
        (((1, 3, 2), (1, 2, 2)), {"padding": -1}, "padding=-1 must be a whole number of at least 0"),
        (((1, 3, 2), (1, 2, 2)), {"dilation": 0.5}, "dilation=0.5 must be a whole number"),
    ],
)
def test_conv1d_errors_teach(shapes, settings, text):
    with pytest.raises(ValueError, match=f"conv1d: {text}"):
        ops.conv1d(*[np.ones(shape) for shape in shapes], **settings)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_convolve_is_numpys(mode):
    for n, m in itertools.product(range(1, 7), repeat=2):
        a, v = normal(0, n), normal(1, m)
        np.testing.assert_allclose(ops.convolve(a, v, mode).data, np.convolve(a, v, mode), rtol=1e-12, atol=1e-13)


def test_convolve_errors_teach():
    for a, v in ((np.ones((2, 2)), np.ones(2)), (np.ones(0), np.ones(2)), (np.ones(2), 1.0)):
        with pytest.raises(ValueError, match="convolve: needs two vectors that are not empty"):
            ops.convolve(a, v)
    with pytest.raises(ValueError, match="mode='middle' is none of"):
        ops.convolve([1.0], [1.0], "middle")


# Layers


def test_layers_are_their_operations():
    x = normal(1, 2, 7, 6, 4, dtype=np.float32)
    layer = nn.Conv2d(4, 6, (3, 2), 2, 1, dilation=(2, 1), groups=2, rng=0)
    want = ops.conv2d(x, layer.weight, layer.bias, 2, 1, (2, 1), 2).data
    np.testing.assert_array_equal(layer(x).data, want)
    assert layer.weight.shape == (3, 2, 2, 6) and np.abs(layer.weight.data).max() <= np.float32(np.sqrt(6 / 12))
    assert repr(layer).startswith("Conv2d(4, 6, 3×2, stride=2, padding=1, dilation=(2, 1), groups=2)")
    assert nn.receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3, dilation=3))) == 7
    series = nn.Conv1d(4, 6, 3, 2, 1, dilation=2, groups=2, rng=0, dtype=np.float64, vjp=Mask(0.5))
    z = normal(2, 2, 9, 4)
    np.testing.assert_array_equal(series(z).data, ops.conv1d(z, series.weight, series.bias, 2, 1, 2, 2).data)
    assert repr(series).startswith("Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, vjp=Mask(0.5))")
    assert series.weight.shape == (3, 2, 6) and series.weight.dtype == np.float64
    assert nn.receptive_field(nn.Sequential(series, nn.Conv1d(6, 6, 2))) == 7
    with mg.Tape() as tape:
        nn.Sequential(series)(z)
    assert [node.label for node in tape.nodes if node.vjp is not None] == ["0/conv2d"]


@pytest.mark.parametrize(
    ("layer", "settings", "text"),
    [
        (nn.Conv2d, {"groups": 3}, "Conv2d: groups=3 must divide both in_channels=4 and out_channels=6"),
        (nn.Conv1d, {"groups": 0}, "Conv1d: groups=0 must be at least 1"),
        (nn.Conv1d, {"stride": (1, 1)}, "Conv1d: stride=.*there is one axis"),
        (nn.Conv2d, {"dilation": 0}, "Conv2d: dilation=0 must be a whole number"),
    ],
)
def test_layers_refuse(layer, settings, text):
    with pytest.raises(ValueError, match=text):
        layer(4, 6, 3, **settings)
