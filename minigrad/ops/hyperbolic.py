"""Hyperbolic functions and their inverses, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.domain import inside
from minigrad.typing import Array

__all__ = ["arccosh", "arcsinh", "arctanh", "cosh", "sinh", "tanh"]

Result = tuple[Array, dict[str, Any]]


@define(kind="elementwise", x=lambda g, saved: g * np.cosh(saved["x"]))
def _sinh(x: Array) -> Result:
    return np.sinh(x), {"x": x}


@stands_for(np.sinh)
@operation(_sinh)
def sinh(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The hyperbolic sine.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.sinh(x))(0.0).item()
    1.0
    """
    return record(_sinh, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * np.sinh(saved["x"]))
def _cosh(x: Array) -> Result:
    return np.cosh(x), {"x": x}


@stands_for(np.cosh)
@operation(_cosh)
def cosh(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The hyperbolic cosine.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.cosh(0.0).data.tolist()
    1.0
    """
    return record(_cosh, (x,), vjp=vjp)


@define(kind="elementwise", slope=True, x=lambda g, saved: g * (1 - saved["out"] * saved["out"]))
def _tanh(x: Array) -> Result:
    out = np.tanh(x)
    return out, {"out": out}


@stands_for(np.tanh)
@operation(_tanh)
def tanh(x: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """The hyperbolic tangent.

    Parameters
    ----------
    x : Tensor or array_like

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.tanh())(0.0).item()
    1.0
    """
    return record(_tanh, (x,), vjp=vjp, save=save)


@define(kind="elementwise", x=lambda g, saved: g / np.hypot(1.0, saved["x"]))
def _arcsinh(x: Array) -> Result:
    return np.arcsinh(x), {"x": x}


@stands_for(np.arcsinh)
@operation(_arcsinh)
def arcsinh(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse hyperbolic sine.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.arcsinh(x))(0.0).item()
    1.0
    """
    return record(_arcsinh, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g / (np.sqrt(saved["x"] - 1) * np.sqrt(saved["x"] + 1)))
def _arccosh(x: Array) -> Result:
    return np.arccosh(x), {"x": x}


@stands_for(np.arccosh)
@operation(_arccosh)
def arccosh(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse hyperbolic cosine; at 1 the derivative is infinite.

    Parameters
    ----------
    x : Tensor or array_like
        At least 1; below, value and derivative are NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.arccosh(x))(1.25).item()
    1.3333333333333333
    """
    return record(_arccosh, (x,), vjp=vjp)


def _arctanh_x(g: Array, saved: dict[str, Any]) -> Array:
    x = saved["x"]
    x = inside(x, (x < -1) | (x > 1))
    return g / ((1 - x) * (1 + x))


@define(kind="elementwise", x=_arctanh_x)
def _arctanh(x: Array) -> Result:
    return np.arctanh(x), {"x": x}


@stands_for(np.arctanh)
@operation(_arctanh)
def arctanh(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse hyperbolic tangent.

    Parameters
    ----------
    x : Tensor or array_like
        In [−1, 1]; outside, value and derivative are NaN.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.arctanh(x))(0.5).item()
    1.3333333333333333
    """
    return record(_arctanh, (x,), vjp=vjp)
