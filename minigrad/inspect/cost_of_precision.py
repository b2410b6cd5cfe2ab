"""The predicted cost of a precision as a function of the budget, between the budgets that were measured.

In the noise-dominated regime it is in proportion to (cost of a step) × (variance of a step) (Theory §5). The added
variance s² is interpolated monotonically in the logarithms of s² and of 1/p − 1, in which it is a straight line for one
uniform mask; where it jumps, as where a sketch begins to leave out what is not zero, along the chord in 1/p − 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from minigrad.inspect.levels import Levels
from minigrad.typing import Array

__all__ = ["GRID", "Tradeoff", "interpolated", "scatter"]

GRID = 400
"""Budgets among which the best is looked for."""

STEEP = 4.0
"""Between two budgets s² may grow as this power of 1/p − 1; where it grows faster, it is not known where."""


@dataclass(frozen=True)
class Tradeoff:
    """σ², s² at some budgets, and what a step costs.

    Attributes
    ----------
    budgets : ndarray
        Falling, below 1.
    minibatch : float
    added : ndarray
        s² at these budgets.
    exact_cost, fixed_cost, sketchable_cost : float
        A step costs ``exact_cost``, or c_0 + c_1 p with sketches.

    Examples
    --------
    One mask of everything that can be spared: s² = (1/p − 1)/4 beside σ² = 1, c_0 = 1, c_1 = 4 (Theory §5).

    >>> p = np.array([0.5, 0.25, 0.125])
    >>> budget, ratio = Tradeoff(p, 1.0, (1 / p - 1) / 4, 5.0, 1.0, 4.0).best()
    >>> round(budget, 2), round(ratio, 3)
    (0.29, 0.696)
    """

    budgets: Array
    minibatch: float
    added: Array
    exact_cost: float
    fixed_cost: float
    sketchable_cost: float

    @classmethod
    def of(cls, levels: Levels) -> Tradeoff:
        """The curve through what was measured. Exact steps do without the work of the estimators, and are left out."""
        p, costs = levels.budgets, levels.costs
        slope, intercept = np.polyfit(p, costs[1:], 1) if len(p) > 1 else (0.0, costs[1])
        return cls(np.array(p), levels.minibatch().value, levels.mean_added(), costs[0], float(intercept), float(slope))

    def fitted(self, budgets: ArrayLike) -> Array:
        """σ² + s² at some budgets."""
        return self.minibatch + interpolated(self.budgets, self.added, np.asarray(budgets, float))

    def predicted(self, budgets: ArrayLike) -> Array:
        """The cost of a precision over that of exact steps."""
        p = np.asarray(budgets, float)
        spend = (self.fixed_cost + self.sketchable_cost * p) * self.fitted(p)
        return np.asarray(spend / (self.exact_cost * self.minibatch))

    def best(self) -> tuple[float, float]:
        """The budget of the smallest predicted cost, within those that were measured, and that cost."""
        grid = np.geomspace(self.budgets[-1], self.budgets[0], GRID)
        ratios = self.predicted(grid)
        k = int(np.argmin(ratios))
        return float(grid[k]), float(ratios[k])


def interpolated(p: Array, s2: Array, at: Array) -> Array:
    """s² at some budgets, through the measured ones; 0 at budget 1.

    Examples
    --------
    >>> interpolated(np.array([0.5, 0.25]), np.array([2.0, 6.0]), np.array([0.5, 1 / 3, 0.25])).round(12).tolist()
    [2.0, 4.0, 6.0]
    """
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(-p)
    odds = 1 / p[order] - 1
    wanted = 1 / at - 1
    level = np.maximum.accumulate(s2[order])  # more noise at a larger budget is an error of measurement
    # Above the largest budget that was measured s² goes on in proportion to 1/p − 1.
    outside = level[0] * wanted / odds[0]
    if len(odds) == 1:
        return np.asarray(outside)
    log_odds, log_level = np.log(odds), np.log(np.maximum(level, np.finfo(float).tiny))
    inside = np.clip(wanted, odds[0], odds[-1])
    found = np.exp(PchipInterpolator(log_odds, log_level)(np.log(inside)))
    segment = np.clip(np.searchsorted(odds, inside, "right") - 1, 0, len(odds) - 2)
    steep = np.diff(log_level) > STEEP * np.diff(log_odds)
    found = np.where(steep[segment], np.interp(inside, odds, level), found)
    return np.asarray(np.where(wanted < odds[0], outside, found))


def scatter(curve: Tradeoff, levels: Levels, worth: float, rng: np.random.Generator, resamples: int = 200) -> float:
    """The scatter of the ratio at the advised budget because another would have been advised on other batches.

    The bootstrap (Efron, 1979): batches are drawn from those measured with replacement, and each time the best budget
    is found anew. What is returned is the standard deviation of the predicted ratio, by the curve of all batches, at
    these budgets, and 1 where sketching would not have been advised.
    """
    n, found = levels.batches, []
    for _ in range(resamples):
        counts = np.bincount(rng.integers(n, size=n), minlength=n)
        sigma2, s2 = levels.resampled(counts)
        if sigma2 > 1e-12 * curve.minibatch:  # otherwise all are the same batch
            other = Tradeoff(curve.budgets, sigma2, s2, curve.exact_cost, curve.fixed_cost, curve.sketchable_cost)
            budget, ratio = other.best()
            found.append(1.0 if ratio > worth else float(curve.predicted(budget)))
    return float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
