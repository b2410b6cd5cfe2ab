"""The report of a measured trade-off, and the budget that is best by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.inspect.cost_of_precision import Tradeoff
from minigrad.plot.measured_tradeoff import budget_tradeoff
from minigrad.report import Report, Table, si
from minigrad.typing import Array

__all__ = ["BudgetTradeoff"]

COMPOUNDS = 1.5
"""`BudgetTradeoff.compounding` above this, with several sketched nodes, is worth a warning."""


@dataclass(frozen=True, repr=False)
class BudgetTradeoff(Report):
    """Noise and cost of the sketches that a model has, at a few budgets, and the best of these.

    Attributes
    ----------
    budget : float
        The best budget within the range that was measured; 1 where sketching does not pay.
    ratio : float
        Cost of reaching a precision with it, over the cost with exact VJPs; also over that of exact VJPs on any smaller
        batch, in the same regime. Measured at this budget on batches of its own; 1 where sketching does not pay.
    ratio_error : float
        Its standard error: how far it scatters over seeds, which choose the batches and the draws, by which the noise
        is measured and the budget is found. 0 where ``ratio`` is 1 by definition. See ``effective`` for its limits.
    budgets : tuple of float
        Where V was measured.
    step_cost : tuple of float
        Forward and expected backward operations of a step at these budgets.
    variance, variance_error : tuple of float
        V = σ² + s²(p) at these budgets, and its standard error over batches and draws.
    cost_ratio, cost_ratio_error : tuple of float
        (cost of a step) × V over the same at budget 1, and its standard error: σ² is in both.
    effective : tuple of float
        How many equal batches those are worth of which s² (at budget 1: σ²) is the mean. Where it is far below
        ``batches`` tails are heavy, and standard errors too small.
    minibatch : float
        σ².
    fixed_cost, sketchable_cost : float
        c_0 and c_1: a sketched step costs c_0 + c_1 p. The work of the estimators is in c_0, so c_0 + c_1 can be more
        than an exact step costs.
    batch_size, batches : int
        Size and number of the batches of which V was measured; ``ratio`` is of as many others.
    sketched : int
        How many nodes have an estimator.
    compounding : float
        How much faster s² grew from the largest budget to the smallest than 1/p − 1 did: 1 for one uniform mask; more
        where the noise of several sketched nodes compounds (Theory §4); less where sketches know what to keep.
    caution : str or None
        What to do where the advised budget's noise was measured on too few effective batches.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> from minigrad.estimators import Mask
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 32, 10), vjp=Mask(0.5), rng=0)
    >>> advice = inspect.tradeoff(model, data, batch_size=32, batches=4, rng=0)
    >>> advice.worth_it, advice.budget, advice.budgets
    (False, 1.0, (1.0, 0.5, 0.25, 0.1, 0.05))
    """

    budget: float
    ratio: float
    ratio_error: float
    budgets: tuple[float, ...]
    step_cost: tuple[float, ...]
    variance: tuple[float, ...]
    variance_error: tuple[float, ...]
    cost_ratio: tuple[float, ...]
    cost_ratio_error: tuple[float, ...]
    effective: tuple[float, ...]
    minibatch: float
    fixed_cost: float
    sketchable_cost: float
    batch_size: int
    batches: int
    sketched: int = 1
    compounding: float = 1.0
    caution: str | None = None

    @property
    def worth_it(self) -> bool:
        """True if sketching is predicted to lower the total cost."""
        return self.budget < 1

    @property
    def sentence(self) -> str:
        """The advice in words."""
        if not self.worth_it:
            return "do not sketch: exact VJPs (on a smaller batch, if cost matters) are cheaper for the same precision"
        percent = f"{100 * self.ratio:.0f} ± {100 * self.ratio_error:.0f} %"
        return f"sketch with budget {self.budget:.2g}: predicted cost {percent} of exact VJPs"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Advice where noise compounds, and where what was measured does not suffice."""
        found = []
        if self.sketched > 1 and self.compounding > COMPOUNDS:
            found.append(
                f"noise compounds: with {self.sketched} sketched nodes it grows {self.compounding:.2g} times as fast "
                "as 1/p − 1. Sketch fewer layers, or draw once: keep samples at the last layer, and those below work "
                "on these"
            )
        if self.caution:
            found.append(self.caution)
        if self.worth_it and self.ratio + 2 * self.ratio_error > 1:
            found.append("that it pays is not certain: 1 is within two standard errors; measure with more batches=")
        return tuple(found)

    @property
    def curve(self) -> Tradeoff:
        """The curve that was laid through what was measured."""
        return Tradeoff(
            np.array(self.budgets[1:]),
            self.minibatch,
            np.array(self.variance[1:]) - self.minibatch,
            self.step_cost[0],
            self.fixed_cost,
            self.sketchable_cost,
        )

    def fitted(self, budgets: Any) -> Array:
        """The interpolated V at some budgets within the measured range."""
        return self.curve.fitted(budgets)

    def predicted(self, budgets: Any) -> Array:
        """The cost ratio at some budgets below 1, by interpolation."""
        return self.curve.predicted(budgets)

    def table(self) -> Table:
        """The report as a table."""
        columns = (
            self.budgets, self.step_cost, self.variance, self.variance_error, self.effective, self.cost_ratio,
            self.cost_ratio_error,
        )  # fmt: skip
        rows = [
            [p, si(c, "flop"), v, e, float(f"{n:.3g}"), f"{r:.4g} ± {re:.1g}" if re else f"{r:.4g}"]
            for p, c, v, e, n, r, re in zip(*columns, strict=True)
        ]
        notes = [
            self.sentence,
            *self.warnings,
            f"minibatch variance {self.minibatch:.3g} (batch {self.batch_size}, mean loss); "
            f"a sketched step costs c0 + c1 p, c0 {si(self.fixed_cost)}, c1 {si(self.sketchable_cost)}",
            "cost ratio: (cost of a step × variance) over the same at budget 1,",
            "for steps whose noise dominates; exact smaller batches have ratio 1",
            f"± s.e. over {self.batches} batches and their draws, effective: how many of these count; the advised "
            "budget is measured on as many others, and its ± has what the choice of it scatters, too",
        ]
        heads = ["budget", "step", "variance", "± s.e.", "effective", "cost ratio"]
        return Table(heads, rows, "trade-off between noise and cost", notes)

    def data(self) -> dict[str, Any]:
        """The fields, and the advice in words."""
        return {**super().data(), **{name: getattr(self, name) for name in ("worth_it", "sentence", "warnings")}}

    def plot(self, ax: Any = None) -> Any:
        """Draw the predicted and the measured cost ratio against the budget on a Matplotlib Axes, and return it."""
        grid = np.geomspace(min(self.budgets), max(self.budgets[1:]), 200)
        return budget_tradeoff(
            (self.budgets, self.cost_ratio, self.cost_ratio_error),
            (grid, self.predicted(grid)),
            ax,
            advised=(self.budget, self.ratio, self.ratio_error) if self.worth_it else None,
            title=self.sentence.split(":")[0],
        )
