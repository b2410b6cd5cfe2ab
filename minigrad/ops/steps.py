"""Functions that are constant between steps: their derivative is 0 where they have one, and is taken as 0 at a step."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["ceil", "floor", "round", "trunc"]

Result = tuple[Array, dict[str, Any]]


def _flat(g: Array, saved: dict[str, Any]) -> Array:
    return g * np.where(saved["nan"], np.nan, 0.0).astype(g.dtype)


def _result(out: Array) -> Result:
    return out, {"nan": np.isnan(out)}


@define(kind="elementwise", x=_flat)
def _ceil(x: Array) -> Result:
    return _result(np.ceil(x))


@stands_for(np.ceil)
@operation(_ceil)
def ceil(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The smallest whole number that is not below; the derivative is taken as 0 everywhere.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.ceil([0.25, -1.5]).data.tolist()
    [1.0, -1.0]
    """
    return record(_ceil, (x,), vjp=vjp)


@define(kind="elementwise", x=_flat)
def _floor(x: Array) -> Result:
    return _result(np.floor(x))


@stands_for(np.floor)
@operation(_floor)
def floor(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The largest whole number that is not above; the derivative is taken as 0 everywhere.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: (x - mg.ops.floor(x)).sum())([0.25, 2.0]).tolist()
    [1.0, 1.0]
    """
    return record(_floor, (x,), vjp=vjp)


@define(kind="elementwise", x=_flat)
def _round(x: Array, decimals: int = 0) -> Result:
    return _result(np.round(x, decimals))


@stands_for(np.round, np.around, np.rint)
@operation(_round)
def round(x: TensorLike, decimals: int = 0, *, vjp: VJP = None) -> Tensor:
    """Rounded to a number of decimals, halves to even; the derivative is taken as 0 everywhere.

    Parameters
    ----------
    x : Tensor or array_like
    decimals : int, default 0

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.round([0.5, 1.5, 2.25], 1).data.tolist()
    [0.5, 1.5, 2.2]
    """
    return record(_round, (x,), {"decimals": decimals}, vjp=vjp)


@define(kind="elementwise", x=_flat)
def _trunc(x: Array) -> Result:
    return _result(np.trunc(x))


@stands_for(np.trunc, np.fix)
@operation(_trunc)
def trunc(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The nearest whole number towards 0; the derivative is taken as 0 everywhere.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.trunc([1.75, -1.75]).data.tolist()
    [1.0, -1.0]
    """
    return record(_trunc, (x,), vjp=vjp)
