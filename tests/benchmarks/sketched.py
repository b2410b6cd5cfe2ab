"""One node's backward pass with a sketch, against the reduced matrix products alone.

Each group of programs stands at one budget: ``products`` multiplies what is kept, gathered before and into memory that
is there already; the others draw, gather, multiply and hand out gradients with ``structured=True``. The seed of a draw
is one that keeps the expected number of units, so that a minimum is not that of a lucky draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RangeFinderSketch
from minigrad.streams import Domain, generator
from minigrad.structure import Factors

from .program import Case, Program, Target, seed_that_keeps

BUDGETS = (0.5, 0.25, 0.1, 0.05, 0.02)
PLACES = {"sample": 0, "head": -3, "token": -2}
"""Units that are entries of one axis, and which axis that is."""
Make = Callable[[bool], Program]


def ready(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


def uneven(shape: tuple[int, ...]) -> np.ndarray:
    """A cotangent whose columns and samples differ in size, as they do in training."""
    rng = np.random.default_rng(1)
    g = rng.standard_normal(shape, np.float32) * rng.lognormal(0, 0.7, shape[-1]).astype(np.float32)
    g *= rng.lognormal(0, 0.7, (shape[0], *(1,) * (len(shape) - 1))).astype(np.float32)
    return g


def pull(record: Callable[..., mg.Tensor], arrays: list[np.ndarray], estimator: mg.Estimator | None) -> Program:
    """The library's backward pass through one node."""
    leaves = [mg.Tensor(array, requires_grad=True) for array in arrays]
    with mg.Tape() as tape:
        y = record(*leaves)
    g = uneven(y.shape)
    node, seed = tape.nodes[y.node], 0
    node.vjp = estimator
    if estimator is not None:

        def count(seed: int) -> int:
            kept = estimator.sample(g, node, generator(Domain.BACKWARD, seed, node.index, 0))
            return kept.rank if isinstance(kept, Factors) else len(kept.indices)

        rows = math.prod(g.shape[:-1])
        axis = getattr(estimator, "axis", "")
        units = {"column": g.shape[-1], "row": rows}.get(axis, min(rows, g.shape[-1]))
        if axis in PLACES:
            units = g.shape[PLACES[axis]]
        if not isinstance(estimator, (LowRankSketch, RangeFinderSketch)):
            seed = seed_that_keeps(count, round(estimator.budget * units))
    return Program(lambda: tape.gradients(y, leaves, cotangent=g, rng=seed, structured=True))


def linear_arrays(shape: tuple[int, int, int], tiny: bool) -> list[np.ndarray]:
    rows, inner, columns = (6, 5, 4) if tiny else shape
    return ready((rows, inner), (columns, inner))


def linear_products(shape: tuple[int, int, int], axis: str, budget: float, tiny: bool) -> Program:
    x, w = linear_arrays(shape, tiny)
    rows, columns = len(x), len(w)
    if axis == "column":
        columns = max(1, round(budget * columns))
    else:
        rows = max(1, round(budget * rows))
    x, w, g = x[:rows].copy(), w[:columns].copy(), uneven((rows, columns))
    dx, dw = np.empty_like(x), np.empty_like(w)

    def step() -> None:
        np.matmul(g, w, out=dx)
        np.matmul(g.T, x, out=dw)

    return Program(step)


def linear_pull(shape: tuple[int, int, int], estimator: mg.Estimator | None, tiny: bool) -> Program:
    return pull(ops.linear, linear_arrays(shape, tiny), estimator)


def conv_arrays(tiny: bool) -> list[np.ndarray]:
    return ready((2, 4, 4, 3), (3, 3, 3, 5)) if tiny else ready((32, 32, 32, 64), (3, 3, 64, 64))


def conv_products(axis: str, budget: float, tiny: bool) -> Program:
    """P written out before, for both products."""
    x, w = conv_arrays(tiny)
    samples, channels = len(x), w.shape[3]
    if axis == "column":
        channels = max(1, round(budget * channels))
    else:
        samples = max(1, round(budget * samples))
    pixels = samples * x.shape[1] * x.shape[2]
    patches, g, back, turned = ready(
        (pixels, w[..., 0].size), (pixels, channels), (pixels, 9 * channels), (9 * channels, x.shape[3])
    )
    dw, dx = np.empty((patches.shape[1], channels), np.float32), np.empty((pixels, x.shape[3]), np.float32)

    def step() -> None:
        np.matmul(patches.T, g, out=dw)
        np.matmul(back, turned, out=dx)

    return Program(step)


def conv_reduced(axis: str, budget: float, tiny: bool) -> Program:
    """The exact rules of the library on a cotangent that has only what is kept: im2col, but no draw and no gather."""
    x, w = conv_arrays(tiny)
    if axis == "column":
        w = w[..., : max(1, round(budget * w.shape[3]))].copy()
    else:
        x = x[: max(1, round(budget * len(x)))]
    return pull(partial(ops.conv2d, padding=1), [x, w], None)


def conv_pull(estimator: mg.Estimator | None, tiny: bool) -> Program:
    return pull(partial(ops.conv2d, padding=1), conv_arrays(tiny), estimator)


def attention_arrays(tiny: bool) -> list[np.ndarray]:
    return ready((2, 2, 3, 4), (2, 2, 4, 3)) if tiny else ready((32, 4, 65, 32), (32, 4, 32, 65))


def attention_products(axis: str, budget: float, tiny: bool) -> Program:
    a, b = attention_arrays(tiny)
    if axis == "column":
        b = b[..., : max(1, round(budget * b.shape[-1]))].copy()
    else:
        kept = np.arange(max(1, round(budget * a.shape[PLACES[axis]])))
        a = np.take(a, kept, PLACES[axis])
        if axis != "token":
            b = np.take(b, kept, PLACES[axis])
    g = uneven((*a.shape[:-1], b.shape[-1]))
    da, db = np.empty_like(a), np.empty_like(b)

    def step() -> None:
        np.matmul(g, b.swapaxes(-1, -2), out=da)
        np.matmul(a.swapaxes(-1, -2), g, out=db)

    return Program(step)


def attention_pull(estimator: mg.Estimator | None, tiny: bool) -> Program:
    return pull(ops.matmul, attention_arrays(tiny), estimator)


def compare(
    title: str, axis: str, products: Callable[..., Make], library: Callable[..., Make], budgets=BUDGETS, goal=None
) -> Case:
    """At each budget the products alone, Mask and DiagonalSketch."""
    programs = {"products, 1": products(axis, 1.0), "exact": library(None)}
    targets = []
    for budget in budgets:
        programs[f"products, {budget}"] = products(axis, budget)
        programs[f"Mask, {budget}"] = library(Mask(budget, axis))
        programs[f"Diagonal, {budget}"] = library(DiagonalSketch(budget, axis))
        share = goal or (0.8 if budget >= 0.1 else 0.7)
        for name in ("Mask", "Diagonal"):
            targets.append(Target(f"{name}, {budget}", f"products, {budget}", 1 / share))
            if budget >= 0.5:
                targets.append(Target(f"{name}, {budget}", "exact", 1.1))
    return Case(title, programs, "products, 1", targets, apart=False)


def linear(shape: tuple[int, int, int], axis: str) -> Case:
    return compare(
        f"linear node, (batch, in, out) = {shape}, {axis}s",
        axis,
        lambda axis, budget: partial(linear_products, shape, axis, budget),
        lambda estimator: partial(linear_pull, shape, estimator),
        goal=None if axis == "column" else 0.7,
    )


def conv(axis: str) -> Case:
    budgets = (0.5, 0.25, 0.1)
    case = compare(
        f"3×3 convolution, 64 to 64 channels on 32×32, batch 32, {axis}s",
        axis,
        lambda axis, budget: partial(conv_products, axis, budget),
        lambda estimator: partial(conv_pull, estimator),
        budgets,
        goal=None if axis == "column" else 0.7,
    )
    for budget in budgets:
        case.programs[f"rules, {budget}"] = partial(conv_reduced, axis, budget)
    return case


def attention(axis: str) -> Case:
    return compare(
        f"the product Q Kᵀ of attention, batch 32, 4 heads, 65 tokens, 32 features, {axis}s",
        axis,
        lambda axis, budget: partial(attention_products, axis, budget),
        lambda estimator: partial(attention_pull, estimator),
        (0.5, 0.25) if axis == "head" else (0.5, 0.25, 0.1),  # of four heads one is the least
        goal=None if axis == "column" else 0.7,
    )


def core_pull(shape: tuple[int, ...], estimator: mg.Estimator | None, tiny: bool) -> Program:
    """softmax(Q Kᵀ) V, with one draw at its output."""

    def record(q: mg.Tensor, k: mg.Tensor, v: mg.Tensor) -> mg.Tensor:
        return ops.matmul(ops.softmax(ops.matmul(q, ops.swapaxes(k, -1, -2))), v)

    return pull(record, ready(*[(2, 2, 4, 3) if tiny else shape] * 3), estimator)


def core(shape: tuple[int, ...]) -> Case:
    programs: dict[str, Make] = {"exact": partial(core_pull, shape, None)}
    for axis in ("column", "row", *PLACES):
        for budget in (0.5, 0.25, 0.1):
            if axis not in PLACES or round(budget * shape[PLACES[axis]]):
                programs[f"{axis}s, {budget}"] = partial(core_pull, shape, Mask(budget, axis, "systematic"))
    title = f"backward pass of the core of attention, softmax(Q Kᵀ) V, (batch, heads, tokens, features) = {shape}"
    return Case(title, programs, "exact", apart=False)


RANGES: dict[str, dict[str, int]] = {"": {}, " of 64 more": {"oversampling": 64}}
"""Ranges of the default width, and of wider ones, which miss less."""


def lowrank(shape: tuple[int, int, int]) -> Case:
    programs = {
        "products, 1": partial(linear_products, shape, "column", 1.0),
        "exact": partial(linear_pull, shape, None),
        **{f"LowRank, {b}": partial(linear_pull, shape, LowRankSketch(b, "systematic")) for b in (0.5, 0.1, 0.02)},
    }
    for budget in (0.1, 0.02):
        for name, options in RANGES.items():
            sketch = RangeFinderSketch(budget, **options, design="systematic")
            programs[f"RangeFinder{name}, {budget}"] = partial(linear_pull, shape, sketch)
        programs[f"Diagonal, {budget}"] = partial(linear_pull, shape, DiagonalSketch(budget, design="systematic"))
    return Case(f"low-rank sketch of a linear node, (batch, in, out) = {shape}", programs, "products, 1", apart=False)


WIDE, LONG = (256, 2048, 2048), (2048, 512, 2048)
CASES = {
    "linear-columns": linear(WIDE, "column"),
    "linear-columns-long": linear(LONG, "column"),
    "linear-rows": linear(WIDE, "row"),
    "linear-rows-long": linear(LONG, "row"),
    "linear-samples": linear(WIDE, "sample"),
    "linear-small": linear((128, 512, 512), "column"),
    "conv-columns": conv("column"),
    "conv-samples": conv("sample"),
    "attention-columns": attention("column"),
    "attention-samples": attention("sample"),
    "attention-heads": attention("head"),
    "attention-tokens": attention("token"),
    "attention-core": core((32, 4, 64, 32)),
    "attention-core-heads": core((32, 10, 64, 16)),
    "lowrank-wide": lowrank(WIDE),
    "lowrank-narrow": lowrank((2048, 2048, 128)),
    "lowrank-square": lowrank((1024, 1024, 1024)),
}
