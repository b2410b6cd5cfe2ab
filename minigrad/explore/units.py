"""The units that an estimator keeps or leaves out as one: how likely each is to be kept, and which a draw kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.estimators import LowRankSketch
from minigrad.estimators.axes import AXES
from minigrad.estimators.budget import states_budget
from minigrad.structure import Columns, Cotangent, Dense, Entries, Factors, Rows, Slices, dense, matrix_shape
from minigrad.typing import Array, Shape

__all__ = ["Units", "all_of_it", "units_of"]


@dataclass(frozen=True)
class Units:
    """The units of one estimator on one cotangent.

    Attributes
    ----------
    name : str
        Such as ``"column"``; empty where nothing is kept or left out as one.
    shape : tuple of int
        ``(units,)``, or ``(rows, columns)`` where a unit is a single entry.
    probabilities : ndarray of that shape or None
        In closed form, where the estimator has it.
    kept : callable
        ``kept(drawn) -> ndarray of bool`` of that shape.
    """

    name: str
    shape: Shape
    probabilities: Array | None
    kept: Callable[[Cotangent], Array]


def units_of(estimator: Estimator, g: Array, node: Node, drawn: Cotangent) -> Units:
    """The units of an estimator; ``drawn``, one of its draws, tells what they are where it does not say so itself.

    Examples
    --------
    >>> from minigrad.estimators import Mask
    >>> g = np.ones((2, 3))
    >>> mask = Mask(0.5, axis="row")
    >>> units = units_of(mask, g, None, mask.sample(g, None, 0))
    >>> units.name, units.shape, units.probabilities.tolist()
    ('row', (2,), [0.5, 0.5])
    """
    if isinstance(estimator, LowRankSketch):
        count = min(matrix_shape(g.shape))
        right = estimator.directions(g)[1][::-1]
        likely = np.ones(count) if _exact(estimator, g, drawn) else estimator.probabilities(g, node)
        return Units("singular direction, largest first", (count,), likely, lambda h: _directions(h, right))
    axis = getattr(estimator, "axis", None)
    axis = axis if axis in AXES else _axis_of(drawn)
    if axis is None:
        return Units("", (0,), None, lambda h: np.zeros(0, bool))
    count = AXES[axis].count(g.shape)
    shape = matrix_shape(g.shape) if axis == "element" else (count,)
    known = getattr(estimator, "probabilities", None)
    p: Array | None = None
    if callable(known):
        everything = _exact(estimator, g, drawn)
        p = np.ones(shape) if everything else np.asarray(known(g, node), dtype=np.float64).reshape(shape)
    name = "entry" if axis == "element" else axis
    return Units(name, shape, p, lambda h: _kept(h, g, axis, count).reshape(shape))


def _axis_of(drawn: Cotangent) -> str | None:
    """The units that a cotangent shows; for a dense one, columns that are all zero count as left out."""
    if isinstance(drawn, Rows):
        return "row" if len(drawn.trailing) == 1 else "sample"
    if isinstance(drawn, Slices):
        return "head" if drawn.axis == -3 else "token"
    if isinstance(drawn, Entries):
        return "element"
    return None if isinstance(drawn, Factors) else "column"


def all_of_it(drawn: Cotangent, g: Array) -> bool:
    """True if a draw is the cotangent itself, all zeros of it included.

    Examples
    --------
    >>> all_of_it(Dense(np.zeros(3)), np.zeros(3)), all_of_it(np.zeros(3), np.ones(3))
    (True, False)
    """
    return isinstance(drawn, (Dense, np.ndarray)) and np.array_equal(dense(drawn), g)


def _exact(estimator: Estimator, g: Array, drawn: Cotangent) -> bool:
    """True if a budget of 1 is meant; the default of the base class, 1, says nothing."""
    return states_budget(estimator) and estimator.budget == 1 and all_of_it(drawn, g)


def _kept(drawn: Cotangent, g: Array, axis: str, count: int) -> Array:
    if all_of_it(drawn, g):
        return np.ones(count, bool)
    if isinstance(drawn, Dense) or not isinstance(drawn, (Columns, Rows, Slices, Entries)):
        return np.asarray(AXES[axis].squares(np.asarray(dense(drawn)), None, None) > 0)
    kept = np.zeros(count, bool)
    kept[drawn.indices] = True
    return kept


def _directions(drawn: Cotangent, right: Array) -> Array:
    """Find the singular directions that a draw holds: its factor has copies of them."""
    kept = np.ones(len(right), bool)
    if isinstance(drawn, Factors):
        kept[:] = False
        if drawn.rank:
            lengths = np.linalg.norm(right, axis=1)
            cosines = np.abs(drawn.right @ right.T) / np.where(lengths > 0, lengths, 1)
            kept[np.argmax(cosines, axis=1)] = True
    return kept
