"""Smooth functions of one variable, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.normal import times_normal_cdf
from minigrad.typing import Array

__all__ = ["exp", "gelu", "log", "log1p", "sigmoid", "silu", "softplus", "sqrt", "tanh"]

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


def _log_x(g: Array, saved: dict[str, Any]) -> Array:
    x = saved["x"]
    return np.asarray(g / np.where(x < 0, np.nan, x))  # there is no logarithm below 0, and so no slope


@define(kind="elementwise", x=_log_x)
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


def _log1p_x(g: Array, saved: dict[str, Any]) -> Array:
    x = saved["x"]
    return np.asarray(g / (1 + np.where(x < -1, np.nan, x)))


@define(kind="elementwise", x=_log1p_x)
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


def _sqrt_x(g: Array, saved: dict[str, Any]) -> Array:
    out = saved["out"]
    zero = out == 0
    if not zero.any():
        return np.asarray(g * 0.5 / out)
    return np.where(zero, 0, g * 0.5 / np.where(zero, 1, out)).astype(out.dtype)


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


@define(kind="elementwise", x=lambda g, saved: g * (1 - saved["out"] * saved["out"]))
def _tanh(x: Array) -> Result:
    out = np.tanh(x)
    return out, {"out": out}


@stands_for(np.tanh)
@operation(_tanh)
def tanh(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The hyperbolic tangent.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.tanh())(0.0).item()
    1.0
    """
    return record(_tanh, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * saved["out"] * (1 - saved["out"]))
def _sigmoid(x: Array) -> Result:
    out = special.expit(x)
    return out, {"out": out}


@stands_for(special.expit)
@operation(_sigmoid)
def sigmoid(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The logistic function 1 / (1 + exp(−x)), without overflow.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.sigmoid())(0.0).item()
    0.25
    """
    return record(_sigmoid, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * special.expit(saved["x"]))
def _softplus(x: Array) -> Result:
    return np.logaddexp(x, x.dtype.type(0)), {"x": x}


@operation(_softplus)
def softplus(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """log(1 + exp(x)), without overflow.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.softplus())(0.0).item()
    0.5
    """
    return record(_softplus, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * saved["slope"])
def _gelu(x: Array, needs: tuple[bool] = (True,)) -> Result:
    out, slope = times_normal_cdf(x, slope=needs[0])
    return out, {"slope": slope}


@operation(_gelu)
def gelu(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """x·Φ(x) with the normal distribution function Φ: the exact form, not its tanh approximation.

    Hendrycks, Gimpel (2016), *Gaussian Error Linear Units*, arXiv:1606.08415.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.gelu(x))(0.0).item()
    0.5
    """
    return record(_gelu, (x,), vjp=vjp)


def _silu_x(g: Array, saved: dict[str, Any]) -> Array:
    s = saved["sigmoid"]
    x = np.where((s == 0) | (s == 1), s.dtype.type(0), saved["x"])  # where the sigmoid is flat ∞·0 is 0
    return np.asarray(g * (s * (1 + x * (1 - s))))


@define(kind="elementwise", x=_silu_x)
def _silu(x: Array) -> Result:
    s = special.expit(x)
    return np.where(s == 0, x.dtype.type(0), x) * s, {"x": x, "sigmoid": s}


@operation(_silu)
def silu(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """x·sigmoid(x), also called swish.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.silu(x))(0.0).item()
    0.5
    """
    return record(_silu, (x,), vjp=vjp)
