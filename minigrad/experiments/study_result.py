"""The result of a study: its lines, as a table, as files and as a picture."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from minigrad.experiments.comparison import versions
from minigrad.experiments.method import Method
from minigrad.experiments.outputs import PASSES, csv_text, write_results
from minigrad.experiments.study import Study
from minigrad.plot.budgets import accuracy_by_budget
from minigrad.report import Report, Table

__all__ = ["StudyLine", "StudyResult"]


@dataclass(frozen=True)
class StudyLine:
    """One method at one budget.

    Attributes
    ----------
    family : str
        The method without its budget.
    budget : float or None
        None for a method that finds by itself how much it keeps.
    method : Method
    lr : float
        The learning rate that was chosen.
    seeds : tuple of int
        Of the runs that did not diverge.
    accuracy, loss : tuple of float
        Test accuracy and training loss of their last epochs.
    diverged : int
    backward, total : float
        Backward operations of a step, and forward and backward ones, over those of an exact one.
    """

    family: str
    budget: float | None
    method: Method
    lr: float
    seeds: tuple[int, ...]
    accuracy: tuple[float, ...]
    loss: tuple[float, ...]
    diverged: int
    backward: float
    total: float


@dataclass(frozen=True, repr=False)
class StudyResult(Report):
    """The result of a study.

    Attributes
    ----------
    study : Study
    lines : tuple of StudyLine

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration, Study, reproduce
    >>> small = Configuration("mlp", "digits", epochs=1, train=200, test=100)
    >>> study = Study(small, lrs=(0.1,), budgets=(0.25,), families=("diagonal",), seeds=1, tune_epochs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = reproduce(study, folder, progress=False)
    >>> [line.family for line in found.lines]
    ['exact', 'diagonal', 'exact, smaller batch']
    """

    study: Study
    lines: tuple[StudyLine, ...]

    def at_end(self, line: StudyLine) -> bool:
        """True if a line's learning rate is an end of the grid, so that a better one may lie beyond."""
        return len(set(self.study.lrs)) > 1 and line.lr in (min(self.study.lrs), max(self.study.lrs))

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [line.family, line.budget, f"{line.lr:g}" + "*" * self.at_end(line), _spread(line.accuracy, 100),
             _spread(line.loss, 1), line.diverged or None, f"{line.backward:.2f}", f"{line.total:.2f}"]
            for line in self.lines
        ]  # fmt: skip
        c = self.study.configuration
        data = c.data + (f"[{c.train}]" if c.train else "")
        seeds = f"{self.study.seeds} seed" + ("" if self.study.seeds == 1 else "s")
        epochs = f"{c.epochs} epoch" + ("" if c.epochs == 1 else "s")
        title = f"{c.model} on {data}: {epochs}, batch {c.batch_size}, {seeds}"
        notes = [
            "accuracy on the test data, mean ± sd over seeds; loss: training, last epoch",
            "bwd, all: operations of the backward pass, of both passes, over the exact ones",
        ]
        if any(line.diverged for line in self.lines):
            notes.append("div.: how many runs diverged; the others alone are counted")
        if any(self.at_end(line) for line in self.lines):
            notes.append("*: an end of the grid of learning rates; a wider one (--lrs) may have a better one")
        heads = ["method", "p", "lr", "accuracy/%", "loss", "div.", "bwd", "all"]
        return Table(heads, rows, title, notes)

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {
            "study": self.study,
            "versions": versions(),
            "data": self.study.configuration.data_checksum,
            "lines": self.lines,
        }

    def save(self, folder: Path) -> list[Path]:
        """Write study.csv (one row for each run, without results where it diverged), study.json and study.png.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        lines: list[list[Any]] = [
            ["method", "budget", "lr", "seed", "accuracy", "loss", "diverged", "backward", "total"]
        ]
        for line in self.lines:
            found = {seed: pair for seed, *pair in zip(line.seeds, line.accuracy, line.loss, strict=True)}
            for seed in range(self.study.seeds):
                head, results = [line.family, line.budget, line.lr, seed], found.get(seed, ["", ""])
                lines.append([*head, *results, int(seed not in found), line.backward, line.total])
        texts = {"study.csv": csv_text(lines), "study.json": json.dumps(self.to_dict(), indent=1)}
        return write_results(folder, texts, "study.png", self.plot, figsize=(11, 4.8), layout="constrained")

    def plot(self, figure: Any = None, *, cost: Literal["total", "backward"] = "total") -> Any:
        """Draw accuracy against budget and against operations on a Matplotlib figure; return it.

        ``cost`` is of both passes, or of the backward pass alone, as for `Comparison.plot`.
        """
        if cost not in PASSES:
            raise ValueError(f"cost={cost!r} must be one of {', '.join(map(repr, PASSES))}")
        methods, exact = {}, None
        for family in dict.fromkeys(line.family for line in self.lines):
            lines = [line for line in self.lines if line.family == family and line.accuracy]
            means = [100 * statistics.fmean(line.accuracy) for line in lines]
            if family == "exact":
                exact = means[0] if means else None
                continue
            spreads = [100 * statistics.stdev(line.accuracy) if len(line.accuracy) > 1 else 0.0 for line in lines]
            methods[family] = (
                [line.budget or math.nan for line in lines],
                [line.total if cost == "total" else line.backward for line in lines],
                means,
                spreads,
            )
        c, seeds = self.study.configuration, self.study.seeds
        over = f"mean and one standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
        title = f"{c.model} on {c.data}: {over}"
        spent = f"operations of a step, {PASSES[cost]} (1 = exact)"
        return accuracy_by_budget(methods, self.study.budgets, figure, exact=exact, title=title, spent=spent)


def _spread(values: Sequence[float], scale: float) -> str:
    if not values:
        return "diverged"
    form = ".1f" if scale == 100 else ".2g"
    text = format(scale * statistics.fmean(values), form)
    return text + (f" ± {format(scale * statistics.stdev(values), form)}" if len(values) > 1 else "")
