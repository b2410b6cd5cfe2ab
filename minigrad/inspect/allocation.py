"""The best share of a total cost among the layers of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minigrad import ops
from minigrad.counts import MOST_BATCHES, count
from minigrad.engine.tensor import Tensor
from minigrad.inspect.means import Mean
from minigrad.inspect.measured import SMALLEST, MeasuredBatches
from minigrad.inspect.recorded_batches import Data, Model, RecordedBatches
from minigrad.report import Report, Table, si
from minigrad.theory import CompoundingNoise, shared_budgets
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["Allocation", "allocate"]


@dataclass(frozen=True, repr=False)
class Allocation(Report):
    """Budgets for the layers of a network, at a given total cost.

    Attributes
    ----------
    budgets : dict of str to float
        By layer path: the best of what was found, by measurement. `nn.set_budgets` puts them in place.
    chosen : {"shared", "common"}
        Whether they differ by layer, or are one for all.
    common : float
        The one budget of equal cost.
    variance, common_variance : float
        E‖ĝ − g‖² measured with the chosen and with the common budgets, for a loss that is a mean over the batch: on
        batches and draws that had no part in the choice.
    error, common_error : float
        Their standard errors over batches and draws.
    difference_error : float
        That of their difference, which is smaller: both are of the same batches and draws.
    predicted : float
        V of the chosen budgets by the formula; see the notes of `allocate`.
    caution : str or None
        What to do where these variances rest on too few effective batches.
    costs : dict of str to float
        c_l: operations of each layer's exact backward pass.
    parts : dict of str to float
        The share of each layer in the predicted variance, with the chosen budgets.
    elasticities : dict of str to float
        By how many percent the variance falls for one percent more budget in a layer. In proportion to c_l p_l where
        budgets are best, but for those at a bound.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> from minigrad.estimators import Mask
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 32, 10), vjp=Mask(0.5), rng=0)
    >>> found = inspect.allocate(model, data, budget=0.25, batch_size=32, batches=4, rng=0)
    >>> sorted(found.budgets), found.common
    (['0', '2'], 0.25)
    """

    budgets: dict[str, float]
    chosen: Literal["shared", "common"]
    common: float
    variance: float
    common_variance: float
    error: float
    common_error: float
    difference_error: float
    predicted: float
    caution: str | None
    costs: dict[str, float]
    parts: dict[str, float]
    elasticities: dict[str, float]

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [name, si(self.costs[name], "flop"), self.parts[name], self.elasticities[name], self.common, p]
            for name, p in self.budgets.items()
        ]
        notes = [
            f"measured variance: chosen {self.variance:.4g} ± {self.error:.2g}, "
            f"common {self.common_variance:.4g} ± {self.common_error:.2g}",
            f"chosen: {self.chosen}; the difference is known to ± {self.difference_error:.2g}; "
            f"the formula predicts {self.predicted:.4g}",
            "± s.e. over batches and draws that had no part in the choice",
            *([self.caution] if self.caution else []),
        ]
        heads = ["layer", "backward", "share of noise", "elasticity", "common", "chosen"]
        return Table(heads, rows, "budgets by layer, at one total cost", notes)


@one_thread()
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
        The layers are measured on so many random batches of this size; budgets are chosen on as many others, and what
        is reported of them is measured on as many again.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    Allocation

    Raises
    ------
    ValueError
        If no layer has an estimator, one is biased, a number is out of range, or the noise at the common budget is not
        finite.
    TypeError
        If an estimator has no budget that could be shared, as `Priced`.

    Notes
    -----
    Theory §8. Noise compounds: what a layer adds is enlarged by the noise of all layers that the backward pass met
    before. So the variance is taken for a function of all budgets,
    V(p) = Σ_l a_l δ_l(p_l) ∏_k (1 + b_l δ_k(p_k)), k over the layers whose noise reaches l through the tape, whose
    coefficients and distortions δ_l are measured at the common budget, and once more at the budgets that are best by
    these; `minigrad.theory.shared_budgets` minimises it. What the two pilots lead to, their geometric mean, and the
    common budget are measured on batches of their own, and the best by that is returned.

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
        raise ValueError(f"allocate: budget={budget} must lie in (0, 1]")
    batches = count("allocate: batches", batches, MOST_BATCHES, "batches", least=2)
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    measured = MeasuredBatches(recorded, batches)
    common = dict.fromkeys(measured.names, float(budget))
    noise, found = _candidates(measured, common)
    choosing = MeasuredBatches(recorded, batches, batches)
    candidates = [common] if budget == 1 else [common, *found]
    best = min(candidates, key=choosing.variance)
    fresh = MeasuredBatches(recorded, batches, 2 * batches)
    squares = [fresh.squares(budgets) for budgets in (best, common)]
    by_best, by_common = map(Mean.of, squares)
    p = np.array(list(best.values()))
    parts = np.bincount(noise.layers, weights=noise.parts(p), minlength=len(p))

    def by_layer(values: Array) -> dict[str, float]:
        return dict(zip(measured.names, values.tolist(), strict=True))

    return Allocation(
        budgets=best,
        chosen="common" if best is common else "shared",
        common=float(budget),
        variance=by_best.value,
        common_variance=by_common.value,
        error=by_best.error,
        common_error=by_common.error,
        difference_error=Mean.of(squares[0] - squares[1]).error,
        predicted=noise.variance(p),
        caution=by_common.warning("the variance", "batches", "batches=")
        or by_best.warning("the variance", "batches", "batches="),
        costs=by_layer(measured.costs),
        parts=by_layer(parts / (parts.sum() or 1.0)),
        elasticities=by_layer(noise.elasticities(p)),
    )


def _candidates(measured: MeasuredBatches, common: dict[str, float]) -> tuple[CompoundingNoise, list[dict[str, float]]]:
    """The noise as measured at the best budgets by a pilot at common ones; what both lead to, and between them."""
    costs, names = measured.costs, measured.names
    total = float(costs @ np.array(list(common.values())))

    def solved(noise: CompoundingNoise) -> Array:
        return shared_budgets(noise, total, costs, lower=SMALLEST)

    first = solved(measured.noise(common))
    noise = measured.noise(dict(zip(names, first.tolist(), strict=True)))
    second = solved(noise)
    between = np.sqrt(first * second)
    between *= min(total / float(costs @ between), 1 / float(between.max()))  # what is left over is not spent
    return noise, [dict(zip(names, p.tolist(), strict=True)) for p in (first, second, between)]
