"""The result of a benchmark: all levels and all methods, as tables, as files and as a picture."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from minigrad.experiments.budgeted_training.benchmark import STEP_BATCH, Benchmark
from minigrad.experiments.budgeted_training.budgeted_run import BudgetedRun
from minigrad.experiments.budgeted_training.envelope import Needed, Rival, needed_by_envelope
from minigrad.experiments.comparison import versions
from minigrad.experiments.outputs import csv_text, write_results
from minigrad.plot.spent import against_spent
from minigrad.report import Report, Table
from minigrad.streams import Domain, generator

__all__ = ["BenchmarkResult", "Finalist"]

MEASURES: dict[str, Callable[[BudgetedRun], float]] = {
    "training loss": lambda run: run.train_loss or math.nan,
    "test loss": lambda run: run.test_loss or math.nan,
    "test error": lambda run: 1 - (run.test_accuracy or 0.0),
}
"""Losses that the envelope is asked to reach; the less, the better."""


@dataclass(frozen=True)
class Finalist:
    """One method at one budget with one batch size and one learning rate, in the second stage.

    Attributes
    ----------
    label : str
    level : float
    batch_size : int
    lr : float
    first : float
        Held-out loss of the run over the grid by which it came here; infinite if that diverged.
    runs : tuple of BudgetedRun
    chosen : bool
        Whether it stands for its method.
    edge : bool
        Whether its batch size or learning rate is at an end of the grid, beyond which a better one may lie.
    """

    label: str
    level: float
    batch_size: int
    lr: float
    first: float
    runs: tuple[BudgetedRun, ...]
    chosen: bool
    edge: bool

    @property
    def good(self) -> list[BudgetedRun]:
        """The runs that did not diverge."""
        return [run for run in self.runs if run.diverged is None]

    @property
    def held(self) -> float:
        """The mean held-out loss over seeds, by which is chosen; infinite where a run diverged."""
        losses = [run.held_loss for run in self.runs]
        return math.inf if None in losses else statistics.fmean(loss for loss in losses if loss is not None)

    def of(self, name: str) -> list[float]:
        """A number of each run that did not diverge."""
        return [float(getattr(run, name)) for run in self.good]


@dataclass(frozen=True, repr=False)
class BenchmarkResult(Report):
    """The result of a benchmark of budgeted training.

    Attributes
    ----------
    benchmark : Benchmark
    unit : float
        What an exact step of a batch of 64 takes, in operations or seconds.
    grid : tuple of BudgetedRun
        The first stage: one seed, scored on held-out images alone.
    finals : tuple of BudgetedRun
        The second stage.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.budgeted_training import Benchmark, budgeted
    >>> small = Configuration("mlp", "digits", train=200, test=100)
    >>> benchmark = Benchmark(small, 4, (16,), (0.01, 0.1), (1.0, 2.0), methods=("mask(0.5)",), seeds=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = budgeted(benchmark, folder, progress=False)
    >>> [(one.label, one.level) for one in result.finalists if one.chosen]
    [('exact', 1.0), ('exact', 2.0), ('Mask(0.5)', 1.0)]
    """

    benchmark: Benchmark
    unit: float
    grid: tuple[BudgetedRun, ...]
    finals: tuple[BudgetedRun, ...]

    @property
    def runs(self) -> tuple[BudgetedRun, ...]:
        """All runs of both stages."""
        return self.grid + self.finals

    @cached_property
    def finalists(self) -> tuple[Finalist, ...]:
        """The second stage by method and budget, losers too."""
        b, first = self.benchmark, {_place(run): run.held_loss for run in self.grid}
        found: dict[tuple[str, float], list[Finalist]] = {}
        for place in dict.fromkeys(map(_place, self.finals)):
            label, level, batch_size, lr = place
            runs = tuple(run for run in self.finals if _place(run) == place)
            edge = any(
                len(values) > 1 and value in (min(values), max(values))
                for value, values in ((batch_size, b.batch_sizes), (lr, b.lrs))
            )
            held = first[place]
            loss = math.inf if held is None else held
            found.setdefault((label, level), []).append(Finalist(*place, loss, runs, chosen=False, edge=edge))
        out = []
        for rivals in found.values():
            best = min(rivals, key=lambda one: (one.held, one.first))
            out += [_replaced(one, one is best) for one in rivals]
        return tuple(out)

    @cached_property
    def needed(self) -> dict[tuple[str, float], dict[str, Needed]]:
        """By method and budget, for each measure, how many times the budget the exact envelope needs to reach it."""
        rivals: dict[tuple[str, float], list[Finalist]] = {}
        for one in self.finalists:
            if math.isfinite(one.held):
                rivals.setdefault((one.label, one.level), []).append(one)
        exact = [those for (label, _), those in rivals.items() if label == "exact"]
        return {
            place: {
                name: needed_by_envelope(
                    [self._rivals(each, measure) for each in exact],
                    self._rivals(those, measure),
                    generator(Domain.RESAMPLE, 0),
                )
                for name, measure in MEASURES.items()
            }
            for place, those in rivals.items()
            if place[0] != "exact" and exact
        }

    def _rivals(self, those: list[Finalist], measure: Callable[[BudgetedRun], float]) -> list[Rival]:
        return [Rival(self._spent(one), [measure(run) for run in one.good], one.of("held_loss")) for one in those]

    def _spent(self, one: Finalist) -> list[float]:
        return [run.spent(self.benchmark.unit) for run in one.good]

    def tables(self) -> list[Table]:
        """All levels and all methods, and what the envelope needs."""
        return [self.table(), self.needed_table()]

    def table(self) -> Table:
        """The second stage: both finalists of every method at every budget."""
        rows = [
            [one.level, ("" if one.chosen else "· ") + one.label, f"{one.batch_size}, {one.lr:g}" + "*" * one.edge,
             f"{one.first:.3f}", f"{one.held:.3f}", *self._shown(one)]
            for one in sorted(self.finalists, key=lambda one: one.level)
        ]  # fmt: skip
        b, c = self.benchmark, self.benchmark.configuration
        data = c.data + (f"[{c.train}]" if c.train else "")
        optimizer = "Adam" if c.optimizer == "adam" else f"momentum {c.momentum:g}"
        title = f"{c.model} on {data}, {optimizer}: budget 1 is {b.steps} exact steps of {STEP_BATCH}, in {b.unit}"
        notes = [
            f"grid of every method: batches {_listed(b.batch_sizes)} × rates {_listed(b.lrs)}, one seed; the best two "
            f"on held-out training images ran with {b.seeds} other seeds, mean ± sd",
            "held 1, held: held-out loss of the run over the grid, and of the second stage; ·: the worse of the two by "
            "the latter, which does not count below",
            "steps, time: optimiser steps, and seconds of processor time; test images were not chosen by",
        ]
        if any(one.edge for one in self.finalists):
            notes.append("*: an end of the grid; a better one may lie beyond")
        if any(run.diverged for run in self.finals):
            notes.append("div.: how many of the runs diverged; the others alone are counted")
        heads = ["budget", "method", "batch, rate", "held 1", "held", "steps", "time/s", "train loss", "test loss",
                 "accuracy/%"]  # fmt: skip
        return Table(heads, rows, title, notes)

    def _shown(self, one: Finalist) -> list[Any]:
        if not one.good:
            return [None, None, "diverged", "diverged", "diverged"]
        off = len(one.runs) - len(one.good)
        return [
            round(statistics.fmean(one.of("steps"))), f"{statistics.fmean(one.of('seconds')):.1f}",
            _spread(one.of("train_loss"), ".3f"), _spread(one.of("test_loss"), ".3f"),
            _spread([100 * part for part in one.of("test_accuracy")], ".1f") + (f" ({off} div.)" if off else ""),
        ]  # fmt: skip

    def needed_table(self) -> Table:
        """The multiple of a method's budget that the exact envelope needs to do as well."""
        rows = [
            [level, label, *(str(found[name]) for name in MEASURES)] for (label, level), found in self.needed.items()
        ]
        notes = [
            "the envelope: exact runs with the best batch and rate at each budget, by held-out loss; linear between "
            "budgets in the logarithms of both",
            "5 % to 95 % of draws of all means from their t distributions over seeds, the choice between two finalists "
            "made anew in each",
            "above 1 the method pays; < and >: beyond the budgets of the envelope",
        ]
        title = f"how many times the {self.benchmark.unit} exact VJPs need for the same"
        return Table(["budget", "method", *MEASURES], rows, title, notes)

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {
            "benchmark": self.benchmark,
            "versions": versions(),
            "data": self.benchmark.configuration.data_checksum,
            "unit": self.unit,
            "needed": [
                {"method": label, "budget": level, **{name: asdict(each) for name, each in found.items()}}
                for (label, level), found in self.needed.items()
            ],
            "grid": [run.to_dict() for run in self.grid],
            "finals": [run.to_dict() for run in self.finals],
        }

    def save(self, folder: Path) -> list[Path]:
        """Write runs.csv (every run of both stages), the two tables as levels.csv and needed.csv, a JSON and a picture.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        names = [field.name for field in fields(BudgetedRun)]
        stages = [(1, run) for run in self.grid] + [(2, run) for run in self.finals]
        contents = {
            "runs.csv": csv_text([["stage", *names], *[[stage, *asdict(run).values()] for stage, run in stages]]),
            "levels.csv": csv_text([self.table().columns, *self.table().rows]),
            "needed.csv": csv_text([self.needed_table().columns, *self.needed_table().rows]),
            "budgeted.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        return write_results(folder, contents, "budgeted.png", self.plot, figsize=(11, 4.6), layout="constrained")

    def plot(self, figure: Any = None) -> Any:
        """Draw training loss, test loss and accuracy against what was spent on a Matplotlib figure; return it."""
        whole = self.unit * self.benchmark.steps
        lines: dict[str, list[dict[str, list[float]]]] = {}
        for one in sorted(self.finalists, key=lambda one: one.level):
            if one.chosen and one.good:
                point = {
                    "spent": [spent / whole for spent in self._spent(one)],
                    "train": one.of("train_loss"),
                    "test": one.of("test_loss"),
                    "accuracy": [100 * part for part in one.of("test_accuracy")],
                }
                lines.setdefault(one.label, []).append(point)
        c = self.benchmark.configuration
        title = f"{c.model} on {c.data}: every point is a whole run, mean and range over {self.benchmark.seeds} seeds"
        return against_spent(lines, figure, unit=self.benchmark.unit, title=title)


def _place(run: BudgetedRun) -> tuple[str, float, int, float]:
    return run.label, run.level, run.batch_size, run.lr


def _replaced(one: Finalist, chosen: bool) -> Finalist:
    return Finalist(one.label, one.level, one.batch_size, one.lr, one.first, one.runs, chosen, one.edge)


def _spread(values: Sequence[float], form: str) -> str:
    text = format(statistics.fmean(values), form)
    return text + (f" ± {format(statistics.stdev(values), form)}" if len(values) > 1 else "")


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
