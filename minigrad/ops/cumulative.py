"""Products, and sums and products up to each entry. Zeros are no special case: nothing is divided by an entry.

The derivative of Π x by x_i is the product of the others, that before i times that behind it. With P_i the product
before i, that of the cumulative product is ∂x_i = P_i s_i, where s_i = g_i + x_{i+1} s_{i+1} is a linear recurrence;
the tangent is another, ẏ_j = x_j ẏ_{j−1} + P_j ẋ_j. A recurrence is solved in log₂ n steps on whole arrays: two of its
steps in a row are one such step (Hillis, Steele (1986), *Data Parallel Algorithms*, CACM).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arrays import HALF, SINGLE
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import kept_shape, one_axis, reduced_axes
from minigrad.ops.counterparts import stands_for
from minigrad.structure import Rows
from minigrad.typing import Array, Axis

__all__ = ["cumprod", "cumsum", "prod"]

Result = tuple[Array, dict[str, Any]]


def _wide(saved: dict[str, Any]) -> Any:
    x = saved["x"]
    return x.astype(SINGLE) if x.dtype == HALF else x


def _before(x: Any) -> Any:
    """For each entry of the last axis the product of those before it."""
    return np.concatenate([np.ones((*x.shape[:-1], 1), x.dtype), np.cumprod(x[..., :-1], axis=-1)], axis=-1)


def _others(x: Any, axis: Axis) -> Any:
    """For each entry the product of all others over the axes."""
    axes = reduced_axes(axis, x.ndim)
    order = tuple([k for k in range(x.ndim) if k not in axes]) + axes
    moved = x.transpose(order)
    flat = moved.reshape((*moved.shape[: x.ndim - len(axes)], math.prod([x.shape[k] for k in axes])))
    if not flat.shape[-1]:
        return x
    others = _before(flat) * _before(flat[..., ::-1])[..., ::-1]
    return others.reshape(moved.shape).transpose(tuple(np.argsort(order).tolist()))


def _prod_x(g: Array, saved: dict[str, Any]) -> Array:
    return g.reshape(saved["kept"]) * _others(_wide(saved), saved["axis"])


def _prod_tangent(t: Array, saved: dict[str, Any]) -> Array:
    return (_others(_wide(saved), saved["axis"]) * t).sum(axis=saved["axis"], keepdims=saved["keepdims"])


@define(as_is=True, tangents={"x": _prod_tangent}, x=_prod_x)
def _prod(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    kept = kept_shape(x.shape, axis)
    if x.dtype == HALF:
        out = x.prod(axis=axis, keepdims=keepdims, dtype=SINGLE).astype(HALF)
    else:
        out = x.prod(axis=axis, keepdims=keepdims)
    return out, {"x": x, "kept": kept, "axis": axis, "keepdims": keepdims}


@stands_for(np.prod, np.multiply.reduce)
@operation(_prod)
def prod(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """The product over axes, differentiable where entries are 0, too.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.prod())([2.0, 0.0, 3.0]).tolist()
    [0.0, 6.0, 0.0]
    """
    return record(_prod, (x,), {"axis": axis, "keepdims": keepdims}, vjp=vjp)


def _cumsum_x(g: Array, saved: dict[str, Any]) -> Array:
    axis = saved["axis"]
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis).reshape(saved["shape"])


@define(kind="linear", as_is=True, x=_cumsum_x)
def _cumsum(x: Array, axis: int | None = None) -> Result:
    along = _checked(axis, x)
    out = np.cumsum(x, axis=axis, dtype=SINGLE).astype(HALF) if x.dtype == HALF else np.cumsum(x, axis=axis)
    return out, {"axis": along, "shape": x.shape}


def _checked(axis: int | None, x: Array) -> int:
    """The axis, counted from the end; that of the flattened array for None."""
    if axis is None:
        return -1
    axis = one_axis(axis)
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim)
    return axis % x.ndim - x.ndim


@stands_for(np.cumsum, np.add.accumulate, getattr(np, "cumulative_sum", None))
@operation(_cumsum)
def cumsum(x: TensorLike, axis: int | None = None, *, vjp: VJP = None) -> Tensor:
    """The sum of all entries up to each one, along an axis.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int or None
        None: of the flattened array.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.cumsum([1.0, 2.0, 3.0]).data.tolist()
    [1.0, 3.0, 6.0]
    """
    return record(_cumsum, (x,), {"axis": axis}, vjp=vjp)


def _last(x: Any, saved: dict[str, Any]) -> Any:
    """An array of the input's shape with the axis at the end."""
    return x.reshape(-1) if saved["flat"] else x.swapaxes(saved["axis"], -1)


def _solved(factor: Any, term: Any) -> Any:
    """s_j = term_j + factor_j s_{j−1} along the last axis, from s_{−1} = 0."""
    step = 1
    while step < term.shape[-1]:
        behind = term[..., step:] + factor[..., step:] * term[..., :-step]
        term = np.concatenate([term[..., :step], behind], axis=-1)
        factor = np.concatenate([factor[..., :step], factor[..., step:] * factor[..., :-step]], axis=-1)
        step *= 2
    return term


def _cumprod_x(g: Array, saved: dict[str, Any]) -> Array:
    x, shape = _last(_wide(saved), saved), saved["x"].shape
    if not math.prod(shape):
        return g.reshape(shape)
    g = g if saved["flat"] else g.swapaxes(saved["axis"], -1)
    backward = x[..., ::-1]
    factor = np.concatenate([np.ones((*x.shape[:-1], 1), x.dtype), backward[..., :-1]], axis=-1)
    found = _before(x) * _solved(factor, g[..., ::-1])[..., ::-1]
    return found.reshape(shape) if saved["flat"] else found.swapaxes(saved["axis"], -1)


def _cumprod_tangent(t: Array, saved: dict[str, Any]) -> Array:
    x, t = _last(_wide(saved), saved), _last(t, saved)
    found = _solved(x, _before(x) * t) if x.shape[-1] else t
    return found if saved["flat"] else found.swapaxes(saved["axis"], -1)


@define(as_is=True, tangents={"x": _cumprod_tangent}, x=_cumprod_x)
def _cumprod(x: Array, axis: int | None = None) -> Result:
    along = _checked(axis, x)
    out = np.cumprod(x, axis=axis, dtype=SINGLE).astype(HALF) if x.dtype == HALF else np.cumprod(x, axis=axis)
    return out, {"x": x, "axis": along, "flat": axis is None}


@stands_for(np.cumprod, np.multiply.accumulate, getattr(np, "cumulative_prod", None))
@operation(_cumprod)
def cumprod(x: TensorLike, axis: int | None = None, *, vjp: VJP = None) -> Tensor:
    """The product of all entries up to each one, along an axis, differentiable where some are 0, too.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int or None
        None: of the flattened array.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.cumprod().sum())([2.0, 0.0, 3.0]).tolist()
    [1.0, 8.0, 0.0]
    """
    return record(_cumprod, (x,), {"axis": axis}, vjp=vjp)


_prod.structured(Rows, x=by_sample(_prod_x))
