"""NumPy's functions that are others in a row: NumPy's own versions convert their input to arrays, these do not.

Each has NumPy's signature, as far as it is supported. What they call comes back here, or to an operation, where a
tensor is among the arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.ops.arithmetic import divide, logaddexp, multiply
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for

__all__: list[str] = []

INPUT = Any
"""A tensor, or what NumPy can read as an array."""


def as_input(x: INPUT) -> Any:
    """A tensor: of anything else a constant, so that every result is a tensor."""
    return x if isinstance(x, Tensor) else Tensor(plain(x, "an argument"))


def chosen(condition: INPUT) -> Any:
    """A condition, or indices: values that have no derivative."""
    if isinstance(condition, Tensor):
        if condition.requires_grad:
            raise TypeError(
                "a condition or an index is not differentiable, but it is a tensor that requires a gradient; compare "
                "it with something, or pass its `.data`"
            )
        return condition.data
    return condition


# Shapes


def at_least(ndim: int) -> Callable[..., Any]:
    """``atleast_1d``, ``atleast_2d``, or ``atleast_3d``."""

    def one(x: Any) -> Any:
        x = as_input(x)
        if ndim == 3 and 0 < x.ndim < 3:
            return np.reshape(x, (1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1))
        return x if x.ndim >= ndim else np.reshape(x, (1,) * (ndim - x.ndim) + x.shape)

    def _at_least(*arys: INPUT) -> Any:
        found = [one(x) for x in arys]
        return found[0] if len(found) == 1 else SEVERAL(found)

    return _at_least


SEVERAL: type = type(np.atleast_1d(0, 0))  # a tuple from NumPy 2 on, a list before

for _ndim, _function in enumerate((np.atleast_1d, np.atleast_2d, np.atleast_3d), start=1):
    stands_for(_function)(at_least(_ndim))


@stands_for(np.broadcast_arrays)
def _broadcast_arrays(*args: INPUT) -> Any:
    found = [as_input(x) for x in args]
    shape = np.broadcast_shapes(*[x.shape for x in found])
    return SEVERAL([np.broadcast_to(x, shape) for x in found])


@stands_for(getattr(np, "matrix_transpose", None), getattr(np.linalg, "matrix_transpose", None))
def _matrix_transpose(x: INPUT) -> Any:
    return np.swapaxes(x, -1, -2)


# Joining and cutting


@stands_for(np.append)
def _append(arr: INPUT, values: INPUT, axis: int | None = None) -> Any:
    return np.concatenate([as_input(arr), as_input(values)], axis=axis)


@stands_for(np.column_stack)
def _column_stack(tup: Sequence[INPUT]) -> Any:
    parts = [as_input(x) for x in tup]
    return np.concatenate([x if x.ndim > 1 else np.reshape(x, (-1, 1)) for x in parts], axis=1)


@stands_for(np.block)
def _block(arrays: Any) -> Any:
    depth, inner = 0, arrays
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]

    def highest(part: Any) -> int:
        return max(map(highest, part)) if isinstance(part, list) else as_input(part).ndim

    ndim = max(depth, highest(arrays))

    def joined(part: Any, level: int) -> Any:
        if isinstance(part, list):
            return np.concatenate([joined(each, level + 1) for each in part], axis=ndim - depth + level)
        part = as_input(part)
        return np.reshape(part, (1,) * (ndim - part.ndim) + part.shape)

    return joined(arrays, 0)


@stands_for(np.delete)
def _delete(arr: INPUT, obj: Any, axis: int | None = None) -> Any:
    x = np.reshape(arr, -1) if axis is None else arr
    axis = 0 if axis is None else axis
    return np.take(x, np.delete(np.arange(x.shape[axis]), chosen(obj)), axis=axis)


@stands_for(np.compress)
def _compress(condition: INPUT, a: INPUT, axis: int | None = None) -> Any:
    return np.take(a, np.flatnonzero(chosen(condition)), axis=axis)


@stands_for(np.extract)
def _extract(condition: INPUT, arr: INPUT) -> Any:
    return np.take(arr, np.flatnonzero(chosen(condition)))


# Sums and differences


@stands_for(np.average)
def _average(
    a: INPUT, axis: Any = None, weights: INPUT = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    if weights is None:
        mean = np.mean(a, axis=axis, keepdims=keepdims)
        count = np.size(a) // max(np.size(mean), 1)
        return (mean, np.full(mean.shape, float(count))) if returned else mean
    a, weights = as_input(a), as_input(weights)
    if weights.shape != a.shape:
        if isinstance(axis, tuple) or axis is None or weights.shape != (a.shape[one_axis(axis)],):
            raise ValueError(f"np.average: weights of shape {weights.shape} for values of shape {a.shape}, axis={axis}")
        weights = np.broadcast_to(np.reshape(weights, (-1,) + (1,) * (a.ndim - 1 - axis % a.ndim)), a.shape)
    total = weights.sum(axis=axis, keepdims=keepdims)
    mean = divide(multiply(a, weights).sum(axis=axis, keepdims=keepdims), total)
    return (mean, total) if returned else mean


@stands_for(np.ptp)
def _ptp(a: INPUT, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.max(a, axis=axis, keepdims=keepdims) - np.min(a, axis=axis, keepdims=keepdims)


@stands_for(np.diff)
def _diff(a: INPUT, n: int = 1, axis: int = -1) -> Any:
    x = as_input(a)
    before = (slice(None),) * (one_axis(axis) % x.ndim)
    late, early = (*before, slice(1, None)), (*before, slice(None, -1))
    for _ in range(n):
        x = x[late] - x[early]
    return x


@stands_for(getattr(np, "trapezoid", None), getattr(np, "trapz", None))  # its name before NumPy 2
def _trapezoid(y: INPUT, x: INPUT = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = np.moveaxis(as_input(y), axis, -1)
    if x is None:
        width: Any = dx
    else:
        x = as_input(x)
        width = np.diff(x) if x.ndim == 1 else np.moveaxis(np.diff(x, axis=axis), axis, -1)
    return np.sum(width * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@stands_for(np.cross)
def _cross(a: INPUT, b: INPUT, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(as_input(a), axisa, -1), np.moveaxis(as_input(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"np.cross: vectors of 3 entries on tensors, not {a.shape[-1]} and {b.shape[-1]}")
    ahead, behind = np.array([1, 2, 0]), np.array([2, 0, 1])
    product = a[..., ahead] * b[..., behind] - a[..., behind] * b[..., ahead]
    return np.moveaxis(product, -1, axisc)


@stands_for(np.polyval)
def _polyval(p: INPUT, x: INPUT) -> Any:
    p, x = as_input(p), as_input(x)
    total = x * 0.0
    for k in range(p.shape[0]):
        total = total * x + p[k]
    return total


# Element by element


@stands_for(np.select)
def _select(condlist: Sequence[INPUT], choicelist: Sequence[INPUT], default: INPUT = 0) -> Any:
    out = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = np.where(chosen(condition), choice, out)
    return out


@stands_for(np.nan_to_num)
def _nan_to_num(x: INPUT, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    return np.where(np.isfinite(x), x, np.nan_to_num(x.data, nan=nan, posinf=posinf, neginf=neginf))


@stands_for(np.fmax)
def _fmax(x: INPUT, y: INPUT) -> Any:
    return np.maximum(np.where(np.isnan(x), y, x), np.where(np.isnan(y), x, y))


@stands_for(np.fmin)
def _fmin(x: INPUT, y: INPUT) -> Any:
    return np.minimum(np.where(np.isnan(x), y, x), np.where(np.isnan(y), x, y))


@stands_for(np.logaddexp2)
def _logaddexp2(x: INPUT, y: INPUT) -> Any:
    return logaddexp(np.multiply(x, math.log(2)), np.multiply(y, math.log(2))) / math.log(2)


@stands_for(np.deg2rad, np.radians)
def _radians(x: INPUT) -> Any:
    return multiply(x, np.pi / 180)


@stands_for(np.rad2deg, np.degrees)
def _degrees(x: INPUT) -> Any:
    return multiply(x, 180 / np.pi)
