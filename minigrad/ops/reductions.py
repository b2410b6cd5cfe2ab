"""Reductions over axes. ``axis`` is None (all), an int or a tuple of ints; ``keepdims`` as in NumPy."""

from __future__ import annotations

import math
import operator
from typing import Any, TypeAlias

import numpy as np

from minigrad.primitive import primitive
from minigrad.typing import Array, Shape

__all__ = ["logsumexp", "max", "mean", "min", "norm", "std", "sum", "var"]

Result = tuple[Array, dict[str, Any]]
Axis: TypeAlias = "int | tuple[int, ...] | None"


def reduced_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The axes that are reduced, counted from the front.

    Raises
    ------
    numpy.exceptions.AxisError
        If an axis is out of range.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for a in axis if isinstance(axis, tuple) else (axis,):
        a = operator.index(a)
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim)
        axes.append(a % ndim)
    return tuple(axes)


def kept_shape(shape: Shape, axis: Axis) -> Shape:
    """The shape with the reduced axes left in as 1."""
    axes = reduced_axes(axis, len(shape))
    return tuple([1 if k in axes else n for k, n in enumerate(shape)])


def drop(out: Array, axis: Axis, keepdims: bool) -> Array:
    """Leave out the reduced axes of a result that still has them, unless they are to be kept."""
    return out if keepdims else np.squeeze(out, axis=reduced_axes(axis, out.ndim))


def _spread(g: Array, saved: dict[str, Any]) -> Array:
    """Repeat a cotangent along the axes that were reduced."""
    return np.broadcast_to(g.reshape(saved["kept"]), saved["shape"])


@primitive(x=_spread)
def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
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
    return x.sum(axis=axis, keepdims=keepdims), {"shape": x.shape, "kept": kept_shape(x.shape, axis)}


@primitive(x=lambda g, saved: _spread(g / saved["count"], saved))
def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
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
    kept, count = _counted(x, axis)
    return x.mean(axis=axis, keepdims=keepdims), {"shape": x.shape, "kept": kept, "count": count}


def _counted(x: Array, axis: Axis) -> tuple[Shape, int]:
    """The kept shape, and how many values each result is made of; raise if it is none."""
    kept = kept_shape(x.shape, axis)
    count = math.prod(x.shape[a] for a in reduced_axes(axis, x.ndim))
    if count == 0:
        raise ValueError(f"the axes reduced (axis={axis}) hold no values")
    return kept, count


def _extreme_x(g: Array, saved: dict[str, Any]) -> Array:
    return np.asarray(g.reshape(saved["kept"]) * saved["share"])


def _extreme(x: Array, out: Array, axis: Axis, keepdims: bool) -> Result:
    """Ties share the cotangent equally: that is the subgradient of smallest norm."""
    hit = x == out
    ties = hit.sum(axis=axis, keepdims=True, dtype=x.dtype)
    share = hit / np.where(ties == 0, 1, ties)  # no hit at all: the largest of values with a NaN
    saved = {"share": share.astype(x.dtype, copy=False), "kept": out.shape}
    return drop(out, axis, keepdims), saved


@primitive(x=_extreme_x)
def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
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
    return _extreme(x, np.max(x, axis=axis, keepdims=True), axis, keepdims)


@primitive(x=_extreme_x)
def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
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
    return _extreme(x, np.min(x, axis=axis, keepdims=True), axis, keepdims)


def _centred(x: Array, axis: Axis, ddof: int) -> tuple[Array, Shape, int]:
    kept, count = _counted(x, axis)
    if count <= ddof:
        raise ValueError(f"ddof={ddof} leaves no degrees of freedom: each result is made of {count} values")
    return x - x.mean(axis=axis, keepdims=True), kept, count - ddof


@primitive(x=lambda g, saved: g.reshape(saved["kept"]) * (2 / saved["freedom"]) * saved["centred"])
def var(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Result:
    """The variance over axes.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    ddof : int, default 0
        The sum of squares is divided by the number of values minus this.

    Raises
    ------
    ValueError
        If there are no more than ``ddof`` values.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.var([1.0, 3.0]).item()
    1.0
    """
    centred, kept, freedom = _centred(x, axis, ddof)
    out = np.square(centred).sum(axis=axis, keepdims=keepdims) / x.dtype.type(freedom)
    return out, {"centred": centred, "kept": kept, "freedom": freedom}


@primitive(x=lambda g, saved: g.reshape(saved["kept"]) * saved["slope"])
def std(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Result:
    """The standard deviation over axes; its derivative is taken as 0 where all values are equal.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    ddof : int, default 0
        The sum of squares is divided by the number of values minus this.

    Raises
    ------
    ValueError
        If there are no more than ``ddof`` values.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.std())([2.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    centred, kept, freedom = _centred(x, axis, ddof)
    # Values that are equal can differ from their rounded mean; that is no spread.
    if x.size:
        same = np.max(x, axis=axis, keepdims=True) == np.min(x, axis=axis, keepdims=True)
        centred = np.where(same, 0, centred).astype(centred.dtype, copy=False)
    out = np.sqrt(np.square(centred).sum(axis=axis, keepdims=True) / x.dtype.type(freedom))
    slope = centred / np.where(out == 0, 1, out * out.dtype.type(freedom))
    return drop(out, axis, keepdims), {"slope": slope.astype(x.dtype, copy=False), "kept": kept}


@primitive(x=lambda g, saved: g.reshape(saved["kept"]) * saved["unit"])
def norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """The Euclidean norm over axes (all axes: the Frobenius norm); its derivative at 0 is taken as 0.

    Neither overflows nor underflows where the result does not.

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
    >>> mg.grad(lambda x: mg.ops.norm(x, axis=1).sum())([[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    kept = kept_shape(x.shape, axis)
    scale = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    safe = np.where((scale == 0) | ~np.isfinite(scale), 1, scale).astype(x.dtype, copy=False)
    scaled = x / safe
    length = np.sqrt(np.square(scaled).sum(axis=axis, keepdims=True))
    unit = scaled / np.where(length == 0, 1, length)
    return drop(length * safe, axis, keepdims), {"unit": unit.astype(x.dtype, copy=False), "kept": kept}


def _logsumexp_x(g: Array, saved: dict[str, Any]) -> Array:
    return np.asarray(g.reshape(saved["kept"]) * saved["softmax"])


@primitive(x=_logsumexp_x)
def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
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
    kept = kept_shape(x.shape, axis)
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isneginf(top), 0, top).astype(x.dtype, copy=False)
    with np.errstate(invalid="ignore"):
        e = np.exp(np.where(x == top, x.dtype.type(0), x - top))  # ∞ − ∞ is 0 here: infinite values share like ties
    total = e.sum(axis=axis, keepdims=True)
    with np.errstate(divide="ignore"):
        out = np.log(total) + top
    softmax = e / np.where(total == 0, 1, total).astype(x.dtype, copy=False)
    return drop(out, axis, keepdims), {"softmax": softmax, "kept": kept}
