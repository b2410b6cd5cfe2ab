"""The products that a preset makes random: one of a linear node, or the gradient of a network; drawn, and metered.

Index conventions are those of `minigrad.ops.linear`: X is B×n, W is m×n, G is B×m; ∂X = G W and ∂W = GᵀX take 2Bmn
operations each. The cost of a draw is what the products of its sketches take, and their own work, over that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from minigrad import nn, ops
from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.tape import Tape
from minigrad.streams import Domain, generator
from minigrad.structure import Cotangent, Factors, Structured, dense, matrix_shape
from minigrad.typing import Array

__all__ = ["OneProduct", "Place", "Preset", "WholeGradient", "arrival", "estimators_of"]

Batch: TypeAlias = "tuple[Array, Array]"
Preset: TypeAlias = "Mapping[str, Any]"
"""Keyword arguments ``vjp=…`` or ``save=…``, as those of `minigrad.estimators.presets`."""


class Place(Protocol):
    """Something random that a preset makes, with its exact value and what a draw costs."""

    exact: Array

    def takes(self, preset: Preset) -> bool:
        """True if the preset makes all of it random."""

    def draw(self, preset: Preset, key: int, value: bool = True) -> tuple[Array, float]:
        """One draw, and its cost; the value may be left out."""


class OneProduct:
    """∂X or ∂W of a linear node, for a given cotangent."""

    def __init__(self, node: Node, g: Array, edge: str):
        self.node, self.g, self.edge = node, g, edge
        self.x = node.saved["x"].reshape(-1, node.saved["x"].shape[-1])
        self.exact = self._product(g, self.x)

    def _product(self, g: Cotangent, x: Cotangent) -> Array:
        matrix = dense(g).reshape(matrix_shape(g.shape))
        return matrix @ self.node.saved["w"] if self.edge == "x" else matrix.T @ dense(x)

    def takes(self, preset: Preset) -> bool:
        return self._estimator(preset) is not None

    def _estimator(self, preset: Preset) -> Estimator | None:
        if "save" in preset:
            return preset["save"] if self.edge == "w" else None
        vjp = preset["vjp"]
        return vjp.get(self.edge) if isinstance(vjp, Mapping) else vjp

    def draw(self, preset: Preset, key: int, value: bool = True) -> tuple[Array, float]:
        estimator, saved = self._estimator(preset), "save" in preset
        assert estimator is not None
        rng = generator(Domain.SAMPLE, key)
        sketch = estimator.sample(self.x if saved else self.g, None if saved else self.node, rng)
        spent = work(sketch, self.g.shape[-1] if saved else self.x.shape[-1]) + estimator.overhead(sketch.shape)
        spent /= 2.0 * self.g.size * self.x.shape[-1]
        if not value:
            return self.exact, spent
        return self._product(self.g if saved else sketch, sketch if saved else self.x), spent


class WholeGradient:
    """The gradient of all parameters, with a preset on some linear layers."""

    def __init__(self, model: nn.Module, batch: Batch, layers: Sequence[str]):
        self.model, self.batch, self.layers = model, batch, layers
        self.leaves = list(model.parameters())
        self.tape, self.loss = record(model, batch)
        self.exact = self._gradient(0)
        # A node saves w where it has to give ∂X, and x where it has to give ∂W.
        self.edges = {
            node.index: [edge for edge, other in (("x", "w"), ("w", "x")) if other in node.saved]
            for node in self.tape.nodes
            if node.layer in layers
        }
        self.total = sum(len(edges) * work(np.empty(node.shape), inner_of(node)) for node, edges in self._nodes())

    def _nodes(self) -> list[tuple[Node, list[str]]]:
        return [(self.tape.nodes[index], edges) for index, edges in self.edges.items()]

    def _gradient(self, key: int) -> Array:
        return np.concatenate([g.ravel() for g in self.tape.gradients(self.loss, self.leaves, rng=key)])

    def takes(self, preset: Preset) -> bool:
        return "vjp" in preset and (not isinstance(preset["vjp"], Mapping) or {"x", "w"} <= set(preset["vjp"]))

    def draw(self, preset: Preset, key: int, value: bool = True) -> tuple[Array, float]:
        spent = [0.0]
        vjp = preset["vjp"]
        for node, edges in self._nodes():
            if isinstance(vjp, Mapping):
                node.vjp = {edge: Metered(vjp[edge], spent, 1) for edge in edges}
            else:
                node.vjp = Metered(vjp, spent, len(edges))
        return self._gradient(key), spent[0] / self.total


class Metered(Estimator):
    """Another estimator, which adds up what its draws cost."""

    def __init__(self, inner: Estimator, spent: list[float], products: int):
        self.inner, self.spent, self.products = inner, spent, products

    def sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        assert node is not None
        sketch = self.inner.sample(g, node, rng)
        self.spent[0] += self.products * work(sketch, inner_of(node)) + self.inner.overhead(g.shape)
        return sketch


Metered._trusted = False  # it calls anybody's, who may keep the generator


def inner_of(node: Node) -> int:
    """The number n of input features of a linear node."""
    shape = node.in_shapes[0]
    assert shape is not None
    return shape[-1]


def work(sketch: Cotangent, inner: int) -> float:
    """Operations of the product of a sketched matrix with one of ``inner`` further rows or columns.

    Examples
    --------
    >>> work(np.ones((4, 3)), 5), work(Factors(np.ones((4, 1)), np.ones((1, 3)), (4, 3)), 5)
    (120.0, 70.0)
    """
    rows, columns = matrix_shape(sketch.shape)
    if isinstance(sketch, Factors):
        kept = sketch.rank * (rows + columns)
    else:
        kept = sketch.parts[0].size if isinstance(sketch, Structured) else rows * columns
    return 2.0 * kept * inner


class Watch(Estimator):
    """Exact; remembers what arrived, and where."""

    def sample(self, g: Array, node: Node | None, rng: np.random.Generator) -> Cotangent:
        self.seen = node, g
        return g


def record(model: nn.Module, batch: Batch) -> tuple[Tape, Any]:
    """The tape of a batch, and its loss."""
    with Tape(rng=0) as tape:
        loss = ops.cross_entropy(model(batch[0]), batch[1])
    return tape, loss


def arrival(model: nn.Module, batch: Batch, layer: str) -> tuple[Node, Array]:
    """The node of a layer, and the exact cotangent that arrives there."""
    watch = Watch()
    nn.set_vjp(model, watch, where=lambda path, module: path == layer)
    tape, loss = record(model, batch)
    tape.gradients(loss, list(model.parameters()), rng=0)
    nn.set_vjp(model, None, where=lambda path, module: path == layer)
    node, g = watch.seen
    assert node is not None
    return node, g


def estimators_of(preset: Preset) -> list[Estimator]:
    """All estimators of a preset."""
    (chosen,) = preset.values()
    return list(chosen.values()) if isinstance(chosen, Mapping) else [chosen]
