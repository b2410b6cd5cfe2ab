"""Values scaled or shifted so that sums of their squares or exponentials neither overflow nor vanish."""

from __future__ import annotations

import numpy as np

from minigrad.typing import Array, Axis

__all__ = ["log_probabilities", "scaled_down"]


def scaled_down(x: Array, axis: Axis) -> tuple[Array, Array]:
    """The values over their largest size, so that squares stay in range; and that size (1 for 0, ∞ and NaN)."""
    scale = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    safe = np.where((scale == 0) | ~np.isfinite(scale), 1, scale).astype(x.dtype, copy=False)
    return x / safe, safe


def log_probabilities(x: Array, axis: int | tuple[int, ...]) -> Array:
    """The logarithm of the softmax over axes: the largest value is taken off before the exponential."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))
