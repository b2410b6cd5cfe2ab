"""Inclusion probabilities: how likely each unit of a cotangent is to be kept."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import COLOURS, axes_or_new
from minigrad.typing import Array

__all__ = ["inclusion_probabilities"]


def inclusion_probabilities(
    p: ArrayLike | None,
    ax: Any = None,
    *,
    frequencies: ArrayLike | None = None,
    kept: ArrayLike | None = None,
    unit: str = "column",
) -> Any:
    """Draw the inclusion probability of each unit, and how often draws kept it.

    Parameters
    ----------
    p : array_like, shape (units,) or (rows, columns), or None
        As an estimator's ``probabilities(g, node)`` gives them. Of one axis: bars. Of two axes, for units that are
        single entries: a heat map. None where only ``frequencies`` are known.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    frequencies : array_like of the same shape, optional
        The fraction of draws that kept each unit; shown as dots over the bars, not on a heat map.
    kept : array_like of bool of the same shape, optional
        What one draw kept: these bars are dark and hatched; on a heat map, these entries have a dot.
    unit : str, default "column"
        What a unit is, for the label.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If neither probabilities nor frequencies are given, they are of no or more than two axes, or the shapes differ.

    Examples
    --------
    >>> from minigrad.estimators import DiagonalSketch
    >>> p = DiagonalSketch(0.5).probabilities(np.array([[3.0, 1.0, 1.0, 0.0]]))
    >>> ax = inclusion_probabilities(p, kept=[True, False, True, False])
    >>> [float(bar.get_height()) for bar in ax.patches]
    [1.0, 0.5, 0.5, 0.0]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    if p is None and frequencies is None:
        raise ValueError("inclusion_probabilities: give p, frequencies, or both; there is nothing to draw")
    shown = np.asarray(frequencies if p is None else p, dtype=np.float64)
    if shown.ndim not in (1, 2):
        raise ValueError(
            f"inclusion_probabilities: got shape {shown.shape}; it takes one number for each unit, or a matrix of them "
            "where a unit is a single entry"
        )
    chosen = np.zeros(shown.shape, bool) if kept is None else np.asarray(kept, bool)
    for name, other in (("kept", chosen), ("frequencies", shown if frequencies is None else np.asarray(frequencies))):
        if other.shape != shown.shape:
            raise ValueError(
                f"inclusion_probabilities: {name} has shape {other.shape}, but there are {shown.shape} probabilities; "
                "give one for each unit"
            )
    ax = axes_or_new(ax)
    if shown.ndim == 2:
        return _heatmap(ax, shown, chosen, unit)
    places = np.arange(shown.size)
    # Bars of one pixel would be lost between the gaps.
    bars = ax.bar(places, shown, width=0.8 if shown.size <= 64 else 1.0, color="#BFDDF2", edgecolor=COLOURS[1], lw=0.6)
    for bar, dark in zip(bars, chosen, strict=True):
        if dark:
            bar.set(facecolor=COLOURS[1], hatch="////", edgecolor="white" if shown.size <= 64 else COLOURS[1])
    handles, labels = [], []
    if chosen.any() and not chosen.all():
        handles.append(bars[int(np.argmax(chosen))])
        labels.append("kept in this draw")
    if p is not None and frequencies is not None:
        size = 4 if shown.size <= 64 else 1.5
        (dots,) = ax.plot(places, np.asarray(frequencies), color=COLOURS[5], marker="D", markersize=size, linestyle="")
        handles.append(dots)
        labels.append("how often kept")
    handles.append(ax.axhline(shown.mean() if shown.size else 0.0, color=COLOURS[0], linestyle=":", linewidth=1.2))
    labels.append(f"mean {shown.mean() if shown.size else 0.0:.3g}")
    ax.set(xlabel=unit, ylabel="frequency (fraction of draws)" if p is None else "inclusion probability")
    ax.set_xlim(-0.7, max(shown.size, 1) - 0.3)
    ax.set_ylim(0, 1.32)  # room for the legend above the bars
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.xaxis.get_major_locator().set_params(integer=True)
    look = {"fontsize": 8, "ncols": 2, "columnspacing": 1, "handlelength": 1.6, "frameon": False}
    ax.legend(handles, labels, loc="upper center", **look)
    return ax


def _heatmap(ax: Any, p: Array, kept: Array, unit: str) -> Any:
    image = ax.imshow(p, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    rows, columns = np.nonzero(kept)
    ax.plot(columns, rows, marker="o", markersize=3.5, color=COLOURS[5], markeredgecolor="white", mew=0.5, linestyle="")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel="column (feature)", ylabel="row")
    ax.figure.colorbar(image, ax=ax, label=f"inclusion probability of each {unit}")
    return ax
