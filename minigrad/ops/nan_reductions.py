"""Reductions that leave NaN out: NaN counts as if it were not there, and its derivative is 0."""

from __future__ import annotations

import math

import numpy as np

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import reductions
from minigrad.ops.axis_argument import reduced_axes
from minigrad.ops.counterparts import stands_for
from minigrad.ops.cumulative import prod
from minigrad.ops.operands import floating, values, widened
from minigrad.ops.piecewise import where
from minigrad.ops.powers import square
from minigrad.typing import Array, Axis

__all__ = ["nanmax", "nanmean", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"]


def _missing(x: TensorLike) -> Array:
    array = values(x)
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)


def _beside_numbers(nan: Array, axis: Axis) -> Array:
    """The places of NaN that have a number among the values that are reduced with them."""
    return nan & ~nan.all(axis=axis, keepdims=True)


def _number(nan: Array, axis: Axis, ddof: int = 0) -> Array:
    """The number of values beside NaN, minus ``ddof``; NaN where there are no more than that."""
    count = math.prod(nan.shape[a] for a in reduced_axes(axis, nan.ndim)) - nan.sum(axis=axis, keepdims=True)
    return np.where(count > ddof, count - ddof, np.nan)


def _filled(x: TensorLike, nan: Array, value: float) -> TensorLike:
    return where(nan, np.asarray(value, values(x).dtype), x) if nan.any() else x


def _left(out: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    return out if keepdims else out.squeeze(reduced_axes(axis, out.ndim))


@stands_for(np.nansum)
def nansum(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over axes of all values but NaN, of which the derivative is 0; 0 where there are only NaN.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(mg.ops.nansum)([1.0, np.nan, 3.0]).tolist()
    [1.0, 0.0, 1.0]
    """
    return reductions.sum(_filled(x, _missing(x), 0), axis, keepdims)


@stands_for(np.nanprod)
def nanprod(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over axes of all values but NaN, of which the derivative is 0; 1 where there are only NaN.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(mg.ops.nanprod)([2.0, np.nan, 3.0]).tolist()
    [3.0, 0.0, 2.0]
    """
    return prod(_filled(x, _missing(x), 1), axis, keepdims)


@stands_for(np.nanmean)
@widened
def nanmean(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean over axes of all values but NaN, of which the derivative is 0; NaN where there are only NaN.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(mg.ops.nanmean)([1.0, np.nan, 3.0]).tolist()
    [0.5, 0.0, 0.5]
    """
    x = floating(x)
    nan = _missing(x)
    total = reductions.sum(_filled(x, _beside_numbers(nan, axis), 0), axis, keepdims=True)
    return _left(total / _number(nan, axis).astype(total.dtype), axis, keepdims)


@stands_for(np.nanvar, correction="ddof")
@widened
def nanvar(x: TensorLike, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
    """The variance over axes of all values but NaN, of which the derivative is 0.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    ddof : int, default 0
        The sum of squares is divided by the number of values minus this; the result is NaN where that is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.nanvar([1.0, np.nan, 3.0]).item()
    1.0
    """
    x = floating(x)
    nan = _missing(x)
    centred = x - nanmean(x, axis, keepdims=True)
    total = reductions.sum(square(_filled(centred, _beside_numbers(nan, axis), 0)), axis, keepdims=True)
    return _left(total / _number(nan, axis, ddof).astype(total.dtype), axis, keepdims)


@stands_for(np.nanstd, correction="ddof")
@widened
def nanstd(x: TensorLike, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
    """The standard deviation over axes of all values but NaN; its derivative at 0 is taken as 0, and that of NaN is 0.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    ddof : int, default 0
        As in `nanvar`.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.nanstd([1.0, np.nan, 3.0]).item()
    1.0
    """
    return nanvar(x, axis, keepdims, ddof).sqrt()


@stands_for(np.nanmax)
def nanmax(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest value over axes that is not NaN; equal ones share the cotangent. NaN where there are only NaN.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(mg.ops.nanmax)([1.0, np.nan, 3.0]).tolist()
    [0.0, 0.0, 1.0]
    """
    return reductions.max(_filled(x, _beside_numbers(_missing(x), axis), -np.inf), axis, keepdims)


@stands_for(np.nanmin)
def nanmin(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest value over axes that is not NaN; equal ones share the cotangent. NaN where there are only NaN.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(mg.ops.nanmin)([1.0, np.nan, 3.0]).tolist()
    [1.0, 0.0, 0.0]
    """
    return reductions.min(_filled(x, _beside_numbers(_missing(x), axis), np.inf), axis, keepdims)
