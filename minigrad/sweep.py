"""The backward sweep: reads a tape in reverse and carries cotangents from the output to the leaves.

The sweep itself is exact. It stops at each node that has an estimator and asks what the cotangent shall be
replaced by: `draw` answers with one random draw; an enumeration answers with each possible outcome in turn,
on a copy of the sweep.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad.arrays import plain, wide
from minigrad.cotangents import Cotangent, Rows, Structured, add, dense
from minigrad.estimator import Estimator
from minigrad.node import Node
from minigrad.rowwise import sum_rows_to
from minigrad.typing import Array, Seed, Shape

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

__all__ = ["Sweep", "draw", "sketch", "stream"]


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

    __slots__ = ("keep", "kept", "leaves", "nodes", "pending", "position", "random")

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

    def copy(self) -> Sweep:
        """An independent sweep in the same state; cotangents are shared, for they are never changed in place."""
        other = Sweep.__new__(Sweep)
        other.nodes, other.position = self.nodes, self.position
        other.keep, other.random = self.keep, self.random
        other.pending, other.kept, other.leaves = list(self.pending), dict(self.kept), dict(self.leaves)
        return other

    def advance(self) -> tuple[Node, Array] | None:
        """Go on to the next node that has an estimator; return it with its cotangent, or None at the end."""
        nodes, pending, keep, random = self.nodes, self.pending, self.keep, self.random
        for index in range(self.position, -1, -1):
            g = pending[index]
            if g is None:
                continue
            pending[index] = None
            if index in keep:
                self.kept[index] = g
            node = nodes[index]
            if node._vjp is not None and (random is None or index in random):
                self.position = index - 1
                return node, dense(g)
            rules = node.primitive.rules.get(type(g))
            if rules is None:
                g = np.asarray(dense(g))
                rules = node.primitive.rules[np.ndarray]
            if node.primitive.variadic:
                rule = rules[0]
                for edge, parent in enumerate(node.parents):
                    if parent is not None:
                        self.deliver(node, edge, rule(g, node.saved, edge), g)
            else:
                for edge, parent in enumerate(node.parents):
                    if parent is not None:
                        self.deliver(node, edge, rules[edge](g, node.saved), g)
        self.position = -1
        return None

    def apply(self, node: Node, cotangents: Sequence[Cotangent]) -> None:
        """Answer a stop: pull one cotangent for each input back through the node."""
        for edge, (parent, g) in enumerate(zip(node.parents, cotangents, strict=True)):
            if parent is None:
                continue
            rules = node.primitive.rules.get(type(g))
            if rules is None:
                g = np.asarray(dense(g))
                rules = node.primitive.rules[np.ndarray]
            contribution = rules[0](g, node.saved, edge) if node.primitive.variadic else rules[edge](g, node.saved)
            self.deliver(node, edge, contribution, g)

    def deliver(self, node: Node, edge: int, contribution: Cotangent, g: Cotangent) -> None:
        """Add a contribution to the cotangent of one input."""
        try:
            if contribution.shape != node.in_shapes[edge]:
                contribution = fit(contribution, node, edge)
        except AttributeError:
            raise TypeError(
                f"{node.label}: its VJP rule for {node.primitive.edge_name(edge)!r} returned a "
                f"{type(contribution).__name__}. The rule must return the cotangent of its input, an array"
            ) from None
        if type(contribution) is Rows and not contribution.trailing:
            contribution = contribution.dense()  # entries of a vector are its one row's columns, not rows
        parent = node.parents[edge]
        if type(parent) is int:
            dtype = self.nodes[parent].dtype
            if contribution.dtype != dtype:
                contribution = travelling(contribution, dtype)
            before = self.pending[parent]
            self.pending[parent] = contribution if before is None else add(before, contribution)
            return
        leaf: Any = parent
        if contribution.dtype != leaf.data.dtype:
            contribution = travelling(contribution, leaf.data.dtype)
        entry = self.leaves.get(id(leaf))
        if entry is not None:
            self.leaves[id(leaf)] = (leaf, add(entry[1], contribution), True)
        else:
            # An array that only this gradient refers to need not be copied before it is handed out.
            own = type(contribution) is np.ndarray and contribution.base is None and contribution is not g
            self.leaves[id(leaf)] = (leaf, contribution, own)

    def gradient(self, leaf: Tensor) -> Cotangent | None:
        """What has arrived at a leaf, as an array or a structured cotangent; None where nothing has."""
        entry = self.leaves.get(id(leaf))
        if entry is None:
            return None
        _, g, own = entry
        if g.dtype != leaf.data.dtype:  # float32 sums for a leaf of float16
            return g.astype(leaf.data.dtype)
        if own:  # once: whoever asks again gets a copy
            self.leaves[id(leaf)] = (leaf, g, False)
        return g if own or isinstance(g, Structured) else np.array(g)


def travelling(g: Cotangent, dtype: np.dtype[Any]) -> Cotangent:
    """A cotangent in the dtype of what it belongs to; for float16 in float32, for it may be added to others."""
    dtype = wide(dtype)
    return g if g.dtype == dtype else g.astype(dtype)


def fit(contribution: Cotangent, node: Node, edge: int) -> Cotangent:
    """Sum a cotangent over the axes along which its input was broadcast."""
    shape = node.in_shapes[edge]
    if node.primitive.broadcasts and shape is not None:
        summed = sum_rows_to(contribution, shape) if isinstance(contribution, Rows) else None
        if summed is None:
            summed = unbroadcast(dense(contribution), shape)
        if summed is not None:
            return summed
    raise ValueError(
        f"{node.label}: its VJP rule for {node.primitive.edge_name(edge)!r} returned shape {contribution.shape}, "
        f"but that input has shape {shape}. The rule must return the cotangent of its input"
    )


def unbroadcast(g: Array, shape: Shape) -> Array | None:
    """Sum ``g`` down to ``shape``; None if ``shape`` does not broadcast to that of ``g``."""
    extra = g.ndim - len(shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[extra:], strict=True)):
        return None
    axes = tuple(range(extra)) + tuple(extra + k for k, n in enumerate(shape) if n == 1 and g.shape[extra + k] != 1)
    return np.asarray(g.sum(axis=axes, dtype=wide(g.dtype))).reshape(shape)


def stream(rng: Seed) -> int:
    """The number that keys all draws of one backward pass, from what a ``rng=`` argument takes.

    A generator moves on by one draw; a seed is taken as it is; None takes fresh entropy.
    """
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(2**63))
    if rng is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    try:
        seed = operator.index(rng)
    except TypeError:
        raise TypeError(f"rng= takes a numpy.random.Generator, a seed (int ≥ 0) or None, got {rng!r}") from None
    if seed < 0:
        raise ValueError(f"rng={seed}: a seed must not be negative")
    return seed


def draw(node: Node, g: Array, key: int) -> list[Cotangent]:
    """One random cotangent for each input of a node.

    Draws are keyed by (key, node, input), so that making one node exact shifts the draws of no other.
    """
    out: list[Cotangent] = [g] * len(node.parents)
    several = isinstance(node.vjp, dict)
    for estimator, edges in node.draws():
        generator = np.random.default_rng([key, node.index, edges[0] if several else 0])
        sketched = sketch(estimator, g, node, generator)
        for edge in edges:
            out[edge] = sketched
    return out


def sketch(estimator: Estimator, g: Array, node: Node, rng: np.random.Generator) -> Cotangent:
    """Call ``estimator.sample`` on a cotangent it cannot change, and check what it returns."""
    try:
        out = estimator.sample(read_only(g), node, rng)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise ValueError(
            f"{node.label}: {estimator!r} tried to change the cotangent in place, but other nodes may still read it; "
            "compute a new array, or work on g.copy()"
        ) from error
    return checked(out, estimator, g, node)


def read_only(g: Array) -> Array:
    """A view that an estimator cannot write to: the cotangent may still be on its way to other nodes."""
    view = g.view()
    view.flags.writeable = False
    return view


def checked(out: Any, estimator: Estimator, g: Array, node: Node) -> Cotangent:
    """The cotangent that an estimator returned, in the dtype of ``g``; raise if it is not one."""
    if not isinstance(out, Structured):
        out = plain(out, f"{node.label}: what {estimator!r} returned")
    if out.shape != g.shape:
        raise ValueError(
            f"{node.label}: {estimator!r} returned a cotangent of shape {out.shape} for one of shape {g.shape}; it "
            "must be an array or a structured cotangent of the same shape"
        )
    if out.dtype.kind not in "fiub":
        raise TypeError(f"{node.label}: {estimator!r} returned values of dtype {out.dtype}, not real numbers")
    cotangent: Cotangent = out if out.dtype == g.dtype else out.astype(g.dtype)
    return cotangent
