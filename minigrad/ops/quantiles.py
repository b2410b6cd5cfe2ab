"""Functions of probabilities: the normal distribution and its quantiles, log-odds, and x·log y, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import special
from minigrad.ops.counterparts import stands_for
from minigrad.ops.domain import inside
from minigrad.ops.normal import FAR
from minigrad.ops.sigmoids import _bell
from minigrad.typing import Array

__all__ = ["erfcinv", "erfinv", "log_ndtr", "logit", "ndtr", "ndtri", "xlog1py", "xlogy"]

Result = tuple[Array, dict[str, Any]]
Saved = dict[str, Any]

ROOT_TAU = math.sqrt(2 * math.pi)


@define(kind="elementwise", x=lambda g, saved: g * (_bell(saved["x"] * math.sqrt(0.5)) / ROOT_TAU))
def _ndtr(x: Array) -> Result:
    return special.ndtr(x), {"x": x}


@stands_for("scipy.special.ndtr")
@operation(_ndtr)
def ndtr(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The distribution function Φ(x) of the standard normal distribution.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.value_and_grad(mg.ops.ndtr)(0.0)
    (array(0.5), array(0.39894228))
    """
    return record(_ndtr, (x,), vjp=vjp)


def _hazard_of(x: Any) -> Any:
    """φ(x)/Φ(x), of an array or of a tensor, exact where both are tiny."""
    if isinstance(x, Tensor):
        return record(_hazard, (x,))
    return np.asarray(math.sqrt(2 / math.pi) / special.erfcx(np.minimum(x, FAR) * -math.sqrt(0.5)), x.dtype)


def _hazard_x(g: Any, saved: Saved) -> Any:
    return -g * saved["out"] * (np.clip(saved["x"], None, FAR) + saved["out"])


@define(kind="elementwise", x=_hazard_x)
def _hazard(x: Array) -> Result:
    out = _hazard_of(x)
    return out, {"x": x, "out": out}


@define(kind="elementwise", x=lambda g, saved: g * _hazard_of(saved["x"]))
def _log_ndtr(x: Array) -> Result:
    return special.log_ndtr(x), {"x": x}


@stands_for("scipy.special.log_ndtr")
@operation(_log_ndtr)
def log_ndtr(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The logarithm of Φ(x), the distribution function of the standard normal distribution, exact far down as well.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> [round(a.item(), 6) for a in mg.value_and_grad(mg.ops.log_ndtr)(-100.0)]
    [-5005.524209, 100.009998]
    """
    return record(_log_ndtr, (x,), vjp=vjp)


@define(kind="elementwise", p=lambda g, saved: g * (ROOT_TAU * np.exp(0.5 * saved["out"] * saved["out"])))
def _ndtri(p: Array) -> Result:
    out = special.ndtri(p)
    return out, {"out": out}


@stands_for("scipy.special.ndtri")
@operation(_ndtri)
def ndtri(p: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The quantile of the standard normal distribution: the inverse of `ndtr`.

    Parameters
    ----------
    p : Tensor or array_like
        In [0, 1]; NaN elsewhere.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.ndtri(0.5).item()
    0.0
    """
    return record(_ndtri, (p,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * (math.sqrt(math.pi) / 2 * np.exp(saved["out"] * saved["out"])))
def _erfinv(x: Array) -> Result:
    out = special.erfinv(x)
    return out, {"out": out}


@stands_for("scipy.special.erfinv")
@operation(_erfinv)
def erfinv(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse of the error function `erf`.

    Parameters
    ----------
    x : Tensor or array_like
        In [−1, 1]; NaN elsewhere.

    Examples
    --------
    >>> import minigrad as mg
    >>> round(mg.grad(mg.ops.erfinv)(0.0).item(), 12)  # √π/2
    0.886226925453
    """
    return record(_erfinv, (x,), vjp=vjp)


@define(kind="elementwise", x=lambda g, saved: g * (-math.sqrt(math.pi) / 2 * np.exp(saved["out"] * saved["out"])))
def _erfcinv(x: Array) -> Result:
    out = special.erfcinv(x)
    return out, {"out": out}


@stands_for("scipy.special.erfcinv")
@operation(_erfcinv)
def erfcinv(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The inverse of `erfc`, exact for small x.

    Parameters
    ----------
    x : Tensor or array_like
        In [0, 2]; NaN elsewhere.

    Examples
    --------
    >>> from minigrad import ops
    >>> round(ops.erfcinv(1e-20).item(), 6)
    6.601581
    """
    return record(_erfcinv, (x,), vjp=vjp)


def _logit_p(g: Any, saved: Saved) -> Any:
    p = inside(saved["p"], (saved["p"] < 0) | (saved["p"] > 1))
    return g / (p * (1 - p))


@define(kind="elementwise", p=_logit_p)
def _logit(p: Array) -> Result:
    return special.logit(p), {"p": p}


@stands_for("scipy.special.logit")
@operation(_logit)
def logit(p: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The log-odds log(p / (1 − p)): the inverse of `sigmoid`.

    Parameters
    ----------
    p : Tensor or array_like
        In [0, 1]; NaN elsewhere.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(mg.ops.logit)(0.5).item()
    4.0
    """
    return record(_logit, (p,), vjp=vjp)


def _ratio(x: Any, y: Any) -> Any:
    """x/y, and 0 where both are."""
    return x / np.where((x == 0) & (y == 0), 1.0, inside(y, y < 0))


@define(
    kind="elementwise",
    broadcasts=True,
    x=lambda g, saved: g * np.log(saved["y"]),
    y=lambda g, saved: g * _ratio(saved["x"], saved["y"]),
)
def _xlogy(x: Array, y: Array) -> Result:
    return special.xlogy(x, y), {"x": x, "y": y}


@stands_for("scipy.special.xlogy")
@operation(_xlogy)
def xlogy(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The product x·log(y), and 0 where x is 0, as in an entropy; the derivative by y is 0 there.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.xlogy([0.0, 2.0], [0.0, 1.0]).data.tolist()
    [0.0, 0.0]
    """
    return record(_xlogy, (x, y), vjp=vjp)


@define(
    kind="elementwise",
    broadcasts=True,
    x=lambda g, saved: g * np.log1p(saved["y"]),
    y=lambda g, saved: g * _ratio(saved["x"], 1 + saved["y"]),
)
def _xlog1py(x: Array, y: Array) -> Result:
    return special.xlog1py(x, y), {"x": x, "y": y}


@stands_for("scipy.special.xlog1py")
@operation(_xlog1py)
def xlog1py(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The product x·log(1 + y), and 0 where x is 0, exact for small y; at (0, −1) the derivative by y is 0.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.xlog1py([0.0, 2.0], [-1.0, 0.0]).data.tolist()
    [0.0, 0.0]
    """
    return record(_xlog1py, (x, y), vjp=vjp)
