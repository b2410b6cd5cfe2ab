"""Variance and standard deviation over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.axis_argument import counted, drop
from minigrad.ops.counterparts import stands_for
from minigrad.ops.scaling import scaled_down
from minigrad.structure import Rows
from minigrad.typing import Array, Axis, Shape

__all__ = ["std", "var"]

Result = tuple[Array, dict[str, Any]]


def _centred(x: Array, axis: Axis, ddof: int) -> tuple[Array, Shape, Any]:
    """The values minus their mean, the kept shape and the degrees of freedom, in the dtype of the values."""
    kept, count = counted(x, axis)
    if count <= ddof:
        raise ValueError(f"ddof={ddof} leaves no degrees of freedom: each result is made of {count} values")
    centred = x - x.mean(axis=axis, keepdims=True)
    if x.size:  # Values that are equal can differ from their rounded mean; that is no spread.
        top = np.max(x, axis=axis, keepdims=True)
        same = (top == np.min(x, axis=axis, keepdims=True)) & np.isfinite(top)
        if same.any():
            centred = np.where(same, centred.dtype.type(0), centred)
    return centred, kept, x.dtype.type(count - ddof)  # a Python number would promote float32 before NumPy 2


def _var_x(g: Array, saved: dict[str, Any]) -> Array:
    centred = saved["centred"]
    return np.asarray(g.reshape(saved["kept"]) * (2 / saved["freedom"]) * centred)


@define(x=_var_x)
def _var(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Result:
    centred, kept, freedom = _centred(x, axis, ddof)
    out = np.asarray(np.square(centred).sum(axis=axis, keepdims=keepdims) / freedom)
    return out, {"centred": centred, "kept": kept, "freedom": freedom}


@stands_for(np.var, correction="ddof")
@operation(_var)
def var(x: TensorLike, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, vjp: VJP = None) -> Tensor:
    """The variance over axes.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    ddof : int, default 0
        The sum of squares is divided by the number of values minus this.

    Raises
    ------
    ValueError
        If there are no more than ``ddof`` values.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.var([1.0, 3.0]).item()
    1.0
    """
    return record(_var, (x,), {"axis": axis, "keepdims": keepdims, "ddof": ddof}, vjp=vjp)


def _std_x(g: Array, saved: dict[str, Any]) -> Array:
    return np.asarray(g.reshape(saved["kept"]) * saved["slope"])


@define(x=_std_x)
def _std(x: Array, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Result:
    centred, kept, freedom = _centred(x, axis, ddof)
    scaled, safe = scaled_down(centred, axis)
    spread = np.sqrt(np.square(scaled).sum(axis=axis, keepdims=True) / freedom)
    slope = scaled / np.where(spread == 0, freedom, spread * freedom)
    return drop(np.asarray(spread * safe), axis, keepdims), {"slope": slope, "kept": kept}


@stands_for(np.std, correction="ddof")
@operation(_std)
def std(x: TensorLike, axis: Axis = None, keepdims: bool = False, ddof: int = 0, *, vjp: VJP = None) -> Tensor:
    """The standard deviation over axes; its derivative is taken as 0 where all values are equal.

    Neither overflows nor underflows where the result and the mean do not.

    Parameters
    ----------
    x : Tensor or array_like
    axis : int, tuple of int, or None
        None: all axes.
    keepdims : bool, default False
        Leave the reduced axes in, with length 1.
    ddof : int, default 0
        The sum of squares is divided by the number of values minus this.

    Raises
    ------
    ValueError
        If there are no more than ``ddof`` values.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.std())([2.0, 2.0]).tolist()
    [0.0, 0.0]
    """
    return record(_std, (x,), {"axis": axis, "keepdims": keepdims, "ddof": ddof}, vjp=vjp)


_var.structured(Rows, x=by_sample(_var_x))
_std.structured(Rows, x=by_sample(_std_x))
