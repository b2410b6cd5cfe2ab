"""The same values along the same axes, in another order: flipped, rolled, turned."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for
from minigrad.ops.operands import shape_of
from minigrad.ops.shapes import transpose
from minigrad.typing import Array, Axis

__all__ = ["flip", "fliplr", "flipud", "roll", "rollaxis", "rot90"]

Result = tuple[Array, dict[str, Any]]


@define(kind="linear", as_is=True, x=lambda g, saved: np.flip(g, saved["axis"]))
def _flip(x: Array, axis: Axis = None) -> Result:
    return np.flip(x, axis), {"axis": axis}


@stands_for(np.flip)
@operation(_flip)
def flip(x: TensorLike, axis: Axis = None, *, vjp: VJP = None) -> Tensor:
    """The values in reverse order along axes.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int or None
        None: all of them.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.flip([[1.0, 2.0], [3.0, 4.0]], axis=1).data.tolist()
    [[2.0, 1.0], [4.0, 3.0]]
    """
    return record(_flip, (x,), {"axis": axis}, vjp=vjp)


@stands_for(np.fliplr)
def fliplr(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The columns (axis 1) in reverse order.

    Parameters
    ----------
    x : Tensor or array_like, shape (n, m, ...)

    Raises
    ------
    ValueError
        If there are fewer than two axes.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.fliplr([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[2.0, 1.0], [4.0, 3.0]]
    """
    if len(shape_of(x)) < 2:
        raise ValueError(f"fliplr: reverses axis 1, but the shape is {shape_of(x)}; use flip")
    return flip(x, 1, vjp=vjp)


@stands_for(np.flipud)
def flipud(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The rows (axis 0) in reverse order.

    Parameters
    ----------
    x : Tensor or array_like, shape (n, ...)

    Raises
    ------
    ValueError
        If there is no axis.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.flipud([1.0, 2.0, 3.0]).data.tolist()
    [3.0, 2.0, 1.0]
    """
    if not shape_of(x):
        raise ValueError("flipud: a single value has no rows")
    return flip(x, 0, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: np.roll(g, saved["back"], saved["axis"]))
def _roll(x: Array, shift: int | Sequence[int], axis: Axis = None) -> Result:
    back = np.negative(shift)
    return np.roll(x, shift, axis), {"back": back.tolist() if isinstance(back, np.ndarray) else int(back), "axis": axis}


@stands_for(np.roll)
@operation(_roll)
def roll(x: TensorLike, shift: int | Sequence[int], axis: Axis = None, *, vjp: VJP = None) -> Tensor:
    """The values moved along axes, those that leave at one end coming in at the other.

    Parameters
    ----------
    x : Tensor or array_like
    shift : int or sequence of int
        By how many places, for each axis.
    axis : int, tuple of int or None
        None: along all values, flattened; the shape stays.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.roll([1.0, 2.0, 3.0], 1).data.tolist()
    [3.0, 1.0, 2.0]
    """
    return record(_roll, (x,), {"shift": shift, "axis": axis}, vjp=vjp)


@stands_for(np.rot90)
def rot90(x: TensorLike, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by 90° in the plane of two axes, from the first towards the second.

    Parameters
    ----------
    x : Tensor or array_like
    k : int, default 1
        How many times; negative the other way round.
    axes : sequence of two int, default (0, 1)

    Raises
    ------
    ValueError
        If these are not two different axes.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.rot90([[1.0, 2.0], [3.0, 4.0]]).data.tolist()
    [[2.0, 4.0], [1.0, 3.0]]
    """
    ndim = len(shape_of(x))
    if len(axes) != 2 or not all(-ndim <= a < ndim for a in axes) or (axes[0] - axes[1]) % ndim == 0:
        raise ValueError(f"rot90: axes={tuple(axes)} are not two different axes of an array with {ndim} axes")
    first, second = (operator.index(a) % ndim for a in axes)
    turned = list(range(ndim))
    turned[first], turned[second] = second, first
    k = operator.index(k) % 4
    if k == 0:
        return transpose(x, range(ndim))
    if k == 2:
        return flip(x, (first, second))
    return transpose(flip(x, second), turned) if k == 1 else flip(transpose(x, turned), second)


@stands_for(np.rollaxis)
def rollaxis(x: TensorLike, axis: int, start: int = 0, *, vjp: VJP = None) -> Tensor:
    """One axis moved in front of another; `moveaxis` says it more plainly.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int
        The one that is moved.
    start : int, default 0
        The axis in front of which it comes to stand; the number of axes for the end.

    Raises
    ------
    ValueError
        If an axis is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.rollaxis(np.ones((2, 3, 5)), 2).shape
    (5, 2, 3)
    """
    ndim = len(shape_of(x))
    axis = one_axis(axis, "rollaxis: ")
    if not -ndim <= axis < ndim or not -ndim <= start <= ndim:
        raise ValueError(f"rollaxis: axis={axis}, start={start} are out of bounds for {ndim} axes")
    axis %= ndim
    start = start + ndim if start < 0 else start
    order = [a for a in range(ndim) if a != axis]
    order.insert(start - (axis < start), axis)
    return transpose(x, order, vjp=vjp)
