"""One draw of a gradient, taken apart: what the estimator of each node adds to its error.

Let H_k be the gradient when the first k nodes that the sweep meets are random and the rest exact: H_0 is the exact
gradient, H_K the draw (Theory §4). H_k − H_{k−1} is the increment of node k. All H_k of one draw share the random
sweep down to node k, so that each takes one exact sweep from there on: for K random nodes on one path a draw takes the
random sweep and K − 1 exact ones, the k-th of them through the nodes below node k alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minigrad.engine.drawing import draw
from minigrad.inspect.gradients import squared_distances
from minigrad.inspect.leaves import InspectionTarget
from minigrad.structure import Cotangent

__all__ = ["Increment", "increments"]


@dataclass(frozen=True)
class Increment:
    """The error that the estimator of one node adds to a draw, H_k − H_{k−1}.

    Attributes
    ----------
    index : int
        The node, by its index on the tape.
    arrived : ndarray or structured cotangent
        The cotangent that arrived there, before the estimator of this node.
    before, after : sequence of ndarray or structured cotangent
        H_{k−1} and H_k, one for each inspected tensor.
    """

    index: int
    arrived: Cotangent
    before: Sequence[Cotangent]
    after: Sequence[Cotangent]

    def squares(self) -> list[float]:
        """‖H_k − H_{k−1}‖² for each tensor."""
        return squared_distances(self.after, self.before)


def increments(target: InspectionTarget, key: int, exact: Sequence[Cotangent] | None = None) -> Iterator[Increment]:
    """Draw once, and yield the increment of each random node, from the loss to the input.

    Parameters
    ----------
    target : InspectionTarget
    key : int
        Of the draw.
    exact : sequence of ndarray or structured cotangent, optional
        H_0, where it is known already.
    """
    sweep = target.sweep()
    known = exact
    last: tuple[int, Cotangent, Sequence[Cotangent]] | None = None
    while (stop := sweep.advance()) is not None:
        node, g = stop
        before = known
        if before is None:
            rest = sweep.copy()
            rest.random = frozenset()
            rest.apply(node, [g] * len(node.parents))
            rest.advance()
            before = target.gradient(rest)
        known = None
        if last is not None:
            yield Increment(*last, after=before)
        last = (node.index, g, before)
        sweep.apply(node, draw(node, g, key))
    if last is not None:
        yield Increment(*last, after=target.gradient(sweep))
