"""A tape as a graph of boxes, from the leaves to the loss; Graphviz is not needed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from minigrad.plot.boxes import Graphed
from minigrad.plot.graph_layout import Layout, layered
from minigrad.plot.style import COLOURS

__all__ = ["tape_graph"]

FONT = 9.0
"""Points, where there is room."""

LETTER = 0.58 * FONT / 72
LINE = 1.25 * FONT / 72
MARGIN = 0.1


def tape_graph(
    tape: Graphed,
    ax: Any = None,
    *,
    values: bool = False,
    y: Any = None,
    cotangent: Any = None,
    rng: Any = 0,
    steps: int | None = None,
) -> Any:
    """Draw a tape as a graph: an arrow leads from each leaf or node to the nodes that read it.

    Leaves have round corners. A node whose VJP is random has a thick frame and a darker ground, and its estimator is
    named. Constants are left out.

    Parameters
    ----------
    tape : Tape
    ax : matplotlib Axes, optional
        Text is made as small as its size asks for, as it is now. Default: those of a new figure that is as large as the
        graph; some dozens of nodes can be read, and `Tape.summary` lists more.
    values : bool, default False
        Write the values after ``=``, or their range, where something still holds them: a tensor in use, or a node.
    y : Tensor, optional
        Write after ``∂`` what arrives in a backward pass from this tensor.
    cotangent, rng
        Of that pass, as for `Tape.gradients`; the draws are those of seed 0 by default.
    steps : int, optional
        Go back through so many nodes only; the last of them is framed. Default: all.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TapeError
        As `Tape.gradients`, where ``y`` is given.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.eye(2), requires_grad=True, name="w")
    >>> with mg.Tape() as tape:
    ...     loss = mg.ops.linear(np.ones((1, 2)), w, vjp=Mask(0.5)).sum()
    >>> ax = tape_graph(tape)
    >>> for box in ax.texts:
    ...     print(box.get_text().replace(chr(10), " "))
    w (2, 2)
    0: linear (1, 2) Mask(0.5)
    1: sum ()
    >>> import matplotlib.pyplot as plt
    >>> plt.close(ax.figure)

    One neuron, and its derivatives after two steps back:

    >>> w, b = mg.Tensor(3.0, True, name="w"), mg.Tensor(1.0, True, name="b")
    >>> with mg.Tape() as tape:
    ...     a = w * 2.0
    ...     y = a + b
    >>> ax = tape_graph(tape, values=True, y=y, steps=1)
    >>> for box in ax.texts:
    ...     print(box.get_text().replace(chr(10), " "))
    w () = 3
    b () = 1 ∂ 1
    0: multiply () = 6
    1: add () = 7 ∂ 1
    >>> plt.close(ax.figure)
    """
    from matplotlib.patches import FancyBboxPatch

    graph = tape.graph(y, cotangent, rng, back=y is not None)
    edges, last = graph.edges, graph.steps if steps is None else steps
    # Every picture of a series has boxes of one size.
    sizes = [_size(box.lines(values)) for box in graph.boxes]
    boxes = [box if box.step is not None and box.step <= last else replace(box, cotangent="") for box in graph.boxes]
    layout = layered(sizes, edges)
    ax, font = _axes(ax, layout)
    for line, (start, end) in zip(layout.lines, edges, strict=True):
        _arrow(ax, line, sizes[start][1] / 2, sizes[end][1] / 2)
    for (x, y), (width, height), box in zip(layout.places, sizes, boxes, strict=True):
        leaf, random, now = box.leaf, bool(box.estimator), steps is not None and box.step == steps and not box.leaf
        style = f"round,pad=0,rounding_size={min(width, height) / 2.2}" if leaf else "square,pad=0"
        frame = FancyBboxPatch(
            (x - width / 2, y - height / 2), width, height, boxstyle=style, zorder=2,
            facecolor="#F6CF8B" if random else "white", edgecolor=COLOURS[1] if now else "0.45" if leaf else COLOURS[0],
            linewidth=3.0 if now else 2.2 if random else 0.9,
        )  # fmt: skip
        ax.add_patch(frame)
        text = "\n".join(box.lines(values))
        ax.text(x, y, text, ha="center", va="center", fontsize=font, zorder=3, linespacing=1.15, parse_math=False)
    return ax


def _size(lines: list[str]) -> tuple[float, float]:
    """Width and height of a box, in inches at the full size of the font."""
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
