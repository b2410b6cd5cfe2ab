"""The measured costs to a precision along training: tables, files and a picture."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigrad.experiments.comparison import versions
from minigrad.experiments.network_run import NetworkRun, by_network, lines_of
from minigrad.experiments.outputs import csv_text, write_results
from minigrad.plot.steps_curve import cost_by_steps
from minigrad.report import Report, Table

__all__ = ["PrecisionPoint", "PrecisionResult", "PrecisionRun"]


@dataclass(frozen=True)
class PrecisionPoint:
    """One way to take VJPs, at one stage of the training of one network.

    Attributes
    ----------
    steps : int
        Steps before.
    loss : float
        Training loss.
    what, setting : str
        A candidate of `minigrad.inspect.advise`, and its budget or price.
    operations : float
        Of a step, over those of an exact one; scores, and for a price its part of the measurement of gains, included.
    noise : float
        V/σ².
    ratio, error : float
        J, and its standard error over batches and draws.
    caution : str or None
        What to do where V rests on too few effective batches.
    """

    steps: int
    loss: float
    what: str
    setting: str
    operations: float
    noise: float
    ratio: float
    error: float
    caution: str | None = None


class PrecisionRun(NetworkRun[PrecisionPoint]):
    """One network, one seed, at some stages of its training."""

    point = PrecisionPoint


@dataclass(frozen=True, repr=False)
class PrecisionResult(Report):
    """The cost to reach a precision, along the training of some networks.

    Attributes
    ----------
    runs : tuple of PrecisionRun
    configurations : tuple of dict
        The settings of the networks.
    trained : str
        The label of the method that they were trained with.
    batches : int
        Budgets and prices were chosen on so many batches, and J measured on as many others.
    """

    runs: tuple[PrecisionRun, ...]
    configurations: tuple[dict[str, Any], ...]
    trained: str
    batches: int

    def networks(self) -> dict[tuple[str, str], list[PrecisionRun]]:
        """The runs of each network, by model and data set."""
        return by_network(self.runs)

    def tables(self) -> list[Table]:
        """For each network J by stage, and the last stage in detail."""
        found = []
        for (model, data), runs in self.networks().items():
            stages = list(dict.fromkeys(point.steps for point in runs[0].points))
            whats = list(dict.fromkeys(point.what for point in runs[0].points))
            cells = {(what, stage): _points(runs, what, stage) for what in whats for stage in stages}
            rows = [[what, *[_shown(*over_seeds(cells[what, stage])) for stage in stages]] for what in whats]
            title = f"{model} on {data}, cost to a precision J after steps of training by {self.trained}"
            found.append(Table(["what", *map(str, stages)], rows, title))
            last = stages[-1]
            detail = [
                [what, *[statistics.fmean(v) for v in zip(*((p.operations, p.noise) for p in at), strict=True)],
                 at[0].setting]
                for what in whats
                if (at := cells[what, last])
            ]  # fmt: skip
            loss = statistics.fmean(point.loss for point in cells[whats[0], last])
            heads = ["what", "operations", "V/σ²", "setting (seed 0)"]
            found.append(Table(heads, detail, f"{model} on {data} after {last} steps, training loss {loss:.3g}"))
        found[-1].notes += [
            "J: (1 + V/σ²) × operations of a step, over those of exact VJPs, for steps whose noise dominates; exact "
            "VJPs on any smaller batch have J = 1",
            "operations: forward and backward over exact; scores, and for prices the measurement of gains every 1,000 "
            "steps, included",
            f"mean over {self._seeds()}; ± s.e., the larger of that over seeds and of that over the {self.batches} "
            "batches and draws of each, by which nothing was chosen",
        ]
        if any(point.caution for run in self.runs for point in run.points):
            found[-1].notes.append("~: V rests on too few effective batches, so the true error may be larger")
        return found

    def _seeds(self) -> str:
        seeds = len({run.seed for run in self.runs})
        return f"{seeds} seed" + ("" if seeds == 1 else "s")

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {**super().data(), "versions": versions()}

    def save(self, folder: Path) -> list[Path]:
        """Write precision.csv (one line for each candidate, stage and seed), table.csv, precision.json and the picture.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        means: list[list[Any]] = [["model", "data", "steps", "what", "operations", "V/σ²", "J", "s.e."]]
        for (model, data), runs in self.networks().items():
            for what, stage in dict.fromkeys((point.what, point.steps) for point in runs[0].points):
                points = _points(runs, what, stage)
                ratio, error, _ = over_seeds(points)
                numbers = statistics.fmean(p.operations for p in points), statistics.fmean(p.noise for p in points)
                means.append([model, data, stage, what, *[f"{v:.3f}" for v in (*numbers, ratio, error)]])
        texts = {
            "precision.csv": csv_text(lines_of(self.runs)),
            "table.csv": csv_text(means),
            "precision.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        width = 4.2 * len(self.networks()) + 1.2
        return write_results(folder, texts, "precision.png", self.plot, figsize=(width, 4.4), layout="constrained")

    def plot(self, figure: Any = None) -> Any:
        """Draw J against steps of training on a Matplotlib figure, a panel for each network; return it."""
        panels: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
        for (model, data), runs in self.networks().items():
            panel = panels.setdefault(f"{model}, {data}", {})
            for what, stage in dict.fromkeys((point.what, point.steps) for point in runs[0].points):
                if what != "nothing":
                    ratio, error, _ = over_seeds(_points(runs, what, stage))
                    panel.setdefault(what, []).append((stage, ratio, error))
        return cost_by_steps(panels, figure)


def over_seeds(points: Sequence[PrecisionPoint]) -> tuple[float, float, bool]:
    """The mean of J over seeds, its standard error, and whether any is to be taken with caution.

    The error is the larger of that over seeds, which has few degrees of freedom, and of that over batches.
    """
    n = len(points)
    within = math.sqrt(sum(point.error**2 for point in points)) / n
    between = statistics.stdev(point.ratio for point in points) / math.sqrt(n) if n > 1 else 0.0
    caution = any(point.caution is not None for point in points)
    return statistics.fmean(point.ratio for point in points), max(within, between), caution


def _points(runs: Sequence[PrecisionRun], what: str, stage: int) -> list[PrecisionPoint]:
    return [point for run in runs for point in run.points if point.what == what and point.steps == stage]


def _shown(ratio: float, error: float, caution: bool) -> str:
    if not error:
        return f"{ratio:.3g}"
    digits = min(3, max(0, 1 - math.floor(math.log10(error))))
    large = f"{ratio:.2g}" if ratio >= 1000 else f"{ratio:.{digits}f} ± {error:.{digits}f}"
    return large + "~" * caution
