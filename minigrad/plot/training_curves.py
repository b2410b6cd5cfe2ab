"""Convergence curves with a band over seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.plot.style import MARKERS, STYLES, axes_or_new, colour
from minigrad.typing import Array

__all__ = ["curves"]


def curves(
    runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]],
    ax: Any = None,
    *,
    xlabel: str = "",
    ylabel: str = "",
    log_x: bool = False,
    log_y: bool = False,
    crossed: Collection[str] = (),
    average_x: bool = False,
) -> Any:
    """Draw for each method the mean over its runs, and a band of one standard deviation.

    With ``log_y`` and positive values both are those of the logarithm. Colours, dashes and markers tell the methods
    apart, so that colour is not needed.

    Parameters
    ----------
    runs : mapping from str to sequence of (x, y)
        For each method one pair of arrays for each seed. Runs of different lengths are drawn as far as the
        shortest goes; a method without runs stands in the legend only.
    ax : matplotlib Axes, optional
        Default: those of a new figure.
    xlabel, ylabel : str
        With their units.
    log_x, log_y : bool, default False
    crossed : collection of str
        The methods whose line ends in a cross, because they went no further; text is one method.
    average_x : bool, default False
        Whether the k-th points of all runs belong together though their x differs, such as the operations that were
        spent up to an epoch; they are drawn at the mean x.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        If a run has not one y for each x, or the x of the runs of a method differ and are not to be averaged.

    Examples
    --------
    >>> ax = curves({"exact": [([1, 2], [0.5, 0.25])]}, xlabel="epoch", ylabel="loss (nats)")
    >>> ax.get_ylabel()
    'loss (nats)'
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    _check(runs, average_x)
    if isinstance(crossed, str):
        crossed = [crossed]
    ax = axes_or_new(ax)
    for k, (label, pairs) in enumerate(runs.items()):
        look: dict[str, Any] = {
            "color": colour(k),
            "linestyle": STYLES[k % len(STYLES)],
            "marker": MARKERS[k % len(MARKERS)],
            "markersize": 5,
            "linewidth": 1.6,
        }
        length = min((len(np.asarray(y)) for _, y in pairs), default=0)
        if not length:
            ax.plot([], [], label=label, **look)
            continue
        x = np.mean([np.asarray(x, float)[:length] for x, _ in pairs], axis=0)
        mean, low, high = _band(np.array([np.asarray(y, float)[:length] for _, y in pairs]), log_y)
        every = max(1, length // 6)
        ax.plot(x, mean, label=label, markevery=(k * every // len(runs), every), **look)
        ax.fill_between(x, low, high, color=look["color"], alpha=0.13, linewidth=0)
        if label in crossed:
            ax.plot(x[-1:], mean[-1:], color=look["color"], marker="x", markersize=11, markeredgewidth=2.5)
    if log_x:
        ax.set_xscale("log")
    if log_y:
        ax.set_yscale("log")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(True, alpha=0.25)
    return ax


def _check(runs: Mapping[str, Sequence[tuple[ArrayLike, ArrayLike]]], average_x: bool) -> None:
    for label, pairs in runs.items():
        first = None
        for number, (x, y) in enumerate(pairs):
            at, count = np.asarray(x, float), len(np.asarray(y))
            if len(at) != count:
                raise ValueError(
                    f"curves: run {number} of {label!r} has {len(at)} x and {count} y; give one y for each x"
                )
            first = at if first is None else first
            shared = min(len(at), len(first))
            if not average_x and not np.allclose(at[:shared], first[:shared]):
                k = int(np.argmin(np.isclose(at[:shared], first[:shared])))
                raise ValueError(
                    f"curves: runs 0 and {number} of {label!r} are not at the same x: x[{k}] is {first[k]:g} and "
                    f"{at[k]:g}. Bring them to the same x (np.interp), or pass average_x=True if the k-th points "
                    "belong together"
                )


def _band(y: Array, log: bool) -> tuple[Array, Array, Array]:
    """Mean over the first axis, and one standard deviation below and above."""
    geometric = log and bool((y > 0).all())
    values = np.log(y) if geometric else y
    with np.errstate(invalid="ignore"):  # where a value is infinite
        mean = values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(y) > 1 else np.zeros_like(mean)
        low, high = mean - spread, mean + spread
    return (np.exp(mean), np.exp(low), np.exp(high)) if geometric else (mean, low, high)
