"""The trade-off between cost per step and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import COLOURS, axes_or_new, plain_log

__all__ = ["budget_tradeoff"]


def budget_tradeoff(
    measured: tuple[ArrayLike, ArrayLike, ArrayLike],
    predicted: tuple[ArrayLike, ArrayLike],
    ax: Any = None,
    *,
    advised: tuple[float, float, float] | None = None,
    title: str = "",
) -> Any:
    """Draw the predicted cost of reaching a precision against the budget, with the measurements it rests on.

    ``plot`` of what `minigrad.inspect.tradeoff` returns draws this.

    Parameters
    ----------
    measured : (budgets, cost ratios, standard errors)
        Dots, with bars of one standard error. A cost ratio is over the cost with exact VJPs.
    predicted : (budgets, cost ratios)
        A line.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    advised : (budget, cost ratio, standard error), optional
        The measurement at the budget that is advised, marked apart.
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> measured = ([1.0, 0.5, 0.25], [1.0, 0.8, 0.9], [0.0, 0.05, 0.1])
    >>> ax = budget_tradeoff(measured, ([0.25, 0.5], [0.9, 0.8]), advised=(0.5, 0.8, 0.05))
    >>> ax.get_legend_handles_labels()[1][-2:]
    ['measured', 'advice, measured afresh']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    budgets, ratios, errors = (np.asarray(part, float) for part in measured)
    curve = [np.asarray(part, float) for part in predicted]
    ax.plot(*curve, color=COLOURS[1], label="predicted: cost of a step × fitted variance")
    ax.errorbar(budgets, ratios, errors, color=COLOURS[0], fmt="o", capsize=3, label="measured")
    ax.axhline(1, color=COLOURS[0], linewidth=0.8, linestyle=":", label="exact, any batch size")
    if advised is not None:
        star = {"marker": "*", "markersize": 14, "linestyle": "", "capsize": 3, "color": COLOURS[5]}
        ax.errorbar(*advised, label="advice, measured afresh", **star)
    ax.set_xscale("log")
    plain_log(ax.yaxis)
    ax.set_xticks(budgets, [f"{p:g}" for p in budgets])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="budget (fraction kept)", ylabel="total cost relative to exact", title=title)
    ax.legend(fontsize=8)
    return ax
