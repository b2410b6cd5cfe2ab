"""Reductions over axes. ``axis`` is None (all), an int or a tuple of ints; ``keepdims`` as in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arrays import HALF, SINGLE, wide
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import counted, drop, kept_shape, pushed
from minigrad.ops.counterparts import stands_for
from minigrad.structure import Rows
from minigrad.typing import Array, Axis

__all__ = ["logsumexp", "max", "mean", "min", "sum"]

Result = tuple[Array, dict[str, Any]]

FEW = 1024
"""Values."""


def _spread(g: Array, saved: dict[str, Any]) -> Array:
    """Repeat a cotangent along the axes that were reduced."""
    g, shape = g.reshape(saved["kept"]), saved["shape"]
    if math.prod(shape) > FEW:
        return np.broadcast_to(g, shape)  # a view, which takes no memory, but longer than to write a few values
    out = np.empty(shape, g.dtype)
    out[...] = g
    return out


@define(kind="linear", as_is=True, x=_spread)
def _sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    kept = kept_shape(x.shape, axis)
    if x.dtype.char == "e":  # float16
        out = x.sum(axis=axis, keepdims=keepdims, dtype=SINGLE).astype(HALF)
    else:
        out = x.sum(axis=axis, keepdims=keepdims)
    return out, {"shape": x.shape, "kept": kept}


@stands_for(np.sum, np.add.reduce)
@operation(_sum)
def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """The sum over axes.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.sum([[1.0, 2.0], [3.0, 4.0]], axis=0).data.tolist()
    [4.0, 6.0]
    """
    return record(_sum, (x,), {"axis": axis, "keepdims": keepdims}, vjp=vjp)


def _mean_x(g: Array, saved: dict[str, Any]) -> Array:
    return _spread(np.asarray(g / np.float64(saved["count"])).astype(g.dtype), saved)


@define(kind="linear", x=_mean_x)
def _mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    kept, count = counted(x, axis)
    out = x.sum(axis=axis, keepdims=keepdims) / x.dtype.type(count)  # what np.mean does, through layers of Python
    return out, {"shape": x.shape, "kept": kept, "count": count}


@stands_for(np.mean)
@operation(_mean)
def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """The mean over axes.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Raises
    ------
    ValueError
        If there is nothing to average.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.mean([[1.0, 2.0], [3.0, 4.0]], axis=0).data.tolist()
    [2.0, 3.0]
    """
    return record(_mean, (x,), {"axis": axis, "keepdims": keepdims}, vjp=vjp)


def _extreme_x(g: Array, saved: dict[str, Any]) -> Array:
    return g.reshape(saved["kept"]) * saved["share"]


def _extreme(x: Array, choose: Any, axis: Axis, keepdims: bool) -> Result:
    """Ties share the cotangent equally: that is the subgradient of smallest norm. Beside a NaN no share is known."""
    kept = kept_shape(x.shape, axis)
    out = choose(x, axis=axis, keepdims=True)
    hit = x == out
    ties = hit.sum(axis=axis, keepdims=True)
    if not ties.all():
        ties = np.where(ties == 0, np.nan, ties)  # no hit at all: the largest of values with a NaN
    share = hit * (1 / ties).astype(wide(x.dtype))
    return drop(out, axis, keepdims), {"share": share, "kept": kept, "axis": axis, "keepdims": keepdims}


@define(kind="piecewise_linear", as_is=True, tangents={"x": pushed("share")}, x=_extreme_x)
def _max(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    return _extreme(x, np.max, axis, keepdims)


@stands_for(np.max, np.amax, np.maximum.reduce)
@operation(_max)
def max(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """The largest value over axes; equal largest values share the cotangent equally.

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
    >>> mg.grad(lambda x: x.max())([1.0, 3.0, 3.0]).tolist()
    [0.0, 0.5, 0.5]
    """
    return record(_max, (x,), {"axis": axis, "keepdims": keepdims}, vjp=vjp)


@define(kind="piecewise_linear", as_is=True, tangents={"x": pushed("share")}, x=_extreme_x)
def _min(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    return _extreme(x, np.min, axis, keepdims)


@stands_for(np.min, np.amin, np.minimum.reduce)
@operation(_min)
def min(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """The smallest value over axes; equal smallest values share the cotangent equally.

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
    >>> mg.grad(lambda x: x.min())([1.0, 3.0, 3.0]).tolist()
    [1.0, 0.0, 0.0]
    """
    return record(_min, (x,), {"axis": axis, "keepdims": keepdims}, vjp=vjp)


def _logsumexp_x(g: Array, saved: dict[str, Any]) -> Array:
    return g.reshape(saved["kept"]) * saved["softmax"]


def _softmax_of(saved: dict[str, Any]) -> Any:
    """The softmax by the output. Where that is infinite it does not change; beside a NaN it is not known."""
    x, out = saved["x"], saved["out"].reshape(saved["kept"])
    finite = (out > -np.inf) & (out < np.inf)
    if finite.all():
        return np.exp(x - out)
    top = (x == out) & (out > -np.inf)
    shares = np.where(out != out, np.nan, top / np.maximum(top.sum(axis=saved["axis"], keepdims=True), 1))
    e = np.exp(np.where(finite, x, 0) - np.where(finite, out, 0))
    return np.where(finite, e, shares.astype(x.dtype))


@define(tangents={"x": pushed("softmax")}, derived={"softmax": _softmax_of}, x=_logsumexp_x)
def _logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    kept = kept_shape(x.shape, axis)
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isneginf(top), 0, top).astype(x.dtype, copy=False)
    with np.errstate(invalid="ignore"):
        e = np.exp(np.where(x == top, x.dtype.type(0), x - top))  # ∞ − ∞ is 0 here: infinite values share like ties
    total = e.sum(axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):
        out = (np.log(total) + top).astype(e.dtype, copy=False)
    softmax = (e / np.where(total == 0, 1, total)).astype(e.dtype, copy=False)
    return drop(out, axis, keepdims), {"softmax": softmax, "kept": kept, "axis": axis, "keepdims": keepdims}


@operation(_logsumexp)
def logsumexp(x: TensorLike, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """Log Σ exp(x) over axes, without overflow; −∞ where every value is −∞, with derivative 0.

    Infinite values are as in `scipy.special.logsumexp`; several of +∞ share the cotangent equally.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> from minigrad import ops
    >>> round(ops.logsumexp([1000.0, 1000.0]).item(), 4)
    1000.6931
    """
    return record(_logsumexp, (x,), {"axis": axis, "keepdims": keepdims}, vjp=vjp)


# A cotangent of few samples stays one where the first axis is not reduced.
for _primitive, _rule in (
    (_sum, _spread),
    (_mean, _mean_x),
    (_max, _extreme_x),
    (_min, _extreme_x),
    (_logsumexp, _logsumexp_x),
):
    _primitive.structured(Rows, x=by_sample(_rule))
