"""Losses and accuracies of whole runs, against what they were allowed to spend."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import COLOURS, MARKERS, STYLES, figure_or_new, plain_log

__all__ = ["against_spent"]

PANELS = (("train", "training loss (nats)"), ("test", "test loss (nats)"), ("accuracy", "test accuracy (%)"))


def against_spent(
    lines: Mapping[str, Sequence[Mapping[str, ArrayLike]]],
    figure: Any = None,
    *,
    unit: str = "operations",
    title: str = "",
) -> Any:
    """Draw training loss, test loss and accuracy against a budget: a line a method, with the range over its seeds.

    Markers of all methods but the first are open, and each method's are smaller than those of the one before, so that
    none hides another.

    Parameters
    ----------
    lines : mapping from str to sequence of mappings
        For each method its points, by rising budget; of each the arrays over seeds ``"spent"``, ``"train"``, ``"test"``
        and ``"accuracy"``.
    figure : matplotlib Figure, optional
        Default: a new one.
    unit : str
        What is spent.
    title : str

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> point = {"spent": [1.0, 1.0], "train": [0.5, 0.6], "test": [0.7, 0.7], "accuracy": [80.0, 81.0]}
    >>> figure = against_spent({"exact": [point]})
    >>> [ax.get_ylabel() for ax in figure.axes]
    ['training loss (nats)', 'test loss (nats)', 'test accuracy (%)']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    figure = figure_or_new(figure, figsize=(11, 4.6), layout="constrained")
    axes = figure.subplots(1, len(PANELS))
    for ax, (name, label) in zip(axes, PANELS, strict=True):
        for k, (method, points) in enumerate(lines.items()):
            x = [float(np.asarray(point["spent"], float).mean()) for point in points]
            y = [np.asarray(point[name], float) for point in points]
            mean = np.array([each.mean() for each in y])
            below = mean - np.array([each.min() for each in y])
            above = np.array([each.max() for each in y]) - mean
            marked: dict[str, Any] = {"markersize": 5.0}
            if k:
                marked = {"markersize": 5 + 1.7 * (len(lines) - 1 - k), "markerfacecolor": "none"}
            ax.errorbar(
                x, mean, np.array([below, above]), label=textwrap.fill(method, 46), color=COLOURS[k % len(COLOURS)],
                linestyle=STYLES[k % len(STYLES)], marker=MARKERS[k % len(MARKERS)], capsize=3, linewidth=1.4,
                **marked,
            )  # fmt: skip
        plain_log(ax.xaxis)
        ax.set(xlabel=f"{unit} (1 = budget 1)", ylabel=label)
        if name != "accuracy":
            plain_log(ax.yaxis)
        ax.grid(True, alpha=0.25)
    handles = axes[0].get_legend_handles_labels()
    if handles[0]:
        figure.legend(*handles, loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.suptitle(title, fontsize=12)
    return figure
