"""How a total cost is best shared among the layers of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.estimators import with_budget
from minigrad.estimators.budget import budget_of
from minigrad.inspect.batches import Data, Model, RecordedBatches
from minigrad.inspect.cost import cost
from minigrad.inspect.leaves import Wanted, drawn
from minigrad.inspect.variance import draw_key, increments
from minigrad.node import Node
from minigrad.report import Table, si
from minigrad.tensor import Tensor
from minigrad.theory import optimal_probabilities
from minigrad.typing import Array, Seed

__all__ = ["Allocation", "Layers", "allocate", "measure_layers", "measure_variance", "water_fill"]

SMALLEST = 0.01
"""No layer gets a smaller budget than this."""


@dataclass(frozen=True)
class Layers:
    """What sketched layers add to the variance and cost, measured.

    Attributes
    ----------
    names : tuple of str
        Layer paths; the index on the tape, as ``#3``, for an operation outside of any layer.
    weights : ndarray
        w_l: the variance that layer l adds at budget 1/2, as measured at the present budgets and scaled by
        1/p − 1.
    costs : ndarray
        c_l: operations of the layer's exact backward pass.
    minibatch : float
        σ² of the exact gradient.
    """

    names: tuple[str, ...]
    weights: Array
    costs: Array
    minibatch: float


@dataclass(frozen=True)
class Allocation:
    """Budgets for the layers of a network, at a given total cost.

    Attributes
    ----------
    budgets : dict of str to float
        By layer path: the better of the two choices, by measurement. `nn.set_budgets` puts them in place.
    chosen : {"water-filled", "common"}
    water_filled : dict of str to float
        By the formula p_l = min(1, √(w_l/c_l)/τ).
    common : float
        The one budget of equal cost.
    water_filled_variance, common_variance : float
        E‖ĝ − g‖² measured with each, for a loss that is a mean over the batch.
    layers : Layers
    """

    budgets: dict[str, float]
    chosen: str
    water_filled: dict[str, float]
    common: float
    water_filled_variance: float
    common_variance: float
    layers: Layers

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [name, si(c, "flop"), w, self.water_filled[name], self.common, self.budgets[name]]
            for name, w, c in zip(self.layers.names, self.layers.weights, self.layers.costs, strict=True)
        ]
        notes = [
            f"measured variance: water-filled {self.water_filled_variance:.4g}, common {self.common_variance:.4g}; "
            f"chosen: {self.chosen}",
        ]
        heads = ["layer", "backward", "variance at 1/2", "water-filled", "common", "chosen"]
        return Table(heads, rows, "budgets by layer, at one total cost", notes)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "layers"}
        layers = {
            "names": list(self.layers.names),
            "weights": self.layers.weights.tolist(),
            "costs": self.layers.costs.tolist(),
            "minibatch": self.layers.minibatch,
        }
        return {**fields, "layers": layers}


def allocate(
    model: Model,
    data: Data,
    *,
    budget: float,
    batch_size: int = 128,
    batches: int = 20,
    loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
    rng: Seed = None,
) -> Allocation:
    """Share the cost of one common budget among the layers so that the variance of the gradient is least.

    Parameters
    ----------
    model : Model
        With estimators set on its layers (`nn.set_vjp`); their kind is kept.
    data : tuple of ndarray or Dataset
        ``(x, labels)``, or the training part of a data set.
    budget : float
        The common budget whose cost is to be shared, in (0, 1].
    batch_size, batches : int
        Measured on so many random batches of this size.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    Allocation

    Raises
    ------
    ValueError
        If no layer has an estimator, or a number is out of range.

    Notes
    -----
    THEORY.md §3 with c_l costs and w_l the variance that layer l adds. The formula is optimal for variances
    w_l (1/p_l − 1) that add up; since noise compounds through layers, both choices are measured on the same batches,
    and the better is returned.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.estimators import Mask
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 64, 32, 10), vjp=Mask(0.5), rng=0)
    >>> allocation = allocate(model, data, budget=0.25, batch_size=32, batches=8, rng=0)
    >>> list(allocation.budgets)
    ['0', '2', '4']
    """
    if not 0 < budget <= 1:
        raise ValueError(f"allocate: budget={budget} is outside (0, 1]")
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    layers = measure_layers(recorded, batches, budget)
    filled = water_fill(layers, budget * float(layers.costs.sum()))
    water_filled = dict(zip(layers.names, filled.tolist(), strict=True))
    common = dict.fromkeys(layers.names, float(budget))
    by_filled = measure_variance(recorded, water_filled, batches)
    by_common = measure_variance(recorded, common, batches)
    better = by_filled < by_common
    return Allocation(
        budgets=water_filled if better else common,
        chosen="water-filled" if better else "common",
        water_filled=water_filled,
        common=float(budget),
        water_filled_variance=by_filled,
        common_variance=by_common,
        layers=layers,
    )


def water_fill(layers: Layers, total: float) -> Array:
    """Budgets that minimise Σ w_l/p_l at a total cost Σ c_l p_l, none below 0.01."""
    weights = np.maximum(layers.weights, 0.0)
    total = max(total, 1.001 * SMALLEST * float(layers.costs.sum()))
    if not weights.any():
        return np.full(weights.size, min(1.0, total / float(layers.costs.sum())))
    lower = np.full(weights.size, SMALLEST)
    return optimal_probabilities(weights, total, layers.costs, lower=lower)


def measure_layers(recorded: RecordedBatches, batches: int, budget: float | None = None) -> Layers:
    """Measure what each layer adds, on the first random batches, at a common budget or at the present ones.

    A layer whose budget is above 1/2 is measured at 1/2.
    """
    added: dict[str, list[float]] = {}
    costs: dict[str, float] = {}
    gradients = []
    for number in range(batches):
        wanted = recorded[number]
        nodes = sketched_nodes(wanted)
        odds = {}
        for node in nodes:
            p = min(0.5, budget_of(node.vjp) if budget is None else budget)
            node.vjp = with_budget(node.vjp, p)
            odds[node.index] = 1 / p - 1
        gradients.append(wanted.exact())
        parts: dict[str, float] = {}
        for index, _, increment in increments(wanted, draw_key(recorded.key, batches + number)):
            name = layer_name(wanted.tape.nodes[index])
            parts[name] = parts.get(name, 0.0) + float(np.square(increment).sum()) / odds[index]
        for name, value in parts.items():
            added.setdefault(name, []).append(value)
        if not costs:
            for line in cost(wanted.tape).nodes:
                node = wanted.tape.nodes[line.node]
                if node.vjp is not None:
                    costs[layer_name(node)] = costs.get(layer_name(node), 0.0) + line.backward_exact
    stacked = np.array(gradients)
    deviations = np.square(stacked - stacked.mean(axis=0)).sum(axis=1)
    names = tuple(reversed(list(added)))  # from the input to the loss
    return Layers(
        names=names,
        weights=np.array([np.mean(added[name]) for name in names]),
        costs=np.array([costs[name] for name in names]),
        minibatch=float(deviations.sum() / max(batches - 1, 1)),
    )


def measure_variance(recorded: RecordedBatches, budgets: Mapping[str, float], batches: int) -> float:
    """E‖ĝ − g‖² with given budgets by layer, on the first random batches."""
    errors = []
    for number in range(batches):
        wanted = recorded[number]
        for node in sketched_nodes(wanted):
            node.vjp = with_budget(node.vjp, budgets[layer_name(node)])
        error = drawn(wanted, draw_key(recorded.key, 2 * batches + number)) - wanted.exact()
        errors.append(float(np.square(error).sum()))
    return math.fsum(errors) / batches


def sketched_nodes(wanted: Wanted) -> list[Node]:
    """The nodes of a tape that have an estimator.

    Raises
    ------
    ValueError
        If there are none.
    """
    nodes = [node for node in wanted.tape.nodes if node.vjp is not None]
    if not nodes:
        raise ValueError("no layer of this model has an estimator; choose one with nn.set_vjp(model, …)")
    return nodes


def layer_name(node: Node) -> str:
    """What an allocation calls the layer of a node."""
    return node.layer or f"#{node.index}"
