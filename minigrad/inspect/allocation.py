"""How a total cost is best shared among the layers of a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from minigrad import ops
from minigrad.counts import MOST_BATCHES, count
from minigrad.engine.tensor import Tensor
from minigrad.inspect.batches import Data, Model, RecordedBatches
from minigrad.inspect.means import Mean
from minigrad.inspect.measured import Layers, MeasuredBatches, water_fill
from minigrad.report import Report, Table, si
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["Allocation", "allocate"]


@dataclass(frozen=True, repr=False)
class Allocation(Report):
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
        E‖ĝ − g‖² measured with each, for a loss that is a mean over the batch: on batches and draws by which the
        water-filled budgets were not found.
    water_filled_error, common_error : float
        Their standard errors over batches and draws.
    difference_error : float
        That of their difference, which is smaller: both are of the same batches and draws.
    caution : str or None
        What to do where these variances rest on too few effective batches.
    layers : Layers

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
    chosen: Literal["water-filled", "common"]
    water_filled: dict[str, float]
    common: float
    water_filled_variance: float
    common_variance: float
    water_filled_error: float
    common_error: float
    difference_error: float
    caution: str | None
    layers: Layers

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [name, si(c, "flop"), w, self.water_filled[name], self.common, self.budgets[name]]
            for name, w, c in zip(self.layers.names, self.layers.weights, self.layers.costs, strict=True)
        ]
        notes = [
            f"measured variance: water-filled {self.water_filled_variance:.4g} ± {self.water_filled_error:.2g}, "
            f"common {self.common_variance:.4g} ± {self.common_error:.2g}",
            f"chosen: {self.chosen}; the difference is known to ± {self.difference_error:.2g}",
            "± s.e. over batches and draws, which are not those by which the weights were found",
            *([self.caution] if self.caution else []),
        ]
        heads = ["layer", "backward", "variance weight", "water-filled", "common", "chosen"]
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
        The layers are measured on so many random batches of this size, and the two choices on as many others.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    Allocation

    Raises
    ------
    ValueError
        If no layer has an estimator, one is biased, or a number is out of range.

    Notes
    -----
    THEORY.md §3 with c_l costs and w_l the variance that layer l adds. The formula is optimal for variances
    w_l (1/p_l − 1) that add up; since noise compounds through layers, both choices are measured, on the
    same batches, which are not those by which the formula's weights were found, and the better is returned. As the
    better of two it looks a little better than it is.

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
    layers = measured.layers(common)
    water_filled = water_fill(layers, budget * float(layers.costs.sum()))
    fresh = MeasuredBatches(recorded, batches, batches)
    squares = [fresh.squares(budgets) for budgets in (water_filled, common)]
    by_filled, by_common = map(Mean.of, squares)
    better = by_filled.value < by_common.value
    return Allocation(
        budgets=water_filled if better else common,
        chosen="water-filled" if better else "common",
        water_filled=water_filled,
        common=float(budget),
        water_filled_variance=by_filled.value,
        common_variance=by_common.value,
        water_filled_error=by_filled.error,
        common_error=by_common.error,
        caution=by_common.warning("the variance", "batches", "batches=")
        or by_filled.warning("the variance", "batches", "batches="),
        difference_error=Mean.of(squares[0] - squares[1]).error,
        layers=layers,
    )
