"""Accuracy against budget, and against what was spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike

from minigrad.plot.axes import COLOURS, MARKERS, STYLES, figure_or_new

__all__ = ["accuracy_by_budget"]


def accuracy_by_budget(
    methods: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]],
    budgets: Sequence[float],
    figure: Any = None,
    *,
    exact: float | None = None,
    title: str = "",
) -> Any:
    """Draw test accuracy against the budget and against backward operations, with a bar of one standard deviation.

    ``plot`` of what `minigrad.experiments.reproduce` returns draws this.

    Parameters
    ----------
    methods : mapping from str to (budgets, operations, means, standard deviations)
        For each method arrays of shape (K,): where it was measured; the operations of its backward pass over those of
        the exact one; its accuracy in percent, and how that scatters over seeds.
    budgets : sequence of float
        Ticks of the axis of budgets.
    figure : matplotlib Figure, optional
        Default: a new one.
    exact : float, optional
        The accuracy of exact VJPs in percent, drawn as a line.
    title : str

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> columns = ([0.1, 0.5], [0.2, 0.6], [80.0, 90.0], [1.0, 0.5])
    >>> figure = accuracy_by_budget({"columns": columns}, [0.1, 0.5], exact=92.0)
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['budget (fraction kept)', 'backward operations (1 = exact)']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    figure = figure_or_new(figure, figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for ax in (left, right):
        if exact is not None:
            ax.axhline(exact, color=COLOURS[0], linewidth=1, label="exact")
        for k, (method, (at, spent, accuracy, spread)) in enumerate(methods.items()):
            # Seven colours with eight markers: no two of 56 methods look alike.
            look = {"color": COLOURS[1 + k % 7], "linestyle": STYLES[k % 8], "marker": MARKERS[k % 8]}
            x = at if ax is left else spent
            ax.errorbar(x, accuracy, spread, label=method, markersize=5, capsize=2, **look)
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(True, alpha=0.25)
    ticks = sorted(budgets)
    left.set_xticks(ticks, [f"{p:g}" for p in ticks])
    left.set_xticks([], minor=True)
    left.set(xlabel="budget (fraction kept)", ylabel="test accuracy (%)")
    right.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    right.xaxis.set_minor_formatter(NullFormatter())
    right.set(xlabel="backward operations (1 = exact)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(title)
    return figure
