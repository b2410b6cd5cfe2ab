"""The gamma function and its kin, element by element. SciPy computes the values.

Source of the derivatives: *NIST Digital Library of Mathematical Functions*, chapter 5.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import special
from minigrad.ops.counterparts import stands_for
from minigrad.ops.domain import inside
from minigrad.ops.operands import floating, widened
from minigrad.typing import Array

__all__ = ["beta", "betaln", "digamma", "gamma", "gammaln", "multigammaln", "polygamma"]

Result = tuple[Array, dict[str, Any]]
Saved = dict[str, Any]


@define(kind="elementwise", x=lambda g, saved: g * saved["out"] * special.psi(saved["x"]))
def _gamma(x: Array) -> Result:
    out = special.gamma(x)
    return out, {"x": x, "out": out}


@stands_for("scipy.special.gamma")
@operation(_gamma)
def gamma(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The gamma function Γ(x), which is (x − 1)! for whole x.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.gamma([1.0, 5.0]).data.tolist()
    [1.0, 24.0]
    """
    return record(_gamma, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * special.psi(saved["x"]))
def _gammaln(x: Array) -> Result:
    return special.gammaln(x), {"x": x}


@stands_for("scipy.special.gammaln")
@operation(_gammaln)
def gammaln(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The logarithm of the absolute value of `gamma`, without overflow.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> round(mg.grad(mg.ops.gammaln)(1.0).item(), 12)  # minus Euler's constant
    -0.577215664902
    """
    return record(_gammaln, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * _polygamma_of(1, saved["x"]))
def _digamma(x: Array) -> Result:
    return special.psi(x), {"x": x}


@stands_for("scipy.special.psi")
@operation(_digamma)
def digamma(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The derivative of log Γ(x); SciPy calls it ``psi``, too.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> round(mg.grad(mg.ops.digamma)(1.0).item(), 12)  # π²/6
    1.644934066848
    """
    return record(_digamma, (x,), vjp=vjp)


def _polygamma_of(n: int, x: Any) -> Any:
    """The polygamma function of an array, or that of a tensor."""
    if isinstance(x, Tensor):
        return record(_polygamma, (x,), {"n": n})
    if n == 0:
        return special.psi(x)
    return np.asarray(special.polygamma(n, inside(x, x == -np.inf)), x.dtype)  # between poles without end: no limit


@define(kind="elementwise", x=lambda g, saved: g * _polygamma_of(saved["n"] + 1, saved["x"]))
def _polygamma(x: Array, n: int) -> Result:
    return _polygamma_of(n, x), {"x": x, "n": n}


def polygamma(n: int, x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The derivative of order n of `digamma`.

    SciPy's function of this name is written in Python and takes no tensors: this one stands in its place.

    Parameters
    ----------
    n : int
        Not negative.
    x : Tensor or array_like

    Raises
    ------
    TypeError
        If ``n`` is not an integer.
    ValueError
        If it is negative.

    Examples
    --------
    >>> from minigrad import ops
    >>> round(ops.polygamma(1, 1.0).item(), 12)
    1.644934066848
    """
    try:
        order = operator.index(n)
    except TypeError:
        raise TypeError(f"polygamma: the order n={n!r} must be an integer, and comes before x") from None
    if order < 0:
        raise ValueError(f"polygamma: the order n={n} must not be negative")
    return record(_polygamma, (x,), {"n": order}, vjp=vjp)


def _beta_slope(g: Any, saved: Saved, at: Any) -> Any:
    return g * saved["out"] * (special.psi(at) - special.psi(saved["x"] + saved["y"]))


@define(
    kind="elementwise",
    broadcasts=True,
    x=lambda g, saved: _beta_slope(g, saved, saved["x"]),
    y=lambda g, saved: _beta_slope(g, saved, saved["y"]),
)
def _beta(x: Array, y: Array) -> Result:
    out = special.beta(x, y)
    return out, {"x": x, "y": y, "out": out}


@stands_for("scipy.special.beta")
@operation(_beta)
def beta(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The beta function Γ(x) Γ(y) / Γ(x + y).

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.beta(2.0, 1.0).item()
    0.5
    """
    return record(_beta, (x, y), vjp=vjp)


@define(
    kind="elementwise",
    broadcasts=True,
    x=lambda g, saved: g * (special.psi(saved["x"]) - special.psi(saved["x"] + saved["y"])),
    y=lambda g, saved: g * (special.psi(saved["y"]) - special.psi(saved["x"] + saved["y"])),
)
def _betaln(x: Array, y: Array) -> Result:
    return special.betaln(x, y), {"x": x, "y": y}


@stands_for("scipy.special.betaln")
@operation(_betaln)
def betaln(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The logarithm of the absolute value of `beta`, without underflow.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.betaln(1.0, 1.0).item()
    0.0
    """
    return record(_betaln, (x, y), vjp=vjp)


@widened
def multigammaln(a: TensorLike, d: int) -> Tensor:
    """The logarithm of the multivariate gamma function, as in the density of a Wishart distribution.

    It is log(π) d(d − 1)/4 + Σ log Γ(a − j/2) over j = 0 … d − 1.

    SciPy's function of this name is written in Python and takes no tensors: this one stands in its place.

    Parameters
    ----------
    a : Tensor or array_like
        Above (d − 1)/2; NaN elsewhere.
    d : int
        The dimension, at least 1.

    Raises
    ------
    ValueError
        If the dimension is not at least 1.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.multigammaln(2.0, 1).item()
    0.0
    """
    if d < 1:
        raise ValueError(f"multigammaln: the dimension d={d} must be at least 1")
    x: Any = floating(a)
    x = inside(x, x.data <= 0.5 * (d - 1))
    total = gammaln(x)
    for j in range(1, d):
        total = total + gammaln(x - 0.5 * j)
    return total + math.log(math.pi) * d * (d - 1) / 4 if d > 1 else total
