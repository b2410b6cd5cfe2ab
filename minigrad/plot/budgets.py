"""Accuracy against budget, and against what was spent."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from minigrad.plot.style import COLOURS, MARKERS, STYLES

if TYPE_CHECKING:
    from minigrad.experiments.study_result import StudyResult

__all__ = ["accuracy_by_budget"]


def accuracy_by_budget(result: StudyResult, figure: Any) -> Any:
    """Draw test accuracy against the budget and against backward operations, with a bar of one standard deviation.

    Parameters
    ----------
    result : StudyResult
    figure : matplotlib Figure

    Returns
    -------
    matplotlib Figure
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    left, right = figure.subplots(1, 2, sharey=True)
    families = list(dict.fromkeys(line.family for line in result.lines if line.family != "exact"))
    exact = [line for line in result.lines if line.family == "exact"]
    for ax in (left, right):
        for line in exact:
            if line.accuracy:
                ax.axhline(100 * statistics.fmean(line.accuracy), color=COLOURS[0], linewidth=1, label="exact")
        for k, family in enumerate(families):
            lines = [line for line in result.lines if line.family == family and line.accuracy]
            x = [line.budget if ax is left else line.backward for line in lines]
            y = [100 * statistics.fmean(line.accuracy) for line in lines]
            sd = [100 * statistics.stdev(line.accuracy) if len(line.accuracy) > 1 else 0.0 for line in lines]
            # Seven colours with eight markers: no two of 56 methods look alike.
            look = {"color": COLOURS[1 + k % 7], "linestyle": STYLES[k % 8], "marker": MARKERS[k % 8]}
            ax.errorbar(x, y, sd, label=family, markersize=5, capsize=2, **look)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(True, alpha=0.25)
    budgets = sorted(result.study.budgets)
    left.set_xticks(budgets, [f"{p:g}" for p in budgets])
    left.set_xticks([], minor=True)
    left.set(xlabel="budget (fraction kept)", ylabel="test accuracy (%)")
    right.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    right.xaxis.set_minor_formatter(NullFormatter())
    right.set(xlabel="backward operations (1 = exact)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    c = result.study.configuration
    seeds = result.study.seeds
    over = f"mean and one standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    figure.suptitle(f"{c.model} on {c.data}: {over}")
    return figure
