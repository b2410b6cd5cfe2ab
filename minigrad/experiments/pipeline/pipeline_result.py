"""The results of pipelines: a table, files, and a picture of bytes against variance."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from minigrad.experiments.comparison import versions
from minigrad.experiments.outputs import csv_text, write_results
from minigrad.experiments.pipeline.pipeline_run import PipelineRun
from minigrad.plot.wire_curve import variance_by_bytes
from minigrad.report import Report, Table, si

__all__ = ["PipelineResult"]


@dataclass(frozen=True, repr=False)
class PipelineResult(Report):
    """Pipelines with different estimators on their wires.

    Attributes
    ----------
    runs : tuple of PipelineRun
        Those that send exact cotangents are first.
    configuration : dict
        The settings that they share.
    draws : int
        Of each variance.

    Examples
    --------
    >>> from minigrad.experiments.pipeline.pipeline_run import PipelineRun
    >>> shared = dict(seed=0, cuts=(2,), steps=9, forward_bytes=4000.0, headers=84.0, seconds=0.001, cpu=0.0012,
    ...     coding=0.0001, train_loss=0.5, test_loss=0.6, accuracy=0.8, restarts=0, digest="0f", variance_error=0.0)
    >>> runs = (PipelineRun("a", "exact", backward_bytes=4000.0, variance=0.0, **shared),
    ...     PipelineRun("b", "rounding(4)", backward_bytes=600.0, variance=1e-4, **shared))
    >>> print(PipelineResult(runs, {"model": "mlp", "data": "digits", "batch_size": 8}, 40))
    mlp on digits, batches of 8, stages that begin at modules 0, 2; 9 steps
    wire         forward  back   of exact  variance  ms  CPU  coding  loss  test %
    exact        4 kB     4 kB   1         0          1  1.2     0.1   0.5  80.00
    rounding(4)  4 kB     600 B  0.15      0.0001     1  1.2     0.1   0.5  80.00
    ...
    """

    runs: tuple[PipelineRun, ...]
    configuration: dict[str, Any]
    draws: int

    def wires(self) -> dict[str, list[PipelineRun]]:
        """The runs of each estimator."""
        found: dict[str, list[PipelineRun]] = {}
        for run in self.runs:
            found.setdefault(run.label, []).append(run)
        return found

    def summary(self) -> dict[str, dict[str, float | None]]:
        """For each estimator the means over seeds of what was measured, and ``exact``: bytes back over exact ones."""
        names = ("forward_bytes", "backward_bytes", "headers", "seconds", "cpu", "coding", "variance", "train_loss",
                 "test_loss", "accuracy")  # fmt: skip
        whole = _mean([run.backward_bytes for run in next(iter(self.wires().values()))])
        found: dict[str, dict[str, float | None]] = {}
        for wire, runs in self.wires().items():
            means = {name: _mean([getattr(run, name) for run in runs]) for name in names}
            back = means["backward_bytes"]
            means["exact"] = back / whole if back is not None and whole else None
            means["variance_error"] = variance_error(runs)
            found[wire] = means
        return found

    def table(self) -> Table:
        """Means over seeds."""
        rows = []
        for wire, m in self.summary().items():
            of_exact = m["exact"]
            rows.append(
                [wire, si(m["forward_bytes"] or 0.0, "B"), si(m["backward_bytes"] or 0.0, "B"),
                 "–" if of_exact is None else f"{of_exact:.3g}", _with_error(m["variance"], m["variance_error"]),
                 *[1e3 * (m[name] or math.nan) for name in ("seconds", "cpu", "coding")], m["train_loss"] or math.nan,
                 "–" if m["accuracy"] is None else f"{100 * m['accuracy']:.2f}"]
            )  # fmt: skip
        first = self.runs[0]
        c = self.configuration
        modules = ", ".join(map(str, (0, *first.cuts)))
        title = (
            f"{c['model']} on {c['data']}, batches of {c['batch_size']}, stages that begin at modules {modules}; "
            f"{first.steps} steps"
        )
        heads = ["wire", "forward", "back", "of exact", "variance", "ms", "CPU", "coding", "loss", "test %"]
        table = Table(heads, rows, title=title)
        seeds = len({run.seed for run in self.runs})
        table.notes += [
            f"mean over {seeds} seed{'' if seeds == 1 else 's'}; bytes of a step, forward activations and back "
            "cotangents, over all cuts, with their headers",
            f"variance: E‖ĝ − g‖²/‖g‖² of the parameters before the last cut, ± its s.e. over {self.draws} draws, on "
            "one batch, of the network that exact training has made by then",
            "ms of a step, one batch at a time; CPU: those of the processors, of all stages; coding: those of them in "
            "which stages sketched, made and read frames",
            "loss: on training batches, the last tenth of all steps",
        ]
        if any(run.diverged for run in self.runs):
            table.notes.append("–: the loss was not finite")
        if any(run.restarts for run in self.runs):
            table.notes.append(f"stages were started again {sum(run.restarts for run in self.runs)} times")
        return table

    def data(self) -> dict[str, Any]:
        """Everything, with the versions of all that it depends on."""
        return {**super().data(), "versions": versions()}

    def save(self, folder: Path) -> list[Path]:
        """Write pipeline.csv (one line for each run), table.csv, pipeline.json and pipeline.png.

        Returns
        -------
        list of Path
            The files; without the picture, and with a warning, where it could not be drawn.
        """
        runs: list[list[Any]] = [[each.name for each in fields(PipelineRun)]]
        for run in self.runs:
            runs.append([_plain(value) for value in asdict(run).values()])
        shown = self.table()
        texts = {
            "pipeline.csv": csv_text(runs),
            "table.csv": csv_text([shown.columns, *[[_plain(cell) for cell in row] for row in shown.rows]]),
            "pipeline.json": json.dumps(self.to_dict(), indent=1, allow_nan=False),
        }
        return write_results(
            folder,
            texts,
            "pipeline.png",
            lambda figure: self.plot(figure.subplots()),
            figsize=(7.2, 5.2),
            layout="constrained",
        )

    def plot(self, ax: Any = None, /) -> Any:
        """Draw variance against bytes on a Matplotlib Axes, and return it."""
        found = self.summary()
        exact, *others = found
        points = {wire: (found[wire]["backward_bytes"], found[wire]["variance"], found[wire]["variance_error"])
                  for wire in others if found[wire]["backward_bytes"]}  # fmt: skip
        return variance_by_bytes(points, found[exact]["backward_bytes"] or 1.0, ax)  # type: ignore[arg-type]


def variance_error(runs: Sequence[PipelineRun]) -> float:
    """The standard error of the mean variance: the larger of that over draws and of that over seeds."""
    n = len(runs)
    within = math.sqrt(sum(run.variance_error**2 for run in runs)) / n
    between = statistics.stdev(run.variance for run in runs) / math.sqrt(n) if n > 1 else 0.0
    return max(within, between)


def _mean(values: Sequence[float | None]) -> float | None:
    return None if any(value is None for value in values) else statistics.fmean(v for v in values if v is not None)


def _with_error(value: float | None, error: float | None) -> str:
    if not value:
        return "0"
    return f"{value:.2g} ±{100 * error / value:.0f}%" if error else f"{value:.2g}"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else value
