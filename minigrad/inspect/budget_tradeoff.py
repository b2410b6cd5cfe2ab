"""The trade-off between cost per step and noise, measured on a model and its data.

In the noise-dominated regime the total cost of reaching a precision is proportional to (cost of a step) × (variance of
a step) (Theory §5). V(p) = a + b/p holds for one uniformly masked node; with several layers noise compounds, and
optimal sketches do better than masks: so V is measured at a few budgets p, and interpolated between them. The budget
that is best by this is then measured afresh, on other batches: a number is never reported from the draws by which its
budget was chosen.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from minigrad import ops
from minigrad.counts import MOST_BATCHES, count
from minigrad.engine.tensor import Tensor
from minigrad.inspect.budget_tradeoff_report import BudgetTradeoff
from minigrad.inspect.cost_of_precision import Tradeoff, scatter
from minigrad.inspect.levels import Levels, measure_levels
from minigrad.inspect.means import Mean
from minigrad.inspect.recorded_batches import Data, Model, RecordedBatches
from minigrad.streams import Domain, generator
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["tradeoff"]

WORTH = 0.98
"""A predicted cost ratio above this is no reason to sketch."""
NO_NOISE = 1e-6
"""Less added variance than this, in units of σ², is rounding, or does not matter."""


@one_thread()
def tradeoff(
    model: Model,
    data: Data,
    *,
    budgets: Sequence[float] = (0.5, 0.25, 0.1, 0.05),
    batch_size: int = 128,
    batches: int = 20,
    loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
    rng: Seed = None,
) -> BudgetTradeoff:
    """Measure noise and cost at a few budgets, and say which budget reaches a precision at the least cost.

    Parameters
    ----------
    model : Model
        With estimators set on its layers (`nn.set_vjp`); their kind is kept, their budgets are varied together.
    data : tuple of ndarray or Dataset
        ``(x, labels)``, or the training part of a data set.
    budgets : sequence of float
        Below 1; 1 is measured as well. The advice is not outside their range.
    batch_size, batches : int
        Noise is measured on so many random batches of this size, and at the advised budget on as many others.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    BudgetTradeoff

    Raises
    ------
    ValueError
        If no layer has an estimator, one is biased, a number is out of range, or batches do not differ.

    Notes
    -----
    Theory §5; Bakong et al. (2026), arXiv:2602.14701. The state of training matters: ask again later in a run, for
    σ² relative to ‖∇f‖² grows as training goes on.

    The standard error of the ratio adds in quadrature two errors: that of s²/σ² on the batches on which the advised
    budget was measured afresh, and how far the ratio would move with another advised budget, by the bootstrap over the
    batches by which it was chosen (`minigrad.inspect.cost_of_precision.scatter`).

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.estimators import Mask
    >>> data = datasets.digits().flat()
    >>> advice = tradeoff(nn.mlp((64, 32, 32, 10), vjp=Mask(0.5), rng=0), data, batch_size=32, batches=8, rng=0)
    >>> advice.worth_it
    False
    """
    levels = sorted({float(p) for p in budgets}, reverse=True)
    if not levels or not 0 < levels[-1] <= levels[0] < 1:
        raise ValueError(f"tradeoff: budgets={tuple(budgets)} must lie in (0, 1)")
    batches = count("tradeoff: batches", batches, MOST_BATCHES, "batches", least=2)
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    measured = measure_levels(recorded, levels, range(batches))
    advice = _without_choice(measured, batch_size)
    curve = advice.curve
    budget, predicted = curve.best()
    if predicted > WORTH:
        return advice
    fresh = measure_levels(recorded, [budget], range(batches, 2 * batches))
    step = fresh.costs[1] / fresh.costs[0]
    added, error = fresh.ratio(0)
    ratio = step * (1 + added)
    if ratio > WORTH:
        return advice
    by_choice = scatter(curve, measured, WORTH, generator(Domain.RESAMPLE, recorded.key))
    return dataclasses.replace(
        advice,
        budget=budget,
        ratio=ratio,
        ratio_error=math.hypot(step * error, by_choice),
        caution=_caution(measured, fresh),
    )


def _caution(measured: Levels, fresh: Levels) -> str | None:
    """Advice where the noise at the advised budget was seen on too few batches, there or at the next below it."""
    (budget,) = fresh.budgets
    below = next(k for k, p in enumerate(measured.budgets) if p <= budget * (1 + 1e-9))
    for p, added, levels in (
        (budget, fresh.added[0], fresh),
        (measured.budgets[below], measured.added[below], measured),
    ):
        noise = Mean.of(added)
        if noise.value > NO_NOISE * levels.minibatch().value:
            return noise.warning(f"the noise at budget {p:.2g}", "batches", "batches=")
    return None


def _without_choice(measured: Levels, batch_size: int) -> BudgetTradeoff:
    """The report of what was measured, with the advice not to sketch."""
    sigma2 = measured.minibatch()
    if not sigma2.value > 1e-12 * measured.norm_squared:
        raise ValueError(
            f"tradeoff: the gradient is the same on all {measured.batches} batches of {batch_size} (or not a number), "
            "so there is no minibatch noise for sketches to hide in: do not sketch, or measure with a smaller "
            "batch_size="
        )
    levels, costs = measured.budgets, measured.costs
    added = [Mean.of(row) for row in measured.added]
    both = [sigma2, *(Mean.of(row + measured.deviations()) for row in measured.added)]
    shares = [costs[k + 1] / costs[0] for k in range(len(levels))]
    ratios = [measured.ratio(k) for k in range(len(levels))]
    curve = Tradeoff.of(measured)
    return BudgetTradeoff(
        budget=1.0,
        ratio=1.0,
        ratio_error=0.0,
        budgets=(1.0, *levels),
        step_cost=costs,
        variance=tuple([mean.value for mean in both]),
        variance_error=tuple([mean.error for mean in both]),
        cost_ratio=(1.0, *(share * (1 + ratio) for share, (ratio, _) in zip(shares, ratios, strict=True))),
        cost_ratio_error=(0.0, *(share * error for share, (_, error) in zip(shares, ratios, strict=True))),
        effective=tuple([mean.effective for mean in (sigma2, *added)]),
        minibatch=sigma2.value,
        fixed_cost=curve.fixed_cost,
        sketchable_cost=curve.sketchable_cost,
        batch_size=batch_size,
        batches=measured.batches,
        sketched=measured.sketched,
        compounding=_compounding(levels, added),
    )


def _compounding(levels: Sequence[float], added: Sequence[Mean]) -> float:
    """The ratio by which s² outgrows 1/p − 1 from the largest budget to the smallest; 1 where that cannot be told.

    Budgets next to 1 are passed over: hardly a draw leaves anything out, and s² is rounding.
    """
    able = (k for k, p in enumerate(levels) if p <= 0.9 and added[k].value > 3 * added[k].error)
    first = next(able, len(levels) - 1)
    if first == len(levels) - 1:
        return 1.0
    return added[-1].value / added[first].value / ((1 / levels[-1] - 1) / (1 / levels[first] - 1))
