"""Bytes on a wire against the variance that they leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigrad.plot.families import families
from minigrad.plot.style import COLOURS, MARKERS, axes_or_new, plain_log, shorter

__all__ = ["variance_by_bytes"]

KILO = 1000


def variance_by_bytes(points: Mapping[str, tuple[float, float, float]], exact: float, ax: Any = None) -> Any:
    """Draw the variance of a gradient against the bytes of the cotangents that were sent, both on logarithmic axes.

    Parameters
    ----------
    points : mapping from str to (bytes, variance, standard error)
        By estimator, as text; those that differ in numbers alone are one line. A variance of 0 has no place.
    exact : float
        Bytes of exact cotangents, which are drawn as a line.
    ax : matplotlib Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = variance_by_bytes({"rounding(8)": (25e3, 1e-6, 1e-7), "rounding(4)": (13e3, 1e-3, 1e-4)}, 1e5)
    >>> len(ax.lines[0].get_xdata()), [text.get_text() for text in ax.get_legend().texts]
    (2, ['exact', 'rounding(·): 8, 4'])
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    ax = axes_or_new(ax)
    noisy = {text: point for text, point in points.items() if point[1] > 0}
    ax.axvline(exact / KILO, color=COLOURS[0], linestyle=":", label="exact")
    for k, (family, members) in enumerate(families(noisy).items()):
        values = ", ".join(f"({numbers})" if ", " in numbers else numbers for numbers, _ in members)
        size, variance, error = zip(*sorted(point for _, point in members), strict=True)
        ax.errorbar(
            [each / KILO for each in size],
            variance,
            error,
            label=shorter(f"{family}: {values}" if "·" in family else family, 44),
            color=COLOURS[(k + 1) % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)],
            markersize=6,
            capsize=2,
        )
    plain_log(ax.xaxis)
    ax.set(yscale="log", xlabel="kB of cotangents in a step", ylabel="variance, E‖ĝ − g‖² / ‖g‖²")
    ax.grid(True, alpha=0.25)
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, frameon=False)
    return ax
