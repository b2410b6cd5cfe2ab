"""The dtype rule of `minigrad.arrays`, over every operation: floats keep their dtype, integers become floats."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gradient_linalg import LINALG
from gradient_table import TABLE
from hypothesis import HealthCheck, given, settings

import minigrad as mg
from minigrad import ops

FEW = settings(
    max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip

INTEGERS = [np.bool_, np.uint8, np.int8, np.int64]
ARITHMETIC = {
    "absolute", "add", "cross", "diff", "ediff1d", "kron", "multiply", "negative", "outer", "positive", "ptp", "sign",
    "subtract",
}  # fmt: skip
"""A single function of NumPy's: integers among themselves are NumPy's integers, and wrap like them."""
KEEP = ARITHMETIC | {
    "append", "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "choose",
    "column_stack", "compress", "concatenate", "copy", "cumprod", "cumsum", "delete", "diag", "diagflat", "diagonal",
    "dsplit", "dstack", "expand_dims", "flip", "fliplr", "flipud", "floor_divide", "fmax", "fmin", "getitem",
    "hsplit", "hstack", "insert", "max", "maximum", "min", "minimum", "moveaxis", "nan_to_num", "nanmax", "nanmin",
    "nanprod", "nansum", "partition", "prod", "ravel", "relu", "remainder", "repeat", "reshape", "roll", "rollaxis",
    "rot90", "select", "sort", "split", "squeeze", "stack", "sum", "swapaxes", "take", "take_along_axis", "tile",
    "trace", "transpose", "tril", "triu", "vsplit", "vstack", "where",
}  # fmt: skip
"""Their results of integers are integers."""

GROWING = {"cumprod", "nanprod", "prod", *LINALG}
"""Products of many factors, and cases that add to a diagonal: small, for an integer of 8 bits to hold them."""

TOLERANCE = {np.float16: 4e-3, np.float32: 1e-5, np.float64: 1e-12}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(set(TABLE) - {"float_power"}))
def test_the_dtype_of_floats_is_that_of_value_and_gradients(name, dtype):
    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        narrow = [array.astype(dtype) for array in arrays]
        value, pullback = mg.vjp(fn, *narrow)
        exact, exact_pullback = mg.vjp(fn, *[array.astype(np.float64) for array in narrow])
        assert value.dtype == dtype
        size = 1 + np.abs(exact).max(initial=0.0)
        np.testing.assert_allclose(value / size, exact / size, rtol=0, atol=TOLERANCE[dtype])
        g = np.random.default_rng(0).standard_normal(value.shape)
        for got, expected in zip(pullback(g), exact_pullback(g), strict=True):
            assert got.dtype == dtype and got.shape == expected.shape
            scale = 1 + np.abs(expected).max(initial=0.0)
            np.testing.assert_allclose(got / scale, expected / scale, rtol=0, atol=3 * TOLERANCE[dtype])

    with np.errstate(all="ignore"):
        check()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", sorted(set(TABLE) - {"astype"}))
def test_integers_give_the_result_of_float64(name, dtype):
    """Values go to the ends of the dtype where that is small. The arithmetic of single functions is NumPy's own."""

    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        size = 1 if name in GROWING else 3 if name in ARITHMETIC else 60
        whole = [np.rint(array * size) for array in arrays]
        if dtype in (np.bool_, np.uint8):
            whole = [np.abs(array) for array in whole]
        integers = [array.astype(dtype) for array in whole]
        if name in ARITHMETIC and dtype is np.bool_:
            return  # NumPy's algebra of truth values
        expected = fn(*[mg.Tensor(array.astype(np.float64)) for array in integers]).data
        got = fn(*[mg.Tensor(array) for array in integers]).data
        assert (got.dtype.kind in "iub") == (name in KEEP)
        if name not in KEEP:
            assert got.dtype == np.float64
        if name in ARITHMETIC and dtype is np.uint8:
            expected = expected.astype(np.int64).astype(np.uint8)
        np.testing.assert_array_equal(got, expected)

    with np.errstate(all="ignore"):
        check()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", sorted(set(TABLE) - {"power", "float_power", "where", "dropout"}))
def test_integers_beside_floats_take_their_dtype(name, dtype):
    """An input of integers among float32 inputs is that input in float32, whatever NumPy would promote to."""

    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        if len(arrays) < 2:
            return
        integers = np.rint(np.abs(arrays[0])).astype(dtype)
        singles = [array.astype(np.float32) for array in arrays[1:]]
        expected = fn(*[mg.Tensor(array) for array in (integers.astype(np.float32), *singles)]).data
        got = fn(*[mg.Tensor(array) for array in (integers, *singles)]).data
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, expected)

    with np.errstate(all="ignore"):
        check()


IMAGES = np.array([[200, 100]], np.uint8), np.array([[100, 100]], np.uint8)

ONE = {
    "mse": (lambda: ops.mse(*IMAGES), 5000.0),
    "conv2d": (lambda: ops.conv2d(np.full((1, 3, 3, 1), 20, np.uint8), np.full((3, 3, 1, 1), 10, np.uint8)), 1800.0),
    "softmax": (lambda: ops.softmax(np.array([0, 100, 200], np.uint8))[2], 1.0),
    "log_softmax": (lambda: ops.log_softmax(np.array([0, 100, 200], np.uint8))[0], -200.0),
    "logsumexp": (lambda: ops.logsumexp(np.array([0, 100, 200], np.uint8)), 200.0),
    "cross_entropy": (lambda: ops.cross_entropy(np.array([[0, 100, 200]], np.uint8), [0]), 200.0),
    "mean of bytes": (lambda: ops.mean(np.full(3, 255, np.uint8)), 255.0),
    "var of bytes": (lambda: ops.var(np.array([0, 255], np.uint8)), 127.5**2),
    "a negative power": (lambda: ops.power(mg.Tensor([2]), -2), 0.25),
    "a power of bytes": (lambda: ops.power(np.array(16, np.uint8), 2), 256.0),
    "the square of a byte": (lambda: ops.square(np.array(16, np.uint8)), 256.0),
    "exp of a byte": (lambda: ops.exp(np.array(12, np.uint8)), np.exp(12.0)),
    "matmul of bytes": (lambda: ops.matmul(np.full(3, 200, np.uint8), np.full(3, 200, np.uint8)), 120_000.0),
    "einsum of bytes": (lambda: ops.einsum("i,i", np.full(3, 200, np.uint8), np.full(3, 200, np.uint8)), 120_000.0),
    "a frame below zero": (lambda: ops.pad(np.array([1], np.uint8), (1, 0), constant_values=-0.5)[0], -0.5),
    "a frame of max_pool2d around truth values": (
        lambda: ops.max_pool2d(np.zeros((1, 2, 2, 1), bool), 2, padding=1)[0, 0, 0, 0], 0.0,
    ),
    "the largest of bytes and a number": (lambda: ops.maximum(np.array(200, np.uint8), -0.5), 200.0),
    "bytes plus a number": (lambda: ops.add(np.array([255], np.uint8), 1), 256),
    "bytes times a fraction": (lambda: ops.multiply(np.array([255], np.uint8), 0.5), 127.5),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE)
def test_numbers_that_wrapped_or_overflowed(name):
    compute, expected = ONE[name]
    assert compute().data.item() == pytest.approx(expected, rel=1e-12)


def test_clip_of_integers():
    assert ops.clip([0, 1, 2], 0.5, 1.5).data.tolist() == [0.5, 1.0, 1.5]
    assert ops.clip(np.array([0, 200], np.uint8), -1, 100).data.tolist() == [0.0, 100.0]


def test_bytes_in_a_float32_network_are_float32():
    from minigrad import nn

    x = np.full((2, 6, 6, 1), 255, np.uint8)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3, rng=0))
    out = model.eval()(x)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.data, model(x.astype(np.float32)).data)
    assert nn.LayerNorm(1)(x).dtype == np.float32
    for integers in INTEGERS:  # NumPy itself would take float64 for int64
        assert ops.linear(np.ones((2, 3), integers), np.ones((1, 3), np.float32)).dtype == np.float32


def test_a_primitive_of_ones_own_gets_floats_unless_it_says_as_is():
    @mg.primitive(x=lambda g, saved: g)
    def composite(x):
        return x - x.max(), {}

    @mg.primitive(as_is=True, x=lambda g, saved: g)
    def move(x):
        return x[::-1], {}

    assert composite(np.array([0, 255], np.uint8)).data.tolist() == [-255.0, 0.0]
    assert move(np.array([0, 255], np.uint8)).dtype == np.uint8
    assert composite(np.ones(2, np.float16)).dtype == move(np.ones(2, np.float16)).dtype == np.float16


# float16: sums that stop at 2048, end at 65504, or are of more values than that.

HALF = np.float16


def half(shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(HALF)


LONG = {
    "sum": (lambda x: ops.sum(x, axis=0), [np.ones((5000, 2), HALF)]),
    "mean": (lambda x: ops.mean(x, axis=0), [np.full((70_000, 2), 2, HALF)]),
    "var": (lambda x: ops.var(x, axis=0), [half((70_000, 2), scale=30)]),
    "std": (lambda x: ops.std(x, axis=0), [half((70_000, 2), scale=30)]),
    "norm": (lambda x: ops.norm(x, axis=0), [half((70_000, 2))]),
    "logsumexp": (lambda x: ops.logsumexp(x, axis=0), [np.ones((70_000, 2), HALF)]),
    "log_softmax": (lambda x: ops.log_softmax(x, axis=0), [np.ones((70_000, 1), HALF)]),
    "softmax": (lambda x: ops.softmax(x), [np.ones(70_000, HALF)]),
    "cross_entropy": (
        lambda x: ops.cross_entropy(x, np.zeros(5000, int), reduction="sum"), [np.zeros((5000, 2), HALF)],
    ),
    "mse": (lambda x, y: ops.mse(x, y), [np.full(70_000, 300, HALF), np.full(70_000, 100, HALF)]),
    "max": (lambda x: ops.max(x), [np.ones(70_000, HALF)]),
    "add": (lambda x, b: x + b, [half((5000, 2)), half(2)]),
    "multiply": (lambda x, b: x * b, [np.ones((5000, 2), HALF), half(2)]),
    "matmul": (ops.matmul, [half((2, 5000)), half((5000, 3))]),
    "matmul of batches": (ops.matmul, [np.ones((5000, 1, 2), HALF), half((2, 3))]),
    "linear": (ops.linear, [np.ones((5000, 2), HALF), half((3, 2)), half(3)]),
    "einsum": (lambda x, y: ops.einsum("ij,ij->j", x, y), [np.ones((5000, 2), HALF), np.ones((5000, 2), HALF)]),
    "layer_norm": (ops.layer_norm, [half((5000, 4), scale=300), half(4), half(4)]),
    "rms_norm": (ops.rms_norm, [half((5000, 4), scale=300), half(4)]),
    "group_norm": (
        lambda x, gain, bias: ops.group_norm(x, gain, bias, groups=1),
        [half((2, 32, 64, 2), scale=300), half(2), half(2)],
    ),
    "batch_norm": (ops.batch_norm, [half((128, 32, 32, 2), scale=3), half(2), half(2)]),
    "avg_pool2d": (lambda x: ops.avg_pool2d(x, 8), [np.full((1, 8, 8, 1), 60_000, HALF)]),
    "conv2d": (ops.conv2d, [np.ones((20, 16, 16, 1), HALF), half((1, 1, 1, 2)), half(2)]),
    "take": (lambda x: ops.take(x, np.zeros(5000, int)), [half((2, 2))]),
    "broadcast_to": (lambda x: ops.broadcast_to(x, (5000, 2)), [half(2)]),
    "one tensor used often": (
        lambda x: sum((x for _ in range(3000)), start=mg.Tensor(HALF(0))) * HALF(0.25), [half(2)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LONG)
def test_float16_adds_up_wide_enough(name):
    """Value and gradients are those of float64, rounded; a gradient beyond 65504 is ∞, as its dtype has it."""
    fn, arrays = LONG[name]
    value, pullback = mg.vjp(fn, *arrays)
    exact, exact_pullback = mg.vjp(fn, *[array.astype(np.float64) for array in arrays])
    assert value.dtype == HALF
    limit = 2e-3 * (1 if name != "one tensor used often" else 1e3)  # the forward sum is written out in float16
    size = np.abs(exact).max(initial=1e-6)
    assert np.abs(value / size - exact / size).max() < limit
    g = 0.25 * (1 + np.random.default_rng(1).standard_normal(value.shape))
    for got, expected in zip(pullback(g), exact_pullback(g), strict=True):
        assert got.dtype == HALF
        scale = np.abs(expected).max(initial=0.05)  # of what is smaller the steps of float16 are a good part
        np.testing.assert_allclose(got.astype(float) / scale, expected / scale, rtol=0, atol=4e-3)


def test_float16_saves_its_inputs_as_they_are():
    """What is computed in float32 leaves no copy of the inputs in float32 on the tape."""
    x, w = mg.Tensor(half((4, 3)), requires_grad=True), mg.Tensor(half((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(x, w)
    assert tape.nodes[0].saved["x"] is x.data and tape.nodes[0].saved["w"] is w.data


def test_gradients_by_recorded_tensors_and_grad_have_the_dtype_of_their_tensor():
    w = mg.Tensor(half((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        y = w * w
        loss = y.sum()
    by_w, by_y = tape.gradients(loss, [w, y])
    assert by_w.dtype == by_y.dtype == HALF
    tape.backward(loss)
    assert w.grad.dtype == HALF


@pytest.mark.parametrize("text", ["mask(0.5, axis=row)", "mask(0.5, axis=element)", "diagonal(0.5)", "lowrank(0.5)"])
def test_estimators_and_sketches_of_float16(text):
    from minigrad.estimators import parse

    x, w = mg.Tensor(half((8, 6)), requires_grad=True), mg.Tensor(half((4, 6)), requires_grad=True)
    estimator = parse(text)
    with mg.Tape(rng=0) as tape:
        loss = ops.linear(x, w, vjp=estimator, save=estimator).square().sum()
    assert {g.dtype for g in tape.gradients(loss, [x, w], rng=1)} == {np.dtype(HALF)}


def test_layers_of_float16():
    from minigrad import nn

    model = nn.vit((8, 8, 1), 3, patch_size=4, width=8, depth=1, heads=2, rng=0).astype(HALF)
    with mg.Tape() as tape:
        loss = ops.cross_entropy(model(half((2, 8, 8, 1))), [0, 1])
    assert loss.dtype == HALF
    assert {node.dtype for node in tape.nodes} == {np.dtype(HALF)}
    assert {g.dtype for g in tape.gradients(loss, list(model.parameters()))} == {np.dtype(HALF)}


def test_the_table_can_fail(monkeypatch):
    """Without the rule the tests above fail."""
    monkeypatch.setattr(ops.softmax.primitive, "as_is", True)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        with pytest.raises(AssertionError):
            test_numbers_that_wrapped_or_overflowed("softmax")
        with pytest.raises(AssertionError):
            test_float16_adds_up_wide_enough("softmax")
