"""The costs and savings of saved sketches: tables, files and a picture."""

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
from minigrad.plot.tape_curve import noise_by_bytes
from minigrad.report import Report, Table

__all__ = ["EXACT", "PARTS", "SavedBytesPoint", "SavedBytesResult", "SavedBytesRun"]

EXACT, PARTS = "exact", "exact, micro-batches of an eighth"


@dataclass(frozen=True)
class SavedBytesPoint:
    """One way to save what the way back needs.

    Attributes
    ----------
    what : str
        An estimator as text, "exact", or exact parts of the batch.
    size : float
        Bytes of activations on the tape, over exact ones.
    noise, error : float
        V/σ², and its standard error over batches.
    seconds : float
        Of a step, processor time over that of an exact one.
    accuracy : float or None
        On test images, of a network that was trained so; None for parts, which are as exact ones.
    """

    what: str
    size: float
    noise: float
    error: float
    seconds: float
    accuracy: float | None


class SavedBytesRun(NetworkRun[SavedBytesPoint]):
    """One network, one seed, and each way to save."""

    point = SavedBytesPoint


@dataclass(frozen=True, repr=False)
class SavedBytesResult(Report):
    """The costs and savings of saved sketches, for some networks.

    Attributes
    ----------
    runs : tuple of SavedBytesRun
    configurations : tuple of dict
        The settings of the networks.
    steps, batches : int
        Of training, and to measure noise on.
    """

    runs: tuple[SavedBytesRun, ...]
    configurations: tuple[dict[str, Any], ...]
    steps: int
    batches: int

    def networks(self) -> dict[tuple[str, str], list[SavedBytesRun]]:
        """The runs of each network, by model and data set."""
        return by_network(self.runs)

    def tables(self) -> list[Table]:
        """For each network bytes, noise, seconds and accuracy."""
        found = []
        for (model, data), runs in self.networks().items():
            rows = []
            for what, points in by_kind(runs).items():
                noise, error = mean_noise(points)
                correct = [100 * p.accuracy for p in points if p.accuracy is not None]
                rows.append([
                    what,
                    f"{statistics.fmean(p.size for p in points):.3f}",
                    f"{noise:.2g} ± {error:.1g}" if noise else "0",
                    f"{statistics.fmean(p.seconds for p in points):.2f}",
                    f"{statistics.fmean(correct):.2f}" if correct else "–",
                ])  # fmt: skip
            title = f"{model} on {data}, after {self.steps} steps"
            found.append(Table(["saved", "bytes", "V/σ²", "seconds", "accuracy / %"], rows, title))
        seeds = len({run.seed for run in self.runs})
        found[-1].notes += [
            "bytes of activations on the tape, and processor seconds of a step, over exact ones",
            f"V/σ²: the variance that is added to the gradient over that of the minibatch, ± s.e., over {self.batches} "
            "batches for each seed",
            f"accuracy: test images, networks trained with it from the start; means over {seeds} seed"
            + ("" if seeds == 1 else "s"),
        ]
        return found

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {**super().data(), "versions": versions()}

    def save(self, folder: Path) -> list[Path]:
        """Write memory.csv (one line for each kind and seed), table.csv, memory.json and memory.png.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        means: list[list[Any]] = [["model", "data", "saved", "bytes", "V/σ²", "seconds", "accuracy / %"]]
        for table, (model, data) in zip(self.tables(), self.networks(), strict=True):
            means += [[model, data, *row] for row in table.rows]
        texts = {
            "memory.csv": csv_text(lines_of(self.runs)),
            "table.csv": csv_text(means),
            "memory.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        width = 4.2 * len(self.networks()) + 1.2
        return write_results(folder, texts, "memory.png", self.plot, figsize=(width, 4.4), layout="constrained")

    def plot(self, figure: Any = None) -> Any:
        """Draw noise against bytes on a Matplotlib figure, a panel for each network; return it."""
        panels: dict[str, dict[str, tuple[float, float, float]]] = {}
        for (model, data), runs in self.networks().items():
            panel = panels.setdefault(f"{model}, {data}", {})
            for what, points in by_kind(runs).items():
                if what not in (EXACT, PARTS):
                    panel[what] = (statistics.fmean(p.size for p in points), *mean_noise(points))
        return noise_by_bytes(panels, figure)


def by_kind(runs: Sequence[SavedBytesRun]) -> dict[str, list[SavedBytesPoint]]:
    """The points of all seeds, by what was saved."""
    found: dict[str, list[SavedBytesPoint]] = {}
    for run in runs:
        for point in run.points:
            found.setdefault(point.what, []).append(point)
    return found


def mean_noise(points: Sequence[SavedBytesPoint]) -> tuple[float, float]:
    """The mean of V/σ² over seeds, and its standard error: the larger of that over seeds and that over batches."""
    n = len(points)
    within = math.sqrt(sum(point.error**2 for point in points)) / n
    between = statistics.stdev(point.noise for point in points) / math.sqrt(n) if n > 1 else 0.0
    return statistics.fmean(point.noise for point in points), max(within, between)
