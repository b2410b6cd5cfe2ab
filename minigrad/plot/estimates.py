"""Draws of one number around its exact value: their distribution, and their running mean."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import COLOURS, axes_or_new
from minigrad.typing import Array

__all__ = ["estimate_histogram", "running_mean"]


def estimate_histogram(
    values: ArrayLike, exact: float, ax: Any = None, *, shown: float | None = None, xlabel: str = "estimate"
) -> Any:
    """Draw the distribution of estimates of a number, with the exact value and their mean marked.

    Parameters
    ----------
    values : array_like, shape (draws,)
        One estimate from each draw; at least one.
    exact : float
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    shown : float, optional
        The estimate of one draw, marked by a triangle.
    xlabel : str
        With its unit.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there is no estimate, or a number is not finite.

    Examples
    --------
    >>> ax = estimate_histogram([0.0, 0.0, 4.0, 0.0], exact=1.0)
    >>> [line.get_xdata()[0] for line in ax.lines]          # the exact value and the mean
    [1.0, 1.0]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    z = _checked(values, exact, "estimate_histogram")
    ax = axes_or_new(ax)
    ax.hist(z, bins=_bins(z, exact), color="#BFDDF2", edgecolor=COLOURS[1], linewidth=0.6)
    ax.axvline(exact, color=COLOURS[0], linewidth=1.8, label=f"exact {_text(exact)}")
    mean, error = float(z.mean()), _standard_error(z)
    ax.axvline(mean, color=COLOURS[5], linewidth=1.8, linestyle="--", label=f"mean {_text(mean)} ± {error:.2g}")
    if shown is not None:
        ax.plot(
            shown, 0, marker="^", markersize=11, color=COLOURS[3], markeredgecolor="white", linestyle="",
            clip_on=False, zorder=5, label=f"this draw {_text(shown)}",
        )  # fmt: skip
    low, high = min(float(z.min()), exact), max(float(z.max()), exact)
    pad = 0.05 * (high - low) or 0.05 * abs(exact) or 1.0
    ax.set_xlim(low - pad, high + pad)
    ax.set_ylim(top=1.42 * ax.get_ylim()[1])  # room for the legend
    ax.set(xlabel=xlabel, ylabel="draws")
    ax.legend(fontsize=8, loc="best")
    return ax


def running_mean(
    values: ArrayLike, exact: float, ax: Any = None, *, shown: int | None = None, ylabel: str = "mean of the estimates"
) -> Any:
    """Draw the mean of the first n estimates against n, with the band that the mean of unbiased draws keeps to.

    Parameters
    ----------
    values : array_like, shape (draws,)
        One estimate from each draw, in the order of the draws; at least one.
    exact : float
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    shown : int, optional
        The number of one draw, counted from 0: the mean up to and with it is marked by a triangle.
    ylabel : str
        With its unit.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If there is no estimate, or a number is not finite.

    Notes
    -----
    The band is exact ± 2 s/√n, with s the standard deviation of the draws: by the central limit theorem the mean of n
    unbiased draws is within it for about 95 % of the n. It narrows; a bias stays.

    Examples
    --------
    >>> ax = running_mean([0.0, 4.0, 2.0], exact=2.0)
    >>> ax.lines[0].get_ydata().tolist()
    [0.0, 2.0, 2.0]
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    z = _checked(values, exact, "running_mean")
    ax = axes_or_new(ax)
    n = np.arange(1, z.size + 1)
    means = np.cumsum(z) / n
    ax.plot(n, means, color=COLOURS[5], linewidth=1.6, label="mean of n draws")
    ax.axhline(exact, color=COLOURS[0], linewidth=1.8, label="exact")
    width = 2 * (z.std(ddof=1) if z.size > 1 else 0.0) / np.sqrt(n)
    ax.fill_between(n, exact - width, exact + width, color=COLOURS[6], alpha=0.3, linewidth=0, label="exact ± 2 s/√n")
    if shown is not None:
        ax.plot(n[shown], means[shown], marker="^", markersize=9, color=COLOURS[3], markeredgecolor="white", zorder=5)
    # The first few means may be far off, and would flatten all that follows.
    seen = means[min(4, z.size - 1) :]
    reach = max(float(np.abs(seen - exact).max()), float(width[min(4, z.size - 1)]))
    if reach <= 1e-9 * abs(exact):  # nothing but rounding
        reach = 0.1 * abs(exact)
    if 0 < reach < math.inf:
        ax.set_ylim(exact - 1.25 * reach, exact + 1.25 * reach)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel="draws n", ylabel=ylabel)
    ax.legend(fontsize=8, loc="upper right", frameon=False)
    return ax


def _checked(values: ArrayLike, exact: float, name: str) -> Array:
    z = np.asarray(values, dtype=np.float64)
    if z.ndim != 1 or not z.size:
        raise ValueError(f"{name}: values has shape {z.shape}; it takes one number from each draw, and at least one")
    bad = np.flatnonzero(~np.isfinite(z))
    if bad.size:
        raise ValueError(
            f"{name}: {bad.size} of {z.size} estimates are NaN or infinite, values[{bad[0]}] = {z[bad[0]]} first; "
            "their mean would be as well. See what that draw did"
        )
    if not math.isfinite(exact):
        raise ValueError(f"{name}: exact={exact} is not finite")
    return z


def _text(value: float) -> str:
    """Four digits, with the minus sign of the axes."""
    return f"{value:.4g}".replace("-", "−")


def _standard_error(z: Array) -> float:
    """Of the mean; 0 where only rounding parts the values."""
    if z.size < 2:
        return math.nan
    spread = float(z.std(ddof=1))
    return spread / math.sqrt(z.size) if spread > 1e-12 * float(np.abs(z).max()) else 0.0


def _bins(z: Array, exact: float) -> Any:
    """Edges of between 12 and 60 bins; around one value, where all are the same."""
    low, high = float(z.min()), float(z.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        half = 0.02 * (abs(low - exact) or abs(exact) or 1.0)
        return np.array([low - half, low + half])
    count = len(np.histogram_bin_edges(z, "auto")) - 1
    return np.linspace(low, high, min(max(count, 12), 60) + 1)
