"""conv2d: values against loops, structured VJP rules against the dense rule, unbiasedness by enumeration, work."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimator_cases import assert_unbiased, finite, normal
from test_ops_linear import agree, empty
from test_structure import every

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import DiagonalSketch, Mask, TopK
from minigrad.ops import patches as patches_module
from minigrad.ops import windows as windows_module
from minigrad.structure import Columns, Entries, Factors, Kept, Rows, dense, matrix, matrix_shape
from minigrad.testing import assert_gradients_close

# Kernel, stride, padding: single pixels, overlapping windows, gaps between them, more padding than kernel.
SETTINGS = [
    ((1, 1), 1, 0), ((1, 1), 2, 0), ((1, 1), 1, 1), ((3, 3), 1, 0), ((3, 3), 1, 1), ((2, 3), 1, (1, 0)),
    ((3, 3), 2, 1), ((2, 2), 2, 0), ((2, 2), 3, 1), ((3, 2), (1, 2), (2, 1)), ((2, 2), 1, 3),
]  # fmt: skip


def loops(x, w, b, stride, padding):
    """The definition, written with one loop for each index."""
    (sh, sw), (ph, pw) = np.broadcast_to(stride, 2), np.broadcast_to(padding, 2)
    n, height, width, channels = x.shape
    h, k, _, m = w.shape
    out = np.zeros((n, (height + 2 * ph - h) // sh + 1, (width + 2 * pw - k) // sw + 1, m)) + b
    for s, a, c, j in np.ndindex(*out.shape):
        for i, l, q in itertools.product(range(h), range(k), range(channels)):
            row, column = a * sh + i - ph, c * sw + l - pw
            if 0 <= row < height and 0 <= column < width:
                out[s, a, c, j] += x[s, row, column, q] * w[i, l, q, j]
    return out


def node_of(kernel, stride=1, padding=0, images=(2, 5, 4), channels=(3, 4), dtype=np.float64):
    shapes = (*images, channels[0]), (*kernel, *channels), channels[1:]
    leaves = [mg.Tensor(normal(k, *shape, dtype=dtype), requires_grad=True) for k, shape in enumerate(shapes)]
    with mg.Tape() as tape:
        y = ops.conv2d(*leaves, stride=stride, padding=padding)
    return tape, y, leaves


@pytest.mark.parametrize(("kernel", "stride", "padding"), SETTINGS)
def test_values_against_loops(kernel, stride, padding):
    _, y, (x, w, b) = node_of(kernel, stride, padding)
    np.testing.assert_allclose(y.data, loops(x.data, w.data, b.data, stride, padding), rtol=1e-13, atol=1e-13)
    bare = ops.conv2d(x.data, w.data, stride=stride, padding=padding)
    np.testing.assert_allclose(bare.data + b.data, y.data, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("kernel", "stride", "padding"), SETTINGS)
def test_vjps_are_the_transpose_of_the_map(kernel, stride, padding):
    """⟨G, conv(X, K)⟩ is linear in X and in K, and each VJP is its gradient: another path than differences."""
    tape, y, (x, w, b) = node_of(kernel, stride, padding)
    g = normal(7, *y.shape)
    gx, gw, gb = tape.gradients(y, [x, w, b], cotangent=g)
    other_x, other_w = normal(8, *x.shape), normal(9, *w.shape)
    settings = {"stride": stride, "padding": padding}
    assert np.vdot(gx, other_x) == pytest.approx(np.vdot(g, ops.conv2d(other_x, w.data, **settings).data), rel=1e-11)
    assert np.vdot(gw, other_w) == pytest.approx(np.vdot(g, ops.conv2d(x.data, other_w, **settings).data), rel=1e-11)
    np.testing.assert_allclose(gb, g.sum(axis=(0, 1, 2)), rtol=1e-12)


@pytest.mark.parametrize(("kernel", "stride", "padding"), SETTINGS)
def test_structured_rules_equal_the_dense_rule(kernel, stride, padding):
    tape, y, _ = node_of(kernel, stride, padding)
    for seed in range(2):
        for g, _ in every(y.shape, seed):
            if tape.nodes[0].primitive.takes(type(g)):
                agree(tape.nodes[0], g)
    for g in empty(y.shape):
        if tape.nodes[0].primitive.takes(type(g)):
            agree(tape.nodes[0], g)
    by_line = Rows(normal(3, 2, *y.shape[2:]), np.array([0, 3]), y.shape)  # kept lines of pixels: trailing axes (OW, m)
    if y.shape[0] * y.shape[1] > 3:
        agree(tape.nodes[0], by_line)


# Kernel, stride, padding, dilation, groups: with so many values that a sparse product adds them up.
LARGE = [
    (3, 1, 1, 1, 1), (3, 1, 0, 1, 1), (3, 2, 1, 1, 1), ((3, 2), (2, 1), (1, 0), 1, 1), (3, 1, 2, 2, 1), (2, 2, 0, 1, 1),
    (1, 1, 0, 1, 1), (1, 2, 0, 1, 1), (1, 3, 2, 1, 1), (2, 1, 2, 1, 1), (3, 1, 1, 1, 2), (1, 2, 0, 1, 2),
    (3, 2, 1, 1, 4),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation", "groups"), LARGE)
def test_what_is_kept_gives_the_numbers_of_the_dense_products(kernel, stride, padding, dilation, groups, dtype):
    """At shares below and above that at which the products are done as if all had been kept."""
    kernel = np.broadcast_to(kernel, 2)
    x, w = normal(0, 3, 12, 11, 8, dtype=dtype), normal(1, *kernel, 8 // groups, 12, dtype=dtype)
    leaves = [mg.Tensor(a, requires_grad=True) for a in (x, w)]
    with mg.Tape() as tape:
        y = ops.conv2d(*leaves, None, stride, padding, dilation, groups)
    node, g, rng = tape.nodes[0], normal(2, *y.shape, dtype=dtype), np.random.default_rng(3)
    error = 2e-5 if dtype == np.float32 else 1e-12
    for share in (0.0, 0.05, 0.5, 0.74, 0.95, 1.0):
        rows, columns = matrix_shape(y.shape)
        pixels, channels = [np.sort(rng.permutation(n)[: round(share * n)]) for n in (rows, columns)]
        entries = np.flatnonzero(rng.random(g.size) < share)
        for part in (
            Rows(matrix(g)[pixels], pixels, g.shape),
            Columns(matrix(g)[:, channels], channels, g.shape),
            Entries(g.ravel()[entries], entries, g.shape),
        ):
            for edge in range(2):
                got = dense(node.primitive.pull(part, node.saved, edge))
                expected = dense(node.primitive.pull(part.dense(), node.saved, edge))
                assert got.dtype == dtype and got.shape == expected.shape
                np.testing.assert_allclose(got, expected, rtol=error, atol=error * (1 + abs(expected).max()))


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, (1, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_pixels_stay_pixels_through_a_kernel_of_one_pixel(stride, padding, groups):
    """Whatever the stride; what stood in the padding is gone, and the positions increase."""
    x, w = normal(0, 2, 5, 6, 4), normal(1, 1, 1, 4 // groups, 6)
    with mg.Tape() as tape:
        y = ops.conv2d(mg.Tensor(x, requires_grad=True), w, None, stride, padding, 1, groups)
    kept = np.arange(0, matrix_shape(y.shape)[0], 2)
    g = Rows(normal(2, len(kept), 6), kept, y.shape)
    node = tape.nodes[0]
    got = node.primitive.pull(g, node.saved, 0)
    assert isinstance(got, Rows) and got.shape == x.shape and len(got.indices) <= len(kept)
    assert (np.diff(got.indices) > 0).all() and (padding > 0 or len(got.indices) == len(kept))
    np.testing.assert_allclose(got.dense(), node.primitive.pull(g.dense(), node.saved, 0), rtol=1e-12, atol=1e-12)


def test_blocks_of_samples_give_the_same(monkeypatch):
    """im2col is made in blocks; where one ends must not matter."""
    tape, y, leaves = node_of((3, 3), 1, 1, images=(5, 4, 4))
    strided, z, others = node_of((3, 3), 2, 1, images=(5, 4, 4))
    g, h = normal(1, *y.shape), normal(2, *z.shape)
    whole = [y.data, *tape.gradients(y, leaves, g), z.data, *strided.gradients(z, others, h)]
    per_sample = 16 * 27 * 8
    for size in (1, 2 * per_sample, 3 * per_sample):
        monkeypatch.setattr(windows_module, "BLOCK_BYTES", size)
        tape, y, leaves = node_of((3, 3), 1, 1, images=(5, 4, 4))
        strided, z, others = node_of((3, 3), 2, 1, images=(5, 4, 4))
        again = [y.data, *tape.gradients(y, leaves, g), z.data, *strided.gradients(z, others, h)]
        for got, expected in zip(again, whole, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


def test_blocks_of_kept_pixels_give_the_same(monkeypatch):
    tape, y, _ = node_of((3, 3), 1, 1, images=(5, 4, 4))
    kept = np.arange(0, 80, 3)
    g = Rows(normal(1, len(kept), 4), kept, y.shape)
    for size in (1, 2 * 2 * 27 * 8, 2 * 7 * 27 * 8):  # one window, two and seven at a time
        monkeypatch.setattr(patches_module, "BLOCK_BYTES", size)
        agree(tape.nodes[0], g)


def test_float32_stays_float32_under_every_structure():
    for kernel, stride, padding in SETTINGS:
        tape, y, _ = node_of(kernel, stride, padding, dtype=np.float32)
        node = tape.nodes[0]
        assert y.dtype == np.float32
        for g, _ in every(y.shape, dtype=np.float32):
            for edge in range(3):
                assert node.primitive.pull(g, node.saved, edge).dtype == np.float32


def test_what_is_kept_leaves_sparse_gradients():
    tape, y, _ = node_of((3, 3), 1, 1)
    node = tape.nodes[0]
    columns = Columns(np.ones((40, 2)), np.array([1, 3]), y.shape)
    got = node.primitive.pull(columns, node.saved, 1)
    assert isinstance(got, Columns) and got.values.shape == (27, 2)
    samples = Rows(np.ones((1, *y.shape[1:])), np.array([1]), y.shape)
    assert isinstance(node.primitive.pull(samples, node.saved, 0), Rows)
    tape, y, _ = node_of((1, 1))
    pixels = Rows(np.ones((2, 4)), np.array([1, 30]), y.shape)
    assert isinstance(tape.nodes[0].primitive.pull(pixels, tape.nodes[0].saved, 0), Rows)


def test_only_the_images_and_the_kernel_are_saved():
    tape, _, (x, w, _) = node_of((3, 3), 1, 1)
    assert tape.nodes[0].saved["x"] is x.data and tape.nodes[0].saved["w"] is w.data
    assert tape.nodes[0].nbytes == x.data.nbytes + w.data.nbytes
    with mg.Tape() as constant:
        ops.conv2d(x.data, w)
    assert "w" not in constant.nodes[0].saved
    with mg.Tape() as frozen:
        ops.conv2d(x, w.data)
    assert "x" not in frozen.nodes[0].saved


def test_mixed_precision_is_promoted():
    x, w = np.ones((1, 3, 3, 2), np.float32), np.ones((2, 2, 2, 1), np.float64)
    assert ops.conv2d(x, w).dtype == np.float64
    assert ops.conv2d(x, w.astype(np.float32), np.zeros(1)).dtype == np.float64


def test_arrays_that_are_not_contiguous():
    x = normal(1, 3, 5, 4, 2)[:, ::-1].transpose(0, 2, 1, 3)[:, ::2]
    w = normal(2, 4, 3, 2, 2).transpose(1, 0, 2, 3)[:, ::2]
    _, pullback = mg.vjp(lambda a, b: ops.conv2d(a, b, padding=1), x, w)
    y, copied = mg.vjp(lambda a, b: ops.conv2d(a, b, padding=1), x.copy(), w.copy())
    np.testing.assert_allclose(ops.conv2d(x, w, padding=1).data, y, rtol=1e-13)
    for got, expected in zip(pullback(np.ones(y.shape)), copied(np.ones(y.shape)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-13)


# By hand: 2 samples of 3×2 output pixels are B = 12 rows, a window holds n = 3·3·3 = 27 values, m = 4 columns.


def test_flops_by_hand():
    tape, y, (x, w, _) = node_of((3, 3), 1, 0)
    assert y.shape == (2, 3, 2, 4)
    node, of = tape.nodes[0], tape.nodes[0].primitive
    product = 2 * 12 * 27 * 4
    assert of.forward_flops(node) == product + 48
    with mg.Tape() as bare:
        ops.conv2d(x, w)
    assert of.forward_flops(bare.nodes[0]) == product
    assert [of.backward_flops(node, k, Kept()) for k in range(3)] == [product, product, 48]
    assert [of.backward_flops(node, k, Kept(Columns, 0.25)) for k in range(3)] == [product / 4, product / 4, 12]
    assert of.backward_flops(node, 1, Kept(Rows, 0.5)) == product / 2
    # Rank 1 of at most 4: 12×1 and 1×4 factors each meet an operand with 27 values.
    assert of.backward_flops(node, 0, Kept(Factors, 0.25)) == pytest.approx(2 * 27 * (12 + 4))
    node.vjp = Mask(0.25)
    report = inspect.cost(tape)
    assert report.backward_exact == 2 * product + 48 and report.backward < 0.3 * report.backward_exact
    node.vjp = Mask(0.25, axis="element")  # neither product has a cheaper way with entries
    assert inspect.cost(tape).backward > 2 * product


@pytest.mark.parametrize(("kernel", "stride", "padding"), SETTINGS)
def test_operands_are_norms_of_windows_and_of_channels(kernel, stride, padding):
    tape, y, (x, w, _) = node_of(kernel, stride, padding)
    rows, columns = (tape.nodes[0].primitive.operands(tape.nodes[0], side) for side in (0, 1))
    assert rows.shape == (*y.shape[:3], 1)
    ones = np.ones((*kernel, 3, 1))
    np.testing.assert_allclose(rows, loops(x.data**2, ones, 0.0, stride, padding), rtol=1e-12)
    np.testing.assert_allclose(columns, (w.data**2).sum(axis=(0, 1, 2)), rtol=1e-12)


def test_scores_use_the_windows():
    """For ∂K the optimal score of a pixel is ‖G_i‖²‖P_i‖²: a pixel whose window is dark is hardly worth keeping."""
    x = np.zeros((1, 4, 4, 1))
    x[0, 0, 0, 0] = 1.0
    w = mg.Tensor(np.ones((2, 2, 1, 1)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.conv2d(mg.Tensor(x), w)
    scores = DiagonalSketch(0.3, axis="row", target="weight").scores(np.ones(y.shape), tape.nodes[0])
    assert scores.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


# Unbiasedness, by enumeration

SMALL = {
    "1×1": ((2, 1, 2, 2), (1, 1, 2, 2), 1, 0),
    "2×1, padded": ((1, 2, 1, 2), (2, 1, 2, 2), 1, (1, 0)),
    "stride 2": ((2, 3, 1, 1), (2, 1, 1, 3), 2, (1, 0)),
}


def small(name, vjp):
    image, kernel, stride, padding = SMALL[name]
    leaves = [mg.Tensor(normal(k, *s), requires_grad=True) for k, s in enumerate([image, kernel, kernel[3:]])]
    with mg.Tape() as tape:
        y = ops.conv2d(*leaves, stride=stride, padding=padding, vjp=vjp)
    return tape, y, leaves, normal(9, *y.shape)


@pytest.mark.parametrize("estimator", finite(0.4), ids=repr)
def test_every_estimator_is_unbiased_through_a_convolution(estimator):
    for name in SMALL:
        assert_unbiased(*small(name, estimator))
    assert_unbiased(*small("stride 2", {"w": estimator}))


def test_a_network_of_convolutions_is_unbiased():
    x = mg.Tensor(normal(1, 1, 3, 1, 2), requires_grad=True)
    w1, w2 = [mg.Tensor(normal(k, 2, 1, 2, 2), requires_grad=True) for k in (2, 3)]
    with mg.Tape() as tape:
        h = ops.relu(ops.conv2d(x, w1, vjp=DiagonalSketch(0.5, target="both")))
        loss = ops.square(ops.conv2d(h, w2, padding=(1, 0), vjp=Mask(0.5, axis="row"))).sum()
    assert_unbiased(tape, loss, [x, w1, w2])


def test_the_enumeration_can_fail():
    with pytest.raises(AssertionError):
        assert_unbiased(*small("stride 2", TopK(0.5)))


# Faults


def wrapped(g, saved):
    """∂K by shifting flattened images: pixels that leave on one side come in again on the other."""
    x, (h, w, channels, m) = saved["x"], saved["size"]
    top, left = saved["windows"].padding
    flat, rows = x.reshape(len(x), -1, channels), g.reshape(len(g), -1, m)
    out = np.zeros(saved["size"])
    for i, j in np.ndindex(h, w):
        shift = (i - top) * x.shape[2] + (j - left)
        out[i, j] = np.einsum("npc,npm->cm", np.roll(flat, -shift, axis=1), rows)
    return out


def test_shifts_that_wrap_round_are_caught(monkeypatch):
    """The bias of published code: a circular correlation in the place of the zero-padded one."""
    tape, y, (x, w, b) = node_of((3, 3), 1, 1, images=(2, 8, 8))
    g = normal(1, *y.shape)
    (right,) = tape.gradients(y, [w], g)
    rules = ops.conv2d.primitive.rules
    dense_rules = rules[np.ndarray]
    monkeypatch.setitem(rules, np.ndarray, (dense_rules[0], wrapped, dense_rules[2]))
    (wrong,) = tape.gradients(y, [w], g)
    # The middle of the kernel is not shifted, and right; what is at its rim is not.
    np.testing.assert_allclose(wrong[1, 1], right[1, 1], rtol=1e-12)
    assert np.linalg.norm(wrong - right) > 0.1 * np.linalg.norm(right)
    with pytest.raises(AssertionError, match="conv2d"):
        assert_gradients_close(
            lambda *a: ops.conv2d(*a, padding=1), x.data[:1, :3, :3], w.data, b.data, name="conv2d"
        )  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "settings", "text"),
    [
        (((3, 4, 2), (1, 1, 2, 2)), {}, r"images must have shape \(N, H, W, C\)"),
        (((1, 3, 4, 2), (2, 2)), {}, r"w must have shape \(kernel height, kernel width, in channels, out channels\)"),
        (((1, 3, 4, 2), (0, 1, 2, 2)), {}, "w must have shape"),
        (((1, 3, 4, 2), (1, 1, 3, 2)), {}, "x has 2 channels, but w is a kernel for 3"),
        (((1, 3, 4, 2), (1, 1, 2, 2), (3,)), {}, r"b must have shape \(2,\)"),
        (((1, 3, 4, 2), (4, 1, 2, 2)), {}, "kernel, 4×1, is larger than the image, 3×4 with padding 0 and 0"),
        (((1, 3, 4, 2), (1, 1, 2, 2)), {"stride": 0}, "stride=0 must be a whole number of at least 1"),
        (((1, 3, 4, 2), (1, 1, 2, 2)), {"stride": 1.5}, "stride=1.5 must be a whole number"),
        (((1, 3, 4, 2), (1, 1, 2, 2)), {"padding": (0, -1)}, r"padding=\(0, -1\) must be a whole number of at least 0"),
        (((1, 3, 4, 2), (1, 1, 2, 2)), {"padding": (0, 1, 2)}, r"padding=\(0, 1, 2\) must be"),
    ],
)
def test_errors_teach(shapes, settings, text):
    with pytest.raises(ValueError, match=rf"conv2d: .*{text}.*\[shapes: x "):
        ops.conv2d(*[np.ones(shape) for shape in shapes], **settings)


def test_empty_batches_and_channels():
    for image, kernel in [((0, 3, 3, 2), (2, 2, 2, 3)), ((2, 3, 3, 0), (2, 2, 0, 3)), ((2, 3, 3, 2), (2, 2, 2, 0))]:
        for stride in (1, 2):
            y, pullback = mg.vjp(lambda *a, s=stride: ops.conv2d(*a, stride=s), np.ones(image), np.ones(kernel))
            assert y.shape == (image[0], 3 - stride, 3 - stride, kernel[3]) and not y.any()
            assert [g.shape for g in pullback(np.ones(y.shape))] == [image, kernel]


def test_entries_fall_back_to_dense():
    tape, y, leaves = node_of((3, 3), 1, 1)
    of = tape.nodes[0].primitive
    assert of.backward_flops(tape.nodes[0], 1, Kept(Entries, 0.1)) == of.backward_flops(tape.nodes[0], 1, Kept())
    tape.nodes[0].vjp = Mask(0.3, axis="element")
    g = normal(1, *y.shape)
    drawn = tape.gradients(y, leaves, g, rng=3)
    assert all(dense(value).shape == leaf.shape for value, leaf in zip(drawn, leaves, strict=True))
