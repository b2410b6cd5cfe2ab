"""Where to put the boxes of a graph: layers from top to bottom, few crossings, and lines as straight as can be.

The three steps of Sugiyama, Tagawa, Toda (1981), *Methods for Visual Understanding of Hierarchical System Structures*,
IEEE Trans. SMC 11(2). A box stands one layer below the lowest box it reads. Lines over several layers get a bend in
each layer that they pass. Within a layer the order is that of the mean place of the neighbours, from above and from
below by turns. Then each layer is put as near to its neighbours as the widths of the boxes allow.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Layout", "layered"]

SWEEPS = 24
"""Down and up so many times; small graphs settle in a few."""

BESIDE = 0.02
"""The pull of a box without lines on one side (a leaf, mostly) at its neighbours; others pull by 1."""

BEND = 0.12
"""The width that a passing line takes up."""


@dataclass(frozen=True)
class Layout:
    """Places of boxes and lines, x to the right and y downwards, from 0.

    Attributes
    ----------
    places : list of (float, float)
        The centre of each box.
    lines : list of list of (float, float)
        For each edge the points it passes: the two boxes, and its bends between them.
    width, height : float
    """

    places: list[tuple[float, float]]
    lines: list[list[tuple[float, float]]]
    width: float
    height: float


def layered(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]], gap: float = 0.3) -> Layout:
    """Lay out a directed graph without cycles.

    Parameters
    ----------
    sizes : sequence of (width, height)
        Of the boxes, in any unit of length.
    edges : sequence of (int, int)
        Pairs (from, to) of boxes, from < to.
    gap : float
        The least distance between boxes, in the same unit.

    Returns
    -------
    Layout

    Examples
    --------
    >>> layout = layered([(1, 1), (1, 1), (1, 1)], [(0, 2), (1, 2)], gap=1.0)
    >>> layout.places
    [(0.5, 0.5), (2.5, 0.5), (1.5, 2.5)]
    """
    ranks = _ranks(len(sizes), edges)
    widths = [width for width, _ in sizes]
    layers: list[list[int]] = [[] for _ in range(max(ranks, default=-1) + 1)]
    for vertex, rank in enumerate(ranks):
        layers[rank].append(vertex)
    above: list[list[int]] = [[] for _ in sizes]  # of each vertex, boxes and bends alike, its neighbours
    below: list[list[int]] = [[] for _ in sizes]
    chains = []
    for start, end in edges:
        chain = [start]
        for rank in range(ranks[start] + 1, ranks[end]):
            bend = len(widths)
            widths.append(BEND)
            above.append([])
            below.append([])
            layers[rank].append(bend)
            chain.append(bend)
        chain.append(end)
        for u, v in itertools.pairwise(chain):
            below[u].append(v)
            above[v].append(u)
        chains.append(chain)
    layers = _ordered(layers, above, below)
    x = _straightened(layers, above, below, widths, gap)
    heights = [max((sizes[v][1] for v in layer if v < len(sizes)), default=0.0) for layer in layers]
    tops = np.cumsum([0.0, *(height + gap for height in heights)]).tolist()
    y = {v: tops[rank] + heights[rank] / 2 for rank, layer in enumerate(layers) for v in layer}
    left = min((x[v] - widths[v] / 2 for v in range(len(widths))), default=0.0)
    right = max((x[v] + widths[v] / 2 for v in range(len(widths))), default=0.0)
    places = [(x[v] - left, y[v]) for v in range(len(widths))]
    lines = [[places[v] for v in chain] for chain in chains]
    return Layout(places[: len(sizes)], lines, right - left, max(0.0, tops[-1] - gap))


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: below all that it reads, and directly above its first reader if it reads nothing."""
    ranks = [0] * count
    for start, end in sorted(edges, key=lambda edge: edge[1]):
        ranks[end] = max(ranks[end], ranks[start] + 1)
    readers: dict[int, list[int]] = {}
    for start, end in edges:
        readers.setdefault(start, []).append(ranks[end])
    reading = {end for _, end in edges}
    return [min(readers[v]) - 1 if v not in reading and v in readers else rank for v, rank in enumerate(ranks)]


def _ordered(layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> list[list[int]]:
    """The layers, each in the best order that was met."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        neighbours = above if down else below
        for layer in layers[1:] if down else layers[-2::-1]:
            place = {v: k for other in layers for k, v in enumerate(other)}
            now = {v: k for k, v in enumerate(layer)}
            layer.sort(key=lambda v: float(np.mean([place[u] for u in neighbours[v]])) if neighbours[v] else now[v])
        count = _crossings(layers, below)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    return best


def _crossings(layers: list[list[int]], below: list[list[int]]) -> int:
    """The number of pairs of lines that cross."""
    place = {v: k for layer in layers for k, v in enumerate(layer)}
    total = 0
    for layer in layers:
        ends = [place[v] for u in layer for v in sorted(below[u], key=place.__getitem__)]
        total += sum(later < end for k, end in enumerate(ends) for later in ends[k + 1 :])
    return total


def _straightened(
    layers: list[list[int]], above: list[list[int]], below: list[list[int]], widths: list[float], gap: float
) -> list[float]:
    """The x of each vertex: as near to the mean of its neighbours as order and widths allow."""
    x = [0.0] * len(widths)
    offsets = []
    for layer in layers:
        steps = [(widths[u] + widths[v]) / 2 + gap for u, v in itertools.pairwise(layer)]
        offset = np.cumsum([0.0, *steps]) if layer else np.zeros(0)
        offsets.append(offset)
        for v, place in zip(layer, (offset - offset.mean() if layer else offset).tolist(), strict=True):
            x[v] = place
    pull = [1.0 if above[v] and below[v] else BESIDE for v in range(len(widths))]
    for sweep in range(SWEEPS):
        ordered = list(zip(layers, offsets, strict=True))
        for layer, offset in ordered if sweep % 2 == 0 else ordered[::-1]:
            wanted = []
            for v in layer:
                near = above[v] + below[v]
                wanted.append(np.average([x[u] for u in near], weights=[pull[u] for u in near]) if near else x[v])
            found = _increasing(np.array(wanted) - offset, [pull[v] for v in layer]) + offset
            for v, place in zip(layer, found.tolist(), strict=True):
                x[v] = place
    return x


def _increasing(values: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The increasing sequence that is nearest in weighted squares: neighbours in the wrong order share their mean.

    Examples
    --------
    >>> _increasing(np.array([1.0, 4.0, 2.0]), [1.0, 1.0, 1.0]).tolist()
    [1.0, 3.0, 3.0]
    """
    blocks: list[list[float]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights, strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, mass, length = blocks.pop()
            last = blocks[-1]
            last[0] = (last[0] * last[1] + mean * mass) / (last[1] + mass)
            last[1] += mass
            last[2] += length
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks]) if blocks else np.zeros(0)
