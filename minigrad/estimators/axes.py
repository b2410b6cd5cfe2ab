"""The units of an axis: one column, row, sample, head, token or entry of a cotangent.

Index conventions: G has shape (…, m); j runs over its m columns, i over its rows (all leading axes flattened),
s over the samples of its first axis. In attention G is (N, heads, tokens, features).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from minigrad.structure import Columns, Entries, Kept, Rows, Slices, Structured, squared_norms
from minigrad.typing import Array, Shape

__all__ = ["AXES", "Axis", "AxisName", "nonzero_units"]

AxisName: TypeAlias = Literal["column", "row", "sample", "head", "token", "element"]
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
    place : int, default 0
        Along which axis of the stored values the units run.
    samples : bool, default False
        Whether a unit is a whole sample.
    needs : int, default 0
        How many axes an array must have for it to have such units.
    instead : str, optional
        What to do with an array that has fewer.
    """

    structure: type[Structured]
    count: Callable[[Shape], int]
    squares: Callable[[Array, Array | None, Array | None], Array]
    gather: Callable[[Array, Array, Array], Structured]
    place: int = 0
    samples: bool = False
    needs: int = 0
    instead: str = ""

    def kept(self, fraction: float) -> Kept:
        """The structure in which this fraction of the units is kept."""
        along = self.place if self.structure is Slices else None
        return Kept(self.structure, fraction, self.samples, along)

    def unfit(self, shape: Shape) -> str:
        """Why an array of this shape has no such units; empty where it has."""
        return "" if len(shape) >= self.needs else f"an array of shape {shape} has none. {self.instead}"


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


def _slices(axis: int, needs: int, instead: str) -> Axis:
    """Entries of one axis, which all other axes share; counted from the end."""

    def count(shape: Shape) -> int:
        if len(shape) < needs:
            raise ValueError(f"axis={next(name for name, a in AXES.items() if a is unit)!r}: {unit.unfit(shape)}")
        return shape[axis]

    def squares(g: Array, rows: Array | None, columns: Array | None) -> Array:
        count(g.shape)
        sums = _row_squares(g, rows, columns)
        return np.moveaxis(sums, axis + 1, 0).reshape(g.shape[axis], -1).sum(axis=1)

    def gather(g: Array, indices: Array, scale: Array) -> Structured:
        return Slices.gather(g, indices, scale, axis)

    unit = Axis(Slices, count, squares, gather, axis, needs=needs, instead=instead)
    return unit


AXES = {
    "column": Axis(Columns, Columns.count, _column_squares, Columns.gather, -1),
    "row": Axis(Rows, Rows.count, lambda *a: _row_squares(*a).reshape(-1), Rows.gather),
    "sample": Axis(Rows, lambda shape: shape[0] if shape else 1, _sample_squares, _gather_samples, samples=True),
    "head": _slices(
        -3,
        4,
        "A head is an entry of axis −3 of (N, heads, tokens, features), as the products of attention have it: set it "
        "there, as in nn.set_vjp(model, …, where=nn.MultiHeadSelfAttention)",
    ),
    "token": _slices(
        -2,
        3,
        "A token is an entry of the axis before the features, shared by all axes before it, as in (N, tokens, "
        'features): set it at layers of tokens, with where=; without an axis of samples it is axis="row"',
    ),
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
    return np.asarray(np.moveaxis(values, AXES[axis].place, 0).reshape(indices.size, -1).any(axis=1))
