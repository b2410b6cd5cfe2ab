"""The cost to a precision along training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigrad.plot.style import COLOURS, MARKERS, legend_below, panels_of

__all__ = ["cost_by_steps"]

TOP = 1.6
"""Above this a cost leaves the picture."""


def cost_by_steps(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]], figure: Any = None) -> Any:
    """Draw the cost to a precision against steps of training, a panel for each network and a line for each way.

    Parameters
    ----------
    panels : mapping from str to mapping from str to sequence of (steps, cost, standard error)
        By network and by what is done; costs are over those of exact VJPs. Those above 1.6 leave the picture.
    figure : matplotlib Figure, optional
        Default: a new one.

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> figure = cost_by_steps({"mlp": {"rows": [(0, 1.1, 0.1), (100, 0.7, 0.01)]}})
    >>> [ax.get_title() for ax in figure.axes]
    ['mlp']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    figure, axes = panels_of(panels, figure)
    for network, ways in panels.items():
        ax = axes[network]
        ax.axhline(1, color="0.5", linewidth=1, label="exact VJPs, any smaller batch")
        for k, (way, points) in enumerate(ways.items()):
            steps, costs, errors = zip(*points, strict=True)
            ax.errorbar(
                steps,
                costs,
                errors,
                label=way,
                color=COLOURS[(k + 1) % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                markersize=5,
                capsize=3,
            )
        ax.set(xlabel="steps of training", ylim=(0.4, TOP))
    figure.axes[0].set_ylabel("cost to a precision, over exact VJPs")
    legend_below(figure, 4)
    return figure
