"""Values left out, and put in between."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import getitem, take
from minigrad.ops.joining import concatenate
from minigrad.ops.operands import operands
from minigrad.ops.ranks import ravel
from minigrad.ops.shapes import broadcast_to, moveaxis, reshape

__all__ = ["delete", "insert"]


@stands_for(np.delete)
def delete(x: TensorLike, obj: Any, axis: int | None = None) -> Tensor:
    """Without some of the slices along an axis.

    Parameters
    ----------
    x : Tensor or array_like
    obj : int, slice, array_like of int or of bool
        Which ones.
    axis : int, optional
        Default: flatten first, as NumPy does.

    Raises
    ------
    IndexError
        If an index is out of range.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.delete([1.0, 2.0, 3.0], 1).data.tolist()
    [1.0, 3.0]
    """
    given, at = _along("delete", operands("delete", x)[0], axis)
    kept = np.zeros(given.shape[at], bool)
    kept[np.delete(np.arange(len(kept)), obj.data if isinstance(obj, Tensor) else obj)] = True
    return getitem(given, (*(slice(None),) * at, kept))


@stands_for(np.insert)
def insert(x: TensorLike, obj: Any, values: TensorLike, axis: int | None = None) -> Tensor:
    """With new slices in front of some along an axis.

    Parameters
    ----------
    x : Tensor or array_like
    obj : int, slice or array_like of int
        In front of which ones, counted before anything is inserted.
    values : Tensor or array_like
        They broadcast to the new slices.
    axis : int, optional
        Default: flatten first, as NumPy does.

    Raises
    ------
    IndexError
        If an index is out of range.
    ValueError
        If the values do not broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.insert([1.0, 2.0], 1, [5.0, 6.0]).data.tolist()
    [1.0, 5.0, 6.0, 2.0]
    """
    old, new = operands("insert", x, values)
    old, at = _along("insert", old, axis)
    n = old.shape[at]
    where = np.asarray(np.arange(n)[obj] if isinstance(obj, slice) else obj.data if isinstance(obj, Tensor) else obj)
    where = np.flatnonzero(where) if where.dtype == bool else where if where.size else where.astype(np.intp)
    if (where < -n).any() or (where > n).any():
        raise IndexError(f"insert: index {obj!r} is out of bounds for axis {at} of length {n}")
    if new.ndim < old.ndim:
        new = reshape(new, (1,) * (old.ndim - new.ndim) + tuple(new.shape))
    if not where.ndim:  # a single place takes as many slices as there are values
        new = moveaxis(new, 0, at)
    count = new.shape[at] if where.size == 1 else where.size
    new = broadcast_to(new, (*old.shape[:at], count, *old.shape[at + 1 :]))
    # Old slices have the numbers from 0, new ones those from n.
    places = np.repeat(where, count) if where.size == 1 else where
    order = np.insert(np.arange(n), places, np.arange(n, n + count))
    return take(concatenate([old, new], at), order, at)


def _along(name: str, x: Any, axis: int | None) -> tuple[Any, int]:
    """The input and the axis counted from the front; flattened where there is none."""
    if axis is None:
        return ravel(x) if x.ndim != 1 else x, 0
    at = one_axis(axis, f"{name}: ")
    if not -x.ndim <= at < x.ndim:
        raise np.exceptions.AxisError(f"{name}: axis {at} is out of bounds for an array of shape {x.shape}")
    return x, at % x.ndim
