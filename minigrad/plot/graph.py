"""A tape as a graph of boxes, from the leaves to the loss; Graphviz is not needed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from minigrad.plot.axes import COLOURS, shorter
from minigrad.plot.layers import Layout, layered

__all__ = ["tape_graph"]

FONT = 9.0
"""Points, where there is room."""

LETTER = 0.58 * FONT / 72
LINE = 1.25 * FONT / 72
MARGIN = 0.1


def tape_graph(
    labels: Sequence[str],
    estimators: Sequence[str],
    edges: Sequence[tuple[int, int]],
    ax: Any = None,
    *,
    leaves: int = 0,
) -> Any:
    """Draw a tape as a graph: an arrow leads from each leaf or node to the nodes that read it.

    Leaves have round corners. A node whose VJP is random has a thick frame and a darker ground, and its estimator is
    named. `minigrad.Tape.plot` draws this.

    Parameters
    ----------
    labels, estimators : sequence of str
        Of each box, in an order in which each is read by later ones only. The estimator is empty where there is none.
    edges : sequence of (int, int)
        Pairs (from, to) of boxes, counted from 0.
    ax : matplotlib Axes, optional
        Text is made as small as its size asks for, as it is now. Default: those of a new figure that is as large as the
        graph.
    leaves : int, default 0
        So many of the first boxes are leaves.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> ax = tape_graph(["w", "0: linear", "1: sum"], ["", "Mask(0.5)", ""], [(0, 1), (1, 2)], leaves=1)
    >>> for box in ax.texts:
    ...     print(box.get_text().replace(chr(10), " "))
    w
    0: linear Mask(0.5)
    1: sum
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)
    """
    from matplotlib.patches import FancyBboxPatch

    edges = list(dict.fromkeys(edges))  # w * w reads w twice
    texts = [f"{name}\n{shorter(vjp)}" if vjp else name for name, vjp in zip(labels, estimators, strict=True)]
    sizes = [_size(text) for text in texts]
    layout = layered(sizes, edges)
    ax, font = _axes(ax, layout)
    for line, (start, end) in zip(layout.lines, edges, strict=True):
        _arrow(ax, line, sizes[start][1] / 2, sizes[end][1] / 2)
    for k, ((x, y), (width, height), text) in enumerate(zip(layout.places, sizes, texts, strict=True)):
        leaf, random = k < leaves, bool(estimators[k])
        style = f"round,pad=0,rounding_size={height / 2.2}" if leaf else "square,pad=0"
        box = FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle=style, zorder=2,
            facecolor="#F6CF8B" if random else "white", edgecolor=COLOURS[0] if not leaf else "0.45",
            linewidth=2.2 if random else 0.9,
        )  # fmt: skip
        ax.add_patch(box)
        ax.text(x, y, text, ha="center", va="center", fontsize=font, zorder=3, linespacing=1.15, parse_math=False)
    return ax


def _size(text: str) -> tuple[float, float]:
    """Width and height of a box, in inches at the full size of the font."""
    lines = text.split("\n")
    return max(map(len, lines)) * LETTER + 2 * MARGIN, len(lines) * LINE + 1.4 * MARGIN


def _axes(ax: Any, layout: Layout) -> tuple[Any, float]:
    """Axes with inches for units, as large as the layout, and the size of the font on them."""
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    scale = 1.0
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.figure(figsize=(max(width, 1.0), max(height, 1.0))).add_axes((0, 0, 1, 1))
    else:
        box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
        scale = min(1.0, box.width / width, box.height / height)
        # More room than is needed stays empty around the graph.
        width, height = max(width, box.width / scale), max(height, box.height / scale)
    ax.set_xlim((layout.width - width) / 2, (layout.width + width) / 2)
    ax.set_ylim((layout.height + height) / 2, (layout.height - height) / 2)
    ax.set_axis_off()
    return ax, FONT * scale


def _arrow(ax: Any, line: list[tuple[float, float]], first: float, last: float) -> None:
    """A smooth arrow from the bottom of one box, through the bends, to the top of another."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    points = [(line[0][0], line[0][1] + first), *line[1:-1], (line[-1][0], line[-1][1] - last)]
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    arrow = FancyArrowPatch(
        path=Path(vertices, codes), arrowstyle="-|>", mutation_scale=9, color="0.35", linewidth=1.0, zorder=1,
        shrinkA=0, shrinkB=0,
    )  # fmt: skip
    ax.add_patch(arrow)
