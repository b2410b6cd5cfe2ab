"""Softmax and its logarithm, over any axes; C classes stand on the last axis where nothing else is said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.primitive import rows_kept
from minigrad.engine.record import record
from minigrad.engine.rowwise import rowwise_rule, slicewise_rule
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.engine.twice import again
from minigrad.ops.axis_argument import reduced_axes
from minigrad.ops.scaling import log_probabilities
from minigrad.structure import Rows, Slices
from minigrad.typing import Array, Axis

__all__ = ["log_softmax", "softmax"]

Result = tuple[Array, dict[str, Any]]


def _softmax_x(g: Array, saved: dict[str, Any]) -> Array:
    out, axis = saved["out"], saved["axis"]
    if axis == -1 and type(g) is np.ndarray and type(out) is np.ndarray and g.dtype == out.dtype:
        grad = g - np.einsum("...c,...c->...", g, out)[..., None]  # the same without two arrays of this size
        grad *= again(saved, "out")
        return grad
    return (g - (g * out).sum(axis=axis, keepdims=True)) * again(saved, "out")


@define(kind="symmetric", quadratic=["out"], x=_softmax_x)
def _softmax(x: Array, axis: Axis = -1) -> Result:
    axes = from_end(axis, x.ndim)
    e = np.exp(x - x.max(axis=axes, keepdims=True))
    e /= e.sum(axis=axes, keepdims=True)
    return e, {"out": e, "axis": axes}


@operation(_softmax)
def softmax(x: TensorLike, axis: Axis = -1, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """exp(x) / Σ exp(x) over axes, without overflow.

    ``save=`` takes an estimator for the result y, saved as ``out``. Two sketches are drawn, since y stands twice in
    ∂x = y·(g − Σ g·y).

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None; default −1
        What the result sums to 1 over. None: all axes.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.softmax([0.0, 0.0]).data.tolist()
    [0.5, 0.5]
    """
    return record(_softmax, (x,), {"axis": axis}, vjp=vjp, save=save)


def _log_softmax_x(g: Array, saved: dict[str, Any]) -> Array:
    return g - np.exp(saved["out"]) * g.sum(axis=saved["axis"], keepdims=True)


def _log_softmax_tangent(t: Array, saved: dict[str, Any]) -> Array:
    return t - (np.exp(saved["out"]) * t).sum(axis=saved["axis"], keepdims=True)


@define(tangents={"x": _log_softmax_tangent}, x=_log_softmax_x)
def _log_softmax(x: Array, axis: Axis = -1) -> Result:
    axes = from_end(axis, x.ndim)
    out = log_probabilities(x, axes)
    return out, {"out": out, "axis": axes}


@operation(_log_softmax)
def log_softmax(x: TensorLike, axis: Axis = -1, *, vjp: VJP = None) -> Tensor:
    """The logarithm of the softmax over axes, without overflow.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None; default −1
        None: all axes.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.log_softmax([0.0, 0.0]).data.round(4).tolist()
    [-0.6931, -0.6931]
    """
    return record(_log_softmax, (x,), {"axis": axis}, vjp=vjp)


def from_end(axis: Axis, ndim: int) -> int | tuple[int, ...]:
    """Axes counted from the end, so that they stay right where rows are left out; a single one as a number."""
    axes = tuple([a - ndim for a in reduced_axes(axis, ndim)])
    return axes[0] if len(axes) == 1 else axes


_softmax_rows, _log_softmax_rows = rowwise_rule(_softmax_x), rowwise_rule(_log_softmax_x)


def _by_row(rule: Any, dense_rule: Any) -> Any:
    """A rule for Rows, where the softmax runs along the rows; saved axes are counted from the end."""
    return lambda g, saved: rule(g, saved) if saved["axis"] == -1 else dense_rule(g.dense(), saved)


def _by_slice(rule: Any, dense_rule: Any) -> Any:
    """A rule for Slices, where the softmax runs along other axes than theirs."""

    def by_slice(g: Slices, saved: dict[str, Any]) -> Any:
        axes = saved["axis"] if isinstance(saved["axis"], tuple) else (saved["axis"],)
        return dense_rule(g.dense(), saved) if g.axis in axes else rule(g, saved)

    return by_slice


_softmax.structured(Rows, x=_by_row(_softmax_rows, _softmax_x))
_log_softmax.structured(Rows, x=_by_row(_log_softmax_rows, _log_softmax_x))
_softmax.structured(Slices, x=_by_slice(slicewise_rule(_softmax_x), _softmax_x))
_log_softmax.structured(Slices, x=_by_slice(slicewise_rule(_log_softmax_x), _log_softmax_x))

# Exponentials and sums along with the products: a few operations for each entry.
for _primitive in (_softmax, _log_softmax):
    _primitive.forward_flops = lambda node: 5.0 * math.prod(node.in_shapes[0] or (1,))
    _primitive.backward_flops = lambda node, edge, kept: 3.0 * rows_kept(kept) * math.prod(node.in_shapes[0] or (1,))
