"""Column-row sampling: units drawn a fixed number of times, with replacement.

Index conventions: j runs over the n units (columns, rows, …) of G, t over the r draws; q_j is the chance of unit j in
one draw.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minigrad.engine.estimator import LISTABLE_BITS, TooManyOutcomes
from minigrad.estimators.axes import AXES, AxisName
from minigrad.estimators.budgeted import Budgeted
from minigrad.estimators.diagonal import TARGETS, DiagonalSketch, Target
from minigrad.estimators.named import check_budget, check_choice
from minigrad.estimators.text import register
from minigrad.structure import Cotangent, Kept, dense
from minigrad.typing import Array, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Plan", "WithReplacement"]


class Plan(NamedTuple):
    """The plan of what will be drawn from a cotangent.

    Attributes
    ----------
    certain : ndarray of int
        The units that are kept in any case, as they are.
    chances : ndarray of float64, shape (units,)
        q: the chance of each unit in a draw, with sum 1; all 0 where nothing is drawn. 0 for the certain units.
    draws : int
        How many draws there are.
    """

    certain: Array
    chances: Array
    draws: int


@register("replacement", "columns, rows, … drawn with replacement: column-row sampling")
@dataclass(frozen=True, repr=False)
class WithReplacement(Budgeted):
    """Draw r = max(1, round(budget·units)) units with replacement, and average what each stands for.

    Ĝ = (1/r) Σ_t G_{j_t}/q_{j_t}, in which a unit that was drawn c times is kept once, times c/(r q_j). So at most r
    units are kept, and fewer where some were drawn again.

    Parameters
    ----------
    budget : float
        The number of draws over the number of units, in (0, 1]; 1 is exact.
    axis : {"column", "row", "sample", "head", "token", "element"}, default "column"
        What a unit is.
    target : {"cotangent", "input", "weight", "both"}, default "cotangent"
        Whose variance is made small, as for `DiagonalSketch`: the chances are in proportion to the roots of the same
        scores, and no unit that is not zero has less than a tenth of the mean chance 1/units.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or an option is unknown.

    Notes
    -----
    E‖Ĝ − G‖² = (1/r) Σ_j (1/q_j − 1) ‖G_j‖². With ``axis="column", target="input"``, q_j ∝ ‖G_j‖‖W_j‖ and
    E‖ĜW − GW‖² = ((Σ_j ‖G_j‖‖W_j‖)² − ‖GW‖²)/r, with ``axis="row", target="weight"`` the same for GᵀX: the column-row
    sampling of Drineas, Kannan, Mahoney (2006), *Fast Monte Carlo Algorithms for Matrices I*, SIAM J. Comput. 36(1).

    A large unit is drawn again and again, each time but the first in vain; `DiagonalSketch` keeps it once.

    Examples
    --------
    >>> g = np.array([[4.0, 1.0, 1.0, 1.0, 1.0]])
    >>> WithReplacement(0.6).distortion(g), DiagonalSketch(0.6).distortion(g)
    (14.666..., 4.0)
    >>> WithReplacement(0.6).sample(g, None, np.random.default_rng(0)).dense().tolist()
    [[5.333..., 0.0, 2.666..., 0.0, 0.0]]
    """

    budget: float = field()
    axis: AxisName = "column"
    target: Target = "cotangent"

    def __post_init__(self) -> None:
        check_budget(self, self.budget)
        check_choice(self, "axis", self.axis, AXES)
        check_choice(self, "target", self.target, TARGETS)

    def draws(self, shape: Shape) -> int:
        """The number r of draws from a cotangent of this shape."""
        return max(1, round(self.budget * AXES[self.axis].count(shape)))

    def plan(self, g: Array, node: Node | None = None) -> Plan:
        """Plan what is kept for certain, and the chances in each draw.

        Parameters
        ----------
        g : ndarray
            The cotangent, finite.
        node : Node, optional
            Where it arrives.

        Returns
        -------
        Plan
        """
        q = self._chances(g, node)
        return Plan(np.zeros(0, np.intp), q, self.draws(g.shape) if q.any() else 0)

    def _chances(self, g: Array, node: Node | None) -> Array:
        # One draw keeps one unit: its chances are the inclusion probabilities of the diagonal sketch that keeps one.
        one = DiagonalSketch(1 / AXES[self.axis].count(g.shape), self.axis, self.target)
        q = one.probabilities(g, node)
        return q / (q.sum() or 1.0)

    def _sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        plan = self.plan(g, node)
        steps = np.cumsum(plan.chances)
        # u < 1 makes u·total < total even when rounded, so a unit without a chance is never hit.
        hits = np.searchsorted(steps, rng.random(plan.draws) * steps[-1], side="right")
        return self._gather(g, plan, *np.unique(hits, return_counts=True))

    def _outcomes(self, g: Array, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        """Every multiset of draws with its multinomial probability."""
        plan = self.plan(g, node)
        units = np.flatnonzero(plan.chances).tolist()
        if math.comb(max(len(units), 1) + plan.draws - 1, plan.draws) > 2**LISTABLE_BITS:
            raise TooManyOutcomes(
                f"{plan.draws} draws with replacement from {len(units)} units have more than 2^{LISTABLE_BITS} "
                "outcomes, too many to list; use fewer units, a smaller budget, or draws"
            )
        for hits in itertools.combinations_with_replacement(units, plan.draws):
            counts = Counter(hits)
            orders = math.factorial(plan.draws) // math.prod(map(math.factorial, counts.values()))
            probability = orders * float(np.prod(plan.chances[list(hits)]))
            yield probability, self._gather(g, plan, np.array([*counts], np.intp), np.array([*counts.values()]))

    def _gather(self, g: Array, plan: Plan, drawn: Array, counts: Array) -> Cotangent:
        """The certain units, and those that were drawn, each times its count over its expected count."""
        kept = np.concatenate([plan.certain, drawn])
        scale = np.concatenate([np.ones(plan.certain.size), counts / (plan.draws * plan.chances[drawn])])
        order = np.argsort(kept)
        return AXES[self.axis].gather(g, kept[order], scale[order].astype(g.dtype))

    def _distortion(self, g: Array, node: Node | None) -> float:
        """E‖ĝ − g‖² = (1/r) Σ_j (1/q_j − 1)‖G_j‖² over the units that are drawn from."""
        plan = self.plan(g, node)
        squares = AXES[self.axis].squares(g, None, None)
        seen = (plan.chances > 0) & (plan.chances < 1)  # squares may be infinite, and 0·∞ is not 0
        q = plan.chances[seen]
        return float(((1 - q) / q) @ squares[seen]) / max(plan.draws, 1)

    def _rare(self, g: Array, level: float, node: Node | None) -> Array | None:
        plan = self.plan(g, node)
        rare = -np.expm1(plan.draws * np.log1p(-np.minimum(plan.chances, 1 - 1e-16))) < level  # 1 − (1 − q)^r
        rare[plan.certain] = False
        units = np.flatnonzero(rare)
        return dense(AXES[self.axis].gather(g, units, np.ones(units.size, g.dtype)))

    def kept(self, shape: Shape) -> Kept:
        """At most so much: units that are drawn again are kept once."""
        fraction = self.draws(shape) / max(AXES[self.axis].count(shape), 1)
        return AXES[self.axis].kept(fraction)

    def overhead(self, shape: Shape) -> float:
        return (2 + self.budget) * float(np.prod(shape, dtype=float))  # norms, and rescaling
