"""Cost against budget in the model of one formula: (cost of a step) × (variance of a step)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.plot.style import COLOURS, axes_or_new, plain_log

if TYPE_CHECKING:
    from minigrad.theory.tradeoff import BudgetAdvice

__all__ = ["cost_by_budget"]

SMALLEST = 1e-3
"""An optimum below this budget is drawn here."""


def cost_by_budget(advice: BudgetAdvice, ax: Any = None) -> Any:
    """Draw the total cost against the budget, relative to exact VJPs, with its two factors and its minimum.

    Parameters
    ----------
    advice : BudgetAdvice
        From `minigrad.theory.optimal_budget`.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from minigrad import theory
    >>> ax = cost_by_budget(theory.optimal_budget(c0=1.0, c1=4.0, a=4.0, b=1.0))
    >>> round(float(ax.lines[0].get_ydata().min()), 2)
    0.64
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    shown = min(max(advice.budget, SMALLEST), 1.0)
    p = np.geomspace(min(0.01, shown / 4), 1.0, 200)
    cost = (advice.c0 + advice.c1 * p) / (advice.c0 + advice.c1)
    variance = (advice.a + advice.b / p) / ((advice.a + advice.b) or 1.0)
    ax.plot(p, cost * variance, color=COLOURS[1], linewidth=2, label="total cost (the product)")
    optimum = f"least at budget {advice.budget:.3g}: {advice.cost_ratio:.3g}"
    ax.plot(
        shown, advice.cost_ratio, marker="*", markersize=15, color=COLOURS[5], linestyle="", zorder=5, label=optimum
    )
    ax.plot(p, cost, color=COLOURS[3], linestyle="--", label="cost of a step")
    ax.plot(p, variance, color=COLOURS[2], linestyle="-.", label="variance of a step")
    ax.axhline(1.0, color=COLOURS[0], linewidth=0.8, linestyle=":", label="exact, any batch size")
    ax.set(xlabel="budget (fraction kept)", ylabel="relative to exact VJPs")
    plain_log(ax.xaxis)
    plain_log(ax.yaxis)
    ax.legend(fontsize=8)
    return ax
