"""Smooth functions of one variable, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from minigrad.ops.normal import times_normal_cdf
from minigrad.primitive import primitive
from minigrad.typing import Array

__all__ = ["cos", "exp", "gelu", "log", "log1p", "sigmoid", "silu", "sin", "softplus", "sqrt", "tanh"]

Result = tuple[Array, dict[str, Any]]


@primitive(rowwise=True, x=lambda g, saved: g * saved["out"])
def exp(x: Array) -> Result:
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
    out = np.exp(x)
    return out, {"out": out}


def _log_x(g: Array, saved: dict[str, Any]) -> Array:
    x = saved["x"]
    return np.asarray(g / np.where(x < 0, np.nan, x))  # there is no logarithm below 0, and so no slope


@primitive(rowwise=True, x=_log_x)
def log(x: Array) -> Result:
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
    return np.log(x), {"x": x}


def _log1p_x(g: Array, saved: dict[str, Any]) -> Array:
    x = saved["x"]
    return np.asarray(g / (1 + np.where(x < -1, np.nan, x)))


@primitive(rowwise=True, x=_log1p_x)
def log1p(x: Array) -> Result:
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
    return np.log1p(x), {"x": x}


def _sqrt_x(g: Array, saved: dict[str, Any]) -> Array:
    out = saved["out"]
    zero = out == 0
    if not zero.any():
        return np.asarray(g * 0.5 / out)
    return np.where(zero, 0, g * 0.5 / np.where(zero, 1, out)).astype(out.dtype)


@primitive(rowwise=True, x=_sqrt_x)
def sqrt(x: Array) -> Result:
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
    out = np.asarray(np.sqrt(x))
    return out, {"out": out}


@primitive(rowwise=True, x=lambda g, saved: g * (1 - saved["out"] * saved["out"]))
def tanh(x: Array) -> Result:
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
    out = np.tanh(x)
    return out, {"out": out}


@primitive(rowwise=True, x=lambda g, saved: g * saved["out"] * (1 - saved["out"]))
def sigmoid(x: Array) -> Result:
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
    out = special.expit(x)
    return out, {"out": out}


@primitive(rowwise=True, x=lambda g, saved: g * special.expit(saved["x"]))
def softplus(x: Array) -> Result:
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
    return np.logaddexp(x, x.dtype.type(0)), {"x": x}


@primitive(rowwise=True, x=lambda g, saved: g * saved["slope"])
def gelu(x: Array, needs: tuple[bool] = (True,)) -> Result:
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
    out, slope = times_normal_cdf(x, slope=needs[0])
    return out, {"slope": slope}


def _silu_x(g: Array, saved: dict[str, Any]) -> Array:
    s = saved["sigmoid"]
    x = np.where((s == 0) | (s == 1), s.dtype.type(0), saved["x"])  # where the sigmoid is flat ∞·0 is 0
    return np.asarray(g * (s * (1 + x * (1 - s))))


@primitive(rowwise=True, x=_silu_x)
def silu(x: Array) -> Result:
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
    s = special.expit(x)
    return np.where(s == 0, x.dtype.type(0), x) * s, {"x": x, "sigmoid": s}


@primitive(rowwise=True, x=lambda g, saved: g * np.cos(saved["x"]))
def sin(x: Array) -> Result:
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
    return np.sin(x), {"x": x}


@primitive(rowwise=True, x=lambda g, saved: -g * np.sin(saved["x"]))
def cos(x: Array) -> Result:
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
    return np.cos(x), {"x": x}
