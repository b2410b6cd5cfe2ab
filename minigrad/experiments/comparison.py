"""A finished comparison: its table, its files and its picture."""

from __future__ import annotations

import json
import math
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy

import minigrad
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.measurement import Measurement
from minigrad.experiments.method import Method
from minigrad.experiments.outputs import PASSES, csv_text, write_results
from minigrad.experiments.reached import Reached, reached, reached_table
from minigrad.experiments.run import Run
from minigrad.experiments.verdict import verdict_table
from minigrad.inspect.advice_report import Advice
from minigrad.plot.training import loss_and_accuracy
from minigrad.report import Report, Table
from minigrad.training import Epoch

__all__ = ["Comparison", "versions"]


@dataclass(frozen=True, repr=False)
class Comparison(Report):
    """The results of every method over the seeds.

    Attributes
    ----------
    configuration : Configuration
    methods : tuple of Method
    seeds : tuple of int
    runs : tuple of Run
    measurements : dict from label to Measurement
    advice : Advice or None
        J of the methods that sketch; None where there is none to measure.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration, compare
    >>> small = Configuration("mlp", "digits", epochs=1, train=200, test=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = compare(small, ["diagonal(0.25)"], seeds=1, out=folder, progress=False)
    >>> found.seeds, len(found.runs)
    ((0,), 3)
    """

    configuration: Configuration
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]
    measurements: dict[str, Measurement]
    advice: Advice | None = None

    def of(self, method: Method) -> list[Run]:
        """The runs of a method, those that diverged included."""
        return [run for run in self.runs if run.label == method.label]

    def summary(self) -> list[dict[str, Any]]:
        """One dict for each method: means and standard deviations over the seeds that did not diverge."""
        out = []
        for method in self.methods:
            runs = self.of(method)
            good = [run for run in runs if run.diverged is None]
            accuracy = [run.history.last.test_accuracy for run in good]
            loss = [run.history.last.loss for run in good]
            out.append(
                {
                    "method": method.label,
                    "unbiased": method.estimator.unbiased,
                    "runs": len(runs),
                    "diverged": len(runs) - len(good),
                    "test_accuracy_mean": _mean(accuracy),
                    "test_accuracy_sd": _sd(accuracy),
                    "final_loss_mean": _mean(loss),
                    "final_loss_sd": _sd(loss),
                    **asdict(self.measurements[method.label]),
                }
            )
        return out

    def reached(self) -> list[Reached]:
        """Find the cost of each method until it has the training loss that exact VJPs end with."""
        return reached([method.label for method in self.methods], self.runs)

    def tables(self) -> list[Table]:
        """All that is printed: the methods, how soon they are where exact VJPs end, and what to make of it."""
        found = self.reached() if self.configuration.epochs > 1 and len(self.methods) > 1 else []
        last = [verdict_table(self.advice)] if self.advice is not None else []
        return [self.table(), *([reached_table(found)] if found else []), *last]

    def table(self) -> Table:
        """The report as a table of at most 80 columns."""
        rows = []
        for line in self.summary():
            accuracy = "diverged"
            if line["test_accuracy_mean"] is not None:
                accuracy = f"{100 * line['test_accuracy_mean']:.1f}"
                if line["test_accuracy_sd"] is not None:
                    accuracy += f" ± {100 * line['test_accuracy_sd']:.1f}"
            if line["diverged"] and line["diverged"] < line["runs"]:
                accuracy += f" ({line['diverged']} div.)"
            loss = line["final_loss_mean"]
            rows.append(
                [
                    line["method"] + ("" if line["unbiased"] else " †"),
                    accuracy.rjust(12),
                    "–" if loss is None else f"{loss:#.2g}".rjust(7),
                    f"{line['backward_flops']:.2f}".rjust(5),
                    f"{line['backward_time']:.2f}".rjust(5),
                    "–" if math.isnan(line["variance"]) else f"{line['variance']:#.2g}".rjust(8),
                ]
            )
        heads = ["method", "accuracy / %", "   loss", "flops", " time", "variance"]
        return Table(heads, rows, title=self.title(), notes=self.notes())

    def title(self) -> str:
        """The title: what was compared, in one line."""
        c = self.configuration
        seeds = f"{len(self.seeds)} seed" + ("" if len(self.seeds) == 1 else "s")
        epochs = f"{c.epochs} epoch" + ("" if c.epochs == 1 else "s")
        return f"{c.model} on {c.data}: {epochs}, batch {c.batch_size}, lr {c.lr:g}, {seeds}"

    def notes(self) -> list[str]:
        """Notes on how the table is to be read."""
        notes = [
            "accuracy on the test data, mean ± sd over seeds; loss: training, last epoch",
            "flops, time: of the backward pass, relative to exact (time: medians)",
            "variance: E|ĝ-g|²/|g|² of the batch gradient after one exact epoch",
        ]
        if any(not method.estimator.unbiased for method in self.methods):
            notes.append("† biased")
        if any(run.diverged for run in self.runs):
            notes.append("diverged: the loss or a parameter was no longer finite; the figures are of the other seeds")
        for method in self.methods:
            if method.equal_cost_to:
                own, other = (self.measurements[x].step_flops for x in (method.label, method.equal_cost_to))
                near = "" if 0.8 < own / other < 1.25 else " (as nearly as the data allow)"
                notes.append(
                    f"{method.label}: a step costs what one of {method.equal_cost_to} does{near}, "
                    "forward plus backward flops; all methods take the same number of steps. It is the "
                    "baseline that a sketch must beat; noise compounds through layers (variance)"
                )
        return notes

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {
            "configuration": self.configuration.to_dict(),
            "methods": self.methods,
            "seeds": self.seeds,
            "versions": versions(),
            "data": self.configuration.data_checksum,
            "summary": self.summary(),
            "reached": self.reached(),
            "advice": None if self.advice is None else self.advice.data(),
            "runs": [run.to_dict() for run in self.runs],
        }

    def save(self, folder: Path) -> list[Path]:
        """Write results.csv (one line for each epoch of each run), results.json and convergence.png.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        texts = {
            "results.csv": csv_text(self._lines()),
            "results.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        return write_results(folder, texts, "convergence.png", self.plot, figsize=(10, 7.8), layout="constrained")

    def _lines(self) -> Iterator[list[Any]]:
        """A head, and every epoch of every run."""
        names = [field.name for field in fields(Epoch)]
        yield ["method", "seed", "diverged", *names]
        for run in self.runs:
            start = [run.label, run.seed, int(run.diverged is not None)]
            for epoch in run.history.epochs:
                yield [*start, *asdict(epoch).values()]
            if not run.history.epochs:  # diverged in its first epoch
                yield [*start, *[""] * len(names)]

    def plot(self, figure: Any = None, *, cost: Literal["total", "backward"] = "total") -> Any:
        """Draw loss and accuracy against epochs and against operations.

        A method all of whose runs diverged is drawn up to where the first of them did, and ends in a cross. A loss far
        above that of the beginning leaves the picture at the top.

        Parameters
        ----------
        figure : matplotlib Figure, optional
            Default: a new one.
        cost : {"total", "backward"}
            Operations of both passes, or of the backward pass alone, where exact steps on fewer samples look too dear.

        Returns
        -------
        matplotlib Figure

        Raises
        ------
        ValueError
            If ``cost`` is neither.
        """
        if cost not in PASSES:
            raise ValueError(f"cost={cost!r} must be one of {', '.join(map(repr, PASSES))}")
        seeds = len(self.seeds)
        bands = f"mean (loss: geometric) and one standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
        unit = self._exact_epoch(cost)
        failed = [method for method in self.methods if all(run.diverged is not None for run in self.of(method))]
        return loss_and_accuracy(
            {self._label(method): [_series(run, unit, cost) for run in self._drawn(method)] for method in self.methods},
            figure,
            crossed=[self._label(method) for method in failed],
            title=f"{self.title().split(':')[0]}: {bands}",
            spent=f"operations, {PASSES[cost]} (1 = one epoch of exact VJPs)",
        )

    def _drawn(self, method: Method) -> list[Run]:
        """The runs that did not diverge; where all did, those of which there is something."""
        runs = self.of(method)
        return [run for run in runs if run.diverged is None] or [run for run in runs if run.history.epochs]

    def _label(self, method: Method) -> str:
        runs = self.of(method)
        diverged = sum(run.diverged is not None for run in runs)
        words = [] if method.estimator.unbiased else ["biased"]
        if diverged:
            words.append("diverged" if diverged == len(runs) else f"{diverged} of {len(runs)} diverged")
        return f"{method.label} ({', '.join(words)})" if words else method.label

    def _exact_epoch(self, cost: Literal["total", "backward"]) -> float:
        """Operations of an epoch of exact VJPs, from any run that finished its first; an exact one, if there is one."""
        exact = {method.label for method in self.methods if method.exact and method.batch_size is None}
        for run in sorted(self.runs, key=lambda run: run.label not in exact):
            if run.history.epochs:
                measured = self.measurements[run.label]
                share = measured.step_flops if cost == "total" else measured.backward_flops
                return _operations(run.history.epochs[0], cost) / share
        return 1.0


def _operations(epoch: Epoch, cost: Literal["total", "backward"]) -> float:
    """Since the beginning of the run, to the end of an epoch."""
    return epoch.backward_flops + (epoch.forward_flops if cost == "total" else 0.0)


def _series(run: Run, unit: float, cost: Literal["total", "backward"]) -> dict[str, Any]:
    """A run as the picture takes it."""
    history = run.history
    spent = [_operations(epoch, cost) / unit for epoch in history.epochs]
    accuracy = [100 * part for part in history["test_accuracy"]]
    return {"epochs": history["epoch"], "spent": spent, "loss": history["loss"], "accuracy": accuracy}


def _mean(values: Sequence[Any]) -> float | None:
    return statistics.fmean(values) if values else None


def _sd(values: Sequence[Any]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def versions() -> dict[str, str]:
    """The versions of all that a result depends on.

    Examples
    --------
    >>> sorted(versions())
    ['minigrad', 'numpy', 'platform', 'python', 'scipy']
    """
    return {
        "minigrad": minigrad.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
