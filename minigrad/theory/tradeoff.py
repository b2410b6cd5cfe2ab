"""Epochs against cost per epoch: how small a budget pays.

A budget p lowers the cost of a step, c_0 + c_1 p, and raises the variance of its gradient, V(p) = a + b/p.
Where noise dominates, the number of steps is proportional to V, so the total cost is proportional to the
product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.tradeoff import SMALLEST, cost_by_budget
from minigrad.report import Report, Table
from minigrad.typing import Array

__all__ = ["BudgetAdvice", "optimal_budget", "total_cost"]

_TINY = float(np.finfo(np.float64).tiny)


def total_cost(budget: ArrayLike, c0: float, c1: float, a: float, b: float) -> Array:
    """Return (c_0 + c_1 p)(a + b/p), the cost of reaching a precision, up to a factor that is the same for every p.

    Parameters
    ----------
    budget : array_like
        p in (0, 1].
    c0, c1, a, b : float
        As for `optimal_budget`.

    Returns
    -------
    ndarray of float64, of the shape of ``budget``
        In the unit of cost times that of variance.

    Raises
    ------
    ValueError
        If a budget is outside (0, 1].

    Notes
    -----
    `steps_to_precision` times the cost of a step, for V ≫ ε. Bakong et al. (2026), arXiv:2602.14701.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.total_cost([0.25, 0.5, 1.0], c0=1.0, c1=4.0, a=4.0, b=1.0).tolist()
    [16.0, 18.0, 25.0]
    """
    p = np.asarray(budget, dtype=np.float64)
    if p.size and not (p.min() > 0.0 and p.max() <= 1.0):
        raise ValueError(f"total_cost: a budget lies in (0, 1]; got {p.min():.6g} to {p.max():.6g}.")
    cost: Array = np.asarray((c0 + c1 * p) * (a + b / p))
    return cost


def optimal_budget(c0: float, c1: float, a: float, b: float, *, smallest: float = _TINY) -> BudgetAdvice:
    """Return the budget p* = √(c_0 b / (c_1 a)) that makes the cost of reaching a precision smallest.

    Parameters
    ----------
    c0 : float
        What a step costs whatever the budget (forward pass, exact nodes), ≥ 0; flops, seconds, any unit.
    c1 : float
        What the sketched part of a step costs at budget 1, ≥ 0, in the same unit; c_0 + c_1 > 0.
    a, b : float
        The variance of a step's gradient is V(p) = a + b/p: b ≥ 0 is the slope of the sketches' variance in
        1/p and a + b = σ² ≥ 0 the minibatch variance, the one of exact VJPs; so a = σ² − b, which may be
        negative.
    smallest : float
        No smaller budget is advised; in (0, 1]. Where the cost falls all the way to p → 0 (b = 0 or c_0 = 0)
        it is the advice.

    Returns
    -------
    BudgetAdvice
        Frozen report: ``budget``, ``cost_ratio`` (cost at that budget / cost at budget 1), ``worth_it``,
        ``advice``.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    The cost c_0 a + c_1 b + c_0 b/p + c_1 a p is convex in p, with its minimum where the last two terms are
    equal; there cost(p*)/cost(1) = (√(c_0 a) + √(c_1 b))² / ((c_0 + c_1)(a + b)) ≤ 1. If a ≤ 0 or the root is
    at least 1, it falls all the way to p = 1: do not sketch. The same model says that exact VJPs on a smaller
    batch cost the same at every batch size (V ∝ 1/batch, cost ∝ batch), so a ratio below 1 beats that
    baseline too.

    V = a + b/p is exact for one uniformly masked node; over several layers V grows faster as p falls. Measure
    it at a few budgets near the one in question and fit. Bakong et al. (2026), arXiv:2602.14701.

    Examples
    --------
    >>> from minigrad import theory
    >>> print(theory.optimal_budget(c0=1.0, c1=4.0, a=4.0, b=1.0))
    cost per step    1 + 4·p
    variance         4 + 1/p
    optimal budget   0.25
    cost ratio       0.64
    Sketch at budget 0.25: the same precision for 0.64 of the cost of exact VJPs.
    >>> theory.optimal_budget(c0=1.0, c1=2.0, a=-1.0, b=3.0).budget
    1.0
    """
    for name, value in (("c0", c0), ("c1", c1), ("b", b)):
        if not 0.0 <= value < math.inf:
            raise ValueError(f"optimal_budget: {name}={value!r} must be ≥ 0 and finite.")
    if c0 + c1 == 0.0:
        raise ValueError("optimal_budget: c0 and c1 are both 0; a step costs something.")
    if not 0.0 <= a + b < math.inf:
        raise ValueError(
            f"optimal_budget: a + b = {a + b!r} is the variance at budget 1 and must be ≥ 0 and finite. A fit that "
            "says otherwise needs more draws, or budgets nearer to 1."
        )
    if not 0.0 < smallest <= 1.0:
        raise ValueError(f"optimal_budget: smallest={smallest!r} must be a budget, in (0, 1].")
    p = ratio = 1.0
    if c0 * b < c1 * a:
        p = max(math.sqrt(c0 * b / (c1 * a)), smallest)
        ratio = (c0 * a + c1 * b + c0 * b / p + c1 * a * p) / ((c0 + c1) * (a + b))
        if ratio >= 1.0:  # nothing to gain but rounding
            p = ratio = 1.0
    return BudgetAdvice(float(c0), float(c1), float(a), float(b), float(p), float(ratio))


@dataclass(frozen=True, repr=False)
class BudgetAdvice(Report):
    """What `optimal_budget` advises, and why.

    Attributes
    ----------
    c0, c1, a, b : float
        The model: a step costs c_0 + c_1 p, its gradient has variance a + b/p.
    budget : float
        The advice, in (0, 1]; 1 means exact VJPs.
    cost_ratio : float
        Cost of reaching a precision at that budget divided by the cost with exact VJPs; at most 1.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.optimal_budget(c0=1.0, c1=1.0, a=1.0, b=2.0).advice
    'Do not sketch: a smaller budget saves less per step than its noise costs in further steps.'
    """

    c0: float
    c1: float
    a: float
    b: float
    budget: float
    cost_ratio: float

    @property
    def worth_it(self) -> bool:
        """Whether a budget below 1 makes training cheaper."""
        return self.budget < 1.0 and self.cost_ratio < 1.0

    @property
    def advice(self) -> str:
        """One sentence."""
        if self.worth_it:
            saved = f"the same precision for {self.cost_ratio:.4g} of the cost of exact VJPs."
            if self.b == 0.0:
                return f"Sketch as much as you can (it adds no noise): {saved}"
            if self.c0 == 0.0:
                return f"Sketch as much as you can (no part of a step has a fixed cost): {saved}"
            return f"Sketch at budget {self.budget:.4g}: {saved}"
        if self.c1 == 0.0:
            why = "no part of a step gets cheaper by it."
        elif self.a <= 0.0:
            why = "its noise is at least as large as that of the minibatch (b ≥ a + b)."
        else:
            why = "a smaller budget saves less per step than its noise costs in further steps."
        return f"Do not sketch: {why}"

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            ("cost per step", f"{self.c0:.4g} + {self.c1:.4g}·p"),
            ("variance", f"{self.a:.4g} + {self.b:.4g}/p"),
            ("optimal budget ", "→ 0" if self.budget <= _TINY else f"{self.budget:.4g}"),
            ("cost ratio", f"{self.cost_ratio:.4g}"),
        ]
        return Table(["", ""], rows, notes=[self.advice])

    def data(self) -> dict[str, Any]:
        """The fields, and the advice in words."""
        return {**super().data(), "worth_it": self.worth_it, "advice": self.advice}

    def plot(self, ax: Any = None) -> Any:
        """Draw the cost against the budget, relative to exact VJPs, on a Matplotlib Axes, and return it."""
        shown = min(max(self.budget, SMALLEST), 1.0)
        p = np.geomspace(min(0.01, shown / 4), 1.0, 200)
        cost = (self.c0 + self.c1 * p) / (self.c0 + self.c1)
        variance = (self.a + self.b / p) / ((self.a + self.b) or 1.0)
        return cost_by_budget(p, cost, variance, ax, optimum=(self.budget, self.cost_ratio))
