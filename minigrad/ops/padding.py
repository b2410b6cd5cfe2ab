"""Padding: a frame around the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP
from minigrad.engine.record import record
from minigrad.engine.rowwise import by_sample
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.structure import Cotangent, Rows
from minigrad.typing import Array

__all__ = ["pad"]

Result = tuple[Array, dict[str, Any]]


def _pad_x(g: Array, saved: dict[str, Any]) -> Array:
    return g[tuple(slice(before, n - after) for (before, after), n in zip(saved["width"], g.shape, strict=True))]


@define(kind="linear", tangents={"x": lambda t, saved: np.pad(t, saved["width"])}, x=_pad_x)
def _pad(x: Array, width: Any, value: float = 0.0) -> Result:
    if isinstance(width, Mapping):
        pairs = np.zeros((x.ndim, 2), int)
        for axis, pair in width.items():
            if not isinstance(axis, (int, np.integer)) or not -x.ndim <= axis < x.ndim:
                raise ValueError(f"width={width!r} names {axis!r}, which is no axis of x")
            pairs[axis] = pair
        width = pairs
    out = np.pad(x, width, constant_values=value)
    return out, {"width": np.broadcast_to(np.asarray(width), (x.ndim, 2)).tolist()}


def _numpy_pad(array: TensorLike, pad_width: Any, mode: str = "constant", constant_values: Any = 0.0) -> Tensor:
    if mode != "constant":
        raise TypeError(f"np.pad has no mode={mode!r} on tensors, only 'constant'; index with the positions to repeat")
    return pad(array, pad_width, constant_values)


@stands_for(np.pad, by=_numpy_pad, constant_values="constant_values")  # one of NumPy's **kwargs
@operation(_pad)
def pad(x: TensorLike, width: Any, value: float = 0.0, *, vjp: VJP = None) -> Tensor:
    """A frame of one constant value.

    Parameters
    ----------
    x : Tensor or array_like
    width : int, sequence of pairs of int, or dict
        How many values before and after, for each axis, as in `numpy.pad`; a dict by the axes that are padded.
    value : float, default 0

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.pad([1.0, 2.0], (1, 2)).data.tolist()
    [0.0, 1.0, 2.0, 0.0, 0.0]
    """
    return record(_pad, (x,), {"width": width, "value": value}, vjp=vjp)


# A cotangent of few samples stays one where the first axis is left alone.

_pad_samples = by_sample(_pad_x)


def _pad_rows(g: Rows, saved: dict[str, Any]) -> Cotangent:
    return _pad_samples(g, saved) if saved["width"][0] == [0, 0] else _pad_x(g.dense(), saved)


_pad.structured(Rows, x=_pad_rows)
