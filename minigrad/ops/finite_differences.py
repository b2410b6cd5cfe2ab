"""Differences of neighbours, and what is built of them: numerical derivatives and integrals along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import one_axis, reduced_axes
from minigrad.ops.counterparts import stands_for
from minigrad.ops.joining import concatenate
from minigrad.ops.operands import constant, floating, values, widened
from minigrad.ops.reductions import sum
from minigrad.ops.shapes import broadcast_to, reshape
from minigrad.typing import Array, Axis

__all__ = ["diff", "ediff1d", "gradient", "trapezoid"]


def _part(x: Tensor, axis: int, start: int | None, stop: int | None) -> Tensor:
    return x[(slice(None),) * axis + (slice(start, stop),)]


def _counted(axis: int, ndim: int, where: str) -> int:
    return reduced_axes(one_axis(axis, f"{where}: "), ndim, where)[0]


@stands_for(np.diff)
def diff(
    x: TensorLike,
    n: int = 1,
    axis: int = -1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """Each value minus the one before it, along an axis.

    Parameters
    ----------
    x : Tensor or array_like
    n : int, default 1
        How many times.
    axis : int, default −1
    prepend, append : Tensor or array_like, optional
        Put before and behind ``x`` first: a number, or an array that differs from ``x`` along the axis alone.

    Raises
    ------
    ValueError
        If ``n`` is negative, or ``x`` has no axes.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.diff([1.0, 4.0, 9.0]).data.tolist()
    [3.0, 5.0]
    """
    if n < 0:
        raise ValueError(f"diff: n={n} must not be negative")
    out = x if isinstance(x, Tensor) else Tensor(values(x))
    if not out.ndim:
        raise ValueError("diff: x must have an axis along which it differs")
    if n == 0:
        return out
    axis = _counted(axis, out.ndim, "diff")
    ends = [_end(each, out.shape, axis) for each in (prepend, append)]
    if prepend is not None or append is not None:
        out = concatenate([each for each in (ends[0], out, ends[1]) if each is not None], axis)
    for _ in range(n):
        out = _part(out, axis, 1, None) - _part(out, axis, None, -1)
    return out


def _end(value: TensorLike | None, shape: tuple[int, ...], axis: int) -> TensorLike | None:
    if value is None or np.ndim(values(value)):
        return value
    return broadcast_to(value, (*shape[:axis], 1, *shape[axis + 1 :]))


@stands_for(np.ediff1d)
def ediff1d(x: TensorLike, to_end: TensorLike | None = None, to_begin: TensorLike | None = None) -> Tensor:
    """The differences of neighbours in the flattened array, with values put before and behind them.

    Parameters
    ----------
    x : Tensor or array_like
    to_end, to_begin : Tensor or array_like, optional
        Values behind and before the differences, flattened.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.ediff1d([1.0, 4.0, 9.0], to_begin=0.0).data.tolist()
    [0.0, 3.0, 5.0]
    """
    ends = [each for each in (to_begin, to_end) if each is not None]
    for end in ends:
        x = floating(x, beside=end) if values(end).dtype.kind == "f" else x
    out = diff(reshape(x, -1))
    return concatenate([reshape(each, -1) for each in (to_begin, out, to_end) if each is not None]) if ends else out


@stands_for(getattr(np, "trapezoid", None), getattr(np, "trapz", None))
@widened
def trapezoid(y: TensorLike, x: TensorLike | None = None, dx: Any = 1.0, axis: int = -1) -> Tensor:
    """The integral along an axis by the trapezoidal rule, differentiable by the values and the places.

    Parameters
    ----------
    y : Tensor or array_like
        The values.
    x : Tensor or array_like, optional
        Where they were taken: one place for each along the axis, or of the shape of ``y``.
    dx : float, default 1.0
        The distance between places, where ``x`` is not given.
    axis : int, default −1

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.trapezoid([0.0, 1.0, 4.0], dx=0.5).item()
    1.5
    """
    y = floating(y, beside=x)
    axis = _counted(axis, y.ndim, "trapezoid")
    if x is not None:
        dx = diff(floating(x, beside=y), axis=-1 if np.ndim(values(x)) == 1 else axis)
        if dx.ndim == 1:
            dx = reshape(dx, tuple([-1 if k == axis else 1 for k in range(y.ndim)]))
    return sum(dx * (_part(y, axis, 1, None) + _part(y, axis, None, -1)), axis) * 0.5


@stands_for(np.gradient)
@widened
def gradient(f: TensorLike, *varargs: Any, axis: Axis = None, edge_order: int = 1) -> Any:
    """The derivative along axes by differences of second order within, and of order ``edge_order`` at the ends.

    Not the gradient of a function: that is `minigrad.grad`. Formulas as in `numpy.gradient`; linear in ``f``.

    Parameters
    ----------
    f : Tensor or array_like
        At least ``edge_order + 1`` values along each axis.
    *varargs : float or array_like
        The distances between places: none (1), one number for all axes, or for each axis a number or the places
        along it. Not differentiated.
    axis : int, tuple of int, or None
        None: all axes.
    edge_order : {1, 2}, default 1

    Returns
    -------
    Tensor, or a tuple of them, one for each axis

    Raises
    ------
    TypeError
        If the number of distances does not fit, or one of them is a tensor that requires a gradient.
    ValueError
        If there are too few values, places do not fit, or ``edge_order`` is neither 1 nor 2.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.gradient([0.0, 1.0, 4.0, 9.0]).data.tolist()
    [1.0, 2.0, 4.0, 5.0]
    """
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order={edge_order!r} must be 1 or 2")
    f = floating(f)
    axes = reduced_axes(axis, f.ndim, "gradient")
    spacing = [constant(each, "gradient: a distance").astype(f.dtype) for each in varargs or (1.0,)]
    if len(spacing) == 1 and not spacing[0].ndim:
        spacing = spacing * len(axes)
    if len(spacing) != len(axes):
        raise TypeError(f"gradient: there are {len(spacing)} distances for {len(axes)} axes")
    found = [_along(f, h, k, edge_order) for h, k in zip(spacing, axes, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _along(f: Tensor, spacing: Array, axis: int, edge_order: int) -> Tensor:
    """The derivative along one axis: a weighted sum of three neighbours, of two or three at the ends."""
    n = f.shape[axis]
    if n <= edge_order:
        raise ValueError(f"gradient: {n} values along axis {axis} are too few for edge_order={edge_order}")
    if spacing.ndim:
        if spacing.shape != (n,):
            raise ValueError(f"gradient: the places along axis {axis} have shape {spacing.shape}, not ({n},)")
        steps = np.diff(spacing)
    else:
        steps = np.full(n - 1, spacing)
    before, behind = steps[:-1], steps[1:]
    inner = [-behind / (before * (before + behind)), (behind - before) / (before * behind)]
    inner.append(before / (behind * (before + behind)))
    pieces = [_edge(f, axis, steps[:2], edge_order, False), _edge(f, axis, steps[::-1][:2], edge_order, True)]
    if n > 2:
        shape = tuple([-1 if k == axis else 1 for k in range(f.ndim)])
        terms = [_part(f, axis, k, n - 2 + k) * weight.reshape(shape) for k, weight in enumerate(inner)]
        pieces.insert(1, terms[0] + terms[1] + terms[2])
    return concatenate(pieces, axis)


def _edge(f: Tensor, axis: int, steps: Array, order: int, last: bool) -> Tensor:
    """The derivative at an end; ``steps`` go inwards."""
    h = steps[0]
    if order == 1:
        weights = [-1 / h, 1 / h]
    else:
        k = steps[1]
        weights = [-(2 * h + k) / (h * (h + k)), (h + k) / (h * k), -h / (k * (h + k))]
    n = f.shape[axis]
    places = [n - 1 - j if last else j for j in range(len(weights))]
    sign = -1 if last else 1
    terms = [_part(f, axis, j, j + 1) * (sign * w) for j, w in zip(places, weights, strict=True)]
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return out
