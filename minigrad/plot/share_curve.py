"""The cost to a precision against how few samples carry the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.plot.style import COLOURS, MARKERS, STYLES, figure_or_new, plain_log

__all__ = ["cost_by_share"]


def cost_by_share(
    networks: Mapping[str, Sequence[Mapping[str, float]]],
    figure: Any = None,
    *,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Any:
    """Draw, in operations and in seconds, the cost to a precision of samples at the logits against their share.

    Parameters
    ----------
    networks : mapping from str to sequence of mappings
        For each network its stages: ``"share"``, ``"ratio"``, ``"ratio_error"``, ``"seconds_ratio"``.
    figure : matplotlib Figure, optional
        Default: a new one.
    lines : mapping from str to (shares, costs), optional
        What the theory says of the operations, for each kind of network.

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> stage = {"share": 0.25, "ratio": 0.7, "ratio_error": 0.02, "seconds_ratio": 0.8}
    >>> figure = cost_by_share({"mlp": [stage]}, lines={"mlp": ([0.1, 1.0], [0.5, 1.0])})
    >>> [ax.get_title() for ax in figure.axes]
    ['in operations', 'in seconds']
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    figure = figure_or_new(figure, figsize=(10, 5.0), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, name, title in zip(axes, ("ratio", "seconds_ratio"), ("in operations", "in seconds"), strict=True):
        if name == "ratio":  # seconds have no theory
            for k, (kind, line) in enumerate((lines or {}).items()):
                ax.plot(*line, color="0.4", linewidth=1.4, linestyle=STYLES[k % len(STYLES)], label=f"theory, {kind}")
        ax.axhline(1, color="0.6", linewidth=0.8)
        for k, (network, stages) in enumerate(networks.items()):
            share = [stage["share"] for stage in stages]
            ax.errorbar(
                share,
                [stage[name] for stage in stages],
                np.array([stage["ratio_error"] for stage in stages]) if name == "ratio" else None,
                label=network,
                color=COLOURS[(k + 1) % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                markersize=6,
                capsize=3,
                linestyle="none",
            )
        plain_log(ax.xaxis)
        ax.set(title=title, xlabel="share of effective samples, (E s)²/E s² (log scale)")
        ax.invert_xaxis()
        ax.grid(True, alpha=0.25)
    axes[0].set_ylim(bottom=0)  # when all is drawn: an end that is set no longer follows what comes later
    axes[0].set_ylabel("cost to a precision, over exact VJPs")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    figure.suptitle("A sketch pays when few samples carry the gradient", fontsize=12)
    return figure
