"""Whose noise it is: the variance of a gradient by node, from the loss to the input."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.plot.style import COLOURS, axes_or_new

if TYPE_CHECKING:
    from minigrad.inspect.variance_report import Variance

__all__ = ["noise_by_node"]


def noise_by_node(report: Variance, ax: Any = None) -> Any:
    """Draw each node's share of the variance as a bar, and the noise of the cotangent that arrives there as a line.

    Parameters
    ----------
    report : Variance
        From `minigrad.inspect.variance`.
    ax : matplotlib Axes, optional
        Default: those of a new figure. A second x axis is added at the top for the line.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.eye(2), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((1, 2)), w, vjp=Mask(0.5)).sum()
    >>> ax = inspect.variance(tape, loss, draws=4, rng=0).plot()
    >>> ax.get_xlabel()
    'share of the variance (%)'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    nodes = list(report.by_node)
    total = report.total or 1.0
    places = np.arange(len(nodes))
    shares = [100 * report.by_node[k] / total for k in nodes]
    errors = [100 * report.share_errors[k] for k in nodes]
    ax.barh(places, shares, xerr=errors, height=0.6, color=COLOURS[6], edgecolor=COLOURS[1], capsize=3)
    ax.set_yticks(places, [f"{report.labels[k]}\n{shorter(report.estimators[k])}" for k in nodes], fontsize=8)
    ax.set_ylim(len(nodes) - 0.4, -0.6)  # the loss is at the top
    ax.set_xlim(left=0)
    ax.set(xlabel="share of the variance (%)", ylabel="input  ←  loss")
    growth = ax.twiny()
    growth.plot([report.relative_noise[k] for k in nodes], places, color=COLOURS[5], marker="o", linestyle="--")
    growth.set_xlabel("relative noise of the cotangent that arrives (dashed)", color=COLOURS[5])
    growth.set_xlim(left=0)
    return ax


def shorter(text: str, width: int = 24) -> str:
    """Text broken into lines, so that it leaves room for the picture."""
    return "\n".join(textwrap.wrap(text, width))
