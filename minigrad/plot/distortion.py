"""Distortion against budget: the closed form, and what draws give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.axes import COLOURS, axes_or_new

__all__ = ["distortion_by_budget"]


def distortion_by_budget(
    closed_form: tuple[ArrayLike, ArrayLike] | None = None,
    measured: tuple[ArrayLike, ArrayLike, ArrayLike] | None = None,
    ax: Any = None,
    *,
    current: tuple[float, float, float] | None = None,
    ylabel: str = "E‖Ĝ − G‖² / ‖G‖²",
) -> Any:
    """Draw the distortion of an estimator against its budget.

    Parameters
    ----------
    closed_form : (budgets, distortions), optional
        A line.
    measured : (budgets, means, standard errors), optional
        Dots, with bars of two standard errors.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    current : (budget, mean, standard error), optional
        The measurement at the budget that is looked at, marked apart.
    ylabel : str
        With its unit; the default is for distortions relative to the squared norm of the cotangent, without one.

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Both axes are logarithmic, but that below 0.01 distortions are drawn in proportion, so that 0 has a place.

    Examples
    --------
    >>> from minigrad.estimators import Mask
    >>> g, budgets = np.ones((1, 4)), [0.25, 0.5, 1.0]
    >>> ax = distortion_by_budget((budgets, [Mask(p).distortion(g) / 4 for p in budgets]))
    >>> ax.lines[0].get_ydata().tolist()
    [3.0, 1.0, 0.0]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    from matplotlib.ticker import SymmetricalLogLocator

    ax = axes_or_new(ax)
    budgets: list[float] = []
    if closed_form is not None:
        p, values = (np.asarray(part, float) for part in closed_form)
        ax.plot(p, values, color=COLOURS[1], label="closed form")
        budgets += p.tolist()
    look: dict[str, Any] = {"linestyle": "", "capsize": 3, "clip_on": False}  # 0 is on the edge
    if measured is not None:
        p, means, errors = (np.asarray(part, float) for part in measured)
        ax.errorbar(p, means, 2 * errors, marker="o", color=COLOURS[0], markerfacecolor="white", label="draws", **look)
        budgets += p.tolist()
    if current is not None:
        at, mean, error = current
        look["markeredgecolor"] = "white"
        ax.errorbar(
            at, mean, 2 * error, marker="*", markersize=16, color=COLOURS[5], ecolor=COLOURS[5], label="now", zorder=5,
            **look,
        )  # fmt: skip
        budgets.append(at)
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=0.01, linscale=0.3)
    ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=0.01, subs=[1, 2, 5]))
    ax.set_ylim(bottom=0)
    ticks = [p for p in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if min(budgets, default=0.01) <= p]
    ax.set_xticks(ticks, [f"{p:g}" for p in ticks])
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="budget (fraction kept)", ylabel=ylabel)
    ax.grid(True, alpha=0.25)
    ax.legend(fontsize=8)
    return ax
