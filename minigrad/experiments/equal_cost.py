"""Variance at equal cost: the presets beside each other, at one node and in a whole network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import nn, training
from minigrad.counts import MOST_DRAWS, count
from minigrad.estimators import DiagonalSketch, Mask, WinnerTakeAll, presets
from minigrad.experiments.comparison import versions
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.experiments.places import OneProduct, Place, Preset, WholeGradient, arrival, estimators_of
from minigrad.naming import unknown
from minigrad.report import Report, Table
from minigrad.streams import Domain, child
from minigrad.structure import matrix_shape
from minigrad.threads import one_thread
from minigrad.typing import Array

__all__ = ["METHODS", "EqualCost", "Line", "equal_cost"]

METHODS: dict[str, Callable[[float], Preset]] = {
    "column mask": lambda p: {"vjp": Mask(p)},
    "column-row sampling": presets.column_row,
    "winner-take-all": lambda p: {
        "vjp": {
            "x": WinnerTakeAll(p, axis="column", target="input"),
            "w": WinnerTakeAll(p, axis="row", target="weight"),
        }
    },
    "VCAS": presets.vcas,
    "sparsification": presets.sparsification,
    "meProp (biased)": presets.meprop,
    "diagonal sketch": lambda p: {"vjp": DiagonalSketch(p, target="both")},
    "diagonal, per product": lambda p: {
        "vjp": {
            "x": DiagonalSketch(p, axis="column", target="input"),
            "w": DiagonalSketch(p, axis="row", target="weight"),
        }
    },
    "RAD, features": presets.rad,
    "RAD, entries": lambda p: presets.rad(p, "entries"),
    "RAD, projection": lambda p: presets.rad(p, "projection"),
    "winner-take-all, saved": presets.winner_take_all,
}
"""Name → ``make(budget)``: the presets, and what this library has in their place."""

LEAST, MOST = 1e-3, 0.999
"""Budgets among which one of the wanted cost is looked for."""

CORRECTIONS = 5
"""Of a budget, in proportion to the cost that was found: cost is all but linear in it."""

PILOT = 100
"""Draws of which the mean cost is taken, the same for every budget."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One method on one product.

    Attributes
    ----------
    product : {"∂X", "∂W", "gradient"}
    method : str
    argument : {"vjp", "save"}
        What was sketched: the cotangent, or what was saved.
    budget : float
    cost : float
        Mean operations over those of the exact product.
    noise : float
        Mean of ‖ĝ − g‖²/‖g‖².
    error : float
        Its standard error over draws; other batches, and models of other seeds, are not in it.
    unbiased : bool
        Whether its estimators say so; else the noise is a squared error, bias included.
    """

    product: str
    method: str
    argument: str
    budget: float
    cost: float
    noise: float
    error: float
    unbiased: bool


@dataclasses.dataclass(frozen=True, repr=False)
class EqualCost(Report):
    """What `equal_cost` found; ``print`` shows a table.

    Attributes
    ----------
    lines : tuple of Line
    cost : float
        The cost that was asked for.
    setting : dict
        The configuration, the layer, shapes, draws, seed and versions.

    Examples
    --------
    A report of one line, whose noise is known in closed form: 1/p - 1 for a uniform mask of columns.

    >>> line = Line("∂X", "column mask", "vjp", budget=0.25, cost=0.25, noise=1 / 0.25 - 1, error=0.0, unbiased=True)
    >>> found = EqualCost((line,), 0.25, {"layer": "2", "shape": [32, 64, 64], "draws": 400})
    >>> print(str(found).partition("layer")[0].rstrip())
    variance at equal cost 0.25
    of  method       argument  budget  cost   noise
    ∂X  column mask  vjp       0.250   0.250  3
    >>> found.to_dict()["lines"][0]["noise"]
    3.0
    """

    lines: tuple[Line, ...]
    cost: float
    setting: dict[str, Any]

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [line.product, line.method, line.argument, f"{line.budget:.3f}", f"{line.cost:.3f}",
             f"{line.noise:.3g} ± {line.error:.1g}" if line.error else f"{line.noise:.3g}"]
            for line in self.lines
        ]  # fmt: skip
        notes = [
            f"layer {self.setting['layer']}: (rows, in, out) = {tuple(self.setting['shape'])}; "
            f"{self.setting['draws']} draws; noise: mean of |ĝ - g|²/|g|²",
            "± s.e. over draws, on one batch of one trained model",
            "cost: operations over those of the exact product, scores and projections included; an operation of a "
            "sparse product (entries) takes more seconds than others",
        ]
        title = f"variance at equal cost {self.cost:g}"
        return Table(["of", "method", "argument", "budget", "cost", "noise"], rows, title, notes)


@one_thread()
def equal_cost(
    configuration: Configuration | None = None,
    cost: float = 0.1,
    *,
    draws: int = 400,
    seed: int = 0,
    methods: Sequence[str] | None = None,
) -> EqualCost:
    """Compare methods at equal cost: of one node's products, and of the gradient of a whole network.

    A model is trained exactly for some epochs. Then one batch is pulled back, and at its last linear layer but one the
    noise of ∂X and of ∂W is measured for every method that sketches them, each with the budget at which the product
    costs what was asked for. At last the methods that sketch both are put on all linear layers but the last.

    Parameters
    ----------
    configuration : Configuration, optional
        Default: the perceptron on the digits, 10 epochs with batches of 128. The model needs three linear layers.
    cost : float, default 0.1
        In (0, 1): a fraction of the exact product.
    draws : int, default 400
        For each line.
    seed : int, default 0
    methods : sequence of str, optional
        Names among `METHODS`. Default: all.

    Returns
    -------
    EqualCost

    Raises
    ------
    ValueError
        If the cost or the number of draws is out of range, a method is unknown, or the model has fewer than three
        linear layers.

    Examples
    --------
    >>> from minigrad.experiments import Configuration, equal_cost
    >>> small = Configuration(train=64, test=20, epochs=1, batch_size=32)
    >>> found = equal_cost(small, 0.25, draws=5, methods=["column mask"])
    >>> [(line.product, line.method, abs(line.cost - 0.25) < 0.02) for line in found.lines]
    [('∂X', 'column mask', True), ('∂W', 'column mask', True), ('gradient', 'column mask', True)]
    """
    if not 0 < cost < 1:
        raise ValueError(f"equal_cost: cost={cost} must lie in (0, 1): a fraction of the exact product's")
    draws = count("equal_cost: draws", draws, MOST_DRAWS, "draws", least=2)
    configuration = configuration or Configuration(epochs=10, batch_size=128)
    for name in methods or ():
        if name not in METHODS:
            raise ValueError(f"equal_cost: {unknown('method', name, METHODS)}")
    chosen = {name: METHODS[name] for name in (METHODS if methods is None else methods)}
    model, batch = trained(configuration, seed)
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if len(names) < 3:
        raise ValueError(f"equal_cost: the model has {len(names)} linear layers, and at least three are needed")
    layer, (node, g) = names[-2], arrival(model, batch, names[-2])
    places: dict[str, Place] = {
        "∂X": OneProduct(node, g, "x"),
        "∂W": OneProduct(node, g, "w"),
        "gradient": WholeGradient(model, batch, names[:-1]),
    }
    lines = []
    for product, place in places.items():
        for method, make in chosen.items():
            if place.takes(make(0.5)):
                preset = make(budget_of_cost(place, make, cost, seed))
                lines.append(measured(place, preset, product, method, draws, seed))
    shape = (*matrix_shape(g.shape), node.saved["w"].shape[1])
    setting = {
        "configuration": configuration.to_dict(), "layer": layer, "shape": [shape[0], shape[2], shape[1]],
        "draws": draws, "seed": seed, "versions": versions(),
    }  # fmt: skip
    return EqualCost(tuple(lines), cost, setting)


def budget_of_cost(place: Place, make: Callable[[float], Preset], cost: float, seed: int) -> float:
    """The budget at which a draw costs so much on average, or nearly: a number of draws is whole."""
    budget, keys = cost, [child(Domain.COST, seed, number) for number in range(PILOT)]
    for _ in range(CORRECTIONS):
        spent = np.mean([place.draw(make(budget), key, value=False)[1] for key in keys])
        budget = min(max(budget * cost / float(spent), LEAST), MOST)
    return budget


def measured(place: Place, preset: Preset, product: str, method: str, draws: int, seed: int) -> Line:
    """The noise and the cost of a preset at a place."""
    norm, noise, costs = float(np.square(place.exact, dtype=np.float64).sum()), [], []
    for number in range(draws):
        value, spent = place.draw(preset, child(Domain.PLACE, seed, number))
        noise.append(float(np.square(value - place.exact, dtype=np.float64).sum()) / norm)
        costs.append(spent)
    estimators, (argument,) = estimators_of(preset), preset
    error = float(np.std(noise, ddof=1)) / math.sqrt(draws)
    # Of a mapping the first: the methods here give all inputs the same budget.
    return Line(
        product, method, argument, estimators[0].budget, float(np.mean(costs)), float(np.mean(noise)),
        error if error > 1e-9 * np.mean(noise) else 0.0, all(e.unbiased for e in estimators),
    )  # fmt: skip


def trained(configuration: Configuration, seed: int) -> tuple[nn.Module, tuple[Array, Array]]:
    """A model after exact training, and the first batch of its data."""
    data = configuration.load()
    model = configuration.build(data, Method("exact"), seed)
    size = min(configuration.batch_size, len(data.x_train))
    training.fit(
        model, data, optimizer=configuration.make_optimizer(model), epochs=configuration.epochs, batch_size=size,
        max_norm=configuration.max_norm, rng=seed,
    )  # fmt: skip
    return model, (data.x_train[:size], data.y_train[:size])
