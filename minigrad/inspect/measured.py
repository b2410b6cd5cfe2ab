"""A few recorded batches whose gradient is pulled back again and again, with one choice of budgets after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minigrad.engine.node import Node
from minigrad.estimators import with_budget
from minigrad.estimators.budget import has_budget
from minigrad.inspect.cost import cost
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import InspectionTarget, drawn
from minigrad.inspect.means import Mean
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.streams import draw_key
from minigrad.theory import optimal_probabilities
from minigrad.typing import Array

__all__ = ["SMALLEST", "Layers", "MeasuredBatches", "layer_name", "water_fill"]

SMALLEST = 0.01
"""No layer gets a smaller budget than this."""


@dataclass(frozen=True)
class Layers:
    """The variance and the cost that sketched layers add.

    Attributes
    ----------
    names : tuple of str
        Layer paths, from the input to the loss; for an operation outside of any layer its index on the tape, as ``#3``.
    weights : ndarray
        w_l: the variance that layer l adds, divided by 1/p − 1 for the budget p at which it was measured.
    costs : ndarray
        c_l: operations of the layer's exact backward pass.
    """

    names: tuple[str, ...]
    weights: Array
    costs: Array


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

    def layers(self, budgets: Mapping[str, float]) -> Layers:
        """Measure what each layer adds with given budgets; at 1/2 where a budget is larger."""
        measured = {name: min(0.5, budgets[name]) for name in self.names}
        added = dict.fromkeys(self.names, 0.0)
        for number, target in enumerate(self.targets):
            self._set(target, measured)
            for step in increments(target, draw_key(self.key, self.first + number)):
                added[layer_name(target.tape.nodes[step.index])] += math.fsum(step.squares())
        count = cost(self.targets[0].tape)
        # One random sweep, and an exact one from each layer on, counted as whole.
        self.backward_flops += len(self.targets) * (count.backward + len(self.names) * count.backward_exact)
        odds = np.array([1 / measured[name] - 1 for name in self.names])
        weights = np.array([added[name] for name in self.names]) / (odds * len(self.targets))
        return Layers(self.names, weights, self.costs)

    def _set(self, target: InspectionTarget, budgets: Mapping[str, float]) -> None:
        for node in sketched_nodes(target):
            if has_budget(node.vjp):
                node.vjp = with_budget(node.vjp, budgets[layer_name(node)])


def water_fill(layers: Layers, total: float) -> dict[str, float]:
    """Budgets by layer that minimise Σ w_l/p_l at a total cost Σ c_l p_l, none below 0.01 (THEORY.md §3).

    Examples
    --------
    >>> layers = Layers(("a", "b"), np.array([4.0, 1.0]), np.array([1.0, 1.0]))
    >>> {name: round(p, 2) for name, p in water_fill(layers, 0.9).items()}
    {'a': 0.6, 'b': 0.3}
    """
    everything = float(layers.costs.sum())
    if not layers.weights.any():
        p = np.full(len(layers.names), min(1.0, max(SMALLEST, total / everything)))
    else:
        lower = np.full(len(layers.names), SMALLEST)
        p = optimal_probabilities(layers.weights, max(total, 1.001 * SMALLEST * everything), layers.costs, lower=lower)
    return dict(zip(layers.names, p.tolist(), strict=True))


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
