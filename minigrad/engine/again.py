"""Derivatives of derivatives: a backward sweep that is recorded on the tapes around the one that it reads.

It runs on tensors. The VJP rules of an operation are formulas in what it read and computed, so they are recorded like
any other; those of linear and bilinear operations are recorded as primitives (`minigrad.engine.tangents`). A node that
has an estimator multiplies its cotangent by a random factor with mean 1, which is a constant for the tapes around:
so the derivatives of such a random gradient are unbiased, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.engine.complete import check_complete
from minigrad.engine.context import CONTEXT, TapeError
from minigrad.engine.drawing import draw
from minigrad.engine.lift import lifted_saved, pulled_tensor, reaches
from minigrad.engine.nesting import suspended, taken
from minigrad.engine.node import Node
from minigrad.engine.sweep import Sweep, start_cotangent, starting
from minigrad.engine.tangents import multilinear
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.engine.wanted import arrived
from minigrad.streams import Domain, generator
from minigrad.structure import Cotangent, dense
from minigrad.typing import Seed

__all__ = ["RecordedSweep", "gradients_recorded"]


class RecordedSweep(Sweep):
    """A sweep on tensors; arrays where nothing that is recording has a part in them.

    Parameters
    ----------
    nodes, start, cotangent, keep
        As for `Sweep`; the cotangent may be a tensor.
    leaves : collection of int
        The identities of the leaves whose gradients are wanted: nothing is computed for the others.
    """

    __slots__ = ("leading",)

    def __init__(
        self, nodes: Sequence[Node], start: int, cotangent: Any, keep: Collection[int], leaves: Collection[int]
    ):
        super().__init__(nodes, start, cotangent, keep)
        self.leading: list[tuple[int, ...]] = []
        reached = set(keep)
        for node in nodes[: start + 1]:
            edges = [k for k, p in enumerate(node.parents) if (p in reached if type(p) is int else id(p) in leaves)]
            self.leading.append(tuple(edges))
            if edges:
                reached.add(node.index)

    def pull(self, node: Node, g: Any, edges: Iterable[int]) -> None:
        edges = [edge for edge in edges if edge in self.leading[node.index]]
        if not isinstance(g, Tensor) and not reaches(node):
            super().pull(node, g, edges)
            return
        if node.save:
            raise TapeError(
                f"{node.label}: it saved a sketch of {', '.join(node.save)} (save=), and the derivative of this "
                "gradient needs all of it. Record it within `with minigrad.saving(False):`"
            )
        g = g if isinstance(g, Tensor) else np.asarray(dense(g))
        saved = None
        for edge in edges:
            if saved is None and not multilinear(node.primitive):
                saved = lifted_saved(node)
            self.accumulate(node, edge, pulled_tensor(node, edge, g, saved), g)

    def draw(self, node: Node, g: Any, key: int) -> list[Cotangent]:
        if not isinstance(g, Tensor):
            return draw(node, g, key)
        out: list[Any] = [g] * len(node.parents)
        if isinstance(node.vjp, dict):
            raise TapeError(
                f"{node.label}: its estimator differs by input ({', '.join(node.vjp)}), so that its cotangent has no "
                "one random factor, which the derivative of this gradient would take as a constant. Give it one "
                "estimator for all its inputs"
            )
        for estimator, edges in node.draws():
            factor = estimator.factor(g.data, node, generator(Domain.BACKWARD, key, node.index, 0))
            if factor is None:
                raise TapeError(
                    f"{node.label}: the derivative of a gradient drawn by {estimator!r} is not known. A mask or a "
                    "diagonal sketch multiplies what it keeps by a constant, and so its derivative is unbiased; this "
                    "one is no such product. Use one of those here, or make the node exact"
                )
            product = g * factor
            for edge in edges:
                out[edge] = product
        return out


def gradients_recorded(
    tape: Any, y: Tensor, wrt: Sequence[Tensor], cotangent: TensorLike | None, rng: Seed, keep: frozenset[int]
) -> tuple[Any, ...]:
    """The gradients of a tape, recorded on those around it; see `minigrad.Tape.gradients`.

    Returns
    -------
    tuple of Tensor or ndarray
        An array where no tape around has a part in it.
    """
    name, start = starting(tape, y)
    check_complete(tape, start, wrt)
    taken()
    if tape in CONTEXT.tapes:
        tape.pulled = True
    with suspended(tape):
        g = start_cotangent(y, cotangent, name, recorded=True)
        sweep = RecordedSweep(tape.nodes, start, g, keep, [id(leaf) for leaf in wrt])
        tape.run(sweep, rng)
        found = [arrived(sweep, tensor, tape) for tensor in wrt]
    return tuple([g if isinstance(g, Tensor) else np.asarray(dense(g)) for g in found])
