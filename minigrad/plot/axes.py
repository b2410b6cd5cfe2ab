"""What all pictures share: where to draw, and colours that everyone can tell apart."""

from __future__ import annotations

import textwrap
from typing import Any

__all__ = ["COLOURS", "MARKERS", "STYLES", "axes_or_new", "figure_or_new", "plain_log", "shorter"]

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
