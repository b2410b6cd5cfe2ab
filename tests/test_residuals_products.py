"""Every backward product with a sketched operand equals the dense formula for the same sketch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimator_cases import LINEAR, MATMUL, normal

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection
from minigrad.structure import Structured

SKETCHES = [
    *(Mask(0.5, axis=axis) for axis in ("row", "column", "sample", "element")),
    DiagonalSketch(0.5, axis="row"), LowRankSketch(0.5), RandomProjection(0.5),
]  # fmt: skip
WITH = [
    None, *(Mask(0.6, axis=axis) for axis in ("row", "column", "sample", "element")),
    DiagonalSketch(0.5, axis="row", target="both"), DiagonalSketch(0.5, target="both"), LowRankSketch(0.5),
]  # fmt: skip
CONV = {
    "conv2d": ((3, 4, 4, 2), (2, 2, 2, 3), {}),
    "conv2d, stride and padding": ((2, 5, 4, 3), (3, 2, 3, 2), {"stride": 2, "padding": (1, 0)}),
    "conv2d, one pixel": ((3, 2, 2, 4), (1, 1, 4, 2), {}),
}


def record(name, save, vjp=None, seed=0, dtype=np.float64):
    """One node by its name; returns the tape, its output, the leaves and a cotangent."""
    if name in CONV:
        x, w, options = CONV[name]
        leaves = [normal(0, *x, dtype=dtype), normal(1, *w, dtype=dtype), normal(2, w[-1], dtype=dtype)]
        operation = lambda *a, **k: ops.conv2d(*a, **options, **k)  # noqa: E731
    else:
        shapes = LINEAR[name] if name in LINEAR else MATMUL[name]
        shapes = (*shapes, shapes[1][:1]) if name in LINEAR else shapes
        leaves = [normal(k, *shape, dtype=dtype) for k, shape in enumerate(shapes)]
        operation = ops.linear if name in LINEAR else ops.matmul
    leaves = [mg.Tensor(leaf, requires_grad=True) for leaf in leaves]
    with mg.Tape(rng=seed) as tape:
        y = operation(*leaves, vjp=vjp, save=save)
    return tape, y, leaves, normal(9, *y.shape, dtype=dtype)


@pytest.mark.parametrize("name", [*LINEAR, *MATMUL, *CONV])
@pytest.mark.parametrize("save", SKETCHES, ids=repr)
def test_structured_products_equal_dense_ones(name, save):
    structured = 0
    for vjp, seed in itertools.product(WITH, range(3)):
        tape, y, leaves, g = record(name, save, vjp, seed)
        node = tape.nodes[0]
        found = tape.gradients(y, leaves, g, rng=seed)
        sketches = {k: v for k, v in node.saved.items() if isinstance(v, Structured)}
        structured += len(sketches)
        node.saved = {k: v.dense() if k in sketches else v for k, v in node.saved.items()}
        # The scores of vjp= see the same numbers, so the draws of the cotangent are the same.
        for got, expected, leaf in zip(found, tape.gradients(y, leaves, g, rng=seed), leaves, strict=True):
            assert got.shape == leaf.shape and got.dtype == leaf.dtype
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-11)
    assert structured >= len(WITH)  # an array is left only where everything was kept or nothing is random


@pytest.mark.parametrize("name", ["linear, x with three axes", "matmul, batched", "matmul", "conv2d"])
@pytest.mark.parametrize("save", SKETCHES, ids=repr)
def test_float32_stays(name, save):
    for vjp in WITH:
        tape, y, leaves, g = record(name, save, vjp, dtype=np.float32)
        stored = [v for v in tape.nodes[0].saved.values() if isinstance(v, Structured)]
        assert stored and all(v.dtype == np.float32 for v in stored)
        for gradient in tape.gradients(y, leaves, g, rng=1, structured=True):
            assert gradient.dtype == np.float32
