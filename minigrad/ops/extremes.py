"""The larger and the smaller of two, element by element; equal ones share."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["fmax", "fmin", "maximum", "minimum"]

Result = tuple[Array, dict[str, Any]]


def _share(ahead: Array, tie: Array, out: Array) -> Array:
    """1 where x was chosen, ½ where both were equal, NaN where the output is."""
    share = np.asarray(ahead).astype(out.dtype)
    share[tie] = 0.5
    nan = np.isnan(out)
    if nan.any():
        share[nan] = np.nan
    return share


def _greater(saved: dict[str, Any]) -> Array:
    return _share(saved["x"] > saved["y"], saved["x"] == saved["y"], saved["out"])


def _less(saved: dict[str, Any]) -> Array:
    return _share(saved["x"] < saved["y"], saved["x"] == saved["y"], saved["out"])


def _greater_or_known(saved: dict[str, Any]) -> Array:
    return _share((saved["x"] > saved["y"]) | np.isnan(saved["y"]), saved["x"] == saved["y"], saved["out"])


def _less_or_known(saved: dict[str, Any]) -> Array:
    return _share((saved["x"] < saved["y"]) | np.isnan(saved["y"]), saved["x"] == saved["y"], saved["out"])


def _by_x(g: Array, saved: dict[str, Any]) -> Array:
    return g * saved["share"]


def _by_y(g: Array, saved: dict[str, Any]) -> Array:
    return g * (1 - saved["share"])


@define(as_is=True, broadcasts=True, kind="elementwise", derived={"share": _greater}, x=_by_x, y=_by_y)
def _maximum(x: Array, y: Array) -> Result:
    out = np.asarray(np.maximum(x, y))
    return out, {"share": _share(x > y, x == y, out)}


@stands_for(np.maximum)
@operation(_maximum)
def maximum(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The larger of two, element by element; where they are equal each gets half of the cotangent.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.maximum(x, 1.0).sum())([0.0, 1.0, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return record(_maximum, (x, y), vjp=vjp)


@define(as_is=True, broadcasts=True, kind="elementwise", derived={"share": _less}, x=_by_x, y=_by_y)
def _minimum(x: Array, y: Array) -> Result:
    out = np.asarray(np.minimum(x, y))
    return out, {"share": _share(x < y, x == y, out)}


@stands_for(np.minimum)
@operation(_minimum)
def minimum(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The smaller of two, element by element; where they are equal each gets half of the cotangent.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.minimum(x, 1.0).sum())([0.0, 1.0, 2.0]).tolist()
    [1.0, 0.5, 0.0]
    """
    return record(_minimum, (x, y), vjp=vjp)


@define(as_is=True, broadcasts=True, kind="elementwise", derived={"share": _greater_or_known}, x=_by_x, y=_by_y)
def _fmax(x: Array, y: Array) -> Result:
    out = np.asarray(np.fmax(x, y))
    return out, {"share": _share((x > y) | np.isnan(y), x == y, out)}


@stands_for(np.fmax)
@operation(_fmax)
def fmax(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The larger of two, element by element, and where one is NaN the other; equal ones share.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> x = np.array([0.0, 1.0, 2.0, np.nan])
    >>> mg.ops.fmax(x, 1.0).data.tolist()
    [1.0, 1.0, 2.0, 1.0]
    >>> mg.grad(lambda x: mg.ops.fmax(x, 1.0).sum())(x).tolist()
    [0.0, 0.5, 1.0, 0.0]
    """
    return record(_fmax, (x, y), vjp=vjp)


@define(as_is=True, broadcasts=True, kind="elementwise", derived={"share": _less_or_known}, x=_by_x, y=_by_y)
def _fmin(x: Array, y: Array) -> Result:
    out = np.asarray(np.fmin(x, y))
    return out, {"share": _share((x < y) | np.isnan(y), x == y, out)}


@stands_for(np.fmin)
@operation(_fmin)
def fmin(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The smaller of two, element by element, and where one is NaN the other; equal ones share.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> x = np.array([0.0, 1.0, 2.0, np.nan])
    >>> mg.ops.fmin(x, 1.0).data.tolist()
    [0.0, 1.0, 1.0, 1.0]
    >>> mg.grad(lambda x: mg.ops.fmin(x, 1.0).sum())(x).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    return record(_fmin, (x, y), vjp=vjp)
