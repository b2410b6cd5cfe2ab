"""The argument ``axis=``: checked, counted from the front, and what it leaves of a shape."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.typing import Array, Axis, Shape

__all__ = ["counted", "drop", "kept_shape", "one_axis", "pushed", "reduced_axes"]


def reduced_axes(axis: Axis, ndim: int, where: str = "") -> tuple[int, ...]:
    """The axes that are reduced, counted from the front.

    Parameters
    ----------
    axis : int, tuple of int, or None
    ndim : int
    where : str, optional
        A function that is composed of operations, for messages; those of a primitive name it by themselves.

    Raises
    ------
    numpy.exceptions.AxisError
        If an axis is out of range.
    TypeError
        If it is neither an int nor a tuple of ints.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for a in axis if isinstance(axis, tuple) else (axis,):
        try:
            a = operator.index(a)
        except TypeError:
            hint = f"; write axis={tuple(axis)}" if isinstance(axis, list) else ""
            prefix = f"{where}: " if where else ""
            raise TypeError(f"{prefix}axis={axis!r} is not an int, a tuple of ints or None{hint}") from None
        if not -ndim <= a < ndim:
            raise np.exceptions.AxisError(a, ndim, where or None)
        axes.append(a % ndim)
    return tuple(axes)


def one_axis(axis: Any, where: str = "") -> int:
    """A single axis as a number; TypeError if it is anything else."""
    try:
        return operator.index(axis)
    except TypeError:
        hint = "; flatten with .reshape(-1) first" if axis is None else ""
        raise TypeError(f"{where}axis={axis!r} must be an int{hint}") from None


def kept_shape(shape: Shape, axis: Axis) -> Shape:
    """The shape with the reduced axes left in as 1."""
    if axis is None:
        return (1,) * len(shape)
    axes = reduced_axes(axis, len(shape))
    return tuple([1 if k in axes else n for k, n in enumerate(shape)])


def drop(out: Array, axis: Axis, keepdims: bool) -> Array:
    """Leave out the reduced axes of a result that still has them, unless they are to be kept."""
    return out if keepdims else np.squeeze(out, axis=reduced_axes(axis, out.ndim))


def counted(x: Array, axis: Axis) -> tuple[Shape, int]:
    """The kept shape, and how many values each result is made of; raise if it is none."""
    kept = kept_shape(x.shape, axis)
    count = math.prod(x.shape[a] for a in reduced_axes(axis, x.ndim))
    if count == 0:
        raise ValueError(f"the axes reduced (axis={axis}) hold no values")
    return kept, count


def pushed(slope: str) -> Callable[[Any, dict[str, Any]], Any]:
    """The tangent of a reduction of which the slope by every value was saved, under this name: Σ slope·t.

    The call's ``axis`` and ``keepdims`` must have been saved, too.
    """
    return lambda t, saved: (saved[slope] * t).sum(axis=saved["axis"], keepdims=saved["keepdims"])
