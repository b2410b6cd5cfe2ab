"""NumPy's functions that are others in a row: NumPy's own versions convert their input to arrays, these do not.

Each has NumPy's signature, as far as it is supported. What they call comes back here, or to an operation, where a
tensor is among the arguments.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.ops import special
from minigrad.ops.counterparts import stands_for
from minigrad.ops.operands import constant

__all__ = ["as_input"]

INPUT = Any
"""A tensor, or what NumPy can read as an array."""


def as_input(x: INPUT) -> Any:
    """A tensor: of anything else a constant, so that every result is a tensor."""
    return x if isinstance(x, Tensor) else Tensor(plain(x, "an argument"))


# Shapes


@stands_for(getattr(np, "matrix_transpose", None), getattr(np.linalg, "matrix_transpose", None))
def _matrix_transpose(x: INPUT) -> Any:
    return np.swapaxes(x, -1, -2)


# Joining and cutting


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


@stands_for(np.extract)
def _extract(condition: INPUT, arr: INPUT) -> Any:
    return np.take(arr, np.flatnonzero(constant(condition, "extract: the condition")))


# Polynomials


@stands_for(np.polyval)
def _polyval(p: INPUT, x: INPUT) -> Any:
    p, x = as_input(p), as_input(x)
    total = x * 0.0
    for k in range(p.shape[0]):
        total = total * x + p[k]
    return total


# Element by element


@stands_for(np.real)
def _real(val: INPUT) -> Any:
    return np.positive(val)


@stands_for(np.conjugate)
def _conjugate(x: INPUT) -> Any:
    return np.positive(x)


@stands_for(np.real_if_close)
def _real_if_close(a: INPUT, tol: float = 100) -> Any:
    return np.positive(a)


@stands_for(np.imag)
def _imag(val: INPUT) -> Any:
    return np.where(False, val, val.dtype.type(0))


@stands_for(np.angle)
def _angle(z: INPUT, deg: bool = False) -> Any:
    angle = np.arctan2(np.zeros(z.shape, z.dtype), z)  # 0 or π, which are constant between
    return np.degrees(angle) if deg else angle


@stands_for(np.copysign)
def _copysign(x: INPUT, y: INPUT) -> Any:
    if isinstance(x, (float, int)):
        x = y.dtype.type(x)
    signed = as_input(np.absolute(x) * np.where(np.signbit(y), -1.0, 1.0).astype(x.dtype))
    if not isinstance(y, Tensor):
        return signed
    by_y: Any = y  # of which it is constant, but recorded
    return np.where(np.zeros(y.shape, bool), by_y, signed)


@stands_for(np.heaviside)
def _heaviside(x: INPUT, h: INPUT) -> Any:
    x = as_input(x)
    step = (np.sign(x) + x.dtype.type(1)) / x.dtype.type(2)  # NaN stays NaN
    return np.where(x == 0, h, step)


@stands_for(np.divmod)
def _divmod(x: INPUT, y: INPUT) -> Any:
    return np.floor_divide(x, y), np.remainder(x, y)


@stands_for(np.i0)
def _i0(x: INPUT) -> Any:
    return special.i0(x)


# Products


@stands_for(getattr(np, "vecdot", None))
def _vecdot(x: INPUT, y: INPUT) -> Any:
    return np.sum(np.multiply(x, y), axis=-1)


@stands_for(getattr(np.linalg, "vecdot", None))
def _linalg_vecdot(x: INPUT, y: INPUT, *, axis: int = -1) -> Any:
    return np.sum(np.multiply(np.moveaxis(x, axis, -1), np.moveaxis(y, axis, -1)), axis=-1)


@stands_for(getattr(np, "matvec", None))
def _matvec(x: INPUT, y: INPUT) -> Any:
    return np.squeeze(np.matmul(x, np.expand_dims(y, -1)), -1)


@stands_for(getattr(np, "vecmat", None))
def _vecmat(x: INPUT, y: INPUT) -> Any:
    return np.squeeze(np.matmul(np.expand_dims(x, -2), y), -2)


@stands_for(np.linalg.multi_dot)
def _multi_dot(arrays: Any) -> Any:
    return functools.reduce(np.dot, arrays)


@stands_for(np.correlate)
def _correlate(a: INPUT, v: INPUT, mode: Any = "valid") -> Any:
    return np.convolve(a, np.flip(v), mode)


# Running totals beside NaN


@stands_for(np.nancumsum)
def _nancumsum(x: INPUT, axis: int | None = None) -> Any:
    return np.cumsum(np.where(np.isnan(x), x.dtype.type(0), x), axis)


@stands_for(np.nancumprod)
def _nancumprod(x: INPUT, axis: int | None = None) -> Any:
    return np.cumprod(np.where(np.isnan(x), x.dtype.type(1), x), axis)
