"""Arithmetic: + − × ÷ ** and their kin. Inputs broadcast; the sweep sums cotangents back to their shapes."""

from __future__ import annotations

from itertools import compress
from typing import Any

import numpy as np
from scipy import special

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["absolute", "add", "divide", "logaddexp", "multiply", "negative", "power", "square", "subtract"]

Result = tuple[Array, dict[str, Any]]


@define(as_is=True, broadcasts=True, kind="elementwise", x=lambda g, saved: g, y=lambda g, saved: g)
def _add(x: Array, y: Array) -> Result:
    return x + y, {}


@stands_for(np.add)
@operation(_add)
def add(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x + y``, element by element.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.add([1.0, 2.0], 3.0).data.tolist()
    [4.0, 5.0]
    """
    return record(_add, (x, y), vjp=vjp)


@define(as_is=True, broadcasts=True, kind="elementwise", x=lambda g, saved: g, y=lambda g, saved: -g)
def _subtract(x: Array, y: Array) -> Result:
    return x - y, {}


@stands_for(np.subtract)
@operation(_subtract)
def subtract(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x - y``, element by element.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.subtract([1.0, 2.0], 3.0).data.tolist()
    [-2.0, -1.0]
    """
    return record(_subtract, (x, y), vjp=vjp)


@define(
    as_is=True,
    broadcasts=True,
    kind="elementwise",
    x=lambda g, saved: g * saved["y"],
    y=lambda g, saved: g * saved["x"],
)
def _multiply(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    if needs[0]:
        return x * y, {"y": y, "x": x} if needs[1] else {"y": y}
    return x * y, {"x": x}


@stands_for(np.multiply)
@operation(_multiply)
def multiply(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x * y``, element by element.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.multiply([1.0, 2.0], 3.0).data.tolist()
    [3.0, 6.0]
    """
    return record(_multiply, (x, y), vjp=vjp)


@define(
    broadcasts=True,
    kind="elementwise",
    x=lambda g, saved: g / saved["y"],
    y=lambda g, saved: -g * (saved["out"] / saved["y"]),
)
def _divide(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    out = x / y
    return out, {"y": y, "out": out} if needs[1] else {"y": y}


@stands_for(np.divide)
@operation(_divide)
def divide(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x / y``, element by element.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.divide([1.0, 2.0], 4.0).data.tolist()
    [0.25, 0.5]
    """
    return record(_divide, (x, y), vjp=vjp)


def _power_x(g: Array, saved: dict[str, Any]) -> Array:
    x, y = saved["x"], saved["y"]
    if y.ndim == 0:
        if y == 2:
            return np.asarray(g * x * 2)
        if y == 1:
            return g
        if y > 1:
            return np.asarray(g * (y * x ** (y.item() - 1)))
    # At x = 0 the slope is 0 for exponents 0 and between 0 and 1, where the formula has 0·∞ or ∞.
    flat = (x == 0) & (y >= 0) & (y < 1)
    return np.asarray(np.where(flat, 0, g * y * np.power(np.where(flat, 1, x), y - 1)), dtype=g.dtype)


def _power_y(g: Array, saved: dict[str, Any]) -> Array:
    x, out = saved["x"], saved["out"]
    zero = x == 0
    return np.asarray(np.where(zero & np.isfinite(out), 0, g * out * np.log(np.where(zero, 1, x))), dtype=g.dtype)


@define(broadcasts=True, kind="elementwise", x=_power_x, y=_power_y)
def _power(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    if y.ndim == 0 and x.dtype.kind == "f":
        # NumPy is faster for some numbers than for arrays; before 2.0 a number could promote float32.
        out = np.asarray(x ** y.item(), dtype=np.result_type(x, y))
    else:
        out = np.asarray(x**y)
    saved: dict[str, Any] = {"x": x}
    if needs[0]:
        saved["y"] = y
    if needs[1]:
        saved["out"] = out
    return out, saved


@stands_for(np.power)
@operation(_power)
def power(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x ** y``, element by element.

    At x = 0 the derivative by x is taken as 0 where the exponent is in [0, 1), and the derivative by y as 0.
    For x < 0 there is no derivative by y, and it is NaN.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: (x**0.5).sum())([0.0, 4.0]).tolist()
    [0.0, 0.25]
    """
    return record(_power, (x, y), vjp=vjp)


@define(as_is=True, kind="elementwise", x=lambda g, saved: -g)
def _negative(x: Array) -> Result:
    return -x, {}


@stands_for(np.negative)
@operation(_negative)
def negative(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``-x``.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.negative([1.0, -2.0]).data.tolist()
    [-1.0, 2.0]
    """
    return record(_negative, (x,), vjp=vjp)


@define(as_is=True, kind="elementwise", x=lambda g, saved: g * saved["sign"])
def _absolute(x: Array) -> Result:
    return np.abs(x), {"sign": np.sign(x)}


@stands_for(np.absolute)
@operation(_absolute)
def absolute(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``|x|``; the derivative at 0 is 0.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: abs(x).sum())([-2.0, 0.0, 3.0]).tolist()
    [-1.0, 0.0, 1.0]
    """
    return record(_absolute, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * saved["x"] * 2)
def _square(x: Array) -> Result:
    return np.square(x), {"x": x}


@stands_for(np.square)
@operation(_square)
def square(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x²``.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.square([1.0, -3.0]).data.tolist()
    [1.0, 9.0]
    """
    return record(_square, (x,), vjp=vjp)


@define(broadcasts=True, kind="elementwise", x=lambda g, saved: g * saved["x"], y=lambda g, saved: g * saved["y"])
def _logaddexp(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    out = np.logaddexp(x, y)
    with np.errstate(invalid="ignore", over="ignore"):
        lead = np.where(x == y, x.dtype.type(0), x - y)  # ∞ − ∞ is 0 here: infinite values share like ties
    seen = ~np.isneginf(out)
    return out, {name: special.expit(z) * seen for name, z in compress((("x", lead), ("y", -lead)), needs)}


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
