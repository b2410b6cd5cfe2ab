"""Sorting and what hangs on the order of values: they are chosen by their positions, which have no derivative.

Where values are equal, which of them stands first is a convention: a stable sort keeps their order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import counted, one_axis, reduced_axes
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import take_along_axis
from minigrad.ops.operands import constant, floating, values
from minigrad.ops.reductions import max, min
from minigrad.ops.shapes import reshape, transpose
from minigrad.typing import Array, Axis

__all__ = ["median", "partition", "percentile", "ptp", "quantile", "sort"]

OBSERVED = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
"""Methods of quantiles that choose one of the values."""


def _along(x: TensorLike, axis: int | None, where: str) -> tuple[TensorLike, int]:
    if axis is None:
        return reshape(x, -1), 0
    return x, reduced_axes(one_axis(axis, f"{where}: "), np.ndim(values(x)), where)[0]


@stands_for(np.sort)
def sort(x: TensorLike, axis: int | None = -1) -> Tensor:
    """The values in increasing order, NaN at the end; each cotangent goes back to where the value came from.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int or None, default −1
        None: of the flattened array.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: (mg.ops.sort(x) * [1.0, 10.0, 100.0]).sum())([5.0, 7.0, 6.0]).tolist()
    [1.0, 100.0, 10.0]
    """
    x, axis = _along(x, axis, "sort")
    return take_along_axis(x, np.argsort(values(x), axis=axis, kind="stable"), axis)


@stands_for(np.partition)
def partition(x: TensorLike, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """The values with the k-th smallest at position k, no larger one before it, and no smaller one behind it.

    Parameters
    ----------
    x : Tensor or array_like
    kth : int or sequence of int
        One position or several.
    axis : int or None, default −1
        None: of the flattened array.

    Raises
    ------
    ValueError
        If ``kth`` is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.partition(x, 0)[0])([5.0, 2.0, 6.0]).tolist()
    [0.0, 1.0, 0.0]
    """
    x, axis = _along(x, axis, "partition")
    return take_along_axis(x, np.argpartition(values(x), kth, axis=axis), axis)


@stands_for(np.ptp)
def ptp(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest value minus the smallest over axes ("peak to peak"); equal ones share the cotangent equally.

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
    >>> mg.grad(mg.ops.ptp)([1.0, 5.0, 2.0]).tolist()
    [-1.0, 1.0, 0.0]
    """
    return max(x, axis, keepdims) - min(x, axis, keepdims)


@stands_for(np.quantile)
def quantile(x: TensorLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False) -> Tensor:
    """Quantiles over axes: a share q of the values is not larger. NaN where a value is NaN.

    Parameters
    ----------
    x : Tensor or array_like
    q : array_like
        Shares from 0 to 1, of any shape, whose axes come first in the result. Not differentiated.
    axis : int, tuple of int, or None
        None: all axes.
    method : str, default "linear"
        Where between two values the quantile lies, with all the names of `numpy.quantile`.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, there are no values, or there is no such method.
    TypeError
        If ``q`` is a tensor that requires a gradient.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.quantile(x, 0.25))([5.0, 1.0, 3.0]).tolist()
    [0.0, 0.5, 0.5]
    """
    shares = constant(q, "quantile: q").astype(float)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"quantile: q={q!r} must lie between 0 and 1; percentile takes 0 to 100")
    return _quantile("quantile", x, shares, axis, method, keepdims)


@stands_for(np.percentile)
def percentile(
    x: TensorLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """`quantile` for q in percent.

    Parameters
    ----------
    x : Tensor or array_like
    q : array_like
        From 0 to 100, of any shape, whose axes come first in the result. Not differentiated.
    axis, method, keepdims
        As in `quantile`.

    Raises
    ------
    ValueError
        If a percentage is not between 0 and 100, there are no values, or there is no such method.
    TypeError
        If ``q`` is a tensor that requires a gradient.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.percentile([0.0, 10.0], 30).item()
    3.0
    """
    shares = constant(q, "percentile: q").astype(float)
    if not ((shares >= 0) & (shares <= 100)).all():
        raise ValueError(f"percentile: q={q!r} must lie between 0 and 100; quantile takes 0 to 1")
    return _quantile("percentile", x, shares / 100, axis, method, keepdims)


@stands_for(np.median)
def median(x: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The median over axes; of an even number of values the mean of the middle two. NaN where a value is NaN.

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
        If there are no values.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(mg.ops.median)([5.0, 1.0, 3.0, 9.0]).tolist()
    [0.5, 0.0, 0.5, 0.0]
    """
    return _quantile("median", x, np.asarray(0.5), axis, "linear", keepdims)


def _quantile(name: str, x: TensorLike, shares: Array, axis: Axis, method: str, keepdims: bool) -> Tensor:
    axes = reduced_axes(axis, np.ndim(values(x)), name)
    kept, count = counted(values(x), axis)
    rest = tuple([k for k in range(len(kept)) if k not in axes])
    lead = tuple([kept[k] for k in rest])
    rows = reshape(transpose(floating(x), rest + axes), (*lead, count))
    nan = np.isnan(rows.data).any(axis=-1, keepdims=True)
    if nan.any():  # which value would have been chosen is not known: none has a derivative
        rows = rows * np.where(nan, np.nan, 1).astype(rows.dtype)
    # NumPy's quantile of 0, 1, 2, … is the position, whatever the method.
    position = np.quantile(np.arange(count, dtype=float), shares.reshape(-1), method=method)  # type: ignore[call-overload]
    low = np.floor(position).astype(int)
    part = position - low
    high = np.where(part > 0, low + 1, low)
    order = np.argpartition(rows.data, np.unique([low, high]), axis=-1)
    lower = take_along_axis(rows, order[..., low], -1)
    if method in OBSERVED:
        out = lower
    else:
        higher = take_along_axis(rows, order[..., high], -1)
        # Of equal values, also infinite ones, the mean is exact.
        share = np.where(lower == higher, 0.5, part).astype(rows.dtype)
        out = lower * (1 - share) + higher * share
    return out.moveaxis(-1, 0).reshape((*shares.shape, *(kept if keepdims else lead)))
