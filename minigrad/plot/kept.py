"""A picture of what each node kept, over draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.plot.noise_bars import shorter
from minigrad.plot.style import COLOURS, axes_or_new

if TYPE_CHECKING:
    from minigrad.inspect.sparsity import Sparsity

__all__ = ["kept_by_node"]


def kept_by_node(report: Sparsity, ax: Any = None) -> Any:
    """Draw for each node how often which fraction of its cotangent was kept; the mean is a dot.

    Parameters
    ----------
    report : Sparsity
        From `minigrad.inspect.sparsity`.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import inspect
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.eye(4), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((1, 4)), w, vjp=Mask(0.5)).sum()
    >>> ax = inspect.sparsity(tape, loss, rng=0).plot()
    >>> ax.get_xlabel()
    'fraction kept'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    widest = 1.0
    for place, node in enumerate(report.nodes):
        fractions = np.array(list(node.counts)) / max(node.of, 1)
        heights = np.array(list(node.counts.values())) / max(node.counts.values())
        widest = max(widest, float(fractions.max()))
        ax.vlines(fractions, place, place - 0.7 * heights, color=COLOURS[1], linewidth=2)
        ax.plot(node.fraction, place + 0.1, marker="^", color=COLOURS[5], clip_on=False)
    labels = [f"{node.name}\n{shorter(node.vjp)}" for node in report.nodes]
    ax.set_yticks(range(len(labels)), labels, fontsize=8)
    ax.set_ylim(max(len(labels), 1) - 0.5, -0.9)
    ax.set_xlim(-0.02 * widest, 1.02 * widest)
    ax.set(xlabel="fraction kept", ylabel="input  ←  loss", title=f"{report.draws} draws; ▲ mean")
    return ax
