"""Half precision, rounded to nearest: what rounding at random is compared with."""

from __future__ import annotations

import numpy as np

from minigrad.structure import Cotangent, Half, Structured
from minigrad.typing import Array

__all__ = ["half_distortion", "in_half_precision"]


def in_half_precision(g: Array) -> Cotangent:
    """The array in half precision; as it is where that has no such numbers, or a NaN is among them.

    Examples
    --------
    >>> in_half_precision(np.array([1.0, 1e6])).tolist(), in_half_precision(np.array([1.0])).nbytes
    ([1.0, 1000000.0], 2)
    """
    if not g.size or not float(np.abs(g).max()) <= float(np.finfo(np.float16).max):
        return g
    with np.errstate(under="ignore"):
        return Half(g.astype(np.float16), g.dtype)


def half_distortion(g: Array) -> float:
    """‖half(g) − g‖², all of it bias."""
    half = in_half_precision(g)
    if not isinstance(half, Structured):
        return 0.0
    return float(np.square(half.dense().astype(np.float64) - g).sum())
