"""The setting of a benchmark of budgeted training: the budgets, the methods and the grid."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from minigrad.counts import MOST_SEEDS, MOST_STEPS, count
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method, methods_from
from minigrad.naming import unknown

__all__ = ["BENCHMARKS", "RIVALS", "STEP_BATCH", "UNITS", "Benchmark", "Unit"]

Unit = Literal["operations", "seconds"]

UNITS = ("operations", "seconds")

STEP_BATCH = 64
"""The batch of the exact step in which budgets are counted."""

RIVALS = (
    "diagonal(0.5)",
    "diagonal(0.3, axis=row)",
    "diagonal(distortion=0.5, axis=row)",
    "last: diagonal(0.3, axis=sample)",
    "last: diagonal(distortion=0.1, axis=sample)",
    "price",
)
"""Columns and rows with one budget in every layer, rows with one distortion, samples at the logits, and one price."""


@dataclass(frozen=True)
class Benchmark:
    """The runs that make up a benchmark.

    Parameters
    ----------
    configuration : Configuration
        What all runs share; its batch size and learning rate give way to those of the grid, and its number of epochs to
        the budgets.
    steps : int
        Budget 1 is what so many exact steps of a batch of 64 take.
    batch_sizes, lrs : tuple
        The grid, the same for all methods.
    budgets : tuple of float
        At which the exact envelope is known.
    at : tuple of float
        At which the other methods are run.
    methods : tuple of str
        As `minigrad.experiments.compare` takes them, each with a budget or a distortion of its own; or ``price``, one
        price for all products (`minigrad.training.OnePrice`).
    unit : {"operations", "seconds"}
        What is spent: operations forward and backward, the estimators' own work included; or seconds of this thread's
        processor time.
    seeds : int
        Of the runs whose results count. The grid is run with another one.

    Raises
    ------
    ValueError
        If there is nothing to choose from, or a number is out of range.

    Examples
    --------
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.budgeted_training import Benchmark
    >>> small = Benchmark(Configuration("mlp", "digits"), 20, (16, 64), lrs=(0.01, 0.1), methods=("mask(0.5)",))
    >>> [method.label for method in small.rivals]
    ['exact', 'Mask(0.5)']
    """

    configuration: Configuration
    steps: int
    batch_sizes: tuple[int, ...]
    lrs: tuple[float, ...]
    budgets: tuple[float, ...] = (0.7, 1.0, 1.4, 2.0)
    at: tuple[float, ...] = (1.0,)
    methods: tuple[str, ...] = RIVALS
    unit: Unit = "operations"
    seeds: int = 3

    def __post_init__(self) -> None:
        for name in ("batch_sizes", "lrs", "budgets", "at"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"a benchmark needs {name}, each of them once; got {values}")
        for batch_size in self.batch_sizes:
            for lr in self.lrs:
                dataclasses.replace(self.configuration, lr=lr, batch_size=batch_size)  # refuses what cannot be
        for level in (*self.budgets, *self.at):
            if not 0 < level < math.inf:
                raise ValueError(f"budget={level} must be positive and finite; 1 is {self.steps} exact steps")
        if self.unit not in UNITS:
            raise ValueError(unknown("unit", self.unit, UNITS))
        count("steps", self.steps, MOST_STEPS, "steps")
        count("seeds", self.seeds, MOST_SEEDS, "seeds")
        _ = self.rivals

    @property
    def rivals(self) -> tuple[Method, ...]:
        """The methods, exact VJPs first."""
        return (Method("exact"), *dict.fromkeys(_rival(text) for text in self.methods))

    def levels(self, method: Method) -> tuple[float, ...]:
        """The budgets at which a method is run, in increasing order."""
        return tuple(sorted(self.budgets if method == Method("exact") else self.at))

    def grid(self) -> list[Configuration]:
        """The configurations among which each method has its choice."""
        return [
            dataclasses.replace(self.configuration, lr=lr, batch_size=batch_size)
            for batch_size in self.batch_sizes
            for lr in self.lrs
        ]


def _rival(text: str) -> Method:
    """One sketched method; raise if it has no budget of its own, or is exact."""
    if text.strip() == "price":
        return Method("one price", price="auto")
    found = methods_from((text,), 1.0)  # without a budget it keeps everything
    if len(found) < 2:
        raise ValueError(
            f"{text!r} is exact, or has no budget: exact VJPs are always there, and others need a budget or a "
            "distortion of their own, such as diagonal(0.3, axis=row)"
        )
    return found[-1]


def _fashion(model: str, **options: Any) -> Configuration:
    return Configuration(model, "fashion_mnist", train=12_000, standardise=True, **options)


BENCHMARKS = {
    "mlp": Benchmark(_fashion("mlp"), 800, batch_sizes=(8, 16, 32, 64), lrs=(0.001, 0.003, 0.01)),
    "bagnet": Benchmark(_fashion("bagnet_group"), 240, batch_sizes=(2, 4, 8, 16, 32), lrs=(0.003, 0.01, 0.03)),
    "vit": Benchmark(
        _fashion("vit", optimizer="adam"), 400, batch_sizes=(4, 8, 16, 32), lrs=(0.0005, 0.001, 0.002, 0.004)
    ),
}
"""The benchmarks that ``minigrad budgeted`` knows by name, one for each architecture of the paper."""
