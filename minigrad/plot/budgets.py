"""Accuracy against budget, and against what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from minigrad.plot.style import COLOURS, MARKERS, STYLES, colour, figure_or_new, plain_log

__all__ = ["accuracy_by_budget"]


def accuracy_by_budget(
    methods: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]],
    budgets: Sequence[float],
    figure: Any = None,
    *,
    exact: float | None = None,
    title: str = "",
    spent: str = "operations of a step, forward and backward (1 = exact)",
) -> Any:
    """Draw test accuracy against the budget and against operations, with a bar of one standard deviation.

    ``plot`` of what `minigrad.experiments.reproduce` returns draws this.

    Parameters
    ----------
    methods : mapping from str to (budgets, operations, means, standard deviations)
        For each method arrays of shape (K,): where it was measured; the operations of a step over those of an exact
        one; its accuracy in percent, and how that scatters over seeds.
    budgets : sequence of float
        Ticks of the axis of budgets.
    figure : matplotlib Figure, optional
        Default: a new one.
    exact : float, optional
        The accuracy of exact VJPs in percent, drawn as a line.
    title : str
    spent : str
        The label of the axis of operations.

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> columns = ([0.1, 0.5], [0.2, 0.6], [80.0, 90.0], [1.0, 0.5])
    >>> figure = accuracy_by_budget({"columns": columns}, [0.1, 0.5], exact=92.0)
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['budget (fraction kept)', 'operations of a step, forward and backward (1 = exact)']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    figure = figure_or_new(figure, figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for ax in (left, right):
        if exact is not None:
            ax.axhline(exact, color=COLOURS[0], linewidth=1, label="exact")
        for k, (method, (at, operations, accuracy, spread)) in enumerate(methods.items()):
            look = {"color": colour(1 + k), "linestyle": STYLES[k % 8], "marker": MARKERS[k % 8]}
            x = at if ax is left else operations
            ax.errorbar(x, accuracy, spread, label=method, markersize=5, capsize=2, **look)
        plain_log(ax.xaxis)
        ax.grid(True, alpha=0.25)
    ticks = _apart(sorted(budgets))
    left.set_xticks(ticks, [f"{p:g}" for p in ticks])
    left.set_xticks([], minor=True)
    left.set(xlabel="budget (fraction kept)", ylabel="test accuracy (%)")
    right.set(xlabel=spent)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(title)
    return figure


def _apart(ticks: Sequence[float]) -> list[float]:
    """Those of rising ticks whose labels do not collide on a logarithmic axis of some five inches."""
    kept: list[float] = []
    nearest = (ticks[-1] / ticks[0]) ** 0.08 if ticks else 1.0
    for tick in ticks:
        if not kept or tick >= kept[-1] * nearest:
            kept.append(tick)
    return kept
