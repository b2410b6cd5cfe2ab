"""The style of all pictures: where to draw, and colours that everyone can tell apart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

__all__ = [
    "COLOURS",
    "MARKERS",
    "STYLES",
    "axes_or_new",
    "colour",
    "figure_or_new",
    "legend_below",
    "panels_of",
    "plain_log",
    "shorter",
]

COLOURS = ["#000000", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A8A00"]
"""Black, then the colour-blind-safe set of Okabe and Ito (2008), *Color Universal Design*."""

STYLES = ["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (8, 2, 2, 2))]
"""One for each colour, so that a picture printed in grey can be read."""

MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]


def axes_or_new(ax: Any = None) -> Any:
    """The given Matplotlib Axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def figure_or_new(figure: Any = None, **options: Any) -> Any:
    """The given Matplotlib figure, or a new one with these options."""
    if figure is not None:
        return figure
    import matplotlib.pyplot as plt

    return plt.figure(**options)


def panels_of(names: Iterable[str], figure: Any = None) -> tuple[Any, dict[str, Any]]:
    """A figure, the given or a new one, and its panels by name; they stand side by side and share their y-axis."""
    names = list(names)
    figure = figure_or_new(figure, figsize=(4.2 * len(names) + 0.6, 4.4), layout="constrained")
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for ax, name in zip(axes, names, strict=True):
        ax.set_title(name)
        ax.grid(True, alpha=0.25)
    return figure, dict(zip(names, axes, strict=True))


def legend_below(figure: Any, columns: int) -> None:
    """One legend below all panels of a figure, of what the first shows; no wider than the panels have room for."""
    axes = figure.axes
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(columns, 1 + len(axes)),
        fontsize=9,
        frameon=False,
    )


def colour(number: int) -> str:
    """One colour a method: those of Okabe and Ito, then the same mixed with white, then with black.

    Parameters
    ----------
    number : int
        Of the method, from 0; from 24 on colours come again.

    Examples
    --------
    >>> colour(1), len({colour(k) for k in range(24)})
    ('#0072B2', 24)
    """
    turn, place = divmod(number, len(COLOURS))
    if turn % 3 == 0:
        return COLOURS[place]
    towards = (255, 96)[turn % 3 - 1]  # black itself becomes two greys
    parts = [int(COLOURS[place][k : k + 2], 16) for k in (1, 3, 5)]
    return "#" + "".join(f"{round(0.5 * part + 0.5 * towards):02X}" for part in parts)


def plain_log(axis: Any) -> None:
    """Make an axis logarithmic, with ticks at 1, 2, 5, 10, … written out as plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def shorter(text: str, width: int = 24) -> str:
    """Text broken into lines, so that it leaves room for the picture."""
    return "\n".join(textwrap.wrap(text, width))
