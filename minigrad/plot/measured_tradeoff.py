"""The trade-off between cost per step and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.plot.style import COLOURS, axes_or_new, plain_log

if TYPE_CHECKING:
    from minigrad.inspect.advice_report import Advice

__all__ = ["budget_tradeoff"]


def budget_tradeoff(advice: Advice, ax: Any = None) -> Any:
    """Draw the predicted cost of reaching a precision against the budget, with the measurements it rests on.

    Parameters
    ----------
    advice : Advice
        From `minigrad.inspect.advise`.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> from minigrad.estimators import Mask
    >>> data = datasets.digits().flat()
    >>> advice = inspect.advise(nn.mlp(64, 16, 10, vjp=Mask(0.5), rng=0), data, batch_size=64, batches=4, rng=0)
    >>> ax = budget_tradeoff(advice)
    >>> print(ax.get_title())
    do not sketch
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    budgets = np.array(advice.budgets)
    grid = np.geomspace(budgets.min(), budgets[1:].max(), 200)
    ax.plot(grid, advice.predicted(grid), color=COLOURS[1], label="predicted: cost of a step × fitted variance")
    measured, errors = np.array(advice.cost_ratio), np.array(advice.cost_ratio_error)
    ax.errorbar(budgets, measured, errors, color=COLOURS[0], fmt="o", capsize=3, label="measured")
    ax.axhline(1, color=COLOURS[0], linewidth=0.8, linestyle=":", label="exact, any batch size")
    if advice.worth_it:
        star = {"marker": "*", "markersize": 14, "linestyle": "", "capsize": 3, "color": COLOURS[5]}
        ax.errorbar(advice.budget, advice.ratio, advice.ratio_error, label="advice, measured afresh", **star)
    ax.set_xscale("log")
    plain_log(ax.yaxis)
    ax.set_xticks(budgets, [f"{p:g}" for p in budgets])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="budget (fraction kept)", ylabel="total cost relative to exact", title=advice.sentence.split(":")[0])
    ax.legend(fontsize=8)
    return ax
