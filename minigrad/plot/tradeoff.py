"""Cost against budget in the model of one formula: (cost of a step) × (variance of a step)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.axes import COLOURS, axes_or_new, plain_log

__all__ = ["SMALLEST", "cost_by_budget"]

SMALLEST = 1e-3
"""An optimum below this budget is drawn here."""


def cost_by_budget(
    budgets: ArrayLike, cost: ArrayLike, variance: ArrayLike, ax: Any = None, *, optimum: tuple[float, float]
) -> Any:
    """Draw the total cost against the budget, relative to exact VJPs, with its two factors and its minimum.

    ``plot`` of what `minigrad.theory.optimal_budget` returns draws this.

    Parameters
    ----------
    budgets : array_like, shape (K,)
        In (0, 1].
    cost, variance : array_like, shape (K,)
        Of a step at these budgets, over those of an exact step; their product is the total cost.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    optimum : (budget, total cost)
        Where the total cost is least.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> p = np.array([0.125, 0.25, 0.5, 1.0])
    >>> ax = cost_by_budget(p, (1 + 4 * p) / 5, (4 + 1 / p) / 5, optimum=(0.25, 0.64))
    >>> round(float(ax.lines[0].get_ydata().min()), 2)
    0.64
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    p, cost, variance = (np.asarray(part, float) for part in (budgets, cost, variance))
    budget, least = optimum
    ax.plot(p, cost * variance, color=COLOURS[1], linewidth=2, label="total cost (the product)")
    star = {"marker": "*", "markersize": 15, "color": COLOURS[5], "linestyle": "", "zorder": 5}
    ax.plot(min(max(budget, SMALLEST), 1.0), least, label=f"least at budget {budget:.3g}: {least:.3g}", **star)
    ax.plot(p, cost, color=COLOURS[3], linestyle="--", label="cost of a step")
    ax.plot(p, variance, color=COLOURS[2], linestyle="-.", label="variance of a step")
    ax.axhline(1.0, color=COLOURS[0], linewidth=0.8, linestyle=":", label="exact, any batch size")
    ax.set(xlabel="budget (fraction kept)", ylabel="relative to exact VJPs")
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    ax.legend(fontsize=8)
    return ax
