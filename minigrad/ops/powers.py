"""Powers and roots, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.casting import astype
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["cbrt", "float_power", "hypot", "power", "reciprocal", "sqrt", "square"]

Result = tuple[Array, dict[str, Any]]


def _power_x(g: Array, saved: dict[str, Any]) -> Array:
    x, y = saved["x"], saved["y"]
    if y.ndim == 0 and (type(y) is np.ndarray or not y.requires_grad):  # a short cut would hide what hangs on y
        if y == 2:
            return g * x * 2
        if y == 1:
            return g
        if y > 1:
            return g * (y * x ** (y.item() - 1))
    # At x = 0 the slope is 0 for exponents 0 and between 0 and 1, where the formula has 0·∞ or ∞.
    flat = (x == 0) & (y >= 0) & (y < 1)
    return np.where(flat, 0, g * y * np.where(flat, 1, x) ** (y - 1))


def _power_y(g: Array, saved: dict[str, Any]) -> Array:
    x, out = saved["x"], saved["out"]
    zero = x == 0
    return np.where(zero & np.isfinite(out), 0, g * out * np.log(np.where(zero, 1, x)))


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

    At x = 0 the derivative by x is taken as 0 where the exponent is in [0, 1), and the derivative by y as 0;
    so is the second derivative by x where the exponent is in (1, 2), and so on.
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


@stands_for(np.float_power)
def float_power(x: TensorLike, y: TensorLike) -> Tensor:
    """``x ** y`` in float64, whatever the dtypes are; otherwise `power`.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.float_power(np.array([2, 4], np.float32), -1)
    Tensor([0.5 , 0.25], dtype=float64)
    """
    return power(astype(x, np.float64), astype(y, np.float64))


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


def _sqrt_x(g: Array, saved: dict[str, Any]) -> Array:
    out = saved["out"]
    zero = out == 0
    if not zero.any():
        return g * 0.5 / out
    return np.where(zero, 0, g * 0.5 / np.where(zero, 1, out))


@define(kind="elementwise", x=_sqrt_x)
def _sqrt(x: Array) -> Result:
    out = np.asarray(np.sqrt(x))
    return out, {"out": out}


@stands_for(np.sqrt)
@operation(_sqrt)
def sqrt(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The square root; its derivative at 0, where the slope is infinite, is taken as 0.

    Parameters
    ----------
    x : Tensor or array_like
        Not negative.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.sqrt().sum())([0.0, 4.0]).tolist()
    [0.0, 0.25]
    """
    return record(_sqrt, (x,), vjp=vjp)


def _cbrt_x(g: Array, saved: dict[str, Any]) -> Array:
    out = saved["out"]
    zero = out == 0
    if zero.any():
        out = np.where(zero, np.inf, out)
    return g / out / out / 3


@define(kind="elementwise", x=_cbrt_x)
def _cbrt(x: Array) -> Result:
    out = np.cbrt(x)
    return out, {"out": out}


@stands_for(np.cbrt)
@operation(_cbrt)
def cbrt(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The cube root; its derivative at 0, where the slope is infinite, is taken as 0.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.cbrt(x).sum())([0.0, 8.0, -8.0]).round(12).tolist()
    [0.0, 0.083333333333, 0.083333333333]
    """
    return record(_cbrt, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: -g * saved["out"] * saved["out"])
def _reciprocal(x: Array) -> Result:
    out = np.reciprocal(x)
    return out, {"out": out}


@stands_for(np.reciprocal)
@operation(_reciprocal)
def reciprocal(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``1 / x``; of integers in float64, not cut off as NumPy does.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.reciprocal([4, -2]).data.tolist()
    [0.25, -0.5]
    """
    return record(_reciprocal, (x,), vjp=vjp)


def _cosine(side: Array, out: Array) -> Array:
    """``side / out``; 0 at the origin. Where the hypotenuse is infinite: ±1 for an infinite side, 0 for another."""
    odd = (out == 0) | (out == np.inf)
    if not odd.any():
        return side / out
    return np.where(odd, np.where(np.isinf(side), np.sign(side), 0), side / np.where(odd, 1, out))


@define(
    broadcasts=True,
    kind="elementwise",
    x=lambda g, saved: g * _cosine(saved["x"], saved["out"]),
    y=lambda g, saved: g * _cosine(saved["y"], saved["out"]),
)
def _hypot(x: Array, y: Array) -> Result:
    out = np.hypot(x, y)
    return out, {"x": x, "y": y, "out": out}


@stands_for(np.hypot)
@operation(_hypot)
def hypot(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``sqrt(x² + y²)``, element by element, without overflow; the derivatives at (0, 0) are 0.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.hypot(5e200, 12e200).item()
    1.3e+201
    >>> [round(g.item(), 6) for g in mg.grad(mg.ops.hypot, argnums=(0, 1))(3e200, 4e200)]
    [0.6, 0.8]
    """
    return record(_hypot, (x, y), vjp=vjp)
