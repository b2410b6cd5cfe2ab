"""Whose noise it is: the variance of a gradient by node, from the loss to the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.axes import COLOURS, axes_or_new, shorter

__all__ = ["noise_by_node"]


def noise_by_node(
    labels: Sequence[str],
    estimators: Sequence[str],
    shares: ArrayLike,
    errors: ArrayLike,
    arriving: ArrayLike,
    ax: Any = None,
) -> Any:
    """Draw each node's share of the variance as a bar, and the noise of the cotangent that arrives there as a line.

    ``plot`` of what `minigrad.inspect.variance` returns draws this.

    Parameters
    ----------
    labels, estimators : sequence of str
        The operation and the estimator of each node, from the loss to the input.
    shares, errors : array_like, shape (nodes,)
        The fraction of the variance that each node adds, and its standard error.
    arriving : array_like, shape (nodes,)
        E‖ĝ_k − g_k‖² / ‖g_k‖² of the cotangent that arrives at each node.
    ax : matplotlib Axes, optional
        Default: those of a new figure. A second x axis is added at the top for the line.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = noise_by_node(["2: linear", "0: linear"], ["Mask(0.5)"] * 2, [0.25, 0.75], [0.01, 0.02], [0.0, 1.0])
    >>> [float(bar.get_width()) for bar in ax.patches], ax.get_xlabel()
    ([25.0, 75.0], 'share of the variance (%)')
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    places = np.arange(len(labels))
    widths, bars = 100 * np.asarray(shares, float), 100 * np.asarray(errors, float)
    ax.barh(places, widths, xerr=bars, height=0.6, color=COLOURS[6], edgecolor=COLOURS[1], capsize=3)
    ticks = [f"{label}\n{shorter(estimator)}" for label, estimator in zip(labels, estimators, strict=True)]
    ax.set_yticks(places, ticks, fontsize=8)
    ax.set_ylim(len(labels) - 0.4, -0.6)  # the loss is at the top
    ax.set_xlim(left=0)
    ax.set(xlabel="share of the variance (%)", ylabel="input  ←  loss")
    above = ax.twiny()
    above.plot(np.asarray(arriving, float), places, color=COLOURS[5], marker="o", linestyle="--")
    above.set_xlabel("relative noise of the cotangent that arrives (dashed)", color=COLOURS[5])
    above.set_xlim(left=0)
    return ax
