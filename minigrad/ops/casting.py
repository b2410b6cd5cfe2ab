"""The same values in another dtype."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import DTypeLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array, WholeType

__all__ = ["astype"]


@define(as_is=True, kind="elementwise", x=lambda g, saved: g)
def _astype(x: Array, dtype: DTypeLike) -> tuple[Array, dict[str, Any]]:
    if np.dtype(dtype).kind != "f":
        raise ValueError(f"dtype {np.dtype(dtype)} has no derivative; use `.data.astype(...)` for a constant")
    return x.astype(dtype), {}


@overload
def astype(x: TensorLike, dtype: WholeType, *, vjp: VJP = None) -> Array: ...
@overload
def astype(x: TensorLike, dtype: DTypeLike, *, vjp: VJP = None) -> Tensor: ...
@stands_for(getattr(np, "astype", None))
@operation(_astype)
def astype(x: TensorLike, dtype: DTypeLike, *, vjp: VJP = None) -> Any:
    """The same values in another floating dtype; the cotangent is cast back.

    Parameters
    ----------
    x : Tensor or array_like
    dtype : dtype

    Returns
    -------
    Tensor or ndarray
        An array where the dtype is one of integers or truth values: like positions and counts they have no derivative.

    Raises
    ------
    ValueError
        If the dtype is none of real numbers.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.astype([1.0], "float32").dtype
    dtype('float32')
    >>> ops.astype([1.5, 2.5], int)
    array([1, 2])
    """
    if np.dtype(dtype).kind in "iub":
        return (x.data if isinstance(x, Tensor) else plain(x, "astype: the input")).astype(dtype)
    return record(_astype, (x,), {"dtype": dtype}, vjp=vjp)
