"""The edges of a network that a price is put on: the backward products of its layers, and what a row of each costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from minigrad.engine.define import primitive_of
from minigrad.engine.node import Node
from minigrad.engine.tape import Tape
from minigrad.estimators import DiagonalSketch
from minigrad.structure import Kept, Rows
from minigrad.typing import Array

__all__ = ["Edge", "EdgeKind", "edges_of", "rows_scored"]

EdgeKind: TypeAlias = Literal["input", "weight"]
"""An edge to something computed (∂X), through which an error travels on; or one to a weight (∂W), where it ends."""

SCORE = {
    "input": DiagonalSketch(0.5, axis="row"),
    "weight": DiagonalSketch(0.5, axis="row", target="weight"),
}
"""The scores of the rows of an edge: ‖G_i‖² or ‖G_i‖²‖X_i‖²."""

OVERHEAD = 3.0
"""Operations for an entry of a cotangent: its square and the sum, and rescaling; as `Priced.overhead` has it."""


@dataclass(frozen=True)
class Edge:
    """One backward product of a layer.

    Attributes
    ----------
    layer : str
        The path.
    input : str
        Of the layer's operation, by name, such as "x" or "w".
    kind : {"input", "weight"}
    places : tuple of (int, int)
        The nodes of the layer on the tape, each with the position of the input.
    rows : int
        Of the cotangents at these nodes, together.
    exact, overhead : float
        What the exact product costs, and what it costs to choose rows: operations, or seconds.
    cost : float
        What a kept row costs, in the same unit.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> gains = inspect.error_gains(nn.mlp((64, 32, 10), rng=0), datasets.digits().flat(), batch_size=16, rng=0)
    >>> edge = gains.edges[1]
    >>> edge.name, edge.kind, edge.rows, edge.cost
    ('2/x', 'input', 16, 640.0)
    """

    layer: str
    input: str
    kind: EdgeKind
    places: tuple[tuple[int, int], ...]
    rows: int
    exact: float
    overhead: float
    cost: float

    @property
    def name(self) -> str:
        """Layer and input, as ``body.0/x``."""
        return f"{self.layer}/{self.input}"


def edges_of(tape: Tape, layers: Mapping[str, Any]) -> tuple[Edge, ...]:
    """The edges on which kept rows spare operations, from the input to the loss.

    Parameters
    ----------
    tape : Tape
    layers : mapping from str to Module
        By path. Other layers, and operations outside of any, have no edges here.
    """
    found: dict[tuple[str, str], list[tuple[Node, int]]] = {}
    for node in tape.nodes:
        layer = layers.get(node.layer)
        if layer is None or node.primitive is not primitive_of(type(layer).operation):
            continue
        for edge in range(min(2, len(node.parents))):  # a bias has no product
            if _kind(node, edge) is not None:
                found.setdefault((node.layer, node.primitive.edge_name(edge)), []).append((node, edge))
    edges = []
    for (path, name), places in found.items():
        kinds = {_kind(node, edge) for node, edge in places}
        rows = sum(Rows.count(node.shape) for node, _ in places)
        size = sum(Rows.count(node.shape) * node.shape[-1] for node, _ in places)
        whole, none = (
            sum(node.primitive.backward_flops(node, edge, Kept(Rows, fraction)) for node, edge in places)
            for fraction in (1.0, 0.0)
        )
        if len(kinds) == 1 and whole > none:
            at = tuple([(node.index, edge) for node, edge in places])
            kind: Any = kinds.pop()
            edges.append(Edge(path, name, kind, at, rows, whole, OVERHEAD * size, (whole - none) / rows))
    return tuple(edges)


def _kind(node: Node, edge: int) -> EdgeKind | None:
    """The kind of an input of a node; None where nothing is wanted of it, or no kept row spares anything."""
    parent = node.parents[edge]
    if parent is None or len(node.shape) < 2 or 0 in node.shape or not node.primitive.takes(Rows):
        return None
    if isinstance(parent, int):
        return "input"
    return "weight" if edge == 1 and node.primitive.operands is not None else None


def rows_scored(node: Node, edge: EdgeKind, g: Array) -> Array:
    """The squared contribution of each row of a cotangent, without the error gain of the edge."""
    return SCORE[edge].scores(g, node)
