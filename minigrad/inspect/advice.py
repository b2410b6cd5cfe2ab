"""Which budget: the trade-off between cost per step and noise, measured on a model and its data.

In the noise-dominated regime the total cost of reaching a precision is proportional to (cost of a step) × (variance of
a step) (THEORY.md §5). V(p) = a + b/p holds for one uniformly masked node; with several layers noise compounds, and
optimal sketches do better than masks: so V is measured at a few budgets p, and its added part s²(p) interpolated
between them, monotonically, in the logarithms of s² and of 1/p − 1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.estimator import Estimator
from minigrad.estimators import with_budget
from minigrad.inspect.batches import Data, Model, RecordedBatches
from minigrad.inspect.cost import cost
from minigrad.inspect.leaves import drawn
from minigrad.inspect.variance import draw_key
from minigrad.report import Table, json_ready, si
from minigrad.tensor import Tensor
from minigrad.threads import one_thread
from minigrad.typing import Array, Seed

__all__ = ["Advice", "advise"]

WORTH = 0.98
"""A predicted cost ratio above this is no reason to sketch."""
COMPOUNDS = 1.5
"""`Advice.compounding` above this, with several sketched nodes, is worth a warning."""


@dataclass(frozen=True)
class Advice:
    """Which budget to train with.

    Attributes
    ----------
    budget : float
        The best budget within the range that was measured; 1 where sketching does not pay.
    ratio : float
        Predicted cost of reaching a precision with it, over the cost with exact VJPs; also over that of exact VJPs on
        any smaller batch, in the same regime.
    budgets : tuple of float
        Where V was measured.
    step_cost : tuple of float
        Forward and expected backward operations of a step at these budgets.
    variance, variance_error : tuple of float
        V = σ² + s²(p) at these budgets, and its standard error.
    minibatch : float
        σ².
    ratio_error : float
        Standard error of ``ratio``, from those of the variances.
    fixed_cost, sketchable_cost : float
        c_0 and c_1: a sketched step costs c_0 + c_1 p. The work of the estimators is in c_0, so c_0 + c_1 can be more
        than an exact step costs.
    batch_size : int
    sketched : int
        How many nodes have an estimator.
    compounding : float
        How much faster s² grew from the largest budget to the smallest than 1/p − 1 did: 1 for one uniform mask; more
        where the noise of several sketched nodes compounds (THEORY.md §4); less where sketches know what to keep.

    Examples
    --------
    >>> from minigrad import datasets, inspect, nn
    >>> from minigrad.estimators import Mask
    >>> data, model = datasets.digits().flat(), nn.mlp((64, 32, 10), vjp=Mask(0.5), rng=0)
    >>> advice = inspect.advise(model, data, batch_size=32, batches=4, rng=0)
    >>> advice.worth_it, advice.budget, advice.budgets
    (False, 1.0, (1.0, 0.5, 0.25, 0.1, 0.05))
    """

    budget: float
    ratio: float
    budgets: tuple[float, ...]
    step_cost: tuple[float, ...]
    variance: tuple[float, ...]
    variance_error: tuple[float, ...]
    minibatch: float
    ratio_error: float
    fixed_cost: float
    sketchable_cost: float
    batch_size: int
    sketched: int = 1
    compounding: float = 1.0

    @property
    def worth_it(self) -> bool:
        """Whether sketching is predicted to lower the total cost."""
        return self.budget < 1

    @property
    def sentence(self) -> str:
        """The advice in words."""
        if not self.worth_it:
            return "do not sketch: exact VJPs (on a smaller batch, if cost matters) are cheaper for the same precision"
        percent = f"{100 * self.ratio:.0f} ± {100 * self.ratio_error:.0f} %"
        return f"sketch with budget {self.budget:.2g}: predicted cost {percent} of exact VJPs"

    @property
    def warning(self) -> str | None:
        """What to change, where the noise of several sketched nodes compounds; else None."""
        if self.sketched < 2 or not self.compounding > COMPOUNDS:
            return None
        return (
            f"noise compounds: with {self.sketched} sketched nodes it grows {self.compounding:.2g} times as fast as "
            "1/p − 1. Sketch fewer layers, or draw once: keep samples at the last layer, and those below work on these"
        )

    def fitted(self, budgets: Any) -> Array:
        """The interpolated V at some budgets within the measured range."""
        added = np.array(self.variance[1:]) - self.minibatch
        return self.minibatch + _interpolated(np.array(self.budgets[1:]), added, np.asarray(budgets, float))

    def predicted(self, budgets: Any) -> Array:
        """The predicted cost ratio at some budgets below 1."""
        p = np.asarray(budgets, float)
        spend = (self.fixed_cost + self.sketchable_cost * p) * self.fitted(p)
        return np.asarray(spend / (self.step_cost[0] * self.minibatch))

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [p, si(c, "flop"), v, e, c * v / (self.step_cost[0] * self.minibatch)]
            for p, c, v, e in zip(self.budgets, self.step_cost, self.variance, self.variance_error, strict=True)
        ]
        notes = [
            self.sentence,
            *([self.warning] if self.warning else []),
            f"minibatch variance {self.minibatch:.3g} (batch {self.batch_size}, mean loss); "
            f"a sketched step costs c0 + c1 p, c0 {si(self.fixed_cost)}, c1 {si(self.sketchable_cost)}",
            "cost ratio: (cost of a step × variance) over the same at budget 1,",
            "for steps whose noise dominates; exact smaller batches have ratio 1",
        ]
        return Table(["budget", "step", "variance", "± s.e.", "cost ratio"], rows, "advice on a budget", notes)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        lists = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
        return dict(json_ready({**lists, "worth_it": self.worth_it, "sentence": self.sentence}))

    def plot(self, ax: Any = None) -> Any:
        """Draw the predicted and the measured cost ratio against the budget on a Matplotlib Axes, and return it."""
        from minigrad.plot.advice import budget_tradeoff

        return budget_tradeoff(self, ax)


@one_thread()
def advise(
    model: Model,
    data: Data,
    *,
    budgets: Sequence[float] = (0.5, 0.25, 0.1, 0.05),
    batch_size: int = 128,
    batches: int = 20,
    loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
    rng: Seed = None,
) -> Advice:
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
        Noise is measured on so many random batches of this size.
    loss : callable, default `ops.cross_entropy`
        A mean over the batch.
    rng : Generator, int or None

    Returns
    -------
    Advice

    Raises
    ------
    ValueError
        If no layer has an estimator, one is biased, a number is out of range, or batches do not differ.

    Notes
    -----
    THEORY.md §5; Bakong et al. (2026), arXiv:2602.14701. The state of training matters: ask again later in a run, for
    σ² relative to ‖∇f‖² grows as training goes on.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.estimators import Mask
    >>> data = datasets.digits().flat()
    >>> advice = advise(nn.mlp((64, 32, 32, 10), vjp=Mask(0.5), rng=0), data, batch_size=32, batches=8, rng=0)
    >>> advice.worth_it
    False
    """
    levels = sorted({float(p) for p in budgets}, reverse=True)
    if not levels or not 0 < levels[-1] <= levels[0] < 1 or batches < 2:
        raise ValueError(f"advise: budgets={tuple(budgets)} must lie in (0, 1), and batches={batches} be at least 2")
    recorded = RecordedBatches(model, data, batch_size, loss, rng)
    exact, added, costs, sketched = _measure(recorded, levels, batches)
    minibatch = np.square(exact - exact.mean(axis=0)).sum(axis=1) * (batches / (batches - 1))
    sigma2 = float(minibatch.mean())
    if not sigma2 > 1e-12 * float(np.square(exact).sum(axis=1).mean()):
        raise ValueError(
            f"advise: the gradient is the same on all {batches} batches of {batch_size} (or not a number), so there is "
            "no minibatch noise for sketches to hide in: do not sketch, or measure with a smaller batch_size="
        )
    s2 = added.mean(axis=1)
    error = added.std(axis=1, ddof=1) / math.sqrt(batches)
    # Exact steps are left out of the line: they do without the work of the estimators.
    slope, intercept = np.polyfit(levels, costs[1:], 1) if len(levels) > 1 else (0.0, costs[1])
    advice = Advice(
        budget=1.0,
        ratio=1.0,
        budgets=(1.0, *levels),
        step_cost=tuple(costs),
        variance=tuple([sigma2, *(sigma2 + s2).tolist()]),
        variance_error=tuple([float(minibatch.std(ddof=1)) / math.sqrt(batches), *error.tolist()]),
        minibatch=sigma2,
        ratio_error=0.0,
        fixed_cost=float(intercept),
        sketchable_cost=float(slope),
        batch_size=batch_size,
        sketched=sketched,
        compounding=_compounding(levels, s2, error),
    )
    grid = np.geomspace(levels[-1], levels[0], 400)
    ratios = advice.predicted(grid)
    best = int(np.argmin(ratios))
    if ratios[best] > WORTH:
        return advice
    # ratio = (cost of a step, relative) · (1 + s²/σ²): only the quotient of variances is uncertain.
    nearest = int(np.argmin(np.abs(np.log(np.array(levels) / grid[best]))))
    relative = math.hypot(error[nearest] / max(s2[nearest], 1e-300), advice.variance_error[0] / sigma2)
    step = (advice.fixed_cost + advice.sketchable_cost * grid[best]) / costs[0]
    ratio_error = float(step * (float(advice.fitted(grid[best])) / sigma2 - 1) * relative)
    return dataclasses.replace(advice, budget=float(grid[best]), ratio=float(ratios[best]), ratio_error=ratio_error)


def _measure(recorded: RecordedBatches, levels: Sequence[float], batches: int) -> tuple[Array, Array, list[float], int]:
    """Exact gradients by batch, added variance by budget and batch, cost of a step by budget; nodes with estimators."""
    gradients, added = [], np.zeros((len(levels), batches))
    costs: list[float] = []
    for number in range(batches):
        wanted = recorded[number]
        nodes = [node for node in wanted.tape.nodes if node.vjp is not None]
        if not nodes:
            raise ValueError("advise: no layer of this model has an estimator; choose one with nn.set_vjp(model, …)")
        for node in nodes:
            for estimator, _ in node.draws():
                _check(estimator)
        chosen = [node.vjp for node in nodes]
        exact = wanted.exact()
        gradients.append(exact)
        key = draw_key(recorded.key, batches + number)
        if not number:
            costs.append(_step_cost(wanted.tape, exact=True))
        for k, p in enumerate(levels):
            for node, vjp in zip(nodes, chosen, strict=True):
                node.vjp = with_budget(vjp, p)
            added[k, number] = np.square(drawn(wanted, draw_key(key, k)) - exact).sum()
            if not number:
                costs.append(_step_cost(wanted.tape, exact=False))
    return np.array(gradients), added, costs, len(nodes)


def _compounding(levels: Sequence[float], s2: Array, error: Array) -> float:
    """How much faster s² grows from the largest budget to the smallest than 1/p − 1; 1 where that cannot be told.

    Budgets next to 1 are passed over: hardly a draw leaves anything out, and s² is rounding.
    """
    first = next((k for k, p in enumerate(levels) if p <= 0.9 and s2[k] > 3 * error[k]), len(levels) - 1)
    if first == len(levels) - 1:
        return 1.0
    return float(s2[-1] / s2[first] / ((1 / levels[-1] - 1) / (1 / levels[first] - 1)))


def _check(estimator: Estimator) -> None:
    if not estimator.unbiased:
        raise ValueError(f"advise: {estimator!r} is biased; the theory of noise against cost does not hold for it")


def _step_cost(tape: Any, exact: bool) -> float:
    report = cost(tape)
    return report.forward + (report.backward_exact if exact else report.backward)


def _interpolated(p: Array, s2: Array, at: Array) -> Array:
    """s² at some budgets, through the measured ones; 0 at budget 1."""
    from scipy.interpolate import PchipInterpolator

    order = np.argsort(-p)
    with np.errstate(divide="ignore"):
        odds, level = np.log(1 / p[order] - 1), np.log(np.maximum(s2[order], np.finfo(float).tiny))
        wanted = np.log(1 / at - 1)
    level = np.maximum.accumulate(level)  # more noise at a larger budget is an error of measurement
    if len(odds) == 1:
        return np.asarray(np.exp(level[0] + wanted - odds[0]))
    curve = PchipInterpolator(odds, level)
    # Above the largest budget that was measured s² goes on in proportion to 1/p − 1.
    inside = np.exp(curve(np.clip(wanted, odds[0], odds[-1])))
    return np.asarray(np.where(wanted < odds[0], np.exp(level[0] + np.minimum(wanted, odds[0]) - odds[0]), inside))
