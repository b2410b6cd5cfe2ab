"""Sweeps that measure error gains: what an error of a cotangent makes of the gradient, edge by edge.

Index conventions: l runs over edges, i over the rows of a cotangent; d_l = Ĝ_l − G_l is the error that the sketch of an
edge adds to the cotangent that arrived there, J_lᵀ the exact backward pass from that edge on. The gain of the edge is
A_l = E‖J_lᵀ d_l‖² / E‖d_l‖² (Theory §7).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from minigrad.engine.drawing import draw
from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.sweep import Sweep
from minigrad.inspect.gradients import squared_norm
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.priced_edges import Edge, rows_scored
from minigrad.structure import dense
from minigrad.typing import Array

__all__ = ["Arrivals", "chain_squares", "is_chain", "sweep_with"]

Estimators = Mapping[str, "Estimator | Mapping[str, Estimator]"]
"""By layer and input."""


class Arrivals:
    """The record of one sweep at each edge.

    Attributes
    ----------
    scores : list of ndarray
        The squared contributions of the rows that arrived, without the gain.
    added, distortion : ndarray
        ‖J_lᵀ d_l‖² and ‖d_l‖²; 0 where they were not asked for.
    """

    def __init__(self, edges: int):
        self.scores: list[Array] = [np.zeros(0)] * edges
        self.added = np.zeros(edges)
        self.distortion = np.zeros(edges)


def sweep_with(
    target: InspectionTarget,
    edges: Sequence[Edge],
    estimators: Estimators,
    key: int,
    apart: Collection[int] = (),
) -> Arrivals:
    """One backward pass with some estimators on the input edges, all else exact; and one more for each edge ``apart``.

    Parameters
    ----------
    target : InspectionTarget
        Its nodes are given other estimators.
    edges : sequence of Edge
    estimators : mapping
        By layer and input; those of weight edges are left out, for nothing that is looked at hangs on them.
    key : int
        Of the draws.
    apart : collection of int
        The edges, by number, whose errors are followed to the gradient.
    """
    nodes = target.tape.nodes
    at: dict[int, list[tuple[int, int, Edge]]] = {}
    for number, edge in enumerate(edges):
        for index, position in edge.places:
            at.setdefault(index, []).append((number, position, edge))
    for index, here in at.items():
        chosen = {
            edge.input: own.get(edge.input)
            for _, _, edge in here
            for own in [estimators.get(edge.layer, {})]
            if edge.kind == "input" and isinstance(own, Mapping)
        }
        nodes[index].vjp = {name: estimator for name, estimator in chosen.items() if estimator is not None}
    found = Arrivals(len(edges))
    sweep = target.sweep(random=tuple(at))
    while (stop := sweep.advance()) is not None:
        node, g = stop
        drawn = draw(node, g, key)
        for number, position, edge in at[node.index]:
            found.scores[number] = np.concatenate([found.scores[number], rows_scored(node, edge.kind, dense(g))])
            if number in apart and drawn[position] is not g:
                error = dense(drawn[position]) - dense(g)
                found.distortion[number] += float(np.square(error, dtype=np.float64).sum())
                found.added[number] += _followed(target, sweep, node, position, error)
        sweep.apply(node, drawn)
    return found


def _followed(target: InspectionTarget, sweep: Sweep, node: Node, position: int, error: Array) -> float:
    """‖J_lᵀ d‖²: the exact backward pass of an error from one input of a node."""
    rest = sweep.copy()
    rest.random = frozenset()
    rest.pending = [None] * len(rest.pending)
    rest.kept, rest.leaves = {}, {}
    rest.pull(node, error, (position,))
    rest.advance()
    return squared_norm(target.gradient(rest))


def is_chain(target: InspectionTarget) -> bool:
    """True if no cotangent is a sum: each node of the tape is read by one other at most."""
    read = [parent for node in target.tape.nodes for parent in node.parents if isinstance(parent, int)]
    return len(read) == len(set(read))


def chain_squares(target: InspectionTarget, edges: Sequence[Edge]) -> Array:
    """A_l ≈ Σ_m Σ_i ‖G_m,i‖²‖X_m,i‖² / Σ_i ‖G_l,i‖² over the weights m below edge l, from one exact pass.

    On a chain an error that looks like the cotangent reaches the weights below as the cotangent does.

    Returns
    -------
    ndarray, shape (2, edges)
        Numerators and denominators; 0 on weight edges.
    """
    weighted = {}
    for node in target.tape.nodes:
        leaf = len(node.parents) > 1 and node.parents[1] is not None and not isinstance(node.parents[1], int)
        if leaf and node.primitive.operands is not None:
            weighted[node.index] = 0.0
    numbers = {index: number for number, edge in enumerate(edges) if edge.kind == "input" for index, _ in edge.places}
    own = dict.fromkeys(numbers, 0.0)
    for index in {*weighted, *numbers}:
        target.tape.nodes[index].vjp = {}
    sweep = target.sweep(random=(*weighted, *numbers))
    while (stop := sweep.advance()) is not None:
        node, g = stop
        if node.index in weighted:
            weighted[node.index] = float(rows_scored(node, "weight", dense(g)).sum())
        if node.index in own:
            own[node.index] = float(rows_scored(node, "input", dense(g)).sum())
        sweep.apply(node, [g] * len(node.parents))
    out = np.zeros((2, len(edges)))
    for index, number in numbers.items():
        out[0, number] += sum(square for below, square in weighted.items() if below < index)
        out[1, number] += own[index]
    return out
