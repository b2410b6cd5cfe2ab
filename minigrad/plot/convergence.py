"""Convergence curves with a band over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.axes import COLOURS, STYLES, axes_or_new

__all__ = ["curves"]


def curves(
    runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
    ax: Any = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> Any:
    """Draw for each method the mean over its runs, and a band of one standard deviation.

    Parameters
    ----------
    runs : mapping from str to sequence of (x, y)
        For each method one pair of arrays for each seed. Runs of different lengths are drawn as far as the
        shortest goes; a method without runs stands in the legend only.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    xlabel, ylabel : str
        With their units.
    log_x, log_y : bool, default False

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = curves({"exact": [([1, 2], [0.5, 0.25])]}, xlabel="epoch", ylabel="loss (nats)")
    >>> ax.get_ylabel()
    'loss (nats)'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    for k, (label, pairs) in enumerate(runs.items()):
        look: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "linestyle": STYLES[k % len(STYLES)]}
        if not pairs:
            ax.plot([], [], label=f"{label} (no run)", **look)
            continue
        length = min(len(np.asarray(y)) for _, y in pairs)
        x = np.mean([np.asarray(x, float)[:length] for x, _ in pairs], axis=0)
        y = np.array([np.asarray(y, float)[:length] for _, y in pairs])
        mean = np.exp(np.log(y).mean(axis=0)) if log_y and (y > 0).all() else y.mean(axis=0)
        ax.plot(x, mean, label=label, linewidth=1.8, **look)
        if len(pairs) > 1:
            if log_y and (y > 0).all():
                spread = np.exp(np.log(y).std(axis=0, ddof=1))
                low, high = mean / spread, mean * spread
            else:
                spread = y.std(axis=0, ddof=1)
                low, high = mean - spread, mean + spread
            ax.fill_between(x, low, high, color=look["color"], alpha=0.13, linewidth=0)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(True, alpha=0.25)
    return ax
