"""The same values once more, or several times over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis
from minigrad.ops.counterparts import stands_for
from minigrad.ops.indexing import take
from minigrad.ops.operands import shape_of
from minigrad.ops.shapes import broadcast_to, reshape
from minigrad.typing import Array

__all__ = ["broadcast_arrays", "copy", "repeat", "tile"]

Result = tuple[Array, dict[str, Any]]


@define(kind="elementwise", as_is=True, x=lambda g, saved: g)
def _copy(x: Array) -> Result:
    return x.copy(), {}


@stands_for(np.copy)
@operation(_copy)
def copy(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The same values in memory of their own; the gradient passes unchanged.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: (x.copy() * x).sum())([3.0]).tolist()
    [6.0]
    """
    return record(_copy, (x,), vjp=vjp)


@stands_for(np.repeat)
def repeat(x: TensorLike, repeats: int | ArrayLike, axis: int | None = None) -> Tensor:
    """Each value, or each slice along an axis, several times in a row.

    Parameters
    ----------
    x : Tensor or array_like
    repeats : int or array_like of int
        How often; one number for all, or one for each.
    axis : int, optional
        Default: flatten first, as NumPy does.

    Raises
    ------
    ValueError
        If the axis is out of range, or the numbers are negative, or neither one nor one for each.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.repeat([1.0, 2.0], 2).data.tolist()
    [1.0, 1.0, 2.0, 2.0]
    >>> ops.repeat([1.0, 2.0], [1, 2]).data.tolist()
    [1.0, 2.0, 2.0]
    """
    counts = np.asarray(repeats)
    if counts.dtype.kind not in "iub" or (counts < 0).any():
        raise ValueError(f"repeat: repeats={repeats!r} must be integers that are not negative")
    if axis is None:
        x, axis = reshape(x, -1), 0
    shape = shape_of(x)
    axis = one_axis(axis, "repeat: ")
    if not -len(shape) <= axis < len(shape):
        raise np.exceptions.AxisError(f"repeat: axis {axis} is out of bounds for an array of shape {shape}")
    axis %= len(shape)
    before, n, after = shape[:axis], shape[axis], shape[axis + 1 :]
    if counts.size == 1:
        count = int(counts.reshape(()))
        spread = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, count, *after))
        return reshape(spread, (*before, n * count, *after))
    if counts.shape != (n,):
        raise ValueError(f"repeat: repeats of shape {counts.shape} are neither one number nor one for each of {n}")
    return take(x, np.repeat(np.arange(n), counts), axis)


@stands_for(np.tile)
def tile(x: TensorLike, reps: int | Sequence[int]) -> Tensor:
    """The whole array several times along its axes.

    Parameters
    ----------
    x : Tensor or array_like
    reps : int or sequence of int
        How often, for each of the last axes; more numbers than axes make new axes in front.

    Raises
    ------
    ValueError
        If a number is negative.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.tile([1.0, 2.0], (2, 2)).data.tolist()
    [[1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0]]
    """
    times = [int(r) for r in np.atleast_1d(reps)]
    if any(r < 0 for r in times):
        raise ValueError(f"tile: reps={reps!r} must not be negative")
    shape = shape_of(x)
    ndim = max(len(shape), len(times))
    shape = (1,) * (ndim - len(shape)) + tuple(shape)
    times = [1] * (ndim - len(times)) + times
    apart = tuple([length for n in shape for length in (1, n)])
    spread = tuple([length for r, n in zip(times, shape, strict=True) for length in (r, n)])
    return reshape(broadcast_to(reshape(x, apart), spread), tuple([r * n for r, n in zip(times, shape, strict=True)]))


@stands_for(np.broadcast_arrays)
def broadcast_arrays(*xs: TensorLike) -> tuple[Tensor, ...]:
    """All inputs repeated to their common shape, by NumPy's rules of broadcasting.

    Parameters
    ----------
    *xs : Tensor or array_like

    Raises
    ------
    ValueError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> [x.shape for x in ops.broadcast_arrays(np.ones(3), np.ones((2, 1)))]
    [(2, 3), (2, 3)]
    """
    shapes = [shape_of(x) for x in xs]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"broadcast_arrays: the shapes {', '.join(map(str, shapes))} do not broadcast") from None
    return tuple([broadcast_to(x, shape) for x in xs])
