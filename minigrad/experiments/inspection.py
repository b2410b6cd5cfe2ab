"""``minigrad inspect`` and ``minigrad advise``: reports on a model of which some epochs were trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigrad import inspect, ops, training
from minigrad.datasets import Dataset
from minigrad.engine.tape import Tape
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method, methods_from
from minigrad.experiments.outputs import results_folder, write_picture
from minigrad.experiments.run import AUGMENTATION
from minigrad.inspect import Advice, Allocation, BudgetTradeoff, Cost, GradientNoise, Sparsity, Unbiasedness, Variance
from minigrad.nn.module import Module
from minigrad.plot.style import figure_or_new
from minigrad.report import Report, Table
from minigrad.streams import Domain, child
from minigrad.threads import one_thread

__all__ = ["Advising", "Inspection", "advise_model", "inspect_model"]

NOISE = (12.8, 4.8)
"""Inches of the picture of an inspection."""


@dataclass(frozen=True, repr=False)
class Inspection(Report):
    """The four reports on one recorded batch.

    Attributes
    ----------
    unbiasedness : Unbiasedness
    variance : Variance
    sparsity : Sparsity
    cost : Cost
    """

    unbiasedness: Unbiasedness
    variance: Variance
    sparsity: Sparsity
    cost: Cost

    def tables(self) -> list[Table]:
        """Those of the four reports."""
        return [report.table() for report in (self.unbiasedness, self.variance, self.sparsity, self.cost)]

    def plot(self, figure: Any = None) -> Any:
        """Draw whose noise it is, and what was kept, side by side on a Matplotlib figure; return it."""
        figure = figure_or_new(figure, figsize=NOISE, layout="constrained")
        for report, ax in zip((self.variance, self.sparsity), figure.subplots(1, 2), strict=True):
            report.plot(ax)
        return figure

    def save(self, folder: Path) -> Path | None:
        """Write noise.png, the picture; None and a warning, if it cannot be drawn."""
        results_folder(folder)
        return write_picture(folder / "noise.png", self.plot, figsize=NOISE, layout="constrained")


@dataclass(frozen=True, repr=False)
class Advising(Report):
    """Advice on what to choose instead.

    Attributes
    ----------
    noise : GradientNoise
    advice : Advice
        What to train with, of all kinds.
    tradeoff : BudgetTradeoff
        Which budget, of the kind that was given.
    allocation : Allocation
    """

    noise: GradientNoise
    advice: Advice
    tradeoff: BudgetTradeoff
    allocation: Allocation

    def tables(self) -> list[Table]:
        """Those of the four reports."""
        return [report.table() for report in (self.noise, self.advice, self.tradeoff, self.allocation)]

    def plot(self, ax: Any = None) -> Any:
        """Draw the predicted cost against the budget on a Matplotlib Axes, and return it."""
        return self.tradeoff.plot(ax)

    def save(self, folder: Path) -> Path | None:
        """Write advice.png, the picture; None and a warning, if it cannot be drawn."""
        results_folder(folder)
        options: dict[str, Any] = {"figsize": (6.4, 4.8), "layout": "constrained"}
        return write_picture(folder / "advice.png", lambda figure: self.plot(figure.subplots()), **options)


@one_thread()
def inspect_model(
    configuration: Configuration, vjp: str, *, budget: float = 0.1, draws: int = 1000, seed: int = 0
) -> Inspection:
    """Inspect the gradient of one batch, after ``configuration.epochs`` of exact training.

    Parameters
    ----------
    configuration : Configuration
    vjp : str
        The estimator of all layers but the last, as text that `minigrad.estimators.parse` takes.
    budget : float, default 0.1
        Where the text gives none.
    draws : int, default 1000
    seed : int, default 0

    Returns
    -------
    Inspection
    """
    data = configuration.load()
    model = _trained(configuration, data, vjp, budget, seed)
    size = min(configuration.batch_size, len(data.x_train))
    with Tape(rng=seed) as tape:
        loss = ops.cross_entropy(model(data.x_train[:size]), data.y_train[:size])
    return Inspection(
        inspect.unbiasedness(tape, loss, draws=draws, rng=child(Domain.REPORT, seed, 0)),
        inspect.variance(tape, loss, draws=max(2, draws // 5), rng=child(Domain.REPORT, seed, 1)),
        inspect.sparsity(tape, loss, draws=max(1, draws // 10), rng=child(Domain.REPORT, seed, 2)),
        inspect.cost(tape, loss, rng=child(Domain.REPORT, seed, 3)),
    )


@one_thread()
def advise_model(
    configuration: Configuration, vjp: str, *, budget: float = 0.1, batches: int = 20, seed: int = 0
) -> Advising:
    """Measure noise and cost after ``configuration.epochs`` of exact training, and say what to choose.

    Parameters
    ----------
    configuration : Configuration
    vjp : str
        The estimator of all layers but the last, as text that `minigrad.estimators.parse` takes.
    budget : float, default 0.1
        Where the text gives none; the budget whose cost is shared among the layers.
    batches : int, default 20
    seed : int, default 0

    Returns
    -------
    Advising
    """
    data = configuration.load()
    model = _trained(configuration, data, vjp, budget, seed)
    options: dict[str, Any] = {
        "batch_size": min(configuration.batch_size, len(data.x_train)), "batches": batches, "rng": seed
    }  # fmt: skip
    chosen = methods_from((vjp,), budget)[-1].estimator.budget
    return Advising(
        inspect.gradient_noise(model, data, **options),
        inspect.advise(model, data, **options),
        inspect.tradeoff(model, data, **options),
        inspect.allocate(model, data, budget=chosen, **options),
    )


def _trained(configuration: Configuration, data: Dataset, vjp: str, budget: float, seed: int) -> Module:
    """A model after some epochs of exact training, with the estimator on all layers but the last."""
    method = methods_from((vjp,), budget)[-1]
    if seed < 0:
        raise ValueError(f"seed={seed} must not be negative")
    if method.price is not None or method.importance is not None:
        raise ValueError(
            f"{vjp!r} is no estimator of its own; give one, or see minigrad.inspect.error_gains for prices, and "
            "minigrad.training.ImportanceSampler for samples drawn by importance"
        )
    if method.exact:
        raise ValueError(f"{vjp!r} is exact: there is no noise to look at; give an estimator with a budget below 1")
    exact = configuration.build(data, Method("exact"), seed)
    if configuration.epochs:
        training.fit(
            exact,
            data,
            optimizer=configuration.make_optimizer(exact),
            epochs=configuration.epochs,
            batch_size=min(configuration.batch_size, len(data.x_train)),
            max_norm=configuration.max_norm,
            rng=seed,
            augment=AUGMENTATION if configuration.augment else None,
        )
    model = configuration.build(data, method, seed)
    model.load_state_dict(exact.state_dict())
    return model
