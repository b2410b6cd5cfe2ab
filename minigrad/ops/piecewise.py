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

__all__ = ["clip", "maximum", "minimum", "relu", "where"]

Result = tuple[Array, dict[str, Any]]


LARGE = 4096
"""From this size on, and where the last axis fills a byte or more, ReLU keeps bits; below, packing costs more time."""


def _pack(mask: Array) -> Array:
    """A bit for each entry, by row, so that kept rows of a cotangent find theirs."""
    return np.packbits(mask, axis=-1)


def _unpack(bits: Array, count: int) -> Array:
    return np.unpackbits(bits, axis=-1, count=count).view(np.bool_)


def _relu_x(g: Array, saved: dict[str, Any]) -> Array:
    if "out" in saved:
        return np.asarray(g * np.sign(saved["out"]))  # 0, 1 or NaN
    back = np.asarray(g * _unpack(saved["positive"], g.shape[-1]))
    if "nan" in saved:
        back[_unpack(saved["nan"], g.shape[-1])] = np.nan
    return back


@define(as_is=True, kind="elementwise", x=_relu_x)
def _relu(x: Array) -> Result:
    out = np.maximum(x, x.dtype.type(0))
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


def _share(ahead: Array, tie: Array, out: Array) -> Array:
    """1 where this input was chosen, ½ where both were equal, NaN where the output is."""
    share = ahead.astype(out.dtype)
    share[tie] = 0.5
    return with_nan(share, out)


def with_nan(slope: Array, out: Array) -> Array:
    """The slope, and NaN where the output is NaN."""
    nan = np.isnan(out)
    return np.where(nan, out, slope) if nan.any() else slope


@define(
    as_is=True,
    broadcasts=True,
    kind="elementwise",
    x=lambda g, saved: g * saved["share"],
    y=lambda g, saved: g * (1 - saved["share"]),
)
def _maximum(x: Array, y: Array) -> Result:
    out = np.asarray(np.maximum(x, y))
    return out, {"share": _share(np.asarray(x > y), np.asarray(x == y), out)}


@stands_for(np.maximum)
@operation(_maximum)
def maximum(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The larger of two, element by element; where they are equal each gets half of the cotangent.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.maximum(x, 1.0).sum())([0.0, 1.0, 2.0]).tolist()
    [0.0, 0.5, 1.0]
    """
    return record(_maximum, (x, y), vjp=vjp)


@define(
    as_is=True,
    broadcasts=True,
    kind="elementwise",
    x=lambda g, saved: g * saved["share"],
    y=lambda g, saved: g * (1 - saved["share"]),
)
def _minimum(x: Array, y: Array) -> Result:
    out = np.asarray(np.minimum(x, y))
    return out, {"share": _share(np.asarray(x < y), np.asarray(x == y), out)}


@stands_for(np.minimum)
@operation(_minimum)
def minimum(x: TensorLike, y: TensorLike, *, vjp: VJP = None) -> Tensor:
    """The smaller of two, element by element; where they are equal each gets half of the cotangent.

    Parameters
    ----------
    x, y : Tensor or array_like
        Of shapes that broadcast.

    Examples
    --------
    >>> import minigrad as mg
    >>> mg.grad(lambda x: mg.ops.minimum(x, 1.0).sum())([0.0, 1.0, 2.0]).tolist()
    [1.0, 0.5, 0.0]
    """
    return record(_minimum, (x, y), vjp=vjp)


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


@define(kind="elementwise", x=lambda g, saved: g * saved["slope"])
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
    return out, {"slope": with_nan(inside, out)}


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
