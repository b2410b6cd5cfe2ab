"""A finished comparison: its table, its files and its picture."""

from __future__ import annotations

import csv
import io
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

import minigrad
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.measure import Measurement
from minigrad.experiments.method import Method
from minigrad.experiments.run import Run
from minigrad.report import Table
from minigrad.training.checkpoint import write_atomically

__all__ = ["Comparison"]


@dataclass(frozen=True)
class Comparison:
    """What every method gave over the seeds.

    Attributes
    ----------
    configuration : Configuration
    methods : tuple of Method
    seeds : tuple of int
    runs : tuple of Run
    measurements : dict from label to Measurement
    """

    configuration: Configuration
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]
    measurements: dict[str, Measurement]

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
                    f"{line['variance']:#.2g}".rjust(8),
                ]
            )
        heads = ["method", "accuracy / %", "   loss", "flops", " time", "variance"]
        return Table(heads, rows, title=self.title(), notes=self.notes())

    def title(self) -> str:
        """What was compared, in one line."""
        c = self.configuration
        seeds = f"{len(self.seeds)} seed" + ("" if len(self.seeds) == 1 else "s")
        return f"{c.model} on {c.data}: {c.epochs} epochs, batch {c.batch_size}, lr {c.lr:g}, {seeds}"

    def notes(self) -> list[str]:
        """How the table is to be read."""
        notes = [
            "accuracy on the test data, mean ± sd over seeds; loss: training, last epoch",
            "flops, time: of the backward pass, relative to exact (time: medians)",
            "variance: E|ĝ-g|²/|g|² of the batch gradient after one exact epoch",
        ]
        if any(not method.estimator.unbiased for method in self.methods):
            notes.append("† biased")
        for method in self.methods:
            if method.equal_cost_to:
                notes.append(f"{method.label}: a step costs what one of {method.equal_cost_to} does,")
                notes.append("  forward plus backward flops; all methods take the same number of steps")
        return notes

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON-ready data."""
        return {
            "configuration": self.configuration.to_dict(),
            "methods": [asdict(method) for method in self.methods],
            "seeds": list(self.seeds),
            "versions": {
                "minigrad": minigrad.__version__,
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
            },
            "summary": self.summary(),
            "runs": [run.to_dict() for run in self.runs],
        }

    def save(self, folder: Path) -> list[Path]:
        """Write results.csv (one line for each epoch of each run), results.json and convergence.png."""
        paths = [folder / name for name in ("results.csv", "results.json", "convergence.png")]
        text = self._csv()
        write_atomically(paths[0], lambda stream: stream.write(text.encode()))
        data = json.dumps(self.to_dict(), indent=1)
        write_atomically(paths[1], lambda stream: stream.write(data.encode()))
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 7.4), layout="constrained")
        self.plot(figure)
        write_atomically(paths[2], lambda stream: figure.savefig(stream, dpi=130, format="png"))
        return paths

    def _csv(self) -> str:
        out = io.StringIO()
        names: Sequence[str] | None = None
        writer = csv.writer(out)
        for run in self.runs:
            for epoch in run.history.epochs:
                fields = asdict(epoch)
                if names is None:
                    names = list(fields)
                    writer.writerow(["method", "seed", "diverged", *names])
                writer.writerow([run.label, run.seed, int(run.diverged is not None), *fields.values()])
        return out.getvalue()

    def plot(self, figure: Any) -> Any:
        """Draw loss and accuracy against epochs and against backward flops on a Matplotlib figure; return it."""
        from minigrad.plot import curves

        axes = figure.subplots(2, 2, sharey="row", sharex="col")
        exact = [run for run in self.of(self.methods[0]) if run.diverged is None]
        unit = exact[0].history.epochs[0].backward_flops if exact else 1.0
        for row, (quantity, label) in enumerate([("loss", "training loss (nats)"), ("test_accuracy", "test accuracy")]):
            for column, against in enumerate(["epoch", "backward_flops"]):
                runs = {}
                for method in self.methods:
                    good = [run.history for run in self.of(method) if run.diverged is None]
                    scale = 1.0 if against == "epoch" else unit
                    runs[method.label + ("" if method.estimator.unbiased else " (biased)")] = [
                        (np.array(history[against]) / scale, np.array(history[quantity])) for history in good
                    ]
                curves(
                    runs,
                    axes[row, column],
                    ylabel="" if column else label,
                    log_x=column == 1,
                    log_y=row == 0,
                )
        axes[1, 0].set_xlabel("epochs")
        axes[1, 1].set_xlabel("backward flops (1 = an exact epoch)")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
        seeds = f"mean and one standard deviation over {len(self.seeds)} seeds" if len(self.seeds) > 1 else "one seed"
        figure.suptitle(f"{self.configuration.model} on {self.configuration.data}; {seeds}")
        return figure


def _mean(values: Sequence[Any]) -> float | None:
    return statistics.fmean(values) if values else None


def _sd(values: Sequence[Any]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None
