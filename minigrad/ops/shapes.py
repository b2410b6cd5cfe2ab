"""Shapes: the same values, arranged otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.structure import Cotangent, Rows, Slices, Structured
from minigrad.typing import Array, Layout, Shape

__all__ = [
    "broadcast_to", "expand_dims", "moveaxis", "reshape", "squeeze", "swapaxes", "transpose",
]  # fmt: skip

Result = tuple[Array, dict[str, Any]]


@define(kind="linear", as_is=True, x=lambda g, saved: g.reshape(saved["shape"], order=saved["order"]))
def _reshape(x: Array, shape: int | Shape, order: Layout = "C") -> Result:
    if order not in ("C", "F"):
        raise ValueError(f"order={order!r} would ask how the values lie in memory; say 'C' or 'F'")
    return x.reshape(shape, order=order), {"shape": x.shape, "order": order}


@stands_for(np.reshape, newshape="shape")
@operation(_reshape)
def reshape(x: TensorLike, shape: int | Shape, order: Layout = "C", *, vjp: VJP = None) -> Tensor:
    """The same values, in the same order, in another shape; one length may be −1.

    Parameters
    ----------
    x : Tensor or array_like
    shape : int or tuple of int
    order : {"C", "F"}, default "C"
        The order in which values are read and written: the last axis changes fastest, or the first.

    Raises
    ------
    ValueError
        If the number of values differs.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.reshape([[1.0, 2.0], [3.0, 4.0]], (4, -1)).shape
    (4, 1)
    """
    return record(_reshape, (x,), {"shape": shape, "order": order}, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: g.transpose(saved["back"]))
def _transpose(x: Array, axes: Sequence[int] | None = None) -> Result:
    out = np.transpose(x, axes)
    order = tuple(range(x.ndim))[::-1] if axes is None else [a % x.ndim for a in axes]
    return out, {"back": tuple(np.argsort(order).tolist())}


@stands_for(np.transpose)
@operation(_transpose)
def transpose(x: TensorLike, axes: Sequence[int] | None = None, *, vjp: VJP = None) -> Tensor:
    """The axes in another order; by default reversed.

    Parameters
    ----------
    x : Tensor or array_like
    axes : sequence of int, optional
        For each axis of the result, which axis of ``x`` it is.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.transpose(np.ones((2, 3, 5)), (0, 2, 1)).shape
    (2, 5, 3)
    """
    return record(_transpose, (x,), {"axes": axes}, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: np.swapaxes(g, *saved["axes"]))
def _swapaxes(x: Array, axis1: int, axis2: int) -> Result:
    return np.swapaxes(x, axis1, axis2), {"axes": (axis1, axis2)}


@stands_for(np.swapaxes)
@operation(_swapaxes)
def swapaxes(x: TensorLike, axis1: int, axis2: int, *, vjp: VJP = None) -> Tensor:
    """Two axes exchanged.

    Parameters
    ----------
    x : Tensor or array_like
    axis1, axis2 : int

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.swapaxes(np.ones((2, 3, 5)), 1, 2).shape
    (2, 5, 3)
    """
    return record(_swapaxes, (x,), {"axis1": axis1, "axis2": axis2}, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: np.moveaxis(g, saved["destination"], saved["source"]))
def _moveaxis(x: Array, source: int | Sequence[int], destination: int | Sequence[int]) -> Result:
    return np.moveaxis(x, source, destination), {"source": source, "destination": destination}


@stands_for(np.moveaxis)
@operation(_moveaxis)
def moveaxis(
    x: TensorLike, source: int | Sequence[int], destination: int | Sequence[int], *, vjp: VJP = None
) -> Tensor:
    """Axes moved to other places, the others keeping their order.

    Parameters
    ----------
    x : Tensor or array_like
    source, destination : int or sequence of int

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.moveaxis(np.ones((2, 3, 5)), 0, -1).shape
    (3, 5, 2)
    """
    return record(_moveaxis, (x,), {"source": source, "destination": destination}, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: g.reshape(saved["shape"]))
def _expand_dims(x: Array, axis: int | Shape) -> Result:
    return np.expand_dims(x, axis), {"shape": x.shape}


@stands_for(np.expand_dims)
@operation(_expand_dims)
def expand_dims(x: TensorLike, axis: int | Shape, *, vjp: VJP = None) -> Tensor:
    """New axes of length 1.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int or tuple of int
        Where the new axes stand in the result.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.expand_dims([1.0, 2.0], 0).shape
    (1, 2)
    """
    return record(_expand_dims, (x,), {"axis": axis}, vjp=vjp)


@define(kind="linear", as_is=True, x=lambda g, saved: g.reshape(saved["shape"]))
def _squeeze(x: Array, axis: int | Shape | None = None) -> Result:
    return np.squeeze(x, axis), {"shape": x.shape}


@stands_for(np.squeeze)
@operation(_squeeze)
def squeeze(x: TensorLike, axis: int | Shape | None = None, *, vjp: VJP = None) -> Tensor:
    """Axes of length 1 left out.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int or tuple of int, optional
        Default: all of length 1.

    Raises
    ------
    ValueError
        If an axis has another length.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.squeeze([[1.0, 2.0]]).shape
    (2,)
    """
    return record(_squeeze, (x,), {"axis": axis}, vjp=vjp)


@define(as_is=True, broadcasts=True, kind="elementwise", x=lambda g, saved: g)
def _broadcast_to(x: Array, shape: int | Shape) -> Result:
    return np.broadcast_to(x, shape), {}


@stands_for(np.broadcast_to)
@operation(_broadcast_to)
def broadcast_to(x: TensorLike, shape: int | Shape, *, vjp: VJP = None) -> Tensor:
    """Repeated to a larger shape, by NumPy's rules of broadcasting.

    Parameters
    ----------
    x : Tensor or array_like
    shape : int or tuple of int

    Raises
    ------
    ValueError
        If ``x`` does not broadcast to the shape.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.broadcast_to([1.0, 2.0], (3, 2)).shape
    (3, 2)
    """
    return record(_broadcast_to, (x,), {"shape": shape}, vjp=vjp)


# A cotangent of few samples stays one where the first axis is left alone; the axis of slices may move.


def _reshape_rows(g: Rows, saved: dict[str, Any]) -> Cotangent:
    shape = saved["shape"]
    if saved.get("order") == "F":
        return g.dense().reshape(shape, order="F")
    if g.whole_samples and shape[:1] == g.shape[:1]:
        return Rows(g.values.reshape(len(g.indices), *shape[1:]), g.indices, shape)
    if len(g.trailing) == 1 and shape[-1:] == g.trailing:
        return Rows(g.values, g.indices, shape)
    return g.dense().reshape(shape)


def _transpose_rows(g: Rows, saved: dict[str, Any]) -> Cotangent:
    back = saved["back"]
    if g.whole_samples and back[0] == 0:
        return Rows(g.values.transpose(back), g.indices, tuple([g.shape[a] for a in back]))
    return g.dense().transpose(back)


def _reshape_slices(g: Slices, saved: dict[str, Any]) -> Cotangent:
    if saved.get("order") == "F":
        return g.dense().reshape(saved["shape"], order="F")
    return g.refolded(saved["shape"])


def _swapped(g: Structured, saved: dict[str, Any]) -> dict[str, Any]:
    """The saved values of a `_transpose` that does the same as `_swapaxes`."""
    a, b = (axis % len(g.shape) for axis in saved["axes"])
    order = list(range(len(g.shape)))
    order[a], order[b] = b, a
    return {"back": tuple(order)}


def _moved(g: Structured, saved: dict[str, Any]) -> dict[str, Any]:
    """The saved values of a `_transpose` that does the same as `_moveaxis`."""
    numbered = np.empty(tuple(range(len(g.shape))))  # the length of each axis is its number
    return {"back": np.moveaxis(numbered, saved["destination"], saved["source"]).shape}


for _primitive in (_reshape, _expand_dims, _squeeze):
    _primitive.structured(Rows, x=_reshape_rows)
    _primitive.structured(Slices, x=_reshape_slices)
_transpose.structured(Rows, x=_transpose_rows)
_transpose.structured(Slices, x=lambda g, saved: g.permuted(saved["back"]))
for _primitive, _order in ((_swapaxes, _swapped), (_moveaxis, _moved)):
    _primitive.structured(Rows, x=lambda g, saved, order=_order: _transpose_rows(g, order(g, saved)))
    _primitive.structured(Slices, x=lambda g, saved, order=_order: g.permuted(order(g, saved)["back"]))
