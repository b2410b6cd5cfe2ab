"""The paper's question, for one architecture: how accuracy depends on the budget, method by method."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import statistics
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minigrad.estimators import parse
from minigrad.experiments.comparison import versions
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.measure import equal_cost_batch
from minigrad.experiments.method import Method, methods_from
from minigrad.experiments.run import Run
from minigrad.experiments.store import Store
from minigrad.report import Table
from minigrad.training.checkpoint import write_atomically

__all__ = ["PRESETS", "Study", "StudyResult", "reproduce"]

FAMILIES = (
    "mask(axis=element)",
    "mask",
    "mask(axis=sample)",
    "diagonal",
    "diagonal(target=input)",
    "diagonal(target=both)",
    "lowrank",
    "topk",
    "last: diagonal(axis=sample)",
)


@dataclass(frozen=True)
class Study:
    """Which runs make up a study.

    Parameters
    ----------
    configuration : Configuration
        What all runs share but for the learning rate.
    lrs : tuple of float
        The same small grid for every method; each method takes, at each budget, the one with the lowest loss on held
        out training data.
    budgets : tuple of float
        Below 1; exact VJPs are always there.
    families : tuple of str
        Estimators without a budget, as `minigrad.estimators.parse` takes them; ``last:`` in front for the last layer
        alone.
    seeds : int
    tune_epochs : int
        Epochs of the runs that choose learning rates.

    Raises
    ------
    ValueError
        If there is nothing to choose from, or a number is out of range.

    Examples
    --------
    >>> from minigrad.experiments import Configuration, Study
    >>> study = Study(Configuration("mlp", "digits", epochs=5), lrs=(0.01, 0.1), budgets=(0.1, 0.5), seeds=2)
    >>> len(study.families)
    9
    """

    configuration: Configuration
    lrs: tuple[float, ...]
    budgets: tuple[float, ...] = (0.5, 0.2, 0.1, 0.05, 0.02)
    families: tuple[str, ...] = FAMILIES
    seeds: int = 3
    tune_epochs: int = 2

    def __post_init__(self) -> None:
        for name in ("lrs", "budgets", "families"):
            if not getattr(self, name):
                raise ValueError(f"a study needs at least one of its {name}")
        for lr in self.lrs:
            dataclasses.replace(self.configuration, lr=lr)  # refuses what is not a learning rate
        for budget in self.budgets:
            if not 0 < budget < 1:
                raise ValueError(f"budget={budget} must lie in (0, 1), ends excluded; exact VJPs are always there")
        seen: dict[str, str] = {}
        for family in self.families:
            method = _family(family)
            if method in seen:
                raise ValueError(f"{family!r} and {seen[method]!r} are the same method; name it once")
            seen[method] = family
        for name in ("seeds", "tune_epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


def _family(text: str) -> str:
    """One spelling of an estimator without a budget, and of where it stands; raise if it has a budget of its own."""
    last, _, rest = text.rpartition(":")
    try:
        own = parse(rest)
    except ValueError:
        return f"{last.strip()}: {parse(rest, budget=0.5)!r}"  # raises if it is not understood
    if own.budget == 1:
        raise ValueError(f"{text!r} is exact, and exact VJPs are always part of a study; leave it out")
    raise ValueError(
        f"{text!r} has a budget of its own, but a study gives each method each of its budgets; leave it out of the "
        "text, and choose budgets with budgets= (--budgets)"
    )


PRESETS = {
    "mlp": Study(
        Configuration("mlp", "fashion_mnist", epochs=10, batch_size=128, standardise=True), lrs=(0.003, 0.01, 0.03, 0.1)
    ),
    "bagnet": Study(
        Configuration("bagnet", "cifar10", epochs=10, batch_size=64, standardise=True, augment=True),
        lrs=(0.01, 0.03, 0.1),
    ),
    "vit": Study(
        Configuration("vit", "cifar10", epochs=10, batch_size=64, standardise=True, augment=True, optimizer="adam"),
        lrs=(0.0003, 0.001, 0.003),
    ),
}
"""The studies that ``minigrad reproduce`` knows by name: the three architectures of the paper, as `Study` objects."""


@dataclass(frozen=True)
class Line:
    """One method at one budget.

    Attributes
    ----------
    family : str
        The method without its budget.
    budget : float
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
    budget: float
    method: Method
    lr: float
    seeds: tuple[int, ...]
    accuracy: tuple[float, ...]
    loss: tuple[float, ...]
    diverged: int
    backward: float
    total: float


@dataclass(frozen=True)
class StudyResult:
    """What a study found.

    Attributes
    ----------
    study : Study
    lines : tuple of Line

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
    lines: tuple[Line, ...]

    def table(self) -> Table:
        """The report as a table."""
        rows = [
            [line.family, line.budget, line.lr, _spread(line.accuracy, 100), _spread(line.loss, 1),
             line.diverged or None, f"{line.backward:.2f}", f"{line.total:.2f}"]
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
        heads = ["method", "p", "lr", "accuracy/%", "loss", "div.", "bwd", "all"]
        return Table(heads, rows, title, notes)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        lines = [{**asdict(line), "method": asdict(line.method)} for line in self.lines]
        return {
            "study": asdict(self.study),
            "versions": versions(),
            "data": self.study.configuration.fingerprint,
            "lines": lines,
        }

    def save(self, folder: Path) -> list[Path]:
        """Write study.csv (one row for each run, without results where it diverged), study.json and study.png."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["method", "budget", "lr", "seed", "accuracy", "loss", "diverged", "backward", "total"])
        for line in self.lines:
            found = {seed: pair for seed, *pair in zip(line.seeds, line.accuracy, line.loss, strict=True)}
            for seed in range(self.study.seeds):
                head, results = [line.family, line.budget, line.lr, seed], found.get(seed, ["", ""])
                writer.writerow([*head, *results, int(seed not in found), line.backward, line.total])
        text, data = out.getvalue(), json.dumps(self.to_dict(), indent=1)
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 4.8), layout="constrained")
        self.plot(figure)
        paths = [folder / name for name in ("study.csv", "study.json", "study.png")]
        write_atomically(paths[0], lambda stream: stream.write(text.encode()))
        write_atomically(paths[1], lambda stream: stream.write(data.encode()))
        write_atomically(paths[2], lambda stream: figure.savefig(stream, dpi=130, format="png"))
        return paths

    def plot(self, figure: Any) -> Any:
        """Draw accuracy against budget and against backward operations on a Matplotlib figure; return it."""
        from minigrad.plot.budgets import accuracy_by_budget

        return accuracy_by_budget(self, figure)


def reproduce(
    study: Study,
    out: str | Path,
    *,
    executor: Executor | None = None,
    local: bool = True,
    progress: bool | None = None,
) -> StudyResult:
    """Choose learning rates, train with every method at every budget, and write results and a figure.

    Finished runs are kept in ``out`` and are not done again when the same study is started anew.

    Parameters
    ----------
    study : Study
    out : path-like
        The folder of the results.
    executor : concurrent.futures.Executor, optional
    local : bool, default True
        As for `run_jobs`.
    progress : bool, optional
        A progress bar; default: if standard error is a terminal.

    Returns
    -------
    StudyResult

    Raises
    ------
    ValueError
        If a text is not understood, or a batch is larger than the data; if no exact run finished an epoch.
    OSError
        If the folder cannot be written to.
    DataError
        If the data cannot be loaded.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration, Study, reproduce
    >>> small = Configuration("mlp", "digits", epochs=1, train=200, test=100)
    >>> study = Study(small, lrs=(0.1,), budgets=(0.25,), families=("diagonal",), seeds=1, tune_epochs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = reproduce(study, folder, progress=False)
    >>> found.study is study
    True
    """
    smallest = len(_tuning(study, study.lrs[0]).load().x_train)
    if study.configuration.batch_size > smallest:
        raise ValueError(
            f"batch_size={study.configuration.batch_size} is larger than the data: {smallest} training samples, when "
            "a tenth is held out to choose learning rates by"
        )
    methods = methods_of(study)
    store = Store(out)
    tuning = {
        (key, lr): Job(_tuning(study, lr), method, seed=1000) for key, method in methods.items() for lr in study.lrs
    }
    options: dict[str, Any] = {"executor": executor, "local": local, "progress": progress}
    tuned = run_jobs(list(tuning.values()), store, label="learning rates", **options)
    rates = {key: min(study.lrs, key=lambda lr: _held_out(tuned[tuning[key, lr].key])) for key in methods}
    jobs = {
        (key, seed): Job(dataclasses.replace(study.configuration, lr=rates[key]), method, seed)
        for key, method in methods.items()
        for seed in range(study.seeds)
    }
    done = run_jobs(list(jobs.values()), store, label="runs", **options)
    exact = next((run for seed in range(study.seeds) if (run := done[jobs[("exact", 1.0), seed].key]).history), None)
    if exact is None:
        raise ValueError("every exact run diverged in its first epoch: the learning rates are too large")
    lines = []
    for (family, budget), method in methods.items():
        runs = [done[jobs[(family, budget), seed].key] for seed in range(study.seeds)]
        lines.append(_line(family, budget, method, rates[family, budget], runs, exact))
    result = StudyResult(study, tuple(lines))
    result.save(store.folder)
    return result


def methods_of(study: Study) -> dict[tuple[str, float], Method]:
    """Every method of a study, by family and budget; smaller batches cost what column sketches do."""
    methods: dict[tuple[str, float], Method] = {("exact", 1.0): Method("exact")}
    data = study.configuration.load()
    for budget in study.budgets:
        for family in study.families:
            methods[family, budget] = methods_from((family,), budget)[-1]
        equal = methods_from(("diagonal",), budget)[-1]
        size = equal_cost_batch(study.configuration, equal, data)
        method = Method(f"exact, batch {size}", batch_size=size, equal_cost_to=equal.label)
        methods["exact, smaller batch", budget] = method
    return methods


def _tuning(study: Study, lr: float) -> Configuration:
    return dataclasses.replace(study.configuration, lr=lr, epochs=study.tune_epochs, validation=True)


def _held_out(run: Run) -> float:
    """The loss by which a learning rate is chosen."""
    if run.diverged is not None:
        return math.inf
    loss = run.history.last.test_loss
    return math.inf if loss is None or not math.isfinite(loss) else loss


def _line(family: str, budget: float, method: Method, lr: float, runs: Sequence[Run], exact: Run) -> Line:
    good = {run.seed: run.history.last for run in runs if run.diverged is None}
    last = list(good.values())
    spent = [(e.forward_flops / e.step, e.backward_flops / e.step) for e in last]
    reference = exact.history.last
    # By step, since the exact run may have ended early.
    forward, backward = reference.forward_flops / reference.step, reference.backward_flops / reference.step
    return Line(
        family=family,
        budget=budget,
        method=method,
        lr=lr,
        seeds=tuple(good),
        accuracy=tuple(e.test_accuracy or 0.0 for e in last),
        loss=tuple(e.loss for e in last),
        diverged=len(runs) - len(good),
        backward=statistics.fmean(b / backward for _, b in spent) if good else 0.0,
        total=statistics.fmean((f + b) / (forward + backward) for f, b in spent) if good else 0.0,
    )


def _spread(values: Sequence[float], scale: float) -> str:
    if not values:
        return "diverged"
    form = ".1f" if scale == 100 else ".2g"
    text = format(scale * statistics.fmean(values), form)
    return text + (f" ± {format(scale * statistics.stdev(values), form)}" if len(values) > 1 else "")
