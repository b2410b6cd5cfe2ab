"""A few recorded batches whose gradient is pulled back again and again, with one choice of budgets after another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from minigrad.engine.node import Node
from minigrad.estimators import with_budget
from minigrad.estimators.budget import has_budget
from minigrad.inspect.cost import cost
from minigrad.inspect.leaves import InspectionTarget, drawn
from minigrad.inspect.means import Mean
from minigrad.inspect.noise_pilot import GRID, measured_noise
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.streams import draw_key
from minigrad.theory import CompoundingNoise
from minigrad.typing import Array

__all__ = ["SMALLEST", "MeasuredBatches", "layer_name"]

SMALLEST = 0.01
"""No layer gets a smaller budget than this."""


class MeasuredBatches:
    """Recorded batches of a model, their exact gradients, and a count of what measuring cost.

    The same draws serve every choice of budgets, so that choices are compared on equal terms.

    Parameters
    ----------
    recorded : RecordedBatches
    batches : int
        So many of them, at least 2.
    first : int, default 0
        The number of the first of them. What was chosen on some batches is reported from others: on its own draws it
        looks better than it is.

    Attributes
    ----------
    minibatch : float
        σ² of the exact gradient, estimated from these batches.
    names : tuple of str
        The sketched layers, from the input to the loss.
    costs : ndarray
        Operations of their exact backward passes.
    forward_flops, backward_flops : float
        What the measurements so far have cost, recordings included.

    Raises
    ------
    ValueError
        If no layer has an estimator, or one is biased.
    """

    def __init__(self, recorded: RecordedBatches, batches: int, first: int = 0):
        self.key, self.first = recorded.key, first
        self.targets = [recorded[first + number] for number in range(batches)]
        self.exact = [target.exact() for target in self.targets]
        stacked = np.array(self.exact)
        deviations = np.square(stacked - stacked.mean(axis=0)).sum(axis=1)
        self.minibatch = float(deviations.sum() / max(batches - 1, 1))
        count = cost(self.targets[0].tape)
        self.forward_flops = batches * count.forward
        self.backward_flops = batches * count.backward_exact
        costs: dict[str, float] = {}
        for node in sketched_nodes(self.targets[0]):
            if not has_budget(node.vjp):
                continue  # exact, whatever it is told
            name = layer_name(node)
            costs[name] = costs.get(name, 0.0) + count.nodes[node.index].backward_exact
            for estimator, _ in node.draws():
                if not estimator.unbiased:
                    raise ValueError(f"{estimator!r} in {node.label} is biased; its error does not fall as 1/p")
        self.names = tuple(costs)
        self.costs = np.array(list(costs.values()))

    def variance(self, budgets: Mapping[str, float]) -> float:
        """E‖ĝ − g‖² with given budgets by layer, estimated from one draw on each batch."""
        return Mean.of(self.squares(budgets)).value

    def squares(self, budgets: Mapping[str, float]) -> Array:
        """‖ĝ − g‖² of one draw on each batch, with given budgets by layer."""
        errors = []
        for number, (target, exact) in enumerate(zip(self.targets, self.exact, strict=True)):
            self._set(target, budgets)
            error = drawn(target, draw_key(self.key, self.first + number)) - exact
            errors.append(float(np.square(error).sum()))
        self.backward_flops += len(self.targets) * cost(self.targets[0].tape).backward
        return np.array(errors)

    def noise(self, budgets: Mapping[str, float]) -> CompoundingNoise:
        """The variance as a function of the budgets, from a pilot at the given ones; at 1/2 where one is larger.

        Raises
        ------
        ValueError
            If what is measured is not finite.
        """
        pilot = {name: min(0.5, budgets[name]) for name in self.names}
        number = {name: k for k, name in enumerate(self.names)}
        for target in self.targets:
            self._set(target, pilot)
        found = measured_noise(
            self.targets,
            [draw_key(self.key, self.first + k) for k in range(len(self.targets))],
            lambda target: [node for node in sketched_nodes(target) if has_budget(node.vjp)],
            lambda node: number[layer_name(node)],
            {number[name]: p for name, p in pilot.items()},
        )
        count = cost(self.targets[0].tape)
        # A random sweep and an exact one, and an exact one below each node, counted as whole; and what scores cost.
        nodes = [node for node in sketched_nodes(self.targets[0]) if has_budget(node.vjp)]
        scores = sum(estimator.overhead(node.shape) for node in nodes for estimator, _ in node.draws()) * len(GRID)
        sweeps = count.backward + (1 + len(nodes)) * count.backward_exact
        self.backward_flops += len(self.targets) * (sweeps + scores)
        return found

    def _set(self, target: InspectionTarget, budgets: Mapping[str, float]) -> None:
        for node in sketched_nodes(target):
            if has_budget(node.vjp):
                node.vjp = with_budget(node.vjp, budgets[layer_name(node)])


def sketched_nodes(target: InspectionTarget) -> list[Node]:
    """The nodes of a tape that have an estimator.

    Raises
    ------
    ValueError
        If there are none.
    """
    nodes = [node for node in target.tape.nodes if node.vjp is not None]
    if not any(has_budget(node.vjp) for node in nodes):
        raise ValueError("no layer of this model has an estimator; choose one with nn.set_vjp(model, …)")
    return nodes


def layer_name(node: Node) -> str:
    """The name of a node's layer in an allocation."""
    return node.layer or f"#{node.index}"
