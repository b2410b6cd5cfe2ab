"""What each node kept, over draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.axes import COLOURS, axes_or_new, shorter

__all__ = ["kept_by_node"]


def kept_by_node(
    labels: Sequence[str],
    estimators: Sequence[str],
    fractions: Sequence[ArrayLike],
    counts: Sequence[ArrayLike],
    ax: Any = None,
    *,
    title: str = "▲ mean",
) -> Any:
    """Draw for each node how often which fraction of its cotangent was kept; the mean is a triangle.

    ``plot`` of what `minigrad.inspect.sparsity` returns draws this.

    Parameters
    ----------
    labels, estimators : sequence of str
        The operation and the estimator of each node, from the loss to the input.
    fractions, counts : sequence of array_like, each of shape (values,)
        For each node the fractions that were kept, each once, and how many draws kept so much.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = kept_by_node(["0: linear"], ["Mask(0.5)"], [[0.25, 0.5, 0.75]], [[1, 2, 1]])
    >>> ax.lines[0].get_xdata().tolist(), ax.get_xlabel()                   # the mean
    ([0.5], 'fraction kept')
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    widest = 1.0
    for place, (kept, draws) in enumerate(zip(fractions, counts, strict=True)):
        x, times = np.asarray(kept, float), np.asarray(draws, float)
        widest = max(widest, float(x.max()))
        ax.vlines(x, place, place - 0.7 * times / times.max(), color=COLOURS[1], linewidth=2)
        ax.plot([np.average(x, weights=times)], [place + 0.1], marker="^", color=COLOURS[5], clip_on=False)
    ticks = [f"{label}\n{shorter(estimator)}" for label, estimator in zip(labels, estimators, strict=True)]
    ax.set_yticks(range(len(ticks)), ticks, fontsize=8)
    ax.set_ylim(max(len(ticks), 1) - 0.5, -0.9)
    ax.set_xlim(-0.02 * widest, 1.02 * widest)
    ax.set(xlabel="fraction kept", ylabel="input  ←  loss", title=title)
    return ax
