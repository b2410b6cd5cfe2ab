"""Functions of angles and their inverses, in radians, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["arccos", "arcsin", "arctan", "arctan2", "cos", "deg2rad", "rad2deg", "sin", "tan"]

Result = tuple[Array, dict[str, Any]]


@define(kind="elementwise", x=lambda g, saved: g * np.cos(saved["x"]))
def _sin(x: Array) -> Result:
    return np.sin(x), {"x": x}


@stands_for(np.sin)
@operation(_sin)
def sin(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The sine.

    Parameters
    ----------
    x : Tensor or array_like
        In radians.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.sin())(0.0).item()
    1.0
    """
    return record(_sin, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: -g * np.sin(saved["x"]))
def _cos(x: Array) -> Result:
    return np.cos(x), {"x": x}


@stands_for(np.cos)
@operation(_cos)
def cos(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The cosine.

    Parameters
    ----------
    x : Tensor or array_like
        In radians.

    Examples
    --------
    >>> import minigrad as mg
    >>> abs(mg.grad(lambda x: x.cos())(0.0).item())
    0.0
    """
    return record(_cos, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * (1 + saved["out"] * saved["out"]))
def _tan(x: Array) -> Result:
    out = np.tan(x)
    return out, {"out": out}


@stands_for(np.tan)
@operation(_tan)
def tan(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The tangent.

    Parameters
    ----------
    x : Tensor or array_like
        In radians.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.tan(x))(0.0).item()
    1.0
    """
    return record(_tan, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g / np.sqrt((1 - saved["x"]) * (1 + saved["x"])))
def _arcsin(x: Array) -> Result:
    return np.arcsin(x), {"x": x}


@stands_for(np.arcsin)
@operation(_arcsin)
def arcsin(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse sine, in radians; at −1 and 1 the derivative is infinite.

    Parameters
    ----------
    x : Tensor or array_like
        In [−1, 1]; outside, value and derivative are NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.arcsin(x))(0.6).item()
    1.25
    """
    return record(_arcsin, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: -g / np.sqrt((1 - saved["x"]) * (1 + saved["x"])))
def _arccos(x: Array) -> Result:
    return np.arccos(x), {"x": x}


@stands_for(np.arccos)
@operation(_arccos)
def arccos(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse cosine, in radians; at −1 and 1 the derivative is infinite.

    Parameters
    ----------
    x : Tensor or array_like
        In [−1, 1]; outside, value and derivative are NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.arccos(x))(0.6).item()
    -1.25
    """
    return record(_arccos, (x,), vjp=vjp)


def _arctan_x(g: Array, saved: dict[str, Any]) -> Array:
    radius = np.hypot(1.0, saved["x"])  # no square overflows
    return g / radius / radius


@define(kind="elementwise", x=_arctan_x)
def _arctan(x: Array) -> Result:
    return np.arctan(x), {"x": x}


@stands_for(np.arctan)
@operation(_arctan)
def arctan(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse tangent, in radians.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.arctan(x))(0.75).item()
    0.64
    """
    return record(_arctan, (x,), vjp=vjp)


def _per_turn(side: Array, saved: dict[str, Any]) -> Array:
    """``side / (x² + y²)``, without overflow; 0 where the point is the origin, or infinitely far."""
    y, x = saved["y"], saved["x"]
    radius = np.hypot(x, y)
    odd = ((radius == 0) | (radius == np.inf)) & (x == x) & (y == y)
    if not odd.any():
        return side / radius / radius
    radius = np.where(odd, 1.0, radius)
    return np.where(odd, 0.0, side / radius / radius)


@define(
    broadcasts=True,
    kind="elementwise",
    y=lambda g, saved: g * _per_turn(saved["x"], saved),
    x=lambda g, saved: -g * _per_turn(saved["y"], saved),
)
def _arctan2(y: Array, x: Array) -> Result:
    return np.arctan2(y, x), {"y": y, "x": x}


@stands_for(np.arctan2)
@operation(_arctan2)
def arctan2(y: TensorLike, x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The angle of the point (x, y), in (−π, π]; at the origin the derivatives are taken as 0.

    Parameters
    ----------
    y, x : Tensor or array_like
        Of shapes that broadcast; the ordinate comes first.

    Examples
    --------
    >>> import minigrad as mg
    >>> [g.item() for g in mg.grad(mg.ops.arctan2, argnums=(0, 1))(3.0, 4.0)]
    [0.16, -0.12]
    """
    return record(_arctan2, (y, x), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * (math.pi / 180))
def _deg2rad(x: Array) -> Result:
    return np.deg2rad(x), {}


@stands_for(np.deg2rad, np.radians)
@operation(_deg2rad)
def deg2rad(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """Degrees in radians; `radians` is another name.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.deg2rad(180.0).data.tolist()
    3.141592653589793
    """
    return record(_deg2rad, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * (180 / math.pi))
def _rad2deg(x: Array) -> Result:
    return np.rad2deg(x), {}


@stands_for(np.rad2deg, np.degrees)
@operation(_rad2deg)
def rad2deg(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """Radians in degrees; `degrees` is another name.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import ops
    >>> ops.rad2deg(np.pi).data.tolist()
    180.0
    """
    return record(_rad2deg, (x,), vjp=vjp)
