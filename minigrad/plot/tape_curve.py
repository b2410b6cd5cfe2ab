"""The noise of saved sketches against the bytes that they leave on the tape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.plot.families import families
from minigrad.plot.style import COLOURS, MARKERS, legend_below, panels_of

__all__ = ["noise_by_bytes"]

GOAL = 0.01


def noise_by_bytes(panels: Mapping[str, Mapping[str, tuple[float, float, float]]], figure: Any = None) -> Any:
    """Draw the variance that saved sketches add against the bytes of the tape, a panel for each network.

    Parameters
    ----------
    panels : mapping from str to mapping from str to (bytes, V/σ², standard error)
        By network and by estimator as text; texts that differ in numbers alone are one line. Bytes are over exact ones.
    figure : matplotlib Figure, optional
        Default: a new one.

    Returns
    -------
    matplotlib Figure

    Examples
    --------
    >>> figure = noise_by_bytes({"mlp": {"rounding(8)": (0.3, 1e-5, 1e-6), "rounding(4)": (0.2, 4e-3, 1e-4)}})
    >>> [ax.get_title() for ax in figure.axes], [t.get_text() for t in figure.legends[0].texts][2:]
    (['mlp'], ['rounding(·)'])
    >>> import matplotlib.pyplot as plt
    >>> plt.close(figure)
    """
    figure, axes = panels_of(panels, figure)
    for network, points in panels.items():
        ax = axes[network]
        ax.axhline(GOAL, color="0.5", linewidth=1, linestyle=":", label="a hundredth of the minibatch's")
        ax.axvline(1, color="0.5", linewidth=1, label="exact")
        for k, (family, members) in enumerate(families(points).items()):
            sizes, noises, errors, names = zip(*sorted((*point, name) for name, point in members), strict=True)
            ax.errorbar(
                sizes,
                noises,
                errors,
                label=family,
                color=COLOURS[(k + 1) % len(COLOURS)],
                marker=MARKERS[k % len(MARKERS)],
                markersize=6,
                capsize=2,
            )
            for size, noise, name in zip(sizes, noises, names, strict=True):
                ax.annotate(name, (size, noise), textcoords="offset points", xytext=(6, 4), fontsize=8)
        ax.set(xscale="log", yscale="log", xlabel="bytes of the tape, over exact")
        ax.set_xticks([0.1, 0.2, 0.5, 1], ["0.1", "0.2", "0.5", "1"])
        ax.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    figure.axes[0].set_ylabel("V/σ²")
    legend_below(figure, 3)
    return figure
