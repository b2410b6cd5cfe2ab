"""Values scaled so that their squares neither overflow nor vanish."""

from __future__ import annotations

import numpy as np

from minigrad.typing import Array, Axis

__all__ = ["scaled_down"]


def scaled_down(x: Array, axis: Axis) -> tuple[Array, Array]:
    """The values over their largest size, so that squares stay in range; and that size (1 for 0, ∞ and NaN)."""
    scale = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    safe = np.where((scale == 0) | ~np.isfinite(scale), 1, scale).astype(x.dtype, copy=False)
    return x / safe, safe
