"""Estimators that keep some units of a cotangent, each with a known probability, and divide it by that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.estimators.axes import AXES, AxisName
from minigrad.estimators.budgeted import Budgeted, all_finite, as_cotangent
from minigrad.estimators.designs import DESIGNS, DesignName
from minigrad.estimators.registry import check_budget, check_choice
from minigrad.streams import Domain, as_generator
from minigrad.structure import Cotangent, Kept, Structured, dense
from minigrad.typing import Array, Seed, Shape

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["Selection"]


class Selection(Budgeted):
    """Keeps unit j of G with probability p_j as G_j / p_j; a subclass says what the p_j are.

    Unbiased because E[1{kept}/p_j] = 1, as long as p_j > 0 wherever G_j ≠ 0. Where a unit with a NaN or an infinity is
    kept the whole cotangent is handed on untouched, as the exact VJP would take it.
    """

    axis: AxisName
    design: DesignName

    def __post_init__(self) -> None:
        check_budget(self, self.budget)
        check_choice(self, "axis", self.axis, AXES)
        check_choice(self, "design", self.design, DESIGNS)

    def probabilities(self, g: Array, node: Node | None = None) -> Array:
        """The inclusion probability of each unit.

        Parameters
        ----------
        g : ndarray
            The cotangent.
        node : Node, optional
            Where it arrives.

        Returns
        -------
        ndarray of float64, shape (units,)
        """
        raise NotImplementedError(f"{type(self).__name__} does not say with which probabilities it keeps what")

    def sample(self, g: Any, node: Node | None = None, rng: Seed = None) -> Cotangent:
        g = as_cotangent(g)
        if self.budget == 1 or not g.size:
            return g
        p = self.probabilities(g, node)
        kept = self._gather(g, p, DESIGNS[self.design].draw(p, as_generator(Domain.SAMPLE, rng)))
        # A look at all of G would cost as much as a small budget saves; what was left out need not be read at all.
        values = kept.parts[0] if isinstance(kept, Structured) else kept
        return kept if all_finite(values) or all_finite(g) else g

    def _outcomes(self, g: Array, node: Node | None) -> Iterator[tuple[float, Cotangent]]:
        p = self.probabilities(g, node)
        for probability, kept in DESIGNS[self.design].outcomes(p):
            yield probability, self._gather(g, p, kept)

    def _distortion(self, g: Array, node: Node | None) -> float:
        """E‖ĝ − g‖² = Σ_j (1/p_j − 1)‖G_j‖² (THEORY.md §2); the same for both designs."""
        p = self.probabilities(g, node)
        squares = AXES[self.axis].squares(g, None, None)
        seen = (p > 0) & (p < 1)  # squares may be infinite, and 0·∞ is not 0
        return float(((1 - p[seen]) / p[seen]) @ squares[seen])

    def _rare(self, g: Array, level: float, node: Node | None) -> Array | None:
        units = np.flatnonzero(self.probabilities(g, node) < level)
        return dense(AXES[self.axis].gather(g, units, np.ones(units.size, g.dtype)))

    def kept(self, shape: Shape) -> Kept:
        return Kept(AXES[self.axis].structure, self.budget, self.axis == "sample")

    def overhead(self, shape: Shape) -> float:
        return self.budget * float(np.prod(shape, dtype=float))  # rescaling what is kept

    def _gather(self, g: Array, p: Array, kept: Array) -> Cotangent:
        return AXES[self.axis].gather(g, kept, (1 / p[kept]).astype(g.dtype))
