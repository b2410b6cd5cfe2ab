"""Names for the types that appear in many signatures."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Axis", "Layout", "Mode", "Order", "Reduction", "Seed", "Shape", "SortKind", "WholeType"]

Array: TypeAlias = NDArray[Any]
"""A NumPy array of any dtype."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of an array."""

Axis: TypeAlias = "int | tuple[int, ...] | None"
"""The argument ``axis=`` of a reduction: one axis, several, or None for all."""

Mode: TypeAlias = Literal["raise", "wrap", "clip"]
"""The argument ``mode=``: what becomes of indices out of range."""

Layout: TypeAlias = Literal["C", "F"]
"""The argument ``order=``: the last axis changes fastest ("C"), or the first ("F")."""

Order: TypeAlias = "float | Literal['fro', 'nuc'] | None"
"""The argument ``ord=`` of a norm, as in `numpy.linalg.norm`."""

Reduction: TypeAlias = Literal["mean", "sum", "none"]
"""The argument ``reduction=`` of a loss."""

SortKind: TypeAlias = Literal["quicksort", "mergesort", "heapsort", "stable"]
"""The argument ``kind=`` of a sort, as in `numpy.sort`."""

WholeType: TypeAlias = "type[int] | type[np.integer[Any]] | type[np.bool_]"
"""A dtype of integers or truth values, as far as a type checker can see."""

Seed: TypeAlias = "np.random.Generator | int | None"
"""The argument ``rng=``: a generator, a seed, or None for fresh entropy from the system."""
