"""The paper's question, for one architecture: how accuracy depends on the budget, method by method."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigrad.counts import MOST_EPOCHS, MOST_SEEDS, count
from minigrad.estimators import parse
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.measurement import equal_cost_batch
from minigrad.experiments.method import Method, methods_from
from minigrad.experiments.run import Run
from minigrad.experiments.store import Store
from minigrad.experiments.study_result import StudyLine, StudyResult

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
    """The runs that make up a study.

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
        count("seeds", self.seeds, MOST_SEEDS, "seeds")
        count("tune_epochs", self.tune_epochs, MOST_EPOCHS, "epochs")


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
        Configuration("mlp", "fashion_mnist", epochs=6, batch_size=128, train=12_000, standardise=True),
        lrs=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
    ),
    "bagnet": Study(
        Configuration(
            "bagnet", "cifar10", epochs=5, batch_size=64, train=5_000, test=2_000, standardise=True, augment=True
        ),
        lrs=(0.01, 0.03, 0.1),
        tune_epochs=1,
    ),
    "vit": Study(
        Configuration(
            "vit", "cifar10", epochs=5, batch_size=64, optimizer="adam", train=5_000, test=2_000, standardise=True,
            augment=True,
        ),
        lrs=(0.0003, 0.001, 0.003),
        tune_epochs=1,
    ),
}  # fmt: skip
"""The studies that ``minigrad reproduce`` knows by name: the three architectures of the paper, as `Study` objects.

Parts of the data and few epochs, for a processor: a quarter of an hour for the perceptron, some hours for the others.
"""


def reproduce(
    study: Study,
    out: str | Path,
    *,
    executor: Executor | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
    log: Callable[[str], object] | None = None,
) -> StudyResult:
    """Choose learning rates, train with every method at every budget, and write results and a figure.

    Finished runs are kept in ``out`` and are not done again when the same study is started anew.

    Parameters
    ----------
    study : Study
    out : path-like
        The folder of the results.
    executor : concurrent.futures.Executor, optional
    shared_filesystem : bool, default True
        As for `run_jobs`.
    progress : bool, optional
        A progress bar; default: if standard error is a terminal.
    log : callable, optional
        Called with a line of text that says how much there is to do, before it is begun.

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
            "a tenth is held out to choose learning rates by; give at most so many"
        )
    methods = methods_of(study)
    store = Store(out)
    tuning = {
        (key, lr): Job(_tuning(study, lr), method, seed=1000) for key, method in methods.items() for lr in study.lrs
    }
    if log is not None:
        log(
            f"{len(methods)} methods: {len(tuning)} runs to choose learning rates (epochs: {study.tune_epochs}), then "
            f"{study.seeds * len(methods)} (epochs: {study.configuration.epochs}). Finished runs are kept in "
            f"{store.folder}"
        )
    options: dict[str, Any] = {"executor": executor, "shared_filesystem": shared_filesystem, "progress": progress}
    tuned = run_jobs(list(tuning.values()), store, label="learning rates", **options)
    # Where all of them diverge, the smallest.
    rates = {key: min(study.lrs, key=lambda lr: (_held_out(tuned[tuning[key, lr].key]), lr)) for key in methods}
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


def _line(family: str, budget: float, method: Method, lr: float, runs: Sequence[Run], exact: Run) -> StudyLine:
    good = {run.seed: run.history.last for run in runs if run.diverged is None}
    last = list(good.values())
    spent = [(e.forward_flops / e.step, e.backward_flops / e.step) for e in last]
    reference = exact.history.last
    # By step, since the exact run may have ended early.
    forward, backward = reference.forward_flops / reference.step, reference.backward_flops / reference.step
    return StudyLine(
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
