"""The variance that each node adds, from random directions: in one backward pass a draw, however many nodes there are.

The increment of node k is J_kᵀ d, with d the error that its estimator adds to the cotangent and J_k the derivative of
the node by the parameters. For a direction v of independent signs, E‖J_kᵀ d‖² = E⟨J_k v, d⟩². The
tangents J_k v of all nodes are made once, in forward mode; then a draw is one random sweep, and a product for each
direction at each node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.engine.node import Node
from minigrad.engine.tangents import Call, tangent
from minigrad.inspect.leaves import InspectionTarget
from minigrad.streams import Domain, generator
from minigrad.structure import Cotangent, dense
from minigrad.typing import Array

__all__ = ["Tangents"]


class Tangents:
    """The tangents of the random nodes of a tape, in a few directions of its parameters.

    Parameters
    ----------
    target : InspectionTarget
        Its tensors are leaves.
    count : int
        The number of directions.
    key : int
        Of their draws.

    Raises
    ------
    ValueError
        If a tensor is no leaf.
    TypeError
        If an operation does not say what its tangents are.
    """

    def __init__(self, target: InspectionTarget, count: int, key: int):
        if any(tensor.node is not None for tensor in target.tensors):
            raise ValueError("variance: directions= takes leaves in wrt=, and no tensor that was computed from them")
        random = [node for node in target.tape.nodes if node.draws()]
        found: dict[int, list[list[Array]]] = {node.index: [] for node in random}
        for number in range(count):
            rng = generator(Domain.TANGENT, key, number)
            signs = [rng.integers(0, 2, tensor.shape) * 2.0 - 1.0 for tensor in target.tensors]
            seeds = {id(tensor): v.astype(tensor.dtype) for tensor, v in zip(target.tensors, signs, strict=True)}
            nodes = target.tape.pushforward([(tensor, seeds[id(tensor)]) for tensor in target.tensors])
            for node in random:
                found[node.index].append([part.reshape(-1) for part in self._parts(node, nodes, seeds)])
        self.by_node = {index: [np.array(part) for part in zip(*each, strict=True)] for index, each in found.items()}

    @staticmethod
    def _parts(node: Node, nodes: Sequence[Array], seeds: dict[int, Array]) -> list[Array]:
        """J v of a node, one for each of its draws: through the inputs that the draw serves."""
        draws = node.draws()
        if len(draws) == 1 and len(draws[0][1]) == sum(parent is not None for parent in node.parents):
            return [nodes[node.index]]
        call = Call(node.saved, node.settings, node.in_shapes, node.shape)
        parts = []
        for _, edges in draws:
            total: Any = np.zeros(node.shape)
            for edge in edges:
                parent = node.parents[edge]
                t = nodes[parent] if isinstance(parent, int) else seeds.get(id(parent))
                if t is not None:
                    total = total + tangent(node.primitive, edge, t, call)
            parts.append(total)
        return parts

    def squares(self, node: Node, g: Cotangent, cotangents: Sequence[Cotangent]) -> Array:
        """⟨J v, d⟩² for each direction v, where d is what a draw at a node added to its cotangent g."""
        products: Any = 0.0
        arrived = dense(g)
        for (_, edges), along in zip(node.draws(), self.by_node[node.index], strict=True):
            error = dense(cotangents[edges[0]]) - arrived
            products = products + along @ error.reshape(-1)
        return np.asarray(np.square(products, dtype=np.float64))
