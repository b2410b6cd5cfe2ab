"""Piecewise linear functions. Each states what its derivative is at the kink.

Where the value is NaN, which piece it lies on is not known: the derivative is NaN, too, for every input it was made of.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.typing import Array

__all__ = ["absolute", "clip", "fabs", "nan_to_num", "relu", "where"]

Result = tuple[Array, dict[str, Any]]


LARGE = 16384
"""From this size on, and where the last axis fills a byte or more, ReLU keeps bits; below, packing costs more time."""

WIDE = 64
"""From this length of rows on, a row of zeros is compared with in half the time of a single one."""


def _pack(mask: Array) -> Array:
    """A bit for each entry, by row, so that kept rows of a cotangent find theirs."""
    return np.packbits(mask, axis=-1)


def _unpack(bits: Array, count: int) -> Array:
    return np.unpackbits(bits, axis=-1, count=count).view(np.bool_)


def _relu_x(g: Array, saved: dict[str, Any]) -> Array:
    if "out" in saved:
        return g * np.sign(saved["out"])  # 0, 1 or NaN
    slope = _unpack(saved["positive"], g.shape[-1])
    return g * (np.where(_unpack(saved["nan"], g.shape[-1]), np.nan, slope) if "nan" in saved else slope)


@define(as_is=True, kind="elementwise", x=_relu_x)
def _relu(x: Array) -> Result:
    wide = x.ndim and x.shape[-1] >= WIDE
    out = np.maximum(x, np.zeros(x.shape[-1], x.dtype) if wide else x.dtype.type(0))
    if x.size < LARGE or x.shape[-1] < 8:
        return out, {"out": out}
    saved = {"positive": _pack(x > 0)}
    if np.isnan(out.max()):
        saved["nan"] = _pack(np.isnan(out))
    return out, saved


@operation(_relu)
def relu(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """max(x, 0); the derivative at 0 is 0.

    It saves its output if that is small, and of a large one the signs, a bit for each entry.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.relu().sum())([-1.0, 0.0, 2.0]).tolist()
    [0.0, 0.0, 1.0]
    """
    return record(_relu, (x,), vjp=vjp)


@define(
    as_is=True,
    broadcasts=True,
    kind="elementwise",
    x=lambda g, saved: np.where(saved["condition"], g, 0),
    y=lambda g, saved: np.where(saved["condition"], 0, g),
)
def _where(condition: ArrayLike, x: Array, y: Array) -> Result:
    condition = np.array(plain(condition, "the condition"), dtype=bool)  # a copy: the caller may reuse the memory
    return np.where(condition, x, y), {"condition": condition}


def _numpy_where(condition: ArrayLike, x: TensorLike | None = None, y: TensorLike | None = None) -> Any:
    if x is None and y is None:
        return np.nonzero(np.asarray(plain(condition, "the condition")))
    if x is None or y is None:
        raise ValueError("np.where: either both or neither of x and y should be given")
    return where(condition, x, y)


@stands_for(np.where, by=_numpy_where)
@operation(_where)
def where(condition: ArrayLike, x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``x`` where the condition holds, ``y`` elsewhere.

    The branch that is not chosen gets a cotangent of exactly 0. That does not help if its own derivative is
    infinite or NaN: make its input harmless as well, as in ``where(x > 0, log(where(x > 0, x, 1)), 0)``.

    Parameters
    ----------
    condition : array_like of bool
    x, y : Tensor or array_like
        Of shapes that broadcast with the condition.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.where(x > 0, x * 2, 0.0).sum())([-1.0, 3.0]).tolist()
    [0.0, 2.0]
    """
    return record(_where, (x, y), {"condition": condition}, vjp=vjp)


def _clip_x(g: Array, saved: dict[str, Any]) -> Array:
    inside = saved["inside"]
    return g * (np.where(saved["nan"], np.nan, inside) if "nan" in saved else inside)


@define(kind="elementwise", x=_clip_x)
def _clip(x: Array, low: ArrayLike | None = None, high: ArrayLike | None = None) -> Result:
    inside = np.ones(x.shape, bool)
    out = x
    if low is not None:
        low = np.broadcast_to(plain(low, "low", x.dtype), x.shape)
        inside &= x >= low
        out = np.maximum(out, low)
    if high is not None:
        high = np.broadcast_to(plain(high, "high", x.dtype), x.shape)
        inside &= x <= high
        out = np.minimum(out, high)
    nan = np.isnan(out)
    return out, {"inside": inside, "nan": nan} if nan.any() else {"inside": inside}


@stands_for(np.clip, a_min="low", a_max="high", min="low", max="high")
@operation(_clip)
def clip(x: TensorLike, low: ArrayLike | None = None, high: ArrayLike | None = None, *, vjp: VJP = None) -> Tensor:
    """``x`` limited to [low, high]; the derivative is 1 inside and on the limits, 0 outside.

    Parameters
    ----------
    x : Tensor or array_like
    low, high : array_like, optional
        Constants of shapes that broadcast to that of ``x``.

    Raises
    ------
    ValueError
        If a limit does not broadcast to the shape of ``x``.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: x.clip(0.0, 1.0).sum())([-0.5, 0.5, 1.0]).tolist()
    [0.0, 1.0, 1.0]
    """
    return record(_clip, (x,), {"low": low, "high": high}, vjp=vjp)


@define(as_is=True, kind="elementwise", x=lambda g, saved: g * np.sign(saved["x"]))
def _absolute(x: Array) -> Result:
    return np.abs(x), {"x": x}


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


@define(kind="elementwise", x=lambda g, saved: g * np.sign(saved["x"]))
def _fabs(x: Array) -> Result:
    return np.fabs(x), {"x": x}


@stands_for(np.fabs)
@operation(_fabs)
def fabs(x: TensorLike, *, vjp: VJP = None) -> Tensor:
    """``|x|`` in floats, also of integers; the derivative at 0 is 0.

    Parameters
    ----------
    x : Tensor or array_like

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.fabs([-2, 3]).data.tolist()
    [2.0, 3.0]
    """
    return record(_fabs, (x,), vjp=vjp)


@stands_for(np.nan_to_num)
def nan_to_num(x: TensorLike, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Tensor:
    """Numbers in place of NaN, ∞ and −∞; the derivative is 1 where ``x`` is finite, and 0 elsewhere.

    Parameters
    ----------
    x : Tensor or array_like
    nan, posinf, neginf : float
        What stands for each; for the infinite ones by default the largest and the least number of the dtype.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> mg.grad(lambda x: mg.ops.nan_to_num(x, posinf=9.0).sum())(np.array([1.0, np.nan, np.inf])).tolist()
    [1.0, 0.0, 0.0]
    """
    values = x.data if isinstance(x, Tensor) else plain(x, "nan_to_num: input 'x'")
    return where(np.isfinite(values), x, np.nan_to_num(values, nan=nan, posinf=posinf, neginf=neginf))
