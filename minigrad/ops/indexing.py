"""Indexing and gathering. Where an index occurs several times its cotangents add up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for
from minigrad.ops.index_argument import as_indices
from minigrad.ops.scattering import MANY, add_entries
from minigrad.ops.shapes import reshape
from minigrad.structure import Cotangent, Rows
from minigrad.typing import Array, Mode

__all__ = ["getitem", "take", "take_along_axis"]

Result = tuple[Array, dict[str, Any]]


def _plain(index: Any) -> Any:
    """The index with arrays in place of tensors and sequences; only the outermost tuple stays a tuple.

    The arrays are copies: what the caller does to an index later must not reach the backward pass.
    """
    return tuple([_part(part) for part in index]) if isinstance(index, tuple) else _part(index)


def _part(part: Any) -> Any:
    if isinstance(part, (Tensor, np.ndarray)):
        return np.array(_values(part))
    if not hasattr(part, "__len__") or isinstance(part, str):
        return part
    array = np.array(_values(part))
    return array if array.size else array.astype(np.intp)


def _values(part: Any) -> Any:
    if isinstance(part, Tensor):
        return part.data
    return [_values(each) for each in part] if isinstance(part, (list, tuple)) else _unmasked(part)


def _unmasked(part: Any) -> Any:
    return plain(part, "the index") if isinstance(part, np.ndarray) else part


def _scatter(g: Array, saved: dict[str, Any]) -> Array:
    index, shape = saved["index"], saved["shape"]
    if saved["repeats"]:
        parts = index if isinstance(index, tuple) else (index,)
        if all(isinstance(part, np.ndarray) and part.dtype.kind in "iu" for part in parts):
            return add_entries(g, parts, shape)
    out = np.zeros(shape, g.dtype)
    if saved["repeats"]:
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out


def _scatter_into(g: Array, saved: dict[str, Any], out: Array) -> None:
    """The same, added in place: of many small parts of one array none takes an array of its size."""
    if not saved["repeats"]:
        out[saved["index"]] += g
    elif g.size < MANY:
        np.add.at(out, saved["index"], g)
    else:
        out += _scatter(g, saved)


@define(kind="linear", as_is=True, x=_scatter)
def _getitem(x: Array, index: Any) -> Result:
    index = _plain(index)
    parts = index if isinstance(index, tuple) else (index,)
    repeats = any(isinstance(part, np.ndarray) and part.dtype.kind in "iu" for part in parts)
    return np.asarray(x[index]), {"index": index, "shape": x.shape, "repeats": repeats}


@operation(_getitem)
def getitem(x: TensorLike, index: Any, *, vjp: VJP = None) -> Tensor:
    """``x[index]``, with all of NumPy's indexing: numbers, slices, None, …, integer and boolean arrays.

    Parameters
    ----------
    x : Tensor or array_like
    index : index

    Raises
    ------
    IndexError
        If an index is out of range, or of a kind that NumPy does not know.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x[[0, 0, 2]].sum())([5.0, 6.0, 7.0]).tolist()
    [2.0, 0.0, 1.0]
    """
    return record(_getitem, (x,), {"index": index}, vjp=vjp)


def _getitem_rows(g: Rows, saved: dict[str, Any]) -> Cotangent:
    """Kept samples, where the index takes all samples and the same part of each."""
    index, shape = saved["index"], saved["shape"]
    first = index[0] if isinstance(index, tuple) and index else None
    every = isinstance(first, slice) and first.indices(shape[0]) == (0, shape[0], 1)
    # Arrays and truth values may move axes.
    plain = isinstance(index, tuple) and all(
        part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int for part in index
    )
    if not (g.whole_samples and every and plain):
        return _scatter(g.dense(), saved)
    values = np.zeros((len(g.indices), *shape[1:]), g.dtype)
    values[index] = g.values
    return Rows(values, g.indices, shape)


_getitem.structured(Rows, x=_getitem_rows)
_getitem.into[0] = _scatter_into


def _take_x(g: Array, saved: dict[str, Any]) -> Array:
    axis, shape, indices = saved["axis"], saved["shape"], saved["indices"]
    if axis is None:
        return add_entries(g, (indices,), (math.prod(shape),)).reshape(shape)
    if axis == 0:
        return add_entries(g, (indices,), shape)
    first = np.moveaxis(g, range(axis, axis + indices.ndim), range(indices.ndim))
    return np.moveaxis(add_entries(first, (indices,), (shape[axis], *shape[:axis], *shape[axis + 1 :])), 0, axis)


def _take_into(g: Array, saved: dict[str, Any], out: Array) -> None:
    if g.size >= MANY:
        out += _take_x(g, saved)
    elif saved["axis"] is None:
        np.add.at(out, np.unravel_index(saved["indices"], out.shape), g)
    else:
        np.add.at(out, (slice(None),) * saved["axis"] + (saved["indices"],), g)


@define(kind="linear", as_is=True, x=_take_x)
def _take(x: Array, indices: ArrayLike, axis: int | None = 0, mode: Mode = "raise") -> Result:
    if axis is not None:
        axis = one_axis(axis)
        if not -x.ndim <= axis < x.ndim:
            raise np.exceptions.AxisError(axis, x.ndim)
        axis %= x.ndim
    chosen = as_indices(indices, x.size if axis is None else x.shape[axis], mode)
    return np.take(x, chosen, axis=axis), {"indices": chosen, "axis": axis, "shape": x.shape}


@stands_for(np.take)
@operation(_take)
def take(x: TensorLike, indices: ArrayLike, axis: int | None = 0, *, mode: Mode = "raise", vjp: VJP = None) -> Tensor:
    """Slices along one axis, by their indices: rows of an embedding table, for instance.

    Parameters
    ----------
    x : Tensor or array_like
    indices : array_like of int
        Of any shape, which takes the place of the axis in the result.
    axis : int or None, default 0
        None: flatten first, which is the default of ``np.take``, also on a tensor.
    mode : {"raise", "wrap", "clip"}, default "raise"
        What becomes of indices out of range: an error, counted around, or moved to the nearest end.

    Raises
    ------
    IndexError
        If an index is out of range.
    ValueError
        If the indices are not integers.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.take(x, [1, 1]).sum())([[1.0, 2.0], [3.0, 4.0]]).tolist()
    [[0.0, 0.0], [2.0, 2.0]]
    """
    return record(_take, (x,), {"indices": indices, "axis": axis, "mode": mode}, vjp=vjp)


_take.into[0] = _take_into


def _take_along_x(g: Array, saved: dict[str, Any]) -> Array:
    axis, indices, shape = saved["axis"], saved["indices"], saved["shape"]
    place = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    place[axis] = indices
    return add_entries(g, tuple(place), shape)


@define(kind="linear", as_is=True, x=_take_along_x)
def _take_along_axis(x: Array, indices: ArrayLike, axis: int = -1) -> Result:
    chosen = np.array(plain(indices, "indices"))  # a copy: the caller may reuse the memory
    axis = one_axis(axis)
    if not -x.ndim <= axis < x.ndim:
        raise np.exceptions.AxisError(axis, x.ndim)
    axis %= x.ndim
    lengths = chosen.shape[:axis] + chosen.shape[axis + 1 :]
    if chosen.ndim != x.ndim or lengths != x.shape[:axis] + x.shape[axis + 1 :]:
        raise ValueError(
            f"indices have shape {chosen.shape}; they must agree with the shape of x but along axis {axis}"
        )
    return np.take_along_axis(x, chosen, axis), {"indices": chosen, "axis": axis, "shape": x.shape}


def _numpy_take_along_axis(arr: TensorLike, indices: ArrayLike, axis: int | None = -1) -> Tensor:
    return take_along_axis(reshape(arr, -1), indices, 0) if axis is None else take_along_axis(arr, indices, axis)


@stands_for(np.take_along_axis, by=_numpy_take_along_axis)
@operation(_take_along_axis)
def take_along_axis(x: TensorLike, indices: ArrayLike, axis: int = -1, *, vjp: VJP = None) -> Tensor:
    """For each position its own index along one axis, as in `numpy.take_along_axis`.

    Parameters
    ----------
    x : Tensor or array_like
    indices : array_like of int
        With as many axes as ``x``; all but ``axis`` of the same lengths.
    axis : int, default −1

    Raises
    ------
    IndexError
        If an index is out of range.
    ValueError
        If the number of axes or their lengths differ.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.take_along_axis([[1.0, 2.0], [3.0, 4.0]], [[1], [0]]).data.tolist()
    [[2.0], [3.0]]
    """
    return record(_take_along_axis, (x,), {"indices": indices, "axis": axis}, vjp=vjp)
