"""The measurements that say when a sketch pays: a table, files and a picture."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.experiments.comparison import versions
from minigrad.experiments.network_run import NetworkRun, lines_of
from minigrad.experiments.outputs import csv_text, write_results
from minigrad.plot.share_curve import cost_by_share
from minigrad.report import Report, Table
from minigrad.theory import lognormal_samples_ratio

__all__ = ["FieldPoint", "FieldResult", "FieldRun"]


@dataclass(frozen=True)
class FieldPoint:
    """One network at one stage of its training.

    Attributes
    ----------
    steps : int
        Exact steps before.
    share : float
        (E s)²/E s², the share of effective samples; s is the norm of a sample's gradient at the logits.
    budget : float
        The best share of samples to keep there; 1 where sketching does not pay.
    ratio, ratio_error : float
        J in operations, measured at that budget, and its standard error; 1 and 0 where sketching does not pay.
    seconds_ratio : float
        J with the seconds of forward and backward pass in place of the operations.
    predicted : float
        J by `minigrad.theory.samples_ratio`, from the norms.
    forward : float
        Forward operations over exact backward ones.
    loss : float
        Training loss.
    """

    steps: int
    share: float
    budget: float
    ratio: float
    ratio_error: float
    seconds_ratio: float
    predicted: float
    forward: float
    loss: float


class FieldRun(NetworkRun[FieldPoint]):
    """One network on one data set, at some stages of its training."""

    point = FieldPoint


@dataclass(frozen=True, repr=False)
class FieldResult(Report):
    """When a sketch pays.

    Attributes
    ----------
    runs : tuple of FieldRun
    batch_size, batches : int
        Noise was measured on so many batches of this size, and at the best budget on as many others.
    configurations : tuple of dict
        How the networks were trained, once for each model and data set.
    """

    runs: tuple[FieldRun, ...]
    batch_size: int
    batches: int
    configurations: tuple[dict[str, Any], ...]

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [run.label, run.data, point.steps, f"{point.share:.3f}", f"{point.budget:.2g}",
             f"{point.ratio:.3f}" + (f" ± {point.ratio_error:.3f}" if point.ratio_error else ""),
             f"{point.seconds_ratio:.3f}", f"{point.predicted:.3f}"]
            for run in self.runs
            for point in run.points
        ]  # fmt: skip
        notes = [
            "share: (E s)²/E s², s the norm of a sample's gradient at the logits; p: samples kept there",
            "J: cost to a precision over that of exact VJPs (1: do not sketch), in operations and in seconds of the "
            f"two passes; ± s.e. over {self.batches} batches of {self.batch_size} and the choice of p",
            "theory: from the norms alone, all samples enlarged alike below the logits and noise that limits training",
        ]
        heads = ["model", "data", "steps", "share", "p", "J operations", "J seconds", "theory"]
        return Table(heads, rows, "when samples at the logits pay", notes)

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {**super().data(), "versions": versions()}

    def save(self, folder: Path) -> list[Path]:
        """Write field.csv, field.json and field.png.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        texts = {
            "field.csv": csv_text(lines_of(self.runs)),
            "field.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        return write_results(folder, texts, "field.png", self.plot, figsize=(10, 5.0), layout="constrained")

    def plot(self, figure: Any = None) -> Any:
        """Draw the cost to a precision against the share of effective samples on a Matplotlib figure; return it."""
        networks: dict[str, list[dict[str, float]]] = {}
        for run in self.runs:
            networks.setdefault(f"{run.label}, {run.data}", []).extend(asdict(point) for point in run.points)
        forwards: dict[str, list[float]] = {}
        for run in self.runs:
            forwards.setdefault(run.label, []).extend(point.forward for point in run.points)
        shares = np.geomspace(0.01, 1.0, 60)
        medians = {model: statistics.median(of) for model, of in forwards.items()}
        lines = {
            model: (shares.tolist(), [lognormal_samples_ratio(share, forward) for share in shares])
            for model, forward in medians.items()
        }
        return cost_by_share(networks, figure, lines=lines)
