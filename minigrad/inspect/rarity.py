"""The parts that draws cannot judge, because they may be too rare to have been seen.

An unbiased estimator may hide any part of its mean in events that are rarer than one in as many draws as there were,
and draws without them look like those of a biased one. Two things tell how much there may be:

* Estimators that say which part of a cotangent is *rare* (`Estimator.rare`): that part is pulled back to the leaves.
* For all others: entries of the gradient that never varied in the pilot, and yet are off. Where a mean unit of a node
  is hardly ever kept, all that comes from there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.engine.node import Node
from minigrad.engine.results import read_only
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.pilot import KeptShares
from minigrad.structure import dense
from minigrad.typing import Array

__all__ = ["SEEN", "known", "rare_parts"]

SEEN = 20.0
"""A mean unit of an estimator that does not say what is rare was kept at least so often, or nothing is concluded."""


def known(target: InspectionTarget) -> bool:
    """True if all estimators on the tape say what is rare."""
    sweep = target.sweep()
    says = target.least == 1.0
    while says and (stop := sweep.advance()) is not None:
        node, g = stop
        says = all(estimator.rare(read_only(g), 1.0, node) is not None for estimator, _ in node.draws())
        sweep.apply(node, [g] * len(node.parents))
    return says


def rare_parts(
    target: InspectionTarget, exact: Sequence[Array], kept: KeptShares, draws: int, events: float
) -> list[Array]:
    """The size, entry by entry, of the parts of the exact gradient that so many draws may not show.

    Parameters
    ----------
    target : InspectionTarget
    exact : sequence of ndarray
        The exact gradient.
    kept : KeptShares
        What arrived at each node, and what was left there.
    draws : int
    events : float
        What is expected less often than this in so many draws is rare: none is seen with probability e^−events.
    """
    if target.least * draws < SEEN:
        return [np.abs(g) for g in exact]
    total = [np.zeros(g.shape, np.float64) for g in exact]
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        node, g = stop[0], dense(stop[1])
        parts = _parts(node, g, kept, draws, events)
        if any(part.any() for part in parts):
            rest = sweep.copy()
            rest.random = frozenset()
            rest.apply(node, [g - part for part in parts])
            rest.advance()
            for size, g_of, without in zip(total, exact, target.gradient(rest), strict=True):
                size += np.abs(np.asarray(dense(without), np.float64) - g_of)
        sweep.apply(node, [g] * len(node.parents))
    return total


def _parts(node: Node, g: Array, kept: KeptShares, draws: int, events: float) -> list[Array]:
    """For each input of a node, the part of its cotangent that may not have been seen."""
    out = [np.zeros_like(g)] * len(node.parents)
    arrived, left = kept.arrived(node.index), kept.left(node.index)
    for estimator, edges in node.draws():
        level = min(1.0, events / max(draws * arrived, events))
        part = np.array(g) if level == 1.0 else estimator.rare(read_only(g), level, node)
        if part is None:
            # The budget of one that follows the cotangent is the most that it keeps.
            least = left if estimator.adapts else min(left, estimator.budget)
            part = np.array(g) if least * draws < SEEN else np.zeros_like(g)
        for edge in edges:
            out[edge] = part
    return out
