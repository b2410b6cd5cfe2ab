"""Budgets that follow the noise: sketch as much as the minibatch noise hides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import nn
from minigrad.counts import MOST_BATCHES, MOST_STEPS, count
from minigrad.inspect.means import Mean
from minigrad.inspect.measured import SMALLEST, MeasuredBatches
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.report import Table
from minigrad.theory import CompoundingNoise, cheapest_budgets

if TYPE_CHECKING:
    from minigrad.training.loop import Loop

__all__ = ["AdaptiveBudget"]

NEARLY_ALL = 0.9
"""A total cost above this fraction of the exact one is not worth it: the estimators' own work would eat the saving."""

TRIES = 8
"""So often budgets are made larger that measure worse than predicted."""

LESS = 0.75
"""The variance asked for falls at least by this factor from one try to the next."""


class AdaptiveBudget:
    """Keep the variance that estimators add at a fraction of the minibatch variance, at the least cost.

    Every so many steps it measures, on a few random batches, the minibatch variance σ² and what each sketched layer
    adds to the variance, and sets the budgets of the layers anew: the cheapest by the formula of how noise compounds
    (`minigrad.theory.cheapest_budgets`). What these add is then measured afresh, on other batches, for the log. The
    kinds of estimator stay. What the measurements cost is added to the flops of the run.

    Parameters
    ----------
    fraction : float, default 0.025
        τ: the added variance is kept near τσ²; the default is that of VCAS.
    every : int, default 500
        Steps between measurements; the first is before step 0.
    batches : int, default 4
        Batches by which budgets are chosen, at least 2; as many others tell what they add.

    Attributes
    ----------
    log : list of dict
        For each measurement the ``step``; ``minibatch``, σ²; ``added``, the variance that the budgets add, and its
        standard error ``added_error``, over batches and draws by which they were not chosen; ``sharing``; ``budgets``.

    Raises
    ------
    ValueError
        If a number is out of range; in training, if no layer has an estimator, or one is biased.

    Notes
    -----
    Holding the added variance at a fraction of the minibatch's follows Wang, Chen, Zhu (2024), *VCAS*, ICLR,
    arXiv:2402.17227; the sharing among layers is Theory §8. Each measurement of σ² counts for half of
    what is believed. The budgets are the cheapest that keep to τσ² on the batches of the choice; on others they add
    more in the mean, the more so the fewer batches and the smaller the budgets. ``added`` shows by how much.

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

    not_fingerprinted = ("log", "_minibatch")  # what a checkpoint keeps

    def __init__(self, fraction: float = 0.025, every: int = 500, batches: int = 4):
        if not fraction > 0 or not math.isfinite(fraction):
            raise ValueError(f"AdaptiveBudget: fraction={fraction} must be positive")
        self.fraction = float(fraction)
        self.every = count("AdaptiveBudget: every", every, MOST_STEPS, "steps")
        self.batches = count("AdaptiveBudget: batches", batches, MOST_BATCHES, "batches", least=2)
        self.log: list[dict[str, Any]] = []
        self._minibatch: float | None = None

    def __call__(self, loop: Loop) -> None:
        """Measure and set budgets, if it is time to."""
        if loop.step % self.every:
            return
        buffers = {name: array.copy() for name, array in loop.model.named_buffers()}
        data = (loop.x, loop.y)
        recorded = RecordedBatches(loop.model, data, loop.batches.batch_size, loop.loss, rng=loop.key)
        measured, fresh = (MeasuredBatches(recorded, self.batches, first) for first in (0, self.batches))
        for name, array in loop.model.named_buffers():
            array[...] = buffers[name]
        if not math.isfinite(measured.minibatch):
            return  # the run is diverging, which the loop finds and tells
        if self._minibatch is not None:
            self._minibatch = (self._minibatch + measured.minibatch) / 2
        else:
            self._minibatch = measured.minibatch
        budgets, _, sharing = cheapest(measured, self.fraction * self._minibatch, self._start(measured))
        # By the batches and draws of the choice it would be too small.
        added = Mean.of(np.zeros(2) if sharing == "exact" else fresh.squares(budgets))
        nn.set_budgets(loop.model, budgets)
        loop.forward_flops += measured.forward_flops + fresh.forward_flops
        loop.backward_flops += measured.backward_flops + fresh.backward_flops
        self.log.append(
            {"step": loop.step, "minibatch": self._minibatch, "added": added.value, "added_error": added.error,
             "sharing": sharing, "budgets": budgets}
        )  # fmt: skip

    def _start(self, measured: MeasuredBatches) -> dict[str, float]:
        """Budgets to measure the layers at first: those of the last time."""
        return self.log[-1]["budgets"] if self.log else dict.fromkeys(measured.names, 0.25)

    def state_dict(self) -> dict[str, Any]:
        """The state that a checkpoint keeps, as JSON-ready data."""
        return {"log": self.log, "minibatch": self._minibatch}

    def load_state_dict(self, state: dict[str, Any], loop: Loop) -> None:
        """Go on from what `state_dict` gave, and put the budgets in place."""
        self.log, self._minibatch = list(state["log"]), state["minibatch"]
        if self.log:
            nn.set_budgets(loop.model, self.log[-1]["budgets"])

    def table(self) -> Table:
        """The log as a table."""
        rows = [
            [e["step"], e["minibatch"], f"{e['added']:.3g} ± {e['added_error']:.1g}",
             e["added"] / e["minibatch"] if e["minibatch"] else None, e["sharing"],
             " ".join(f"{p:.2f}" for p in e["budgets"].values())]
            for e in self.log
        ]  # fmt: skip
        heads = ["step", "σ²", "added", "added/σ²", "sharing", "budgets"]
        notes = [f"± s.e. of added, over {self.batches} batches and draws by which the budgets were not chosen"]
        return Table(heads, rows, f"adaptive budgets, aiming at added/σ² = {self.fraction:g}", notes)

    def __repr__(self) -> str:
        return f"AdaptiveBudget({self.fraction:g}, every={self.every}, batches={self.batches})"


def cheapest(
    measured: MeasuredBatches, variance: float, start: dict[str, float]
) -> tuple[dict[str, float], float, str]:
    """The cheapest budgets whose added variance, as measured, is at most the given one.

    The noise is measured as a function of the budgets at those of the start, and again at what is best by that
    (Theory §8). Where the budgets measure worse than predicted, less is asked for.

    Returns
    -------
    budgets : dict of str to float
    added : float
        The variance measured with them, on the draws by which they were chosen: in the mean it is too small.
    sharing : {"shared", "exact"}
    """
    everything = float(measured.costs.sum())
    exact = dict.fromkeys(measured.names, 1.0), 0.0, "exact"
    asked = variance
    try:
        noise = measured.noise(_cheapest(measured, measured.noise(start), asked))
    except ValueError:  # it overflows
        return exact
    for _ in range(TRIES):
        budgets = _cheapest(measured, noise, asked)
        if measured.costs @ np.array(list(budgets.values())) > NEARLY_ALL * everything:
            return exact
        added = measured.variance(budgets)
        if added <= variance:
            return budgets, added, "shared"
        asked *= min(variance / added, LESS)
    return exact


def _cheapest(measured: MeasuredBatches, noise: CompoundingNoise, variance: float) -> dict[str, float]:
    p = cheapest_budgets(noise, variance, measured.costs, lower=SMALLEST)
    return dict(zip(measured.names, p.tolist(), strict=True))
