"""Stratified masks: units of like norm are a stratum, and one of each stratum is kept."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from minigrad.engine.estimator import LISTABLE_BITS, TooManyOutcomes
from minigrad.estimators.axes import AXES, AxisName
from minigrad.estimators.budgeted import all_finite
from minigrad.estimators.dual import Dual
from minigrad.estimators.selection import UnitSampler
from minigrad.estimators.text import register
from minigrad.structure import Kept
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["StratifiedMask"]


@register("stratified", "one column, row, … of each stratum of like norms: always the same number")
@dataclass(frozen=True, repr=False)
class StratifiedMask(Dual, UnitSampler):
    """Sort the n units by norm, cut them into k = max(1, round(budget·n)) strata, and keep one unit of each.

    The strata have ⌊n/k⌋ or ⌈n/k⌉ units, the smaller strata the larger norms. A unit of a stratum of n_h is kept with
    probability 1/n_h, as n_h G_j. So k units are kept in every draw, large and small ones; a stratum of one unit is
    kept as it is.

    Parameters
    ----------
    budget : float
        The fraction kept, in (0, 1]; 1 is exact.
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What a unit is.
    distortion : float, optional
        In place of the budget: k is the least number for which E‖Ĝ − G‖² ≤ distortion·‖G‖²; ≥ 0, and 0 is exact.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], the distortion negative or infinite, or the axis is unknown.
    TypeError
        Unless exactly one of budget and distortion is given, a number.

    Notes
    -----
    E‖Ĝ − G‖² = Σ_h (n_h − 1) Σ_{j∈h} ‖G_j‖², at most (Σ_h n_h²/n − 1)‖G‖². Where k divides n that is (n/k − 1)‖G‖²
    for all G, as for a uniform `Mask` that keeps as many.

    The gain is in what is computed from Ĝ: a sum Σ_j a_j over units, such as an entry of ∂W over rows, has the variance
    Σ_h n_h Σ_{j∈h} (a_j − ā_h)², with the mean ā_h of the stratum. Only differences inside a stratum count, where
    independent draws with the same probabilities give Σ_h (n_h − 1) Σ_{j∈h} a_j². So the more the terms follow the
    norms, the less noise there is. Cochran (1977), *Sampling Techniques*, ch. 5.

    Examples
    --------
    >>> g = np.array([[1.0, 8.0, 2.0, 7.0]])
    >>> [(probability, kept.dense().tolist()) for probability, kept in StratifiedMask(0.5).outcomes(g)][0]
    (0.25, [[0.0, 16.0, 4.0, 0.0]])
    >>> StratifiedMask(0.5).distortion(g)
    118.0
    >>> sorted(kept.dense().sum().item() for _, kept in StratifiedMask(0.5).outcomes(g))  # of 18
    [16.0, 18.0, 18.0, 20.0]
    """

    budget: float = field()
    axis: AxisName = "column"

    def __init__(
        self, budget: float | None = None, axis: AxisName = "column", *, distortion: float | None = None
    ) -> None:
        self._state(budget, distortion, axis=axis)

    def __post_init__(self) -> None:
        UnitSampler.__post_init__(self)

    def strata(self, g: Array) -> tuple[Array, Array]:
        """The strata of a cotangent.

        Returns
        -------
        order : ndarray of int, shape (n,)
            The units by norm, the largest first: stratum after stratum.
        sizes : ndarray of int
            How many units each stratum has; all 1 for a cotangent with a NaN or an infinity, so that all is kept.
        """
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            squares = self.squared_norms(g)
            if not 1e-200 < float(squares.sum()) < 1e200:
                if not all_finite(g):
                    return np.arange(squares.size), np.ones(squares.size, np.intp)
                squares = self.squared_norms(g.astype(np.float64) / (np.abs(g).max() or 1))
        order = np.argsort(-squares, kind="stable")
        return order, _sizes(squares.size, self._count(squares[order]))

    def _count(self, squares: Array) -> int:
        """The number of strata for squared norms in decreasing order."""
        units, omega = squares.size, self.relative_distortion
        if omega is None:
            return max(1, round(self.budget * units))
        sums = np.concatenate([[0.0], squares.cumsum()])

        def holds(count: int) -> bool:
            # As the strata grow in number no unit's stratum becomes larger, so the distortion falls.
            small, larger = divmod(units, count)
            head = float(sums[small * (count - larger)])
            return (small - 1) * head + small * float(sums[-1] - head) <= omega * float(sums[-1]) * (1 + 1e-12)

        return 1 + bisect.bisect_left(range(1, units), True, key=holds)

    def probabilities(self, g: Array, node: Node | None = None) -> Array:
        order, sizes = self.strata(g)
        p = np.empty(order.size)
        p[order] = np.repeat(1 / sizes, sizes)
        return p

    def draw(self, g: Array, p: Array, rng: np.random.Generator) -> Array:
        order, sizes = self.strata(g)
        return np.sort(order[np.cumsum(sizes) - sizes + rng.integers(sizes)])

    def sets(self, g: Array, p: Array) -> Iterator[tuple[float, Array]]:
        """Yield each choice of one unit from each stratum, all equally likely."""
        order, sizes = self.strata(g)
        if np.log2(sizes).sum() > LISTABLE_BITS:
            raise TooManyOutcomes(
                f"one unit from each of {sizes.size} strata can be chosen in more than 2^{LISTABLE_BITS} ways, too "
                "many to list; use fewer units, a larger budget, or draws"
            )
        for chosen in itertools.product(*np.split(order, np.cumsum(sizes)[:-1])):
            yield 1 / math.prod(sizes.tolist()), np.sort(chosen)

    def kept(self, shape: Shape) -> Kept:
        axis = AXES[self.axis]
        units = axis.count(shape)  # of units that are all alike most must be kept
        return axis.kept(self._count(np.ones(units)) / max(units, 1))

    def overhead(self, shape: Shape) -> float:
        return (2 + self.budget) * float(np.prod(shape, dtype=float))  # norms, and rescaling


def _sizes(units: int, count: int) -> Array:
    """The sizes of so many strata, the smaller ones first."""
    small, larger = divmod(units, count)
    return np.asarray(small + (np.arange(count) >= count - larger))
