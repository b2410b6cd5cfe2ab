"""Coefficients of the variance of a gradient as a function of all budgets, measured at some (Theory §8).

Of each node that sketches: its distortion as a function of its budget, the variance that a unit of it makes, and how
far the cotangent that arrives has grown by the noise of the nodes above, whose noise reaches it through the tape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from minigrad.engine.drawing import draw, sketch
from minigrad.engine.estimator import Estimator
from minigrad.engine.node import Node
from minigrad.engine.tape import Tape
from minigrad.estimators import with_budget
from minigrad.inspect.gradients import squared_norm
from minigrad.inspect.leaves import InspectionTarget
from minigrad.streams import Domain, generator
from minigrad.structure import Cotangent, dense
from minigrad.theory.compounding import CompoundingNoise, DistortionCurve
from minigrad.typing import Array

__all__ = ["GRID", "measured_noise", "reaching"]

GRID = (0.9, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02)
"""Budgets at which distortions are looked at, beside those of the pilot."""

SEEN = 0.1
"""Below this fraction of a mask's distortion a node is sketched with less, to see what a unit of distortion makes."""


def measured_noise(
    targets: Sequence[InspectionTarget],
    keys: Sequence[int],
    nodes: Callable[[InspectionTarget], list[Node]],
    layer_of: Callable[[Node], int],
    budgets: Mapping[int, float],
) -> CompoundingNoise:
    """The variance as a function of budgets, from one draw on each of some batches.

    Parameters
    ----------
    targets : sequence of InspectionTarget
        One for each batch; the same operations on each, with the pilot's budgets on their nodes.
    keys : sequence of int
        Of the draws.
    nodes : callable
        The nodes of a target whose budgets are looked for.
    layer_of : callable
        The number of a node's layer, 0, 1, 2, ….
    budgets : mapping from int to float
        The pilot's, by layer.

    Returns
    -------
    CompoundingNoise
        At the pilot it is the variance that was measured.

    Raises
    ------
    ValueError
        If what is measured is not finite.
    """
    looked = nodes(targets[0])
    place = {node.index: i for i, node in enumerate(looked)}
    pilot = np.array([budgets[layer_of(node)] for node in looked])
    levels = [sorted({*GRID, float(p)}, reverse=True) for p in pilot]
    distortion = [np.zeros(len(level)) for level in levels]
    exact, arrived, added, probed = (np.zeros(len(looked)) for _ in range(4))
    for target, key in zip(targets, keys, strict=True):
        sweep = target.sweep(random=())
        sweep.random = frozenset(place)
        while (stop := sweep.advance()) is not None:
            node, g = stop
            exact[place[node.index]] += squared_norm([g])
            sweep.apply(node, [g] * len(node.parents))
        sweep = target.sweep()
        while (stop := sweep.advance()) is not None:
            node, g = stop
            if (i := place.get(node.index)) is not None:
                size = squared_norm([g])
                found = np.array([_distortion(node, dense(g), p, key) for p in levels[i]])
                arrived[i] += size
                distortion[i] += found
                chosen, made = _probe(levels[i], found, float(pilot[i]), size)
                added[i] += _increment(target, node, dense(g), chosen, key)
                probed[i] += made
            sweep.apply(node, draw(node, g, key))
    curves = [
        DistortionCurve([p for p in level if p < 1], _relative(found, size)[[p < 1 for p in level]])
        for level, found, size in zip(levels, distortion, arrived, strict=True)
    ]
    delta = np.array([curve(float(p)) for curve, p in zip(curves, pilot, strict=True)])
    reach = reaching(targets[0].tape, looked)
    growth = np.array([
        _growth(a / e if e else 1.0, row * delta) for a, e, row in zip(arrived, exact, reach, strict=True)
    ])[:, None] * reach  # fmt: skip
    # V_l = (variance for each unit of distortion) × E‖ĝ_l‖² × δ_l, and ρ_l is taken out of it.
    unit = np.divide(added, probed, out=np.zeros_like(added), where=probed > 0)
    gains = unit * arrived / len(targets) / np.prod(1 + growth * delta, axis=1)
    return CompoundingNoise(gains, growth, curves, [layer_of(node) for node in looked])


def reaching(tape: Tape, nodes: Sequence[Node]) -> Array:
    """A table with 1 in row l and column k where the sketch of node k changes what arrives at node l, else 0.

    Examples
    --------
    Two layers in a chain; the second is met first, and only the gradient of its weight is sketched or also its input's:

    >>> import minigrad as mg
    >>> from minigrad import ops
    >>> from minigrad.estimators import Mask
    >>> w = mg.Tensor(np.ones((2, 2)), requires_grad=True)
    >>> for vjp in ({"w": Mask(0.5)}, Mask(0.5)):
    ...     with mg.Tape() as tape:
    ...         y = ops.linear(ops.linear(np.ones((1, 2)), w, vjp=vjp), w, vjp=vjp)
    ...     reaching(tape, tape.nodes).tolist()
    [[0.0, 0.0], [0.0, 0.0]]
    [[0.0, 1.0], [0.0, 0.0]]
    """
    table = np.zeros((len(nodes), len(nodes)))
    for k, node in enumerate(nodes):
        below: set[int] = set()
        todo = [node.parents[edge] for _, edges in node.draws() for edge in edges]
        while todo:
            parent = todo.pop()
            if isinstance(parent, int) and parent not in below:
                below.add(parent)
                todo.extend(tape.nodes[parent].parents)
        table[:, k] = [other.index in below for other in nodes]
    return table


def _distortion(node: Node, g: Cotangent, budget: float, key: int) -> float:
    """E‖ĝ − g‖² at a node with some budget, as a mean over its draws: in closed form, or from one draw."""
    draws = node.draws()
    total = 0.0
    for estimator, edges in draws:
        other = with_budget(estimator, budget)
        try:
            total += other.distortion(g, node)
        except NotImplementedError:
            total += squared_norm([_error(other, edges[0], node, g, key)])
    return total / max(len(draws), 1)


def _error(estimator: Estimator, edge: int, node: Node, g: Cotangent, key: int) -> Array:
    return np.asarray(
        dense(sketch(estimator, g, node, generator(Domain.BACKWARD, key, node.index, edge + 1))) - dense(g)
    )


def _probe(levels: Sequence[float], distortions: Array, pilot: float, size: float) -> tuple[float, float]:
    """A budget with which a node adds something, the pilot's if it does, and its distortion.

    A sketch that follows the cotangent may leave out nothing at the pilot, as where nodes above left out the same.
    """
    able = [k for k, p in enumerate(levels) if p <= pilot]
    chosen = next((k for k in able if distortions[k] >= SEEN * (1 / levels[k] - 1) * size), able[-1])
    return levels[chosen], float(distortions[chosen])


def _increment(target: InspectionTarget, node: Node, g: Cotangent, budget: float, key: int) -> float:
    """‖H_k − H_{k−1}‖² of a node with some budget: the error of its cotangents, pulled back to the leaves."""
    sweep = target.sweep(random=())
    sweep.pending[:] = [None] * len(sweep.pending)
    sweep.position = node.index - 1
    single = len(node.draws()) == 1
    for estimator, edges in node.draws():
        error = _error(with_budget(estimator, budget), -1 if single and len(edges) > 1 else edges[0], node, g, key)
        sweep.pull(node, error, edges)
    sweep.advance()
    return squared_norm([np.asarray(dense(part)) for part in target.gradient(sweep)])


def _relative(distortions: Array, size: float) -> Array:
    return distortions / size if size else np.zeros(len(distortions))


def _growth(grown: float, distortions: Array) -> float:
    """B with ∏ (1 + b δ_k) = ρ; 0 where nothing has grown."""
    from scipy.optimize import brentq

    total = float(distortions.sum())
    if not math.isfinite(grown) or not math.isfinite(total):
        return math.inf
    if grown <= 1 or not total:
        return 0.0
    high = (grown - 1) / total * (1 + 1e-9)
    return float(brentq(lambda b: float(np.log1p(b * distortions).sum()) - math.log(grown), 0.0, high))
