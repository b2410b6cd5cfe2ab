"""Budgets that follow the noise: sketch as much as the minibatch noise hides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import nn
from minigrad.inspect.allocation import Layers, measure_layers, measure_variance, water_fill
from minigrad.inspect.batches import RecordedBatches
from minigrad.inspect.cost import cost
from minigrad.report import Table
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.training.loop import Loop

__all__ = ["AdaptiveBudget"]

NEARLY_ALL = 0.95
"""A layer whose budget would be above this is exact: the estimator's own work would eat the saving."""


class AdaptiveBudget:
    """Keep the variance that estimators add at a fraction of the minibatch variance, at the least cost.

    Every so many steps it measures, on a few random batches, the minibatch variance σ² and what each sketched layer
    adds to the variance, and sets the budgets of the layers anew: water-filled, or one common budget of equal cost
    where that measures better (`minigrad.inspect.allocate`). The kinds of estimator stay. What the measurements cost is
    added to the flops of the run.

    Parameters
    ----------
    fraction : float, default 0.25
        τ: the added variance is kept near τσ².
    every : int, default 500
        Steps between measurements; the first is before step 0.
    batches : int, default 4
        Batches of a measurement, at least 2.

    Attributes
    ----------
    log : list of dict
        For each measurement the step, σ², the added variance as measured with the budgets that were set, which kind of
        sharing was chosen, and the budgets.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    Holding the added variance at a fraction of the minibatch's follows Wang, Chen, Zhu (2024), *VCAS*, ICLR,
    arXiv:2402.17227; the sharing among layers is THEORY.md §3. Measurements are smoothed: each counts for half of what
    is believed.

    Examples
    --------
    >>> from minigrad import datasets, nn, optim, training
    >>> from minigrad.estimators import DiagonalSketch
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 64, 64, 10), rng=0)
    >>> chosen = nn.set_vjp(model, DiagonalSketch(0.5), where=lambda path, module: path != "4")
    >>> adapt = training.AdaptiveBudget(0.25, every=50)
    >>> history = training.fit(
    ...     model, data, optimizer=optim.SGD(model, lr=0.1), epochs=2, batch_size=64, rng=0, callbacks=[adapt])
    >>> [line["step"] for line in adapt.log]
    [0]
    """

    def __init__(self, fraction: float = 0.25, every: int = 500, batches: int = 4):
        if not fraction > 0 or not math.isfinite(fraction):
            raise ValueError(f"AdaptiveBudget: fraction={fraction} must be positive")
        if every < 1 or batches < 2:
            raise ValueError(f"AdaptiveBudget: every={every} must be at least 1, and batches={batches} at least 2")
        self.fraction, self.every, self.batches = float(fraction), int(every), int(batches)
        self.log: list[dict[str, Any]] = []
        self._weights: dict[str, float] = {}
        self._minibatch: float | None = None
        self._compounding = 1.0

    def __call__(self, loop: Loop) -> None:
        """Measure and set budgets, if it is time to."""
        if loop.step % self.every:
            return
        buffers = {name: array.copy() for name, array in loop.model.named_buffers()}
        recorded = RecordedBatches(
            loop.model, (loop.x, loop.y), loop.batches.batch_size, loop.loss, rng=loop.key(purpose=2)
        )
        layers = self._believed(measure_layers(recorded, self.batches))
        self._charge(loop, recorded, len(layers.names))
        target = self.fraction * layers.minibatch
        filled = budgets_for(layers, target / self._compounding)
        spent = float(layers.costs @ np.array(list(filled.values())))
        common = dict.fromkeys(layers.names, spent / float(layers.costs.sum()))
        variances = {}
        for kind, budgets in (("water-filled", filled), ("common", common)):
            variances[kind] = measure_variance(recorded, budgets, self.batches)
        kind = min(variances, key=lambda k: variances[k])
        predicted = target / self._compounding
        if predicted > 0 and variances[kind] > 0:
            # Noise compounds through layers: next time, aim lower by the factor that was missed.
            self._compounding = max(1.0, math.sqrt(self._compounding * variances[kind] / predicted))
        chosen = filled if kind == "water-filled" else common
        chosen = {name: 1.0 if p > NEARLY_ALL else p for name, p in chosen.items()}
        nn.set_budgets(loop.model, chosen)
        for name, array in loop.model.named_buffers():
            array[...] = buffers[name]
        self.log.append(
            {
                "step": loop.step,
                "minibatch": layers.minibatch,
                "added": variances[kind],
                "sharing": kind,
                "budgets": chosen,
            }
        )

    def _believed(self, layers: Layers) -> Layers:
        """A measurement, averaged with what was believed before."""
        if self._minibatch is not None:
            minibatch = (self._minibatch + layers.minibatch) / 2
            weights = np.array([(self._weights[n] + w) / 2 for n, w in zip(layers.names, layers.weights, strict=True)])
            layers = Layers(layers.names, weights, layers.costs, minibatch)
        self._minibatch = layers.minibatch
        self._weights = dict(zip(layers.names, layers.weights.tolist(), strict=True))
        return layers

    def _charge(self, loop: Loop, recorded: RecordedBatches, layers: int) -> None:
        """Add to the run what a measurement costs, with every sweep counted as a whole exact one."""
        count = cost(recorded[0].tape)
        # Three recordings; an exact and a random sweep in each, and two sweeps below each sketched layer.
        loop.forward_flops += 3 * self.batches * count.forward
        loop.backward_flops += (6 + 2 * layers) * self.batches * count.backward_exact

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON-ready data."""
        return {
            "log": self.log,
            "weights": self._weights,
            "minibatch": self._minibatch,
            "compounding": self._compounding,
        }

    def load_state_dict(self, state: dict[str, Any], loop: Loop) -> None:
        """Go on from what `state_dict` gave, and put the budgets in place."""
        self.log = list(state["log"])
        self._weights, self._minibatch = dict(state["weights"]), state["minibatch"]
        self._compounding = state["compounding"]
        if self.log:
            nn.set_budgets(loop.model, self.log[-1]["budgets"])

    def table(self) -> Table:
        """The log as a table."""
        rows = [
            [e["step"], e["minibatch"], e["added"], e["added"] / e["minibatch"] if e["minibatch"] else None,
             e["sharing"], " ".join(f"{p:.2f}" for p in e["budgets"].values())]
            for e in self.log
        ]  # fmt: skip
        heads = ["step", "σ²", "added", "added/σ²", "sharing", "budgets"]
        return Table(heads, rows, f"adaptive budgets, aiming at added/σ² = {self.fraction:g}")

    def __repr__(self) -> str:
        return f"AdaptiveBudget({self.fraction:g}, every={self.every}, batches={self.batches})"


def budgets_for(layers: Layers, variance: float) -> dict[str, float]:
    """The cheapest budgets whose predicted added variance Σ w_l (1/p_l − 1) is at most the given one.

    Examples
    --------
    >>> layers = Layers(("a", "b"), np.array([1.0, 1.0]), np.array([1.0, 1.0]), 1.0)
    >>> {name: round(p, 3) for name, p in budgets_for(layers, 2.0).items()}
    {'a': 0.5, 'b': 0.5}
    """
    weights = np.maximum(layers.weights, 0.0)
    everything = float(layers.costs.sum())
    low, high = 0.0, everything

    def added(p: Array) -> float:
        return float(weights @ (1 / p - 1))

    if added(water_fill(layers, low)) <= variance:
        high = low
    for _ in range(50):  # the added variance falls as the total cost grows
        middle = (low + high) / 2
        if added(water_fill(layers, middle)) > variance:
            low = middle
        else:
            high = middle
    return dict(zip(layers.names, water_fill(layers, high).tolist(), strict=True))
