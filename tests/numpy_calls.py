"""Calls of NumPy's functions, as they are written for arrays: by position, by keyword, and with NumPy's defaults.

`CALLS` maps a function to pairs of a call and the shapes of its inputs. What stands for a function on tensors, or runs
on them as it is, and is missing here fails `test_ops_dispatch.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

Call = tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]

M, V, S, C = (2, 3), (3,), (), (2, 3, 4)


def unary(f: Any) -> list[Call]:
    return [
        (f, (M,)),
        (f, (S,)),
        (lambda x: f(x, dtype=np.float64), (M,)),
        (lambda x: f(x, where=True, order="K"), (V,)),
    ]


def within(f: Any, low: float) -> list[Call]:
    """On values of which the function knows no others: from ``low`` to 1 above it."""

    def inside(x: Any) -> Any:
        return x * x.dtype.type(0.3) + x.dtype.type(low)

    return [(lambda x: f(inside(x)), (M,)), (lambda x: f(inside(x), where=True), (S,))]


def binary(f: Any) -> list[Call]:
    return [(f, (M, V)), (f, (S, M)), (lambda x: f(x, 1.5), (M,)), (lambda x: f(np.full(3, 1.5), x), (M,)),
            (lambda x, y: f(x, y, casting="same_kind", subok=True), (V, (2, 1)))]  # fmt: skip


def of_scipy(f: Any) -> list[Call]:
    """Of two arguments, numbers in the dtype of the arrays: SciPy takes a plain number beside float32 for a double."""
    return [(f, (M, V)), (f, (S, M)), (lambda x: f(x, x.dtype.type(1.5)), (M,)),
            (lambda x: f(np.full(3, 1.5, x.dtype), x, casting="same_kind", subok=True), (M,))]  # fmt: skip


def by_the_last(f: Any) -> list[Call]:
    """Of an order, by which there is no derivative, and a variable."""
    return [
        (lambda x: f(x.dtype.type(2), x), (M,)),
        (lambda x: f(np.full(3, 2, x.dtype), x), (M,)),
        (lambda x: f(np.array([[1], [3]], x.dtype), x), (S,)),
        (lambda x: f(x.dtype.type(1), x, casting="same_kind"), (V,)),
    ]


def reduction(f: Any) -> list[Call]:
    return [
        (f, (M,)),
        (f, (S,)),
        (lambda x: f(x, 0), (C,)),
        (lambda x: f(x, axis=(0, -1)), (C,)),
        (lambda a: f(a=a), (V,)),
        (lambda x: f(x, axis=1, keepdims=True), (M,)),
        (lambda x: f(x, axis=None, out=None, keepdims=np._NoValue), (M,)),
    ]


def extreme(f: Any) -> list[Call]:
    return [*reduction(f), (lambda x: f(x, 0, None, True), (M,)), (lambda x: f(x, None, None, True), (M,))]


def spread(f: Any) -> list[Call]:
    return [
        *reduction(f),
        (lambda x: f(x, 0, None, None, 1), (M,)),
        (lambda x: f(x, 1, None, None, 1, True), (M,)),
        (lambda x: f(x, ddof=2), (V,)),
        (lambda x: f(x, axis=0, dtype=np.float64, ddof=1), (M,)),
        (lambda x: f(x, 0, np.float64), (M,)),
    ]


def trapezoid(f: Any) -> list[Call]:
    return [
        (f, (M,)),
        (lambda y, x: f(y, x), (M, V)),
        (lambda y: f(y, dx=0.5, axis=0), (M,)),
        (f, (V, V)),
        (lambda y: f(y, np.arange(3.0, dtype=y.dtype)), (M,)),
        (lambda y, x: f(y, x, 1.0, 1), (C, C)),
    ]


CALLS: dict[Any, list[Call]] = {
    # Ufuncs
    **{f: unary(f) for f in (np.exp, np.sin, np.cos, np.tanh, np.negative, np.absolute, np.square, special.expit)},
    **{f: unary(f) for f in (np.sqrt, np.log, np.log1p, np.floor, np.ceil, np.trunc, np.rint)},
    **{f: unary(f) for f in (np.positive, np.fabs, np.sign, np.reciprocal, np.cbrt, np.exp2, np.expm1, np.log2)},
    **{f: unary(f) for f in (np.log10, np.sinh, np.cosh, np.arcsinh, np.arctan, special.erf, special.erfc)},
    **{f: within(f, 0.0) for f in (np.tan, np.arcsin, np.arccos, np.arctanh)},
    np.arccosh: within(np.arccosh, 1.0),
    np.sinc: [(np.sinc, (M,)), (lambda t: np.sinc(x=t), (V,))],
    **{
        f: binary(f)
        for f in (np.add, np.subtract, np.multiply, np.divide, np.maximum, np.minimum, np.logaddexp, np.power)
    },
    **{f: binary(f) for f in (np.hypot, np.arctan2, np.floor_divide, np.remainder)},
    np.float_power: [(np.float_power, (M, V)), (lambda x: np.float_power(x, 2), (M,))],
    np.matmul: [(np.matmul, (M, V)), (np.matmul, (C, (4, 2))), (lambda x: np.matmul(np.ones((4, 2)), x), (M,))],
    np.add.reduce: [
        (np.add.reduce, (M,)),
        (lambda x: np.add.reduce(x, None), (M,)),
        (lambda x: np.add.reduce(x, axis=(0, 1)), (C,)),
        (lambda x: np.add.reduce(x, 1, None, None, True), (M,)),
    ],
    np.maximum.reduce: [(np.maximum.reduce, (M,)), (lambda x: np.maximum.reduce(x, axis=-1, keepdims=True), (M,))],
    np.minimum.reduce: [(np.minimum.reduce, (M,)), (lambda x: np.minimum.reduce(x, axis=None), (M,))],
    # Reductions
    np.sum: [
        *reduction(np.sum),
        (lambda x: np.sum(x, 1, None, None, True), (M,)),
        (lambda x: np.sum(x, 0, np.float64), (M,)),
    ],
    np.mean: [*reduction(np.mean), (lambda x: np.mean(x, 1, None, None, True), (M,))],
    **{f: extreme(f) for f in (np.max, np.min, np.amax, np.amin)},
    **{f: spread(f) for f in (np.var, np.std)},
    np.linalg.norm: [
        (np.linalg.norm, (M,)),
        (np.linalg.norm, (V,)),
        (lambda x: np.linalg.norm(x, None, 1, True), (M,)),
        (lambda x: np.linalg.norm(x, axis=0), (M,)),
        (lambda x: np.linalg.norm(x, axis=(0, 1)), (C,)),
    ],
    # Element by element
    np.where: [
        (lambda x: np.where(x > 1, x, 0), (M,)),
        (lambda x, y: np.where([True, False, True], x, y), (M, S)),
        (lambda x: np.where(np.eye(3) > 0, 1.0, x), (V,)),
    ],
    np.clip: [
        (lambda x: np.clip(x, 0.7, 1.6), (M,)),
        (lambda x: np.clip(x, None, 1.5), (M,)),
        (lambda x: np.clip(x, 1.5, None), (M,)),
        (lambda a: np.clip(a, a_max=1.5, a_min=0.8), (V,)),
        (lambda x: np.clip(x, np.full(3, 0.7, x.dtype), np.array([1.0, 1.5, 2.0], x.dtype)), (M,)),
    ],
    np.round: [(np.round, (M,)), (lambda x: np.round(x, 1), (M,)), (lambda x: np.round(x, decimals=1), (M,))],
    np.around: [(np.around, (M,)), (lambda x: np.around(x, 1), (M,))],
    np.fix: [(np.fix, (M,))],
    # Shapes
    np.reshape: [
        (lambda x: np.reshape(x, (3, 2)), (M,)),
        (lambda x: np.reshape(x, -1), (M,)),
        (lambda x: np.reshape(x, [6, 1]), (M,)),
        (lambda x: np.reshape(x, (6,), "C"), (M,)),
        (lambda x: np.reshape(x, (6,), order="C"), (M,)),
    ],
    np.transpose: [
        (np.transpose, (M,)),
        (np.transpose, (V,)),
        (lambda x: np.transpose(x, (2, 0, 1)), (C,)),
        (lambda a: np.transpose(a=a, axes=[1, -1, 0]), (C,)),
    ],
    np.swapaxes: [(lambda x: np.swapaxes(x, 0, -1), (C,)), (lambda x: np.swapaxes(x, axis2=0, axis1=1), (C,))],
    np.moveaxis: [
        (lambda x: np.moveaxis(x, 0, -1), (C,)),
        (lambda x: np.moveaxis(x, [0, 1], [1, 2]), (C,)),
        (lambda x: np.moveaxis(x, destination=0, source=2), (C,)),
    ],
    np.expand_dims: [(lambda x: np.expand_dims(x, 1), (M,)), (lambda x: np.expand_dims(a=x, axis=(0, 2)), (M,))],
    np.squeeze: [
        (np.squeeze, ((1, 3, 1),)),
        (lambda x: np.squeeze(x, 0), ((1, 3, 1),)),
        (lambda x: np.squeeze(x, axis=(0, 2)), ((1, 3, 1),)),
    ],
    np.broadcast_to: [
        (lambda x: np.broadcast_to(x, (2, 3)), (V,)),
        (lambda x: np.broadcast_to(x, shape=(4, 1, 3), subok=False), (V,)),
    ],
    np.pad: [
        (lambda x: np.pad(x, 1), (M,)),
        (lambda x: np.pad(x, ((0, 1), (2, 0))), (M,)),
        (lambda x: np.pad(x, (1, 2), "constant"), (M,)),
        (lambda x: np.pad(array=x, pad_width=1, mode="constant", constant_values=3.5), (V,)),
    ],
    np.flip: [(np.flip, (M,)), (lambda x: np.flip(x, 1), (M,)), (lambda x: np.flip(m=x, axis=(0, -1)), (C,))],
    np.rollaxis: [(lambda x: np.rollaxis(x, 2), (C,)), (lambda x: np.rollaxis(x, axis=1, start=3), (C,))],
    # Joining and cutting
    np.concatenate: [
        (lambda x, y: np.concatenate([x, y]), (M, (1, 3))),
        (lambda x, y: np.concatenate((x, y), 1), (M, (2, 1))),
        (lambda x, y: np.concatenate([x, y], axis=None), (M, V)),
        (lambda x: np.concatenate([x, np.ones((2, 3))], axis=-1), (M,)),
        (lambda x: np.concatenate(x), (M,)),
        (lambda x: np.concatenate(x, axis=1), (C,)),
        (lambda x: np.concatenate([np.ones((1, 3)), x, x], dtype=np.float64), (M,)),
    ],
    np.stack: [
        (lambda x, y: np.stack([x, y]), (M, M)),
        (lambda x, y: np.stack((x, y), -1), (V, V)),
        (lambda x: np.stack(arrays=[x, np.ones(3)], axis=1), (V,)),
        (lambda x: np.stack([x[0], x.dtype.type(2.0), x[1]]), (V,)),
    ],
    np.split: [
        (lambda x: np.split(x, 2), (M,)),
        (lambda x: np.split(x, [1, 3], 2), (C,)),
        (lambda x: np.split(ary=x, indices_or_sections=3, axis=1), (M,)),
    ],
    np.array_split: [(lambda x: np.array_split(x, 2), (V,)), (lambda x: np.array_split(x, 3, axis=-1), (C,))],
    np.hsplit: [(lambda x: np.hsplit(x, 3), (M,)), (lambda x: np.hsplit(x, [1]), (V,))],
    np.vsplit: [(lambda x: np.vsplit(x, 2), (M,))],
    np.dsplit: [(lambda x: np.dsplit(x, 2), (C,))],
    # Gathering, products
    np.take: [
        (lambda x: np.take(x, [0, 4, 4]), (M,)),
        (lambda x: np.take(x, 2), (M,)),
        (lambda x: np.take(x, [[0, 1], [1, 1]], 0), (M,)),
        (lambda x: np.take(x, indices=[2, 0], axis=-1, mode="raise"), (C,)),
    ],
    np.take_along_axis: [
        (lambda x: np.take_along_axis(x, np.array([[0, 2], [1, 1]]), 1), (M,)),
        (lambda x: np.take_along_axis(arr=x, indices=np.array([[0, 1, 1]]), axis=0), (M,)),
        (lambda x: np.take_along_axis(x, np.array([5, 0, 5]), axis=None), (M,)),
    ],
    np.einsum: [
        (lambda x, y: np.einsum("ij,kj->ik", x, y), (M, (4, 3))),
        (lambda x: np.einsum("ii", x), ((3, 3),)),
        (lambda x, y: np.einsum("ij,j", x, y, optimize=True), (M, V)),
        (lambda x: np.einsum("i,...i->...", np.ones(3), x), (M,)),
    ],
}

CALLS |= {
    np.atleast_1d: [(np.atleast_1d, (S,)), (np.atleast_1d, (M,)), (lambda x, y: np.atleast_1d(x, y, x + x), (S, M))],
    np.atleast_2d: [(np.atleast_2d, (S,)), (np.atleast_2d, (V,)), (np.atleast_2d, (C,)), (np.atleast_2d, (V, M))],
    np.atleast_3d: [(np.atleast_3d, (S,)), (np.atleast_3d, (V,)), (np.atleast_3d, (M,)), (np.atleast_3d, (M, C))],
    np.broadcast_arrays: [(np.broadcast_arrays, (M, V)), (np.broadcast_arrays, (S, (2, 1), V))],
    np.append: [
        (np.append, (M, V)),
        (lambda x, y: np.append(x, y, 0), (M, (1, 3))),
        (lambda x: np.append(x, x.dtype.type(2.0)), (V,)),
        (lambda x: np.append(arr=np.ones((2, 1), x.dtype), values=x, axis=1), (M,)),
    ],
    np.column_stack: [
        (lambda x, y: np.column_stack([x, y]), (V, (3, 2))),
        (lambda x, y: np.column_stack((x, y)), (V, V)),
    ],
    np.block: [
        (lambda x, y: np.block([[x, y], [np.ones((1, 5), x.dtype)]]), (M, (2, 2))),
        (lambda x: np.block([x, x]), (V,)),
        (lambda x: np.block([[x], [x]]), (V,)),
        (lambda x: np.block([[[x]], [[x]]]), (M,)),
        (lambda x: np.block([x, x]), (S,)),
        (np.block, (M,)),
    ],
    np.delete: [
        (lambda x: np.delete(x, 1), (M,)),
        (lambda x: np.delete(x, [0, 2], 1), (M,)),
        (lambda x: np.delete(x, slice(1), axis=-1), (C,)),
    ],
    np.compress: [
        (lambda x: np.compress([True, False, True], x), (M,)),
        (lambda x: np.compress([False, True], x, 0), (M,)),
        (lambda x: np.compress(condition=[True, False, True], a=x, axis=-1), (M,)),
    ],
    np.extract: [(lambda x: np.extract(x > 1, x), (M,)), (lambda x: np.extract([True, False, True], x), (V,))],
    np.average: [
        (np.average, (M,)),
        (lambda x: np.average(x, 1), (M,)),
        (lambda x, w: np.average(x, weights=w), (M, M)),
        (lambda x, w: np.average(x, 1, w), (M, V)),
        (lambda x, w: np.average(x, axis=0, weights=w), (M, (2,))),
        (lambda x, w: np.average(x, 0, w, True), (M, M)),
        (lambda x: np.average(x, -1, keepdims=True), (M,)),
        (lambda w: np.average(np.arange(3.0, dtype=w.dtype), weights=w), (V,)),
    ],
    np.ptp: [(np.ptp, (M,)), (lambda x: np.ptp(x, 1), (M,)), (lambda x: np.ptp(a=x, axis=0, keepdims=True), (M,))],
    np.diff: [
        (np.diff, (M,)),
        (lambda x: np.diff(x, 2), (M,)),
        (lambda x: np.diff(x, axis=0), (M,)),
        (lambda x: np.diff(x, 1, 1), (C,)),
    ],
    np.cross: [
        (np.cross, (M, V)),
        (lambda x: np.cross(np.arange(3.0, dtype=x.dtype), x), (M,)),
        (lambda x, y: np.cross(x, y, axis=0), ((3, 2), (3, 2))),
        (lambda x, y: np.cross(x, y, axisa=0, axisb=-1, axisc=0), ((3, 2), M)),
    ],
    np.polyval: [
        (np.polyval, (V, M)),
        (lambda p: np.polyval(p, p.dtype.type(2.0)), (V,)),
        (lambda x: np.polyval(np.array([1.0, 2.0, 3.0], x.dtype), x), (M,)),
    ],
    np.select: [
        (lambda x, y: np.select([x > 1.5, x > 0.9], [x, y], 3.0), (M, M)),
        (lambda x: np.select([x > 1], [x * 2.0]), (M,)),
        (lambda x: np.select(condlist=[x > 2, x < 1], choicelist=[x, 1.0 / x], default=x), (V,)),
    ],
    np.nan_to_num: [
        (np.nan_to_num, (M,)),
        (lambda x: np.nan_to_num(np.where(np.eye(3) > 0, x.dtype.type(np.nan), x), nan=2.0), (V,)),
    ],
    np.fmax: [
        (np.fmax, (M, V)),
        (lambda x: np.fmax(x, np.array([np.nan, 1.0, 1.2], x.dtype)), (M,)),
        (lambda x: np.fmax(1.0, x, where=True), (M,)),
    ],
    np.fmin: [(np.fmin, (M, V)), (lambda x: np.fmin(np.array([np.nan, 1.0, 1.2], x.dtype), x), (M,))],
    np.logaddexp2: [(np.logaddexp2, (M, V)), (lambda x: np.logaddexp2(1.0, x), (M,))],
    **{f: [(f, (M,)), (f, (S,))] for f in (np.deg2rad, np.radians, np.rad2deg, np.degrees)},
}

K, L = (3, 3), (2, 2)  # square

CALLS |= {
    np.ravel: [(np.ravel, (M,)), (lambda x: np.ravel(x, "F"), (C,)), (lambda x: np.ravel(a=x, order="C"), (S,))],
    np.copy: [(np.copy, (M,)), (lambda x: np.copy(x, order="K", subok=False), (V,))],
    np.repeat: [
        (lambda x: np.repeat(x, 2), (M,)),
        (lambda x: np.repeat(x, [1, 0, 2], 1), (M,)),
        (lambda x: np.repeat(a=x, repeats=3, axis=-1), (C,)),
    ],
    np.tile: [(lambda x: np.tile(x, 2), (M,)), (lambda A: np.tile(A=A, reps=(2, 1, 2)), (M,))],
    np.fliplr: [(np.fliplr, (M,))],
    np.flipud: [(np.flipud, (V,))],
    np.roll: [(lambda x: np.roll(x, 2), (M,)), (lambda x: np.roll(x, (1, -1), axis=(0, 1)), (M,))],
    np.rot90: [(np.rot90, (M,)), (lambda x: np.rot90(x, 2), (M,)), (lambda m: np.rot90(m=m, k=-1, axes=(1, 2)), (C,))],
    np.diag: [(np.diag, (V,)), (np.diag, (M,)), (lambda v: np.diag(v=v, k=-1), (V,))],
    np.diagflat: [(np.diagflat, (M,)), (lambda v: np.diagflat(v, 1), (V,))],
    np.diagonal: [
        (np.diagonal, (M,)),
        (lambda x: np.diagonal(x, 1), (M,)),
        (lambda x: np.diagonal(x, axis1=2, axis2=0, offset=-1), (C,)),
    ],
    np.trace: [
        (np.trace, (K,)),
        (lambda x: np.trace(x, 1, 1, 2), (C,)),
        (lambda x: np.trace(x, dtype=np.float64), (M,)),
    ],
    np.tril: [(np.tril, (K,)), (lambda m: np.tril(m=m, k=-1), (C,))],
    np.triu: [(np.triu, (K,)), (lambda x: np.triu(x, 1), (M,))],
    np.vstack: [(lambda x, y: np.vstack([x, y]), (V, M)), (np.vstack, (M,)), (lambda x: np.vstack(tup=(x, x)), (M,))],
    np.hstack: [(lambda x, y: np.hstack([x, y]), (V, V)), (lambda x, y: np.hstack((x, y)), (M, (2, 1)))],
    np.dstack: [(lambda x, y: np.dstack([x, y]), (V, V)), (np.dstack, (M,))],
    np.insert: [
        (lambda x: np.insert(x, 1, 2.0), (M,)),
        (lambda x, y: np.insert(x, [0, 2], y, axis=1), (M, L)),
        (lambda x, y: np.insert(arr=x, obj=1, values=y, axis=0), (M, V)),
    ],
    np.choose: [
        (lambda x, y: np.choose([0, 1, 0], [x, y]), (V, V)),
        (lambda x, y: np.choose([[2], [1]], (x, y), mode="wrap"), (M, S)),
    ],
    np.dot: [
        (np.dot, (M, V)),
        (np.dot, (M, (3, 2))),
        (lambda x: np.dot(np.ones(2, x.dtype), x), (M,)),
        (lambda x: np.dot(x.dtype.type(2.0), x), (M,)),
        (lambda x, y: np.dot(b=x, a=y), (M, L)),
    ],
    np.vdot: [(np.vdot, (V, V)), (np.vdot, (M, M))],
    np.inner: [(np.inner, (M, V)), (np.inner, (M, K)), (np.inner, (S, V))],
    np.outer: [(np.outer, (V, M)), (lambda x: np.outer(b=x, a=x), (V,))],
    np.kron: [(np.kron, (M, L)), (np.kron, (V, M))],
    np.tensordot: [
        (np.tensordot, (M, M)),
        (lambda x, y: np.tensordot(x, y, 1), (C, (4, 2))),
        (lambda x, y: np.tensordot(a=x, b=y, axes=([0, 2], [1, 0])), (C, (4, 2))),
    ],
}
CALLS[np.reshape] += [(lambda x: np.reshape(x, (3, 2), "F"), (M,)), (lambda x: np.reshape(x, -1, order="F"), (C,))]
CALLS[np.pad] += [
    (lambda x, mode=mode: np.pad(x, ((1, 2), (0, 4)), mode), (M,)) for mode in ("edge", "reflect", "symmetric", "wrap")
]
CALLS[np.take] += [
    (lambda x: np.take(x, [5, -7], mode="wrap"), (M,)),
    (lambda x: np.take(x, [5, -7], 1, None, "clip"), (M,)),
]
CALLS[np.einsum] += [
    (lambda x, y: np.einsum(x, [0, 1], y, [1], [0]), (M, V)),
    (lambda x, y: np.einsum(x, [..., 1], y, [1]), (C, (4,))),
    (lambda x: np.einsum(x, [4, 2]), (M,)),
    (lambda x, y, z: np.einsum("ij,jk,k", x, y, z, optimize="greedy"), (M, K, V)),
]
CALLS[np.array_split] += [(lambda x: np.array_split(x, [1], 1), (M,))]

CALLS |= {
    np.prod: [
        (np.prod, (M,)),
        (lambda x: np.prod(x, 1, None, None, True), (M,)),
        (lambda x: np.prod(a=x, axis=(0, 2)), (C,)),
    ],
    np.multiply.reduce: [(np.multiply.reduce, (M,)), (lambda x: np.multiply.reduce(x, axis=None), (M,))],
    np.cumsum: [(np.cumsum, (M,)), (lambda x: np.cumsum(x, 1), (M,)), (lambda x: np.cumsum(a=x, axis=-2), (C,))],
    np.cumprod: [(np.cumprod, (M,)), (lambda x: np.cumprod(x, 0), (M,)), (lambda x: np.cumprod(a=x, axis=1), (C,))],
    np.add.accumulate: [(np.add.accumulate, (M,)), (lambda x: np.add.accumulate(x, 1), (M,))],
    np.multiply.accumulate: [(np.multiply.accumulate, (M,)), (lambda x: np.multiply.accumulate(x, axis=-1), (C,))],
    np.sort: [(np.sort, (M,)), (lambda x: np.sort(x, None), (M,)), (lambda a: np.sort(a=a, axis=0), (M,))],
    np.partition: [(lambda x: np.partition(x, 1)[:, 1], (M,)), (lambda a: np.partition(a=a, kth=[0, 1], axis=0), (M,))],
    np.median: [
        (np.median, (M,)),
        (lambda x: np.median(x, 1), (M,)),
        (lambda a: np.median(a=a, axis=0, keepdims=True), (C,)),
    ],
    np.quantile: [
        (lambda x: np.quantile(x, 0.3), (M,)),
        (lambda x: np.quantile(x, np.array([0.3, 0.9], x.dtype), 1), (M,)),
        (lambda a: np.quantile(a=a, q=0.5, axis=(0, 2), method="higher", keepdims=True), (C,)),
        (lambda x: np.quantile(x, 0.5, 0, None, False, "nearest", True), (M,)),
    ],
    np.percentile: [
        (lambda x: np.percentile(x, 30), (M,)),
        (lambda a: np.percentile(a=a, q=np.array([[30], [90]], a.dtype), axis=-1), (M,)),
    ],
    np.nansum: [(np.nansum, (M,)), (lambda x: np.nansum(x, 1, keepdims=True), (M,))],
    np.nanprod: [(np.nanprod, (M,)), (lambda a: np.nanprod(a=a, axis=0), (M,))],
    np.nanmean: [(np.nanmean, (M,)), (lambda x: np.nanmean(x, 1, None, None, True), (M,))],
    np.nanvar: [(np.nanvar, (M,)), (lambda x: np.nanvar(x, 1, None, None, 1, True), (M,))],
    np.nanstd: [(np.nanstd, (M,)), (lambda a: np.nanstd(a=a, axis=0, ddof=1), (M,))],
    np.nanmax: [(np.nanmax, (M,)), (lambda x: np.nanmax(x, 1, None, True), (M,))],
    np.nanmin: [(np.nanmin, (M,)), (lambda a: np.nanmin(a=a, axis=0), (M,))],
    np.cov: [
        (lambda x: np.cov(x, dtype=x.dtype), (M,)),
        (lambda x: np.cov(x, dtype=x.dtype), (V,)),
        (lambda m, y: np.cov(m=m, y=y, rowvar=False, bias=True, dtype=m.dtype), ((3, 2), (3, 2))),
        (lambda x: np.cov(x.astype(np.float64), None, True, False, 0, [1, 2, 1]), (M,)),
        (lambda x: np.cov(x.astype(np.float64), aweights=[0.5, 1.0, 0.7]), (M,)),
    ],
    np.corrcoef: [
        (lambda x: np.corrcoef(x, dtype=x.dtype), ((2, 4),)),
        (lambda x, y: np.corrcoef(x, y, dtype=x.dtype), (M, V)),
        (lambda x: np.corrcoef(x, rowvar=False, dtype=x.dtype), ((4, 2),)),
    ],
    np.ediff1d: [(np.ediff1d, (M,)), (lambda ary, e: np.ediff1d(ary=ary, to_end=e, to_begin=e), (M, V))],
    np.gradient: [
        (np.gradient, (V,)),
        (np.gradient, (M,)),
        (lambda x: np.gradient(x, 0.5, axis=1, edge_order=2), (M,)),
        (lambda x: np.gradient(x, 2.0, [0.0, 1.0, 3.0]), (M,)),
    ],
}
CALLS[np.linalg.norm] += [
    (lambda x: np.linalg.norm(x, 1), (V,)),
    (lambda x: np.linalg.norm(x, 3, 1, True), (M,)),
    (lambda x: np.linalg.norm(x, "fro"), (M,)),
    (lambda x: np.linalg.norm(x, "nuc"), (M,)),
    (lambda x: np.linalg.norm(x, 2, (2, 0), True), (C,)),
    (lambda x: np.linalg.norm(x, -2), (M,)),
    (lambda x: np.linalg.norm(x=x, ord=np.inf), (M,)),
    (lambda x: np.linalg.norm(x, ord=-1, axis=(2, 0)), (C,)),
]
CALLS[np.diff] += [
    (lambda x, e: np.diff(x, prepend=e, append=x[:, :1]), (M, (2, 1))),
    (lambda x: np.diff(x, 2, 0, 1.0), (C,)),
]
Q, QS = (3, 3), (2, 3, 3)


def positive(x: Any) -> Any:
    """Symmetric matrices with distinct eigenvalues, all of them positive."""
    return np.diag(np.array([4.0, 8.0, 13.0], x.dtype)) + (x + np.swapaxes(x, -1, -2)) * x.dtype.type(0.25)


CALLS |= {
    np.linalg.det: [(np.linalg.det, (Q,)), (lambda a: np.linalg.det(a=a), (QS,))],
    np.linalg.slogdet: [(lambda x: np.linalg.slogdet(positive(x))[1], (QS,))],
    np.linalg.inv: [(lambda x: np.linalg.inv(positive(x)), (QS,))],
    np.linalg.solve: [
        (lambda a, b: np.linalg.solve(positive(a), b), (Q, V)),
        (lambda a, b: np.linalg.solve(a=positive(a), b=b), (QS, (2, 3, 2))),
        (lambda b: np.linalg.solve(np.diag([1.0, 2.0, 4.0]), b), (V,)),
    ],
    np.linalg.cholesky: [(lambda x: np.linalg.cholesky(positive(x)), (QS,))],
    np.linalg.qr: [
        (lambda x: np.linalg.qr(positive(x))[0], (Q,)),
        (lambda x: np.linalg.qr(positive(x), "r"), (Q,)),
        (lambda x: np.linalg.qr(positive(x)[:2], mode="complete")[1], (Q,)),
    ],
    np.linalg.eigh: [
        (lambda x: np.linalg.eigh(positive(x))[0], (QS,)),
        (lambda x: np.square(np.linalg.eigh(positive(x), "U")[1]), (Q,)),
    ],
    np.linalg.eigvalsh: [(lambda x: np.linalg.eigvalsh(positive(x), UPLO="U"), (QS,))],
    np.linalg.svd: [
        (lambda x: np.linalg.svd(positive(x), compute_uv=False), (QS,)),
        (lambda x: np.linalg.svd(positive(x))[1], (Q,)),
        (lambda x: np.square(np.linalg.svd(positive(x)[:2], False)[2]), (Q,)),
    ],
    np.linalg.lstsq: [
        (lambda a, b: np.linalg.lstsq(a, b, None)[0], ((3, 2), V)),
        (lambda a, b: np.linalg.lstsq(a, b, rcond=1e-9)[1], ((3, 2), (3, 2))),
    ],
    np.linalg.pinv: [(lambda x: np.linalg.pinv(positive(x)), (QS,)), (lambda x: np.linalg.pinv(x, 1e-9), (M,))],
    np.linalg.matrix_power: [
        (lambda x: np.linalg.matrix_power(x, 3), (Q,)),
        (lambda x: np.linalg.matrix_power(positive(x), -2), (Q,)),
    ],
    np.convolve: [
        (np.convolve, (V, (5,))),
        (lambda a, v: np.convolve(a, v, "same"), ((5,), (2,))),
        (lambda a: np.convolve(a, np.array([1.0, -1.0], a.dtype), mode="valid"), (V,)),
    ],
}

# Grids
CALLS |= {
    np.linspace: [
        (lambda x, y: np.linspace(x, y, 5), (S, V)),
        (lambda x, y: np.linspace(x, y, num=4, endpoint=False), (V, M)),
        (lambda x: np.linspace(x.dtype.type(0), x, 3, axis=-1), (V,)),
        (lambda x: np.linspace(x, x, 1), (V,)),
        (lambda x: np.linspace(x, x.dtype.type(4), 0), (M,)),
        (lambda x, y: np.linspace(start=x, stop=y, num=3, dtype=np.float64), (S, S)),
    ],
    np.logspace: [
        (lambda x, y: np.logspace(x, y, 5), (S, V)),
        (lambda x, y: np.logspace(x, y, 3, False, y, axis=1), (V, V)),
    ],
    np.meshgrid: [
        (np.meshgrid, (V, (2,))),
        (lambda x, y: np.meshgrid(x, y, sparse=True), (V, (2,))),
        (lambda x, y: np.meshgrid(x, y, x, indexing="ij"), (V, (2,))),
        (lambda x: np.meshgrid(x, np.arange(2, dtype=x.dtype), copy=False), (V,)),
        (np.meshgrid, (V,)),
    ],
    np.vander: [
        (np.vander, (V,)),
        (lambda x: np.vander(x, 4), (V,)),
        (lambda x: np.vander(x, N=2, increasing=True), (V,)),
    ],
}

# Of real numbers; products; beside NaN
CALLS |= {
    **{f: [(f, (M,)), (f, (S,))] for f in (np.real, np.imag, np.real_if_close, np.i0)},
    np.angle: [(np.angle, (M,)), (lambda x: np.angle(x * np.array([-1, 1, -1], x.dtype), deg=True), (M,))],
    np.conjugate: unary(np.conjugate),
    np.copysign: [*binary(np.copysign), (lambda x, y: np.copysign(x, -y), (M, V))],
    np.heaviside: [*binary(np.heaviside), (lambda h: np.heaviside(np.array([-1, 0, 1], h.dtype), h), (M,))],
    np.divmod: [(np.divmod, (M, V)), (lambda x: np.divmod(x, 1.5), (M,))],
    np.linalg.multi_dot: [
        (lambda x, y, z: np.linalg.multi_dot([x, y, z]), (M, (3, 4), (4, 2))),
        (lambda x, y, z: np.linalg.multi_dot((x, y, z)), (V, (3, 4), (4,))),
    ],
    np.correlate: [
        (np.correlate, ((5,), V)),
        (np.correlate, (V, (5,))),
        (lambda x, y: np.correlate(x, y, "full"), ((4,), V)),
        (lambda x, y: np.correlate(a=x, v=y, mode="same"), ((5,), (2,))),
    ],
    **{
        f: [
            (f, (M,)),
            (lambda x, f=f: f(x, 1), (C,)),
            (lambda x, f=f: f(np.where(np.eye(3) > 0, x.dtype.type(np.nan), x), axis=0), (V,)),
        ]
        for f in (np.nancumsum, np.nancumprod)
    },
}

# SciPy's
CALLS |= {
    **{f: unary(f) for f in (special.gamma, special.gammaln, special.rgamma, special.gammasgn, special.psi)},
    **{f: unary(f) for f in (special.j0, special.j1, special.y0, special.y1, special.k0, special.k1)},
    **{f: unary(f) for f in (special.i0, special.i1, special.i0e, special.i1e, special.ndtr, special.log_ndtr)},
    **{f: unary(f) for f in (special.erfcx, special.dawsn, special.expi, special.exp1, special.exp10)},
    **{f: unary(f) for f in (special.log_expit, special.entr)},
    **{f: within(f, 0.0) for f in (special.erfinv, special.erfcinv, special.logit, special.ndtri)},
    **{f: of_scipy(f) for f in (special.beta, special.betaln, special.xlogy, special.xlog1py)},
    **{f: of_scipy(f) for f in (special.rel_entr, special.kl_div)},
    **{f: by_the_last(f) for f in (special.jv, special.yv, special.yn, special.iv, special.kv, special.ive)},
    **{f: by_the_last(f) for f in (special.gammainc, special.gammaincc)},
    special.betainc: within(
        lambda x, **settings: special.betainc(x.dtype.type(2), x.dtype.type(1.5), x, **settings), 0.0
    ),
}

# Functions that a NumPy may not have
for function, calls in {
    "astype": lambda f: [(lambda x: f(x, np.float64), (M,)), (lambda x: f(x, np.float32), (M,))],
    "unstack": lambda f: [(f, (M,)), (lambda x: f(x, axis=1), (C,))],
    "linalg.matrix_transpose": lambda f: [(f, (M,)), (f, (C,))],
    "matrix_transpose": lambda f: [(f, (M,)), (f, (C,))],
    "trapezoid": trapezoid,
    "cumulative_sum": lambda f: [(f, (V,)), (lambda x: f(x, axis=1), (M,))],
    "cumulative_prod": lambda f: [(f, (V,)), (lambda x: f(x, axis=1), (M,))],
    "linalg.vector_norm": lambda f: [
        (f, (M,)),
        (lambda x: f(x, ord=3, axis=(0, 2)), (C,)),
        (lambda x: f(x, ord=1), (M,)),
    ],
    "linalg.matrix_norm": lambda f: [(f, (M,)), (lambda x: f(x, ord=1, keepdims=True), (C,))],
    "trapz": trapezoid,
    "linalg.trace": lambda f: [(f, (K,)), (lambda x: f(x, offset=1), (C,))],
    "linalg.diagonal": lambda f: [(f, (K,)), (lambda x: f(x, offset=-1), (C,))],
    "linalg.tensordot": lambda f: [(f, (M, M)), (lambda x, y: f(x, y, axes=1), (M, V))],
    "linalg.outer": lambda f: [(f, (V, (2,)))],
    "linalg.cross": lambda f: [(f, (M, M)), (lambda x, y: f(x, y, axis=0), ((3, 2), (3, 2)))],
    "linalg.svdvals": lambda f: [(lambda x: f(positive(x)), (QS,))],
    "vecdot": lambda f: [(f, (M, V)), (f, (V, V))],
    "linalg.vecdot": lambda f: [(f, (M, M)), (lambda x, y: f(x, y, axis=0), (M, M))],
    "matvec": lambda f: [(f, (C, (4,))), (f, (M, V))],
    "vecmat": lambda f: [(f, (V, (3, 2))), (f, (M, (2, 3, 4)))],
    "linalg.matmul": lambda f: [(f, (M, V)), (lambda x: f(np.ones((4, 2)), x), (M,))],
}.items():
    found: Any = np
    for part in function.split("."):
        found = getattr(found, part, None)
    if found is not None:
        CALLS[found] = calls(found)

if int(np.__version__.split(".")[0]) > 1:
    CALLS[np.var] += [(lambda x: np.var(x, correction=1), (V,)), (lambda x: np.var(x, axis=1, correction=1), (M,))]
    CALLS[np.std] += [(lambda x: np.std(x, correction=1), (V,))]
    CALLS[np.clip] += [(lambda x: np.clip(x, min=0.7, max=1.5), (M,)), (lambda x: np.clip(x, max=1.5), (M,))]
