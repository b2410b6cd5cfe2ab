"""The backward sweep: reads a tape in reverse and carries cotangents from the output to the leaves.

The sweep itself is exact. It stops at each node that has an estimator and asks what the cotangent shall be
replaced by: `draw` answers with one random draw; an enumeration answers with each possible outcome in turn,
on a copy of the sweep.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.arrays import plain, wide
from minigrad.engine.context import TapeError, not_recorded
from minigrad.engine.drawing import arriving, draw
from minigrad.engine.nesting import index_on, stands_on
from minigrad.engine.node import Node
from minigrad.engine.results import pulled, real, sum_to_shape
from minigrad.engine.tensor import Tensor, TensorLike, traced
from minigrad.structure import Cotangent, Rows, add, share
from minigrad.typing import Array

__all__ = ["Sweep", "start_cotangent", "starting"]


class Sweep:
    """The state of one backward pass: the cotangents under way, and the gradients that have arrived.

    Parameters
    ----------
    nodes : sequence of Node
        The tape.
    start : int
        The node where the sweep begins.
    cotangent : ndarray
        Its cotangent.
    keep : collection of int
        Nodes whose cotangents are wanted: they stay in ``kept``.
    random : collection of int, optional
        The nodes whose estimators are used; the others are exact. Default: all that have one.
    """

    # pending   by node, the sum of what has come to it so far; None before, and again when it has been handed on
    # position  the node that is looked at next
    # kept      by node, the cotangents that `keep` asks for
    # leaves    by identity: the leaf, its gradient so far, and whether nobody else refers to that array
    # own       nodes whose sum in `pending` nobody else refers to; shares: kept by estimators that adapt, for the costs
    __slots__ = ("keep", "kept", "leaves", "nodes", "own", "pending", "position", "random", "shares")

    def __init__(
        self,
        nodes: Sequence[Node],
        start: int,
        cotangent: Array,
        keep: Collection[int] = (),
        random: Collection[int] | None = None,
    ):
        self.nodes = nodes
        self.pending: list[Cotangent | None] = [None] * (start + 1)
        self.pending[start] = cotangent
        self.position = start
        self.keep = keep
        self.kept: dict[int, Cotangent] = {}
        self.leaves: dict[int, tuple[Tensor, Cotangent, bool]] = {}
        self.random = random
        self.own: set[int] = set()
        self.shares: dict[tuple[int, int], float] = {}

    def copy(self) -> Sweep:
        """An independent sweep in the same state; cotangents are shared, and from now on not changed in place."""
        self.own = set()
        self.leaves = {key: (leaf, g, False) for key, (leaf, g, _) in self.leaves.items()}
        other = Sweep.__new__(Sweep)
        other.nodes, other.position = self.nodes, self.position
        other.keep, other.random = self.keep, self.random
        other.pending, other.kept, other.leaves = list(self.pending), dict(self.kept), dict(self.leaves)
        other.own = set()
        other.shares = dict(self.shares)
        return other

    def advance(self) -> tuple[Node, Cotangent] | None:
        """Go on to the next node that has an estimator; return it with its cotangent, or None at the end.

        The cotangent is `Rows` where they came and the estimators take them; else an array.
        """
        nodes, pending, keep, random = self.nodes, self.pending, self.keep, self.random
        for index in range(self.position, -1, -1):
            g = pending[index]
            if g is None:
                continue  # nothing of the output hangs on it
            pending[index] = None  # it is complete: all that read this node stands behind it, and was done before
            if index in keep:
                self.kept[index] = g
            node = nodes[index]
            if node._vjp is not None and (random is None or index in random):
                self.position = index - 1
                return node, arriving(node, g)
            self.pull(node, g, range(len(node.parents)))
        self.position = -1
        return None

    def apply(self, node: Node, cotangents: Sequence[Cotangent]) -> None:
        """Answer a stop: pull one cotangent for each input back through the node."""
        for edge, (parent, g) in enumerate(zip(node.parents, cotangents, strict=True)):
            if parent is not None:
                self.pull(node, g, (edge,))

    def draw(self, node: Node, g: Cotangent, key: int) -> list[Cotangent]:
        """One random cotangent for each input of a node; a sweep that is recorded has another way."""
        drawn = draw(node, g, key)
        if isinstance(node.vjp, dict) or getattr(node.vjp, "adapts", False):
            for k, (estimator, edges) in enumerate(node.draws()):
                if estimator.adapts and edges:
                    self.shares[node.index, k] = share(drawn[edges[0]])
        return drawn

    def pull(self, node: Node, g: Cotangent, edges: Iterable[int]) -> None:
        """Apply the VJP rules of a node to its cotangent, and hand the results on to these inputs."""
        primitive, saved, parents, shapes = node.primitive, node.saved, node.parents, node.in_shapes
        rules = primitive.rules.get(type(g))  # by the structure of the cotangent
        if rules is None:
            g, rules = primitive.fallback(g)
        nodes, pending, direct, into = self.nodes, self.pending, primitive.direct, primitive.into
        for edge in edges:
            parent = parents[edge]
            if parent is None or (edge in into and type(g) is np.ndarray and self.added(node, edge, g)):
                continue
            # The library's own rules need no checks of what they get and return.
            found = rules[edge](g, saved) if direct else pulled(node, edge, rules, g)
            if (
                type(parent) is int
                and pending[parent] is None
                and type(found) is np.ndarray
                and found.shape == shapes[edge]
                and found.dtype is nodes[parent].dtype
            ):
                pending[parent] = found  # as `accumulate` does, without a call: what most nodes come to
            else:
                self.accumulate(node, edge, found, g)

    def added(self, node: Node, edge: int, g: Array) -> bool:
        """Add a contribution in place, where this sweep has a sum of its own for that input; False elsewhere."""
        parent: Any = node.parents[edge]
        if type(parent) is int:
            out = self.pending[parent] if parent in self.own else None
        else:
            entry = self.leaves.get(id(parent))
            out = entry[1] if entry is not None and entry[2] else None
        if not isinstance(out, np.ndarray) or out.dtype != g.dtype:
            return False
        node.primitive.into[edge](g, node.saved, out)
        return True

    def accumulate(self, node: Node, edge: int, contribution: Cotangent, g: Cotangent) -> None:
        """Add a contribution to the cotangent of one input."""
        if contribution.shape != node.in_shapes[edge]:
            contribution = sum_to_shape(contribution, node, edge)
        if type(contribution) is Rows and not contribution.trailing:
            contribution = contribution.dense()  # entries of a vector are its one row's columns, not rows
        parent = node.parents[edge]
        if type(parent) is int:
            dtype = self.nodes[parent].dtype
            if contribution.dtype != dtype:
                contribution = travelling(real(contribution, node, edge), dtype)
            before = self.pending[parent]
            if before is None:
                self.pending[parent] = contribution
            else:
                self.pending[parent] = add(before, contribution)
                self.own.add(parent)
            return
        leaf: Any = parent
        if contribution.dtype != leaf.data.dtype:
            contribution = travelling(real(contribution, node, edge), leaf.data.dtype)
        entry = self.leaves.get(id(leaf))
        if entry is not None:
            self.leaves[id(leaf)] = (leaf, add(entry[1], contribution), True)
        else:
            # An array that only this gradient refers to need not be copied before it is handed out.
            own = type(contribution) is np.ndarray and contribution.base is None and contribution is not g
            self.leaves[id(leaf)] = (leaf, contribution, own)

    def gradient(self, leaf: Tensor) -> Cotangent | None:
        """The gradient that has arrived at a leaf, as an array or a structured cotangent; None where nothing has."""
        entry = self.leaves.get(id(leaf))
        if entry is None:
            return None
        _, g, own = entry
        if g.dtype != leaf.data.dtype:  # float32 sums for a leaf of float16
            return g.astype(leaf.data.dtype)
        if own:  # once: whoever asks again gets a copy
            self.leaves[id(leaf)] = (leaf, g, False)
        return g if own or not isinstance(g, (np.ndarray, np.generic)) else np.array(g)


def travelling(g: Cotangent, dtype: np.dtype[Any]) -> Cotangent:
    """A cotangent in the dtype of what it belongs to; for float16 in float32, for it may be added to others."""
    dtype = wide(dtype)
    return g if g.dtype == dtype else g.astype(dtype)


def starting(tape: Any, y: Tensor) -> tuple[str, int]:
    """The name of a backward pass from ``y``, for messages, and its node; raise if there is none."""
    if not isinstance(y, Tensor):
        raise TypeError(
            f"backward: the first argument is the Tensor to start from, recorded on this tape, but it is a "
            f"{type(y).__name__}"
        )
    name = "backward" if y.name is None else f"backward from {y.name!r}"
    start = y.node if y.tape is tape else index_on(y, tape)
    if start is None:
        if y.tape is not None:
            raise TapeError(f"{name}: this tensor was recorded on another tape; call that tape, or y.backward()")
        raise TapeError(f"{name}: {not_recorded(y)}")
    tape.check_leaves(name)
    return name, start


def start_cotangent(y: Tensor, cotangent: TensorLike | None, name: str, recorded: bool = False) -> Any:
    """The cotangent that a sweep from ``y`` begins with, in its dtype; for float16 in float32.

    A tensor that is being differentiated is one only where the sweep is ``recorded``, and stays a tensor.
    """
    if cotangent is None:
        if y.data.ndim:
            raise TapeError(
                f"{name}: this tensor has shape {y.shape}, and only a scalar has a gradient without a cotangent. "
                f"Reduce it (.sum() or .mean()), or pass cotangent= of shape {y.shape}"
            )
        return np.array(1, wide(y.data.dtype))
    if isinstance(cotangent, Tensor):
        if recorded and cotangent.shape == y.shape and stands_on(cotangent):
            return cotangent
        if traced(cotangent):
            raise TypeError(
                f"{name}: the cotangent is a tensor that is being differentiated itself, but no other tape records now "
                "that would see what becomes of it. Pass its `.data` if its values alone are meant"
            )
        cotangent = cotangent.data
    g = plain(cotangent, f"{name}: the cotangent")
    if g.shape != y.shape:
        raise ValueError(f"{name}: the cotangent has shape {g.shape}, but the tensor has shape {y.shape}")
    if g.dtype.kind not in "fiub":
        raise TypeError(f"{name}: the cotangent has dtype {g.dtype}; it must hold real numbers")
    return g.astype(wide(y.data.dtype), copy=False)
