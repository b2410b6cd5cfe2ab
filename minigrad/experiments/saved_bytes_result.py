"""The costs and savings of saved sketches: tables, files and a picture."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from minigrad.experiments.comparison import versions
from minigrad.experiments.outputs import write_picture
from minigrad.files import write_atomically
from minigrad.plot.tape_curve import noise_by_bytes
from minigrad.report import Report, Table, json_ready

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


@dataclass(frozen=True)
class SavedBytesRun:
    """One network, one seed.

    Attributes
    ----------
    key, label : str
        The label is the name of the model.
    seed : int
    data : str
    points : tuple of SavedBytesPoint
    """

    key: str
    label: str
    seed: int
    data: str
    points: tuple[SavedBytesPoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-ready data; `from_dict` reads it."""
        return dict(json_ready(asdict(self)))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SavedBytesRun:
        """The run that `to_dict` wrote."""
        return cls(**{**data, "points": tuple(SavedBytesPoint(**point) for point in data["points"])})


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
        found: dict[tuple[str, str], list[SavedBytesRun]] = {}
        for run in self.runs:
            found.setdefault((run.label, run.data), []).append(run)
        return found

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
        every: list[list[Any]] = [["model", "data", "seed", *(each.name for each in fields(SavedBytesPoint))]]
        for run in self.runs:
            for point in run.points:
                shown = [f"{v:.5g}" if isinstance(v, float) else v for v in asdict(point).values()]
                every.append([run.label, run.data, run.seed, *shown])
        means: list[list[Any]] = [["model", "data", "saved", "bytes", "V/σ²", "seconds", "accuracy / %"]]
        for table, (model, data) in zip(self.tables(), self.networks(), strict=True):
            means += [[model, data, *row] for row in table.rows]
        texts = {
            "memory.csv": _csv(every),
            "table.csv": _csv(means),
            "memory.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        for name, text in texts.items():
            write_atomically(folder / name, partial(_write, text))
        width = 4.2 * len(self.networks()) + 1.2
        picture = write_picture(folder / "memory.png", self.plot, figsize=(width, 4.4), layout="constrained")
        return [folder / name for name in texts] + ([picture] if picture else [])

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


def _write(text: str, stream: BinaryIO) -> None:
    stream.write(text.encode())


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
