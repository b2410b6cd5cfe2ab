"""Norms of vectors and of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.arrays import wide
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import drop, kept_shape, pushed, reduced_axes
from minigrad.ops.counterparts import stands_for
from minigrad.ops.operands import floating, values
from minigrad.ops.piecewise import absolute
from minigrad.ops.reductions import max, min, sum
from minigrad.ops.scaling import scaled_down
from minigrad.ops.shapes import expand_dims, moveaxis
from minigrad.ops.singular_values import svd
from minigrad.structure import Rows
from minigrad.typing import Array, Axis, Order

__all__ = ["norm"]

Result = tuple[Array, dict[str, Any]]


def _norm_x(g: Array, saved: dict[str, Any]) -> Array:
    return g.reshape(saved["kept"]) * saved["slope"]


def _over(saved: dict[str, Any]) -> tuple[Any, Any]:
    """Where the norm is 0, and x divided by the norm, or by 1 there."""
    out = saved["out"].reshape(saved["kept"])
    zero = out == 0
    return zero, saved["x"] / np.where(zero, 1, out)


def _unit_of(saved: dict[str, Any]) -> Any:
    """x/‖x‖; 0 where the norm is 0, and so is its derivative there."""
    zero, unit = _over(saved)
    return np.where(zero, 0, unit)


@define(tangents={"x": pushed("slope")}, derived={"slope": _unit_of}, x=_norm_x)
def _norm(x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    kept = kept_shape(x.shape, axis)
    scaled, safe = scaled_down(x, axis)
    length = np.sqrt(np.square(scaled).sum(axis=axis, keepdims=True))
    unit = (scaled / np.where(length == 0, 1, length)).astype(x.dtype, copy=False)
    out = (length * safe).astype(scaled.dtype, copy=False)
    return drop(out, axis, keepdims), {"slope": unit, "kept": kept, "axis": axis, "keepdims": keepdims}


def _power_slope_of(saved: dict[str, Any]) -> Any:
    """sign(x)·(|x|/‖x‖)^(ord − 1); 0 where x is 0, and so is its derivative there."""
    x, order = saved["x"], saved["ord"]
    zero, unit = _over(saved)
    zero = zero | (x == 0)
    if order == 1 or order == 0:
        sign = np.where(zero, 0, np.where(x > 0, 1, np.where(x < 0, -1, np.nan)))
        return (sign * order).astype(x.dtype)
    positive = x > 0
    size = np.where(zero, 1, np.where(positive, unit, -unit))  # NaN stays NaN
    slope = size ** (order - 1)
    return np.where(zero, 0, np.where(positive, slope, -slope))


@define(tangents={"x": pushed("slope")}, derived={"slope": _power_slope_of}, x=_norm_x)
def _power_norm(x: Array, ord: float, axis: Axis, keepdims: bool = False) -> Result:
    kept = kept_shape(x.shape, axis)
    scaled, safe = scaled_down(x, axis)
    size = np.abs(scaled)
    with np.errstate(divide="ignore"):  # a 0 makes a norm of negative order 0
        if ord == 0:
            out = (size != 0).sum(axis=axis, keepdims=True).astype(size.dtype)
        else:
            total = (size**ord).sum(axis=axis, keepdims=True)
            out = (total ** (1 / ord) * safe).astype(size.dtype, copy=False)
    saved = {"kept": kept, "ord": ord, "axis": axis, "keepdims": keepdims}
    saved["slope"] = _power_slope_of({"x": x, "out": out, **saved}).astype(wide(x.dtype), copy=False)
    return drop(out, axis, keepdims), saved


@stands_for(np.linalg.norm)
@operation(_norm)
def norm(x: TensorLike, ord: Order = None, axis: Axis = None, keepdims: bool = False, *, vjp: VJP = None) -> Tensor:
    """A norm over axes: by default the Euclidean one, which of all axes is the Frobenius norm of a matrix.

    Where a derivative does not exist, at x = 0, it is taken as 0; equal largest values share that of the orders ±∞. The
    orders None, 2 and "fro", and those of vectors but ±∞, neither overflow nor underflow where the result does not.

    Parameters
    ----------
    x : Tensor or array_like
    ord : float, "fro" or None, default None
        As in `numpy.linalg.norm`. None: √Σx², over any number of axes. Of one axis: ``(Σ|x|^ord)^(1/ord)`` for any
        number, the largest and the smallest size for ∞ and −∞, and for 0 the number of entries that are not 0, of
        slope 0. Of two axes, of a matrix: "fro", the largest (1) or smallest (−1) sum of the sizes in a column, the
        same of rows (∞, −∞), the largest (2) or smallest (−2) singular value, and the sum of these ("nuc").
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    vjp : Estimator, mapping or None
        At the operation that gives the result.

    Raises
    ------
    ValueError
        If there is no such order for this number of axes.
    numpy.linalg.LinAlgError
        If singular values are needed of a matrix that is not finite.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.norm(x, axis=1).sum())([[3.0, 4.0], [0.0, 0.0]]).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    >>> mg.ops.norm([[3.0, -4.0], [0.0, 1.0]], 1, axis=1).data.tolist()
    [7.0, 1.0]
    """
    if ord is None:
        return _vector(x, 2, axis, keepdims, vjp)
    axes = reduced_axes(axis, np.ndim(values(x)), "norm")
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector(x, ord, axis, keepdims, vjp)
    if len(axes) == 2 and ord == "fro":
        return _vector(x, 2, axis, keepdims, vjp)
    if len(axes) == 2 and ord in (1, -1, math.inf, -math.inf):
        row, column = axes
        added, left = (row, column) if abs(ord) == 1 else (column, row)
        extreme = max if ord > 0 else min
        found = extreme(sum(absolute(floating(x)), added, keepdims=True), left, keepdims=True, vjp=vjp)
        return found if keepdims else found.squeeze(axes)
    if len(axes) == 2 and ord in (2, -2, "nuc"):
        singular = svd(moveaxis(floating(x), axes, (-2, -1)), compute_uv=False)
        combine = sum if ord == "nuc" else max if ord == 2 else min
        found = combine(singular, -1, vjp=vjp)
        return expand_dims(found, tuple(sorted(axes))) if keepdims else found
    raise ValueError(
        f"norm: there is no ord={ord!r} over {len(axes)} axes; one axis takes a number, two take 'fro', 'nuc', 1, "
        "-1, 2, -2, inf or -inf, and ord=None any number of axes"
    )


def _vector(x: TensorLike, ord: float, axis: Axis, keepdims: bool, vjp: VJP = None) -> Tensor:
    """The norm of all values over the axes as one vector."""
    if math.isinf(ord):
        extreme = max if ord > 0 else min
        return extreme(absolute(floating(x)), axis, keepdims, vjp=vjp)
    settings = {"axis": axis, "keepdims": keepdims}
    if ord == 2:
        return record(_norm, (x,), settings, vjp=vjp)
    return record(_power_norm, (x,), {"ord": float(ord), **settings}, vjp=vjp)


@stands_for(getattr(np.linalg, "vector_norm", None))
def _numpy_vector_norm(x: TensorLike, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    return _vector(x, ord, axis, keepdims)


@stands_for(getattr(np.linalg, "matrix_norm", None))
def _numpy_matrix_norm(x: TensorLike, *, keepdims: bool = False, ord: Order = "fro") -> Tensor:
    return norm(x, ord, (-2, -1), keepdims)


for _primitive in (_norm, _power_norm):
    _primitive.structured(Rows, x=by_sample(_norm_x))
