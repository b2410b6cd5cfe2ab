"""Items: a structure taken apart, as a frame describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.typing import Array, Shape

__all__ = [
    "CODED", "COLUMNS", "DEEPEST", "DENSE", "ENTRIES", "FACTORS", "FRAMES", "HALF", "MOST_PARTS", "NAMES", "POWERS",
    "QUANTISED", "ROWS", "ROW_GROUPS", "SLICES", "Item", "LayoutError",
]  # fmt: skip

DEEPEST = 4
"""Items within items: so deep, and no deeper."""

MOST_PARTS = 2**16 - 1
"""Arrays, or items, of one item."""

DENSE, ROWS, COLUMNS, ENTRIES, FACTORS, SLICES, QUANTISED, HALF, ROW_GROUPS, CODED, POWERS = range(11)

NAMES = (
    "dense",
    "rows",
    "columns",
    "entries",
    "factors",
    "slices",
    "quantised",
    "half",
    "row groups",
    "coded",
    "powers of two",
)
"""The kinds, by their numbers in a frame."""


FRAMES: dict[int, tuple[str, ...]] = {
    ROWS: ("values",), COLUMNS: ("values",), ENTRIES: ("values",), FACTORS: ("left", "right"), SLICES: ("values",),
}  # fmt: skip
"""Kinds whose values may be coded, and the names of these."""


@dataclass(frozen=True)
class Item:
    """A structure, taken apart.

    Parameters
    ----------
    kind : int
        See `NAMES`.
    dtype : dtype
        Of the values.
    shape : tuple of int
        Of the whole.
    numbers : tuple of int
        Each of 64 bits.
    arrays : tuple of ndarray
    items : tuple of Item
        What it holds in turn.
    """

    kind: int
    dtype: np.dtype[Any]
    shape: Shape
    numbers: tuple[int, ...] = ()
    arrays: tuple[Array, ...] = ()
    items: tuple[Item, ...] = ()


class LayoutError(ValueError):
    """The parts that were read do not fit together."""
