"""Structures as the items that a frame describes: what of each of them is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.experiments.pipeline.items import (
    CODED,
    COLUMNS,
    DEEPEST,
    DENSE,
    ENTRIES,
    FACTORS,
    FRAMES,
    HALF,
    MOST_PARTS,
    POWERS,
    QUANTISED,
    ROW_GROUPS,
    ROWS,
    SLICES,
    Item,
)
from minigrad.structure import (
    Coded,
    Columns,
    Cotangent,
    Dense,
    Entries,
    Factors,
    Half,
    PowersOfTwo,
    Quantised,
    RowGroups,
    Rows,
    Slices,
    Structured,
)
from minigrad.typing import Array, Shape

__all__ = ["taken_apart"]


def taken_apart(g: Cotangent) -> Item:
    """A cotangent as an item; a structure that has no kind here is written out as an array."""
    found = _taken_apart(g, 0)
    return Item(DENSE, *_whole(g)) if found is None else found


def _whole(g: Cotangent) -> tuple[np.dtype[Any], Shape, tuple[int, ...], tuple[Array, ...]]:
    array = g.dense() if isinstance(g, Structured) else np.asarray(g)
    return array.dtype, array.shape, (), (array,)


def _taken_apart(g: Cotangent, depth: int) -> Item | None:
    """The item; None where it, or what it holds, cannot be written but as an array."""
    if not isinstance(g, Structured) or type(g) is Dense:
        return Item(DENSE, *_whole(g))
    take = TAKE.get(type(g))
    if take is None or depth >= DEEPEST:
        return None
    taken = take(g)
    if taken is None:
        return None
    kind, numbers, arrays, held = taken
    items = [_taken_apart(each, depth + 1) for each in held]
    whole = [each for each in items if each is not None]
    if len(whole) < len(items) or len(whole) > MOST_PARTS or not all(isinstance(array, np.ndarray) for array in arrays):
        return None
    return Item(kind, g.dtype, g.shape, numbers, arrays, tuple(whole))


Taken = tuple[int, tuple[int, ...], tuple[Array, ...], tuple[Cotangent, ...]]
"""The kind, the numbers, the arrays, and what is held."""


def _quantised(g: Quantised) -> Taken | None:
    key = 0 if g.key is None else g.key
    if key >= 2**63 or not (np.isfinite(g.step).all() and np.isfinite(g.low).all()):
        return None
    return QUANTISED, (g.bits, *map(int, g.tile), int(g.key is not None), key, g.first), (g.codes, g.step, g.low), ()


def _row_groups(g: RowGroups) -> Taken:
    return ROW_GROUPS, (), tuple([rows for rows, _ in g.groups]), tuple([held for _, held in g.groups])


OF_TYPE: dict[type[Structured], int] = {
    Rows: ROWS, Columns: COLUMNS, Entries: ENTRIES, Factors: FACTORS, Slices: SLICES,
}  # fmt: skip


def _coded(g: Coded) -> Taken | None:
    kind = OF_TYPE.get(type(g.frame), -1)
    names = FRAMES.get(kind, ())
    if set(names) != set(g.held):
        return None  # around a structure of the user's own
    indices = (g.frame.indices,) if hasattr(g.frame, "indices") else ()
    return CODED, (kind, getattr(g.frame, "axis", 0)), indices, tuple([g.held[name] for name in names])


TAKE: dict[type[Structured], Callable[[Any], Taken | None]] = {
    Rows: lambda g: (ROWS, (), (g.values, g.indices), ()),
    Columns: lambda g: (COLUMNS, (), (g.values, g.indices), ()),
    Entries: lambda g: (ENTRIES, (), (g.values, g.indices), ()),
    Factors: lambda g: (FACTORS, (), (g.left, g.right), ()),
    Slices: lambda g: (SLICES, (g.axis,), (g.values, g.indices), ()),
    Quantised: _quantised,
    Half: lambda g: (HALF, (), (g.values,), ()),
    RowGroups: _row_groups,
    Coded: _coded,
    PowersOfTwo: lambda g: (POWERS, (g.top,), (g.codes, g.negative), ()),
}
"""By the structure itself; a subclass may mean something else by its arrays."""
