"""A tape as a drawing for a notebook or a browser, with a slider that goes back through it node by node.

The drawing is SVG in the colour of the text around it, so that it is light or dark as that is. It shows everything
where no script runs. The style and the script are files of `minigrad/data`.
"""

from __future__ import annotations

import itertools
from importlib.resources import files

from minigrad.plot.boxes import Box, Graph

__all__ = ["drawing", "page"]

LETTER, LINE, MARGIN = 7.4, 16.0, 8.0
"""Pixels: the width of a letter, the height of a line, and the room around text."""


def page(graph: Graph, title: str) -> str:
    """A whole page, to be written to a file and opened in a browser."""
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    size = '<meta name="viewport" content="width=device-width">'
    return f"{head}{size}<title>{title}</title></head><body>{drawing(graph, title)}</body></html>"


def drawing(graph: Graph, title: str) -> str:
    """The drawing as a piece of HTML."""
    from html import escape  # here: its table of entities is a millisecond of every import

    from minigrad.plot.graph_layout import layered

    data = files("minigrad") / "data"
    style, script = ((data / f"tape.{end}").read_text(encoding="utf-8") for end in ("css", "js"))
    texts = [words(box) for box in graph.boxes]
    sizes = [(max(len(line) for _, line in text) * LETTER + 2 * MARGIN, len(text) * LINE + MARGIN) for text in texts]
    layout = layered(sizes, graph.edges, gap=26.0)
    shapes = []
    for (start, end), line in zip(graph.edges, layout.lines, strict=True):
        (x0, y0), *bends, (x1, y1) = line
        points = [(x0, y0 + sizes[start][1] / 2), *bends, (x1, y1 - sizes[end][1] / 2)]
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (xa, ya), (xb, yb) in itertools.pairwise(points):
            middle = (ya + yb) / 2
            path += f"C{xa:.1f} {middle:.1f} {xb:.1f} {middle:.1f} {xb:.1f} {yb:.1f}"
        shapes.append(f'<path class="line" data-step="{graph.boxes[end].step or ""}" d="{path}"/>')
        shapes.append(f'<path class="head" d="M{x1:.1f} {points[-1][1]:.1f}l-4 -8h8z"/>')
    for box, text, (width, height), (x, y) in zip(graph.boxes, texts, sizes, layout.places, strict=True):
        kind = "leaf" if box.leaf else "node random" if box.estimator else "node"
        left, top = x - width / 2, y - height / 2
        rows = "".join(
            f'<text class="{name}" x="{x:.1f}" y="{top + LINE * (k + 1):.1f}">{escape(line)}</text>'
            for k, (name, line) in enumerate(text)
        )
        shapes.append(
            f'<g class="box {kind}" data-step="{box.step or ""}" data-name="{escape(box.label, quote=True)}">'
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'rx="{height / 3 if box.leaf else 2:.1f}"/>{rows}</g>'
        )
    frame = f"-4 -4 {layout.width + 8:.0f} {layout.height + 8:.0f}"
    picture = (
        f'<svg viewBox="{frame}" width="{layout.width + 8:.0f}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(shapes)}</svg>"
    )
    steps = (
        f'<div class="steps" hidden><button type="button" aria-label="one node forward">◀</button>'
        f'<input type="range" min="0" max="{graph.steps}" value="{graph.steps}" aria-label="nodes gone back through">'
        f'<button type="button" aria-label="one node back">▶</button> <output aria-live="polite"></output></div>'
        if graph.steps
        else ""
    )
    note = f"<p>{escape(graph.note)}</p>" if graph.note else ""
    return (
        f'<div class="minigrad-tape"><style>{style}</style><p>{escape(title)}</p>{steps}{picture}{note}'
        f"<script>{script}</script></div>"
    )


def words(box: Box) -> list[tuple[str, str]]:
    """The lines of a box, each with its class in the style."""
    lines = [("label", box.label), ("more", box.shape if box.leaf else f"{box.shape}, {box.saved}")]
    if box.value:
        lines.append(("more", f"value {box.value}"))
    if box.cotangent:
        lines.append(("back", f"{'gradient' if box.leaf else 'cotangent'} {box.cotangent}"))
    return lines + ([("estimator", box.estimator)] if box.estimator else [])
