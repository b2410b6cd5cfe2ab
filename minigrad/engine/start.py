"""The cotangent that a backward sweep begins with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain, wide
from minigrad.engine.context import TapeError
from minigrad.engine.tensor import Tensor, traced
from minigrad.typing import Array

__all__ = ["start_cotangent"]


def start_cotangent(y: Tensor, cotangent: ArrayLike | None, name: str) -> Array:
    """The cotangent that a sweep from ``y`` begins with, in its dtype; for float16 in float32."""
    if cotangent is None:
        if y.data.ndim:
            raise TapeError(
                f"{name}: this tensor has shape {y.shape}, and only a scalar has a gradient without a cotangent. "
                f"Reduce it (.sum() or .mean()), or pass cotangent= of shape {y.shape}"
            )
        return np.ones((), wide(y.data.dtype))
    if isinstance(cotangent, Tensor):
        if traced(cotangent):
            raise TypeError(
                f"{name}: the cotangent is a tensor that is being differentiated itself, and derivatives of "
                "derivatives are not supported. Pass its `.data` if its values alone are meant"
            )
        cotangent = cotangent.data
    g = plain(cotangent, f"{name}: the cotangent")
    if g.shape != y.shape:
        raise ValueError(f"{name}: the cotangent has shape {g.shape}, but the tensor has shape {y.shape}")
    if g.dtype.kind not in "fiub":
        raise TypeError(f"{name}: the cotangent has dtype {g.dtype}; it must hold real numbers")
    return g.astype(wide(y.data.dtype), copy=False)
