"""Noise and cost of a model at a few budgets, measured on recorded batches.

Index conventions: i runs over batches, k over budgets. g_i is the exact gradient of batch i, and
a_ki = ‖ĝ_i − g_i‖² of one draw at budget k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.estimators import with_budget
from minigrad.inspect.cost import cost
from minigrad.inspect.leaves import drawn
from minigrad.inspect.means import Mean
from minigrad.inspect.recorded_batches import RecordedBatches
from minigrad.streams import draw_key
from minigrad.typing import Array

__all__ = ["Levels", "measure_levels"]


@dataclass(frozen=True)
class Levels:
    """The measurements at a few budgets.

    Attributes
    ----------
    budgets : tuple of float
        Falling, all below 1.
    products : ndarray, batches × batches
        (g_i − ḡ)ᵀ(g_j − ḡ) of the exact gradients.
    added : ndarray, budgets × batches
        a_ki.
    costs : tuple of float
        Operations of a step, forward and backward: exact, then at each budget.
    norm_squared : float
        Mean of ‖g_i‖².
    sketched : int
        Nodes with an estimator.

    Examples
    --------
    Two batches with gradients 1 and 3: their variance is 2, the mean of two squared deviations times 2/1.

    >>> levels = Levels((0.5,), np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([[4.0, 6.0]]), (2.0, 1.0), 5.0, 1)
    >>> levels.minibatch().value, levels.mean_added().tolist()
    (2.0, [5.0])
    """

    budgets: tuple[float, ...]
    products: Array
    added: Array
    costs: tuple[float, ...]
    norm_squared: float
    sketched: int

    @property
    def batches(self) -> int:
        """The number of them."""
        return len(self.products)

    def deviations(self) -> Array:
        """‖g_i − ḡ‖² n/(n − 1), whose mean is an unbiased estimate of σ²."""
        return np.asarray(np.diag(self.products) * (self.batches / (self.batches - 1)))

    def minibatch(self) -> Mean:
        """σ²."""
        return Mean.of(self.deviations())

    def mean_added(self) -> Array:
        """s² at each budget."""
        return np.asarray(self.added.mean(axis=1))

    def ratio(self, k: int) -> tuple[float, float]:
        """s²/σ² at one budget, and its standard error over batches and draws, which numerator and denominator share.

        That of a quotient of means of pairs (a_i, d_i) is |a/d| times that of the mean of a_i/a − d_i/d.
        """
        added, deviations = self.added[k], self.deviations()
        s2, sigma2 = float(added.mean()), float(deviations.mean())
        if not s2:
            return 0.0, 0.0
        off = added / s2 - deviations / sigma2
        return s2 / sigma2, s2 / sigma2 * float(off.std(ddof=1)) / math.sqrt(self.batches)

    def resampled(self, counts: Array) -> tuple[float, Array]:
        """σ² and s² of batches drawn from these with replacement: ``counts`` says how often each.

        A resample has some batches twice, which makes its variance smaller by n/(n − 1) in the mean: that is undone.
        """
        n = float(counts.sum())
        spread = float(counts @ np.diag(self.products) - counts @ self.products @ counts / n)
        return spread / (n - 1) * (n / (n - 1)), np.asarray(self.added @ counts / n)


def measure_levels(recorded: RecordedBatches, budgets: Sequence[float], numbers: Sequence[int]) -> Levels:
    """Pull each of some batches back, exactly and once with each budget.

    Parameters
    ----------
    recorded : RecordedBatches
    budgets : sequence of float
        Falling, below 1.
    numbers : sequence of int
        Which batches.

    Raises
    ------
    ValueError
        If no layer has an estimator, or one is biased.
    """
    gradients, added = [], np.zeros((len(budgets), len(numbers)))
    costs: list[float] = []
    sketched = 0
    for i, number in enumerate(numbers):
        target = recorded[number]
        nodes = [node for node in target.tape.nodes if node.vjp is not None]
        sketched = len(nodes)
        if not nodes:
            raise ValueError("tradeoff: no layer of this model has an estimator; choose one with nn.set_vjp(model, …)")
        for node in nodes:
            for estimator, _ in node.draws():
                _check(estimator)
        chosen = [node.vjp for node in nodes]
        exact = target.exact()
        gradients.append(exact)
        key = draw_key(recorded.key, number)
        if not i:
            costs.append(_step_cost(target.tape, exact=True))
        for k, p in enumerate(budgets):
            for node, vjp in zip(nodes, chosen, strict=True):
                node.vjp = with_budget(vjp, p)
            added[k, i] = np.square(drawn(target, draw_key(key, k)) - exact).sum()
            if not i:
                costs.append(_step_cost(target.tape, exact=False))
    stacked = np.array(gradients)
    norm_squared = float(np.square(stacked).sum(axis=1).mean())
    stacked -= stacked.mean(axis=0)
    return Levels(tuple(budgets), stacked @ stacked.T, added, tuple(costs), norm_squared, sketched)


def _check(estimator: Estimator) -> None:
    if not estimator.unbiased:
        raise ValueError(f"tradeoff: {estimator!r} is biased; the theory of noise against cost does not hold for it")


def _step_cost(tape: Any, exact: bool) -> float:
    report = cost(tape)
    return report.forward + (report.backward_exact if exact else report.backward)
