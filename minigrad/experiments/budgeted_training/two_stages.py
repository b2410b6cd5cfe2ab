"""The two stages of a benchmark: one seed over the whole grid, then the best two of each method with the others."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minigrad.experiments.budgeted_training.benchmark import STEP_BATCH, Benchmark
from minigrad.experiments.budgeted_training.benchmark_result import BenchmarkResult
from minigrad.experiments.budgeted_training.budgeted_run import BudgetedJob, BudgetedRun, held_out
from minigrad.experiments.budgeted_training.spending import unit_cost
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits
from minigrad.experiments.jobs import run_jobs
from minigrad.experiments.store import Store
from minigrad.files import write_atomically
from minigrad.threads import one_thread

__all__ = ["budgeted"]

GRID_SEED = 1000
"""Of the runs by which is chosen; those that count have seeds 0, 1, …"""

FINALISTS = 2
"""Configurations of each method that the second stage takes up."""


def budgeted(
    benchmark: Benchmark,
    out: str | Path,
    *,
    executor: Submits | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
    log: Callable[[str], object] | None = None,
) -> BenchmarkResult:
    """Run a benchmark of budgeted training, and write its results.

    In the first stage each method runs at each of its budgets over the whole grid of batch sizes and learning rates
    with one seed, and is scored on held-out training images. In the second the best two run with ``benchmark.seeds``
    other seeds, and are scored on training and test images as well; the better of them on the held-out images, by the
    mean over these seeds, stands for the method. Nothing is chosen on test images.

    Finished runs are kept in ``out`` and are not done again; runs that were killed go on.

    Parameters
    ----------
    benchmark : Benchmark
    out : path-like
        The folder of the results.
    executor : concurrent.futures.Executor, distributed.Client, or what has ``submit``, optional
    shared_filesystem : bool, default True
        As for `minigrad.experiments.jobs.run_jobs`.
    progress : bool, optional
        A progress bar; default: in a notebook, and if standard error is a terminal.
    log : callable, optional
        Called with lines of text that say how much there is to do.

    Returns
    -------
    BenchmarkResult

    Raises
    ------
    ValueError
        If a batch is larger than the data, or every exact run diverged.
    OSError
        If the folder cannot be written to.
    DataError
        If the data cannot be loaded.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.budgeted_training import Benchmark, budgeted
    >>> small = Configuration("mlp", "digits", train=200, test=100)
    >>> benchmark = Benchmark(small, 4, (16,), (0.01, 0.1), (1.0, 2.0), methods=("mask(0.5)",), seeds=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = budgeted(benchmark, folder, progress=False)
    >>> len(result.runs)
    12
    """
    data = benchmark.configuration.load()
    largest, training = max(benchmark.batch_sizes), held_out(data)
    if largest > training:
        raise ValueError(
            f"batch_size={largest} is larger than the data: {training} training images without those held out"
        )
    store = Store(out, BudgetedRun)
    unit = _unit(benchmark, store.folder)
    options: dict[str, Any] = {"executor": executor, "shared_filesystem": shared_filesystem, "progress": progress}
    contests = [(method, level) for method in benchmark.rivals for level in benchmark.levels(method)]

    def job(contest: tuple[Any, float], configuration: Configuration, seed: int, scored: bool) -> BudgetedJob:
        method, level = contest
        budget = level * benchmark.steps * unit
        return BudgetedJob(configuration, method, seed, benchmark.unit, level, budget, scored)

    grid = benchmark.grid()
    first = {contest: [job(contest, each, GRID_SEED, False) for each in grid] for contest in contests}
    if log is not None:
        finals = len(contests) * min(FINALISTS, len(grid)) * benchmark.seeds
        log(
            f"{len(benchmark.rivals)} methods, {len(contests)} budgets in all: {len(contests) * len(grid)} runs over "
            f"the grid, then {finals}. Finished runs are kept in {store.folder}"
        )
    tried = run_jobs(_longest_first(first), store, label="grid", **options)
    second = {
        contest: [
            job(contest, one.configuration, seed, True)
            for one in sorted(jobs, key=lambda each: _held_out_loss(tried[each.key]))[:FINALISTS]
            for seed in range(benchmark.seeds)
        ]
        for contest, jobs in first.items()
    }
    finals_done = run_jobs(_longest_first(second), store, label="finals", **options)
    keys = [each.key for jobs in first.values() for each in jobs]
    final_keys = [each.key for jobs in second.values() for each in jobs]
    result = BenchmarkResult(
        benchmark, unit, tuple(tried[key] for key in keys), tuple(finals_done[key] for key in final_keys)
    )
    result.save(store.folder)
    return result


def _longest_first(jobs: dict[Any, list[BudgetedJob]]) -> list[BudgetedJob]:
    """The jobs such that none that takes long is left for the end: large budgets, and small batches."""
    every = [job for each in jobs.values() for job in each]
    return sorted(every, key=lambda job: (-job.level, job.configuration.batch_size))


def _held_out_loss(run: BudgetedRun) -> float:
    return math.inf if run.held_loss is None else run.held_loss


@one_thread()
def _unit(benchmark: Benchmark, folder: Path) -> float:
    """The cost of an exact step of a batch of 64; seconds are kept, so that a benchmark goes on with its budgets."""
    if benchmark.unit == "operations":
        return unit_cost(benchmark.configuration, benchmark.configuration.load(), benchmark.unit)
    path = folder / "seconds.json"
    what = {"configuration": benchmark.configuration.to_dict(), "batch_size": STEP_BATCH}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if {name: kept[name] for name in what} == what:
            return float(kept["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    seconds = unit_cost(benchmark.configuration, benchmark.configuration.load(), benchmark.unit)
    text = json.dumps({**what, "seconds": seconds}, indent=1)
    write_atomically(path, lambda stream: stream.write(text.encode()))
    return seconds
