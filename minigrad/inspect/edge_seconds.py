"""Seconds in place of operations: what products, kept rows and their choice take on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from minigrad.engine.node import Node
from minigrad.estimators import Priced
from minigrad.inspect.leaves import InspectionTarget
from minigrad.inspect.priced_edges import Edge
from minigrad.structure import Rows, dense
from minigrad.typing import Array

__all__ = ["Seconds", "seconds_of"]

FRACTIONS = (0.25, 0.75)
"""Of the rows: products with so many kept are timed, and a straight line is laid through both."""

ROUNDS = 5
"""The fastest of so many counts."""


@dataclass(frozen=True)
class Seconds:
    """Seconds that were measured once, so that prices do not hang on later measurements.

    Attributes
    ----------
    step : float
        Of an exact step, forward and backward.
    edges : dict of str to (float, float, float)
        By edge the seconds of the exact product, of the choice of rows, and of each kept row.

    Examples
    --------
    >>> Seconds(0.01, {"2/x": (1e-3, 1e-4, 1e-5)}).step
    0.01
    """

    step: float
    edges: dict[str, tuple[float, float, float]]

    def on(self, edges: Sequence[Edge]) -> tuple[Edge, ...]:
        """The edges with these costs; raise ValueError where one was not measured."""
        lacking = [edge.name for edge in edges if edge.name not in self.edges]
        if lacking:
            raise ValueError(
                f"error_gains: cost= holds no seconds of {', '.join(lacking)}; they were measured with other layers. "
                'Give cost="seconds" to measure anew'
            )
        found = []
        for edge in edges:
            exact, overhead, cost = self.edges[edge.name]
            found.append(replace(edge, exact=exact, overhead=overhead, cost=cost))
        return tuple(found)


def seconds_of(target: InspectionTarget, record: Callable[[], object], edges: Sequence[Edge]) -> Seconds:
    """Time the exact step, and the products of each edge with all and with some rows, in this thread.

    Parameters
    ----------
    target : InspectionTarget
        A recorded batch.
    record : callable
        Records it again.
    edges : sequence of Edge
    """
    cotangents = _cotangents(target, {index for edge in edges for index, _ in edge.places})
    forward, backward = _least(record), _least(target.exact_gradient)
    found = {}
    for edge in edges:
        exact = choice = 0.0
        some = np.zeros(2)
        for index, position in edge.places:
            node, g = target.tape.nodes[index], cotangents[index]
            estimator = Priced(1.0, target="weight" if edge.kind == "weight" else "cotangent")
            exact += _least(partial(node.primitive.pull, g, node.saved, position))
            choice += _least(partial(_choose, estimator, g, node))
            for k, fraction in enumerate(FRACTIONS):
                some[k] += _least(_kept_product(node, g, position, fraction))
        # A line through both: what each row takes, and what is there without any.
        slope = max((some[1] - some[0]) / ((FRACTIONS[1] - FRACTIONS[0]) * edge.rows), 1e-12 * exact / edge.rows)
        fixed = max(some[0] - slope * FRACTIONS[0] * edge.rows, 0.0)
        found[edge.name] = (exact, choice + fixed, slope)
    return Seconds(forward + backward, found)


def _choose(estimator: Priced, g: Array, node: Node) -> None:
    node._norms = None  # they are summed once in a pass
    estimator.probabilities(g, node)


def _kept_product(node: Node, g: Array, position: int, fraction: float) -> Callable[[], object]:
    count = Rows.count(g.shape)
    rows = np.linspace(0, count - 1, max(1, round(fraction * count))).astype(np.intp)
    scale = np.full(rows.size, 1 / fraction, g.dtype)
    return lambda: node.primitive.pull(Rows.gather(g, rows, scale), node.saved, position)


def _cotangents(target: InspectionTarget, wanted: set[int]) -> dict[int, Array]:
    found = {}
    for index in wanted:
        target.tape.nodes[index].vjp = {}
    sweep = target.sweep(random=tuple(wanted))
    while (stop := sweep.advance()) is not None:
        node, g = stop
        found[node.index] = dense(g)
        sweep.apply(node, [g] * len(node.parents))
    return found


def _least(work: Callable[[], object]) -> float:
    """The thread time of the fastest of some calls, the first left out."""
    work()
    times = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return max(min(times), 1e-9)
