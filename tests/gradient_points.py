"""Points at which gradients can be checked: away from kinks and ties."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

Case = tuple[Callable[..., Any], list[np.ndarray]]


def values(seed: int, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Distinct values in (low, high), neither ties nor near 0, so that no kink is within a step."""
    rng = np.random.default_rng(seed)
    size = math.prod(shape)
    spread = (rng.permutation(size) + rng.uniform(0.3, 0.7, size)) / max(size, 1)
    x = low + (high - low) * spread
    return np.where(np.abs(x) < 0.02, x + 0.05, x).reshape(shape)


@st.composite
def points(draw: Any, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> np.ndarray:
    return values(draw(st.integers(0, 10**6)), shape, low, high)
