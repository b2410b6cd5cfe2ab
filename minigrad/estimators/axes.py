"""The units of an axis: one column, one row, one sample or one entry of a cotangent.

Index conventions: G has shape (…, m); j runs over its m columns, i over its rows (all leading axes flattened),
s over the samples of its first axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from minigrad.structure import Columns, Entries, Rows, Structured, squared_norms
from minigrad.typing import Array, Shape

__all__ = ["AXES", "Axis", "AxisName", "nonzero_units"]

AxisName: TypeAlias = Literal["column", "row", "sample", "element"]
"""The names of `AXES`."""


@dataclass(frozen=True)
class Axis:
    """One kind of unit.

    Parameters
    ----------
    structure : type
        How the kept units are stored.
    count : callable
        ``count(shape) -> int``: how many units a cotangent has.
    squares : callable
        ``squares(g, rows, columns) -> ndarray of float64``: for each unit the sum of g² over its entries, where
        each entry is weighted by ``rows`` and ``columns``, None or arrays that broadcast to the shape of ``g``.
    gather : callable
        ``gather(g, indices, scale) -> structured cotangent``: the units, each times its scale.
    """

    structure: type[Structured]
    count: Callable[[Shape], int]
    squares: Callable[[Array, Array | None, Array | None], Array]
    gather: Callable[[Array, Array, Array], Structured]


def _at_least_one_axis(g: Array) -> Array:
    return g if g.ndim else g.reshape(1)


def _row_squares(g: Array, rows: Array | None, columns: Array | None) -> Array:
    """Weighted squares by row, in the shape of the leading axes."""
    g = _at_least_one_axis(g)
    if columns is None:
        sums = squared_norms(g, -1)
    else:
        sums = np.asarray(
            np.einsum("...i,...i->...", np.square(g.astype(np.float64)), np.broadcast_to(columns, g.shape))
        )
    return sums if rows is None else sums * np.broadcast_to(rows, (*g.shape[:-1], 1))[..., 0]


def _column_squares(g: Array, rows: Array | None, columns: Array | None) -> Array:
    g = _at_least_one_axis(g)
    m = g.shape[-1]
    if rows is not None or (columns is not None and columns.size > m):
        return _entry_squares(g, rows, columns).reshape(-1, m).sum(axis=0)
    sums = squared_norms(g.reshape(-1, m), -2)
    return sums if columns is None else sums * np.broadcast_to(columns.reshape(-1), (m,))


def _entry_squares(g: Array, rows: Array | None, columns: Array | None) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        squares = np.square(g.astype(np.float64))
    for weight in (rows, columns):
        if weight is not None:
            squares *= weight
    return squares


def _sample_squares(g: Array, rows: Array | None, columns: Array | None) -> Array:
    if g.ndim < 2:
        return _entry_squares(g, rows, columns).reshape(-1)
    return _row_squares(g, rows, columns).reshape(g.shape[0], -1).sum(axis=1)


def _gather_samples(g: Array, indices: Array, scale: Array) -> Structured:
    # A sample of a vector is a single number: not a row of anything.
    return Entries.gather(g, indices, scale) if g.ndim < 2 else Rows.gather_samples(g, indices, scale)


AXES = {
    "column": Axis(Columns, Columns.count, _column_squares, Columns.gather),
    "row": Axis(Rows, Rows.count, lambda *a: _row_squares(*a).reshape(-1), Rows.gather),
    "sample": Axis(Rows, lambda shape: shape[0] if shape else 1, _sample_squares, _gather_samples),
    "element": Axis(Entries, math.prod, lambda *a: _entry_squares(*a).reshape(-1), Entries.gather),
}


def nonzero_units(g: Array, axis: AxisName, indices: Array) -> Array:
    """For each of some units, whether it has an entry that is not zero, even one whose square vanishes.

    Examples
    --------
    >>> nonzero_units(np.array([[0.0, 1e-300, 2.0]]), "column", np.array([0, 1])).tolist()
    [False, True]
    """
    if not indices.size:
        return np.zeros(0, bool)
    values = AXES[axis].gather(g, indices, np.ones(indices.size, g.dtype)).parts[0]
    return np.asarray(values.any(axis=0) if axis == "column" else values.reshape(indices.size, -1).any(axis=1))
