"""Exponentials and logarithms, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import compress
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import special
from minigrad.ops.counterparts import stands_for
from minigrad.ops.domain import inside
from minigrad.typing import Array

__all__ = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp", "logaddexp2"]

Result = tuple[Array, dict[str, Any]]


@define(kind="elementwise", x=lambda g, saved: g * saved["out"])
def _exp(x: Array) -> Result:
    out = np.exp(x)
    return out, {"out": out}


@stands_for(np.exp)
@operation(_exp)
def exp(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The exponential.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.exp())(0.0).item()
    1.0
    """
    return record(_exp, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * (math.log(2) * saved["out"]))
def _exp2(x: Array) -> Result:
    out = np.exp2(x)
    return out, {"out": out}


@stands_for(np.exp2)
@operation(_exp2)
def exp2(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``2 ** x``.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.exp2([3.0, -1.0]).data.tolist()
    [8.0, 0.5]
    """
    return record(_exp2, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * np.exp(saved["x"]))
def _expm1(x: Array) -> Result:
    return np.expm1(x), {"x": x}


@stands_for(np.expm1)
@operation(_expm1)
def expm1(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """exp(x) − 1, exact for small x.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.expm1(1e-20).data.tolist()
    1e-20
    """
    return record(_expm1, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g / inside(saved["x"], saved["x"] < 0))
def _log(x: Array) -> Result:
    return np.log(x), {"x": x}


@stands_for(np.log)
@operation(_log)
def log(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The natural logarithm.

    Parameters
    ----------
    x : Tensor or array_like
        Positive; below 0 value and derivative are NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.log())(4.0).item()
    0.25
    """
    return record(_log, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g / (1 + inside(saved["x"], saved["x"] < -1)))
def _log1p(x: Array) -> Result:
    return np.log1p(x), {"x": x}


@stands_for(np.log1p)
@operation(_log1p)
def log1p(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """log(1 + x), exact for small x.

    Parameters
    ----------
    x : Tensor or array_like
        Above −1; below, value and derivative are NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.log1p())(3.0).item()
    0.25
    """
    return record(_log1p, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g / (inside(saved["x"], saved["x"] < 0) * math.log(2)))
def _log2(x: Array) -> Result:
    return np.log2(x), {"x": x}


@stands_for(np.log2)
@operation(_log2)
def log2(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The logarithm to the base 2.

    Parameters
    ----------
    x : Tensor or array_like
        Positive; below 0 value and derivative are NaN.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.log2([8.0, 0.5]).data.tolist()
    [3.0, -1.0]
    """
    return record(_log2, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g / (inside(saved["x"], saved["x"] < 0) * math.log(10)))
def _log10(x: Array) -> Result:
    return np.log10(x), {"x": x}


@stands_for(np.log10)
@operation(_log10)
def log10(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The logarithm to the base 10.

    Parameters
    ----------
    x : Tensor or array_like
        Positive; below 0 value and derivative are NaN.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.log10([1000.0, 0.1]).data.tolist()
    [3.0, -1.0]
    """
    return record(_log10, (x,), vjp=vjp)


Function = Callable[[Array], Array]


def _expit(x: Array) -> Array:
    """1 / (1 + exp(−x))."""
    return special.expit(x)


def _expit2(x: Array) -> Array:
    """2**x / (1 + 2**x)."""
    return special.expit(math.log(2) * x)


def _shares(logistic: Function) -> dict[str, Callable[[dict[str, Any]], Array]]:
    """The slopes of the logarithm of a sum of powers, from the inputs: 0 where both are −∞."""

    def lead(x: Array, y: Array) -> Array:
        with np.errstate(invalid="ignore", over="ignore"):
            return np.where((x == y) & np.isinf(x), 0, x - y)  # infinite values share like ties

    return {
        "share_x": lambda saved: logistic(lead(saved["x"], saved["y"])) * ~np.isneginf(saved["out"]),
        "share_y": lambda saved: logistic(lead(saved["y"], saved["x"])) * ~np.isneginf(saved["out"]),
    }


def _shared(out: Array, x: Array, y: Array, needs: tuple[bool, bool], logistic: Function) -> Result:
    with np.errstate(invalid="ignore", over="ignore"):
        lead = np.where(x == y, x.dtype.type(0), x - y)  # ∞ − ∞ is 0 here: infinite values share like ties
    seen = ~np.isneginf(out)
    return out, {name: logistic(z) * seen for name, z in compress((("share_x", lead), ("share_y", -lead)), needs)}


def _by_x(g: Array, saved: dict[str, Any]) -> Array:
    return g * saved["share_x"]


def _by_y(g: Array, saved: dict[str, Any]) -> Array:
    return g * saved["share_y"]


@define(broadcasts=True, kind="elementwise", derived=_shares(_expit), x=_by_x, y=_by_y)
def _logaddexp(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    return _shared(np.logaddexp(x, y), x, y, needs, _expit)


@stands_for(np.logaddexp)
@operation(_logaddexp)
def logaddexp(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``log(exp(x) + exp(y))``, element by element, without overflow.

    Infinite values are as in `minigrad.ops.logsumexp`: two of +∞ share the cotangent equally, and −∞ of both has
    derivative 0.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> round(mg.ops.logaddexp(1000.0, 1000.0).item(), 4)
    1000.6931
    >>> mg.grad(mg.ops.logaddexp)(0.0, 0.0).item()
    0.5
    """
    return record(_logaddexp, (x, y), vjp=vjp)


@define(broadcasts=True, kind="elementwise", derived=_shares(_expit2), x=_by_x, y=_by_y)
def _logaddexp2(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    return _shared(np.logaddexp2(x, y), x, y, needs, _expit2)


@stands_for(np.logaddexp2)
@operation(_logaddexp2)
def logaddexp2(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``log2(2**x + 2**y)``, element by element, without overflow.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.logaddexp2(3.0, 3.0).item()
    4.0
    """
    return record(_logaddexp2, (x, y), vjp=vjp)
