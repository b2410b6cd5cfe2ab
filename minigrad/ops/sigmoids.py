"""Sigmoids and what is made of them, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import special
from minigrad.ops.counterparts import stands_for
from minigrad.ops.normal import FAR, times_normal_cdf
from minigrad.typing import Array

__all__ = ["erf", "erfc", "gelu", "sigmoid", "silu", "softplus"]

Result = tuple[Array, dict[str, Any]]


@define(kind="elementwise", slope=True, x=lambda g, saved: g * saved["out"] * (1 - saved["out"]))
def _sigmoid(x: Array) -> Result:
    out = special.expit(x)
    return out, {"out": out}


@stands_for("scipy.special.expit")
@operation(_sigmoid)
def sigmoid(x: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """The logistic function 1 / (1 + exp(−x)), without overflow.

    Parameters
    ----------
    x : Tensor or array_like

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.sigmoid())(0.0).item()
    0.25
    """
    return record(_sigmoid, (x,), vjp=vjp, save=save)


@define(kind="elementwise", slope=True, x=lambda g, saved: g * special.expit(saved["x"]))
def _softplus(x: Array) -> Result:
    return np.logaddexp(x, x.dtype.type(0)), {"x": x}


@operation(_softplus)
def softplus(x: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """log(1 + exp(x)), without overflow.

    Parameters
    ----------
    x : Tensor or array_like

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.softplus())(0.0).item()
    0.5
    """
    return record(_softplus, (x,), vjp=vjp, save=save)


def _bell(x: Array) -> Array:
    """exp(−x²), flat where it is 0, so that no ∞·0 occurs in its derivatives."""
    near = np.clip(x, -FAR, FAR)
    return np.exp(-near * near)


def _gelu_slope(saved: dict[str, Any]) -> Array:
    """Φ(x) + x·φ(x)."""
    z = np.clip(saved["x"], -FAR, FAR) * math.sqrt(0.5)
    return 0.5 * special.erfc(-z) + z * _bell(z) / math.sqrt(math.pi)


@define(kind="elementwise", slope=True, derived={"slope": _gelu_slope}, x=lambda g, saved: g * saved["slope"])
def _gelu(x: Array, needs: tuple[bool] = (True,)) -> Result:
    out, slope = times_normal_cdf(x, slope=needs[0])
    return out, {"slope": slope}


@operation(_gelu)
def gelu(x: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """x·Φ(x) with the normal distribution function Φ: the exact form, not its tanh approximation.

    Hendrycks, Gimpel (2016), *Gaussian Error Linear Units*, arXiv:1606.08415.

    Parameters
    ----------
    x : Tensor or array_like

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.gelu(x))(0.0).item()
    0.5
    """
    return record(_gelu, (x,), vjp=vjp, save=save)


def _silu_x(g: Array, saved: dict[str, Any]) -> Array:
    s = saved["sigmoid"]
    x = np.where((s == 0) | (s == 1), 0, saved["x"])  # where the sigmoid is flat ∞·0 is 0
    return g * (s * (1 + x * (1 - s)))


@define(kind="elementwise", slope=True, derived={"sigmoid": lambda saved: special.expit(saved["x"])}, x=_silu_x)
def _silu(x: Array) -> Result:
    s = special.expit(x)
    return np.where(s == 0, x.dtype.type(0), x) * s, {"x": x, "sigmoid": s}


@operation(_silu)
def silu(x: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """x·sigmoid(x), also called swish.

    Parameters
    ----------
    x : Tensor or array_like

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.silu(x))(0.0).item()
    0.5
    """
    return record(_silu, (x,), vjp=vjp, save=save)


@define(kind="elementwise", slope=True, x=lambda g, saved: g * (2 / math.sqrt(math.pi)) * _bell(saved["x"]))
def _erf(x: Array) -> Result:
    return special.erf(x), {"x": x}


@stands_for("scipy.special.erf")
@operation(_erf)
def erf(x: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """The error function, 2/√π times the integral of exp(−t²) from 0 to x.

    Parameters
    ----------
    x : Tensor or array_like

    Notes
    -----
    ``save=`` takes an estimator for the slope, such as ``StochasticRounding(4)``: ∂x = g·slope is linear in that.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.erf(x))(0.0).item()
    1.1283791670955126
    """
    return record(_erf, (x,), vjp=vjp, save=save)


@define(kind="elementwise", x=lambda g, saved: g * (-2 / math.sqrt(math.pi)) * _bell(saved["x"]))
def _erfc(x: Array) -> Result:
    return special.erfc(x), {"x": x}


@stands_for("scipy.special.erfc")
@operation(_erfc)
def erfc(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """1 − erf(x), exact where it is small.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> f"{ops.erfc(20.0).item():.6e}"
    '5.395866e-176'
    """
    return record(_erfc, (x,), vjp=vjp)
