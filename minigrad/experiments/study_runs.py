"""A study done: the learning rates chosen, the runs made, and the results written."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.measurement import equal_cost_batch
from minigrad.experiments.method import Method, methods_from
from minigrad.experiments.run import Run
from minigrad.experiments.store import Store
from minigrad.experiments.study import Study, has_budget
from minigrad.experiments.study_result import StudyLine, StudyResult

__all__ = ["methods_of", "reproduce"]


def reproduce(
    study: Study,
    out: str | Path,
    *,
    executor: Submits | None = None,
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
    executor : concurrent.futures.Executor, distributed.Client, or what has ``submit``, optional
    shared_filesystem : bool, default True
        As for `run_jobs`.
    progress : bool, optional
        A progress bar; default: in a notebook, and if standard error is a terminal.
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


def methods_of(study: Study) -> dict[tuple[str, float | None], Method]:
    """Every method of a study, by family and budget; smaller batches cost what column sketches do.

    The budget of a method that finds by itself how much it keeps is None.
    """
    methods: dict[tuple[str, float | None], Method] = {("exact", 1.0): Method("exact")}
    data = study.configuration.load()
    for budget in study.budgets:
        for family in filter(has_budget, study.families):
            methods[family, budget] = methods_from((family,), budget)[-1]
        equal = methods_from(("diagonal",), budget)[-1]
        size = equal_cost_batch(study.configuration, equal, data)
        method = Method(f"exact, batch {size}", batch_size=size, equal_cost_to=equal.label)
        methods["exact, smaller batch", budget] = method
    for family in study.families:
        if not has_budget(family):
            methods[family, None] = methods_from((family,), 1.0)[-1]
    return methods


def _tuning(study: Study, lr: float) -> Configuration:
    return dataclasses.replace(study.configuration, lr=lr, epochs=study.tune_epochs, validation=True)


def _held_out(run: Run) -> float:
    """The loss by which a learning rate is chosen."""
    if run.diverged is not None:
        return math.inf
    loss = run.history.last.test_loss
    return math.inf if loss is None or not math.isfinite(loss) else loss


def _line(family: str, budget: float | None, method: Method, lr: float, runs: Sequence[Run], exact: Run) -> StudyLine:
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
