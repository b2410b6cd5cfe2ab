"""NaN reaches the gradient as it reaches the value."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_shapes import SHAPES
from gradient_table import TABLE
from hypothesis import HealthCheck, given, settings

import minigrad as mg
from minigrad import ops

FEW = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))

LINEAR = {
    "average": (0,), "cumprod": (0,), "cumsum": (0,), "diff": (0, 1, 2), "ediff1d": (0, 1, 2), "gradient": (0,),
    "nansum": (0,), "nanprod": (0,), "prod": (0,), "trapezoid": (0, 1),
    "add": (0, 1), "astype": (0,), "avg_pool2d": (0,), "broadcast_to": (0,), "concatenate": (0, 1, 2),
    "conv1d": (0, 1, 2), "conv2d": (0, 1, 2), "convolve": (0, 1),
    "divide": (0,), "dropout": (0,), "einsum": (0, 1, 2), "expand_dims": (0,), "getitem": (0,),
    "group_norm": (1, 2),
    "layer_norm": (1, 2), "batch_norm": (1, 2), "linear": (0, 1, 2), "matmul": (0, 1), "mean": (0,), "moveaxis": (0,),
    "deg2rad": (0,), "multiply": (0, 1), "negative": (0,), "pad": (0,), "positive": (0,), "rad2deg": (0,),
    "reshape": (0,), "rms_norm": (1,), "solve": (1,), "solve_triangular": (1,), "split": (0,), "squeeze": (0,),
    "stack": (0, 1, 2), "subtract": (0, 1), "sum": (0,), "swapaxes": (0,), "take": (0,), "take_along_axis": (0,),
    "transpose": (0,), "where": (0, 1), "xlog1py": (0,), "xlogy": (0,), **dict.fromkeys(SHAPES, (0, 1, 2)),
}  # fmt: skip
"""Inputs in which the operation is linear: the derivative by one does not hold its value, and is what it was."""

SOMETIMES = {
    "float_power": (0,), "power": (0,), "batch_norm": (0,), "lstsq": (1,), "ptp": (0,), "matrix_power": (0,),
    "solve_triangular": (0,),
}  # fmt: skip
"""Linear for some settings, or in part: x ** 1, batch normalisation with given statistics, the range of one value,
solutions of least squares, entries of a triangle beside its diagonal."""

MOVED = ("partition", "sort")
"""These move values: that of a NaN is 1 wherever it went."""

REFUSING = {"cholesky", "eigh", "eigvalsh", "expm", "lstsq", "pinv", "qr", "svd"}
"""Factorizations, which have no value at all for matrices that are not finite."""


def spoiled(arrays, k, at, value):
    moved = [array.copy() for array in arrays]
    moved[k].reshape(-1)[at] = value
    return moved


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(TABLE))
def test_where_the_value_is_nan_the_derivative_is(name, special):
    """By the input that made it so; where the operation is linear in it, the derivative is what it was."""

    @FEW
    @given(case=TABLE[name])
    def check(case):
        fn, arrays = case
        for k, array in enumerate(arrays):
            for at in {0, array.size - 1} if array.size else ():
                if name in REFUSING and (name, k) != ("lstsq", 1):
                    with pytest.raises(np.linalg.LinAlgError, match="NaN or ∞"), np.errstate(all="ignore"):
                        fn(*spoiled(arrays, k, at, special))
                    continue
                with np.errstate(all="ignore"):
                    value, pullback = mg.vjp(fn, *spoiled(arrays, k, at, special))
                    before = mg.vjp(fn, *spoiled(arrays, k, at, array.reshape(-1)[at]))[1]
                    for place in np.flatnonzero(np.isnan(value))[:3]:
                        g = np.zeros(value.size)
                        g[place] = 1
                        g = g.reshape(value.shape)
                        slope = pullback(g)[k].reshape(-1)[at]
                        if name in MOVED:
                            assert slope == 1
                        elif k in LINEAR.get(name, ()) or (k in SOMETIMES.get(name, ()) and not np.isnan(slope)):
                            if np.isnan(special):  # ∞·0 and ∞ − ∞ are NaN in a linear operation, too
                                np.testing.assert_array_equal(slope, before(g)[k].reshape(-1)[at])
                        else:
                            assert np.isnan(slope), (k, at, place, slope)

    check()


NAN = np.nan
ALL = {
    "max": (lambda x: x.max(), [1.0, NAN, 3.0], [NAN, NAN, NAN]),
    "min": (lambda x: x.min(), [1.0, NAN, 3.0], [NAN, NAN, NAN]),
    "max along an axis": (lambda x: x.max(axis=1).sum(), [[1.0, NAN], [3.0, 4.0]], [[NAN, NAN], [0.0, 1.0]]),
    "relu": (lambda x: x.relu().sum(), [-1.0, NAN, 3.0, np.inf, -np.inf], [0.0, NAN, 1.0, 1.0, 0.0]),
    "maximum": (lambda x: ops.maximum(x, 1.0).sum(), [0.0, NAN, 3.0, 1.0], [0.0, NAN, 1.0, 0.5]),
    "minimum": (lambda x: ops.minimum(x, 1.0).sum(), [0.0, NAN, 3.0, 1.0], [1.0, NAN, 0.0, 0.5]),
    "maximum with NaN": (lambda x: ops.maximum(x, [NAN, 1.0]).sum(), [0.0, 3.0], [NAN, 1.0]),
    "clip": (lambda x: x.clip(0.0, 1.0).sum(), [-1.0, NAN, 0.5, np.inf], [0.0, NAN, 1.0, 0.0]),
    "clip at NaN": (lambda x: x.clip(np.array([NAN, 0.0])).sum(), [0.5, 0.5], [NAN, 1.0]),
    "abs": (lambda x: abs(x).sum(), [-1.0, NAN, -np.inf], [-1.0, NAN, -1.0]),
    "norm": (lambda x: ops.norm(x), [3.0, NAN], [NAN, NAN]),
    "sqrt": (lambda x: x.sqrt().sum(), [4.0, NAN, -1.0], [0.25, NAN, NAN]),
    "log": (lambda x: x.log().sum(), [4.0, NAN, -1.0], [0.25, NAN, NAN]),
    "log1p": (lambda x: x.log1p().sum(), [3.0, NAN, -2.0], [0.25, NAN, NAN]),
    "max_pool2d": (
        lambda x: ops.max_pool2d(x.reshape(1, 2, 4, 1), 2).sum(), [1, NAN, 5, 6, 2, 3, 8, 7],
        [NAN, NAN, 0, 0, NAN, NAN, 1, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", ALL)
def test_the_right_numbers(name, dtype):
    fn, x, expected = ALL[name]
    with np.errstate(invalid="ignore"):
        gradient = mg.grad(fn)(np.array(x, dtype))
    assert gradient.dtype == dtype
    np.testing.assert_allclose(gradient, np.array(expected, dtype), rtol=1e-3)


@pytest.mark.parametrize("shape", [(3, 4), (64, 128), (5000,), (2048, 4), (4096, 2, 3)])
@pytest.mark.parametrize("vjp", [None, mg.estimators.Mask(0.5, axis="sample")])
def test_relu_of_any_size(shape, vjp):
    """Of large arrays it keeps bits, and those of the NaN only where there are some."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    for share in (0.0, 0.1):
        x[rng.random(shape) < share] = np.nan
        leaf = mg.Tensor(x, requires_grad=True)
        with mg.Tape() as tape:
            y = ops.multiply(ops.relu(leaf), 1.0, vjp=vjp)
        for draw in range(3):
            (gradient,) = tape.gradients(y, [leaf], cotangent=np.ones(shape), rng=draw)
            kept = gradient.reshape(len(x), -1)
            kept = ~(kept == 0).all(axis=1)  # samples that the draw has kept
            factor = 1.0 if vjp is None else 2.0
            expected = np.where(np.isnan(x), np.nan, factor * (x > 0))
            if vjp is None:
                np.testing.assert_array_equal(gradient, expected)
            else:
                np.testing.assert_array_equal(gradient[kept], expected[kept])
        assert ("nan" in tape.nodes[0].saved) == (share > 0 and "positive" in tape.nodes[0].saved)
