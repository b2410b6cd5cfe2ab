"""Arithmetic: + − × ÷ % and the signs. Inputs broadcast; the sweep sums cotangents back to their shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["add", "divide", "multiply", "negative", "positive", "remainder", "subtract"]

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
    residuals=("x", "y"),
    x=lambda g, saved: g * saved["y"],
    y=lambda g, saved: g * saved["x"],
)
def _multiply(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    if needs[0]:
        return x * y, {"y": y, "x": x} if needs[1] else {"y": y}
    return x * y, {"x": x}


@stands_for(np.multiply)
@operation(_multiply)
def multiply(x: TensorLike, y: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """``x * y``, element by element.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Notes
    -----
    ``save=`` takes estimators for x, y or both: ∂x = g·ŷ and ∂y = g·x̂ with draws of their own.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.multiply([1.0, 2.0], 3.0).data.tolist()
    [3.0, 6.0]
    """
    return record(_multiply, (x, y), vjp=vjp, save=save)


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


@define(as_is=True, kind="elementwise", x=lambda g, saved: g)
def _positive(x: Array) -> Result:
    return +x, {}


@stands_for(np.positive)
@operation(_positive)
def positive(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``+x``: the same values.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.positive([1.0, -2.0]).data.tolist()
    [1.0, -2.0]
    """
    return record(_positive, (x,), vjp=vjp)


def _remainder_y(g: Array, saved: dict[str, Any]) -> Array:
    return _where_known(-g * np.floor_divide(saved["x"], saved["y"]), saved)


def _where_known(g: Array, saved: dict[str, Any]) -> Array:
    """The cotangent, and NaN where the remainder is."""
    return g * np.where(saved["nan"], np.nan, 1.0) if "nan" in saved else g


@define(as_is=True, broadcasts=True, kind="elementwise", x=_where_known, y=_remainder_y)
def _remainder(x: Array, y: Array, needs: tuple[bool, bool] = (True, True)) -> Result:
    out = np.asarray(np.remainder(x, y))
    saved = {"x": x, "y": y} if needs[1] else {}
    nan = np.isnan(out)
    return out, {**saved, "nan": nan} if nan.any() else saved


@stands_for(np.remainder)
@operation(_remainder)
def remainder(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x % y``, which is x − y·⌊x/y⌋ and has the sign of y; `mod` is another name.

    The derivative by x is 1 and that by y −⌊x/y⌋, also where x is a multiple of y and the value jumps.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast. The remainder of integers is an integer.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.ops.remainder([5.5, -5.5], 2.0).data.tolist()
    [1.5, 0.5]
    >>> [g.item() for g in mg.grad(mg.ops.remainder, argnums=(0, 1))(5.5, 2.0)]
    [1.0, -2.0]
    """
    return record(_remainder, (x, y), vjp=vjp)
