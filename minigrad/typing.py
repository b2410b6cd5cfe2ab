"""Names for the types that appear in many signatures."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""A NumPy array of any dtype."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of an array."""

Axis: TypeAlias = "int | tuple[int, ...] | None"
"""What ``axis=`` of a reduction takes: one axis, several, or None for all."""

Seed: TypeAlias = "np.random.Generator | int | None"
"""What every ``rng=`` takes: a generator, a seed, or None for fresh entropy from the system."""
