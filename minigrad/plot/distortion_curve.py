"""Distortion against budget: the closed form, and what draws give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import COLOURS, axes_or_new

__all__ = ["distortion_by_budget"]


def _ticks(smallest: float) -> list[float]:
    """Budgets from the smallest to 1: 1, 2, 5 in each decade, or as many of the powers of ten as have room."""
    decades = math.floor(-math.log10(smallest) + 1e-9) if smallest < 1 else 0
    if smallest >= 0.02:
        return [p for p in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if smallest <= p] or [1.0]
    step = max(1, math.ceil(decades / 4))
    return [10.0**-k for k in range(decades - decades % step, -1, -step)]


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

    Raises
    ------
    ValueError
        If there is nothing to draw.

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

    if closed_form is None and measured is None and current is None:
        raise ValueError("distortion_by_budget: give closed_form, measured, or current; there is nothing to draw")
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
    ticks = _ticks(min(budgets, default=0.01))
    ax.set_xticks(ticks, [f"{p:g}" for p in ticks])
    ax.set_xticks([], minor=True)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="budget (fraction kept)", ylabel=ylabel)
    ax.grid(True, alpha=0.25)
    ax.legend(fontsize=8)
    return ax
