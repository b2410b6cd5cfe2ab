"""The comparison of methods: train each with several seeds, measure, and write it all down."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from minigrad.counts import MOST_SEEDS, count
from minigrad.datasets import Dataset
from minigrad.experiments.comparison import Comparison
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.measurement import equal_cost_batch, measure
from minigrad.experiments.method import DEFAULT_VJPS, Method, methods_from
from minigrad.experiments.store import Store

__all__ = ["compare"]


def compare(
    configuration: Configuration | None = None,
    vjps: Sequence[str] = DEFAULT_VJPS,
    *,
    budget: float = 0.1,
    seeds: int = 3,
    out: str | Path = "runs/compare",
    adaptive: Sequence[float] = (),
    executor: Submits | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
    log: Callable[[str], object] | None = None,
) -> Comparison:
    """Train a model with exact and with randomised VJPs, and with exact ones on a smaller batch of equal cost.

    Finished runs are kept in ``out`` and are not trained again when the same comparison is started anew; a run that was
    under way goes on from its last checkpoint. Runs of other configurations, or by another version of minigrad, may
    lie in the same folder: they are told apart by a key. results.csv, results.json and convergence.png are those of
    the last comparison.

    Parameters
    ----------
    configuration : Configuration, optional
        Default: ``nn.mlp`` on the digits.
    vjps : sequence of str
        Estimators, as text that `minigrad.estimators.parse` takes.
    budget : float, default 0.1
        For the texts that give none.
    seeds : int, default 3
        Seeds 0, 1, … for initialisation, order of the data and draws.
    out : path-like
        The folder of the results: results.csv, results.json, convergence.png, and one file for each run.
    adaptive : sequence of float
        Also diagonal sketches whose budgets follow the noise, at these fractions of the minibatch variance.
    executor : concurrent.futures.Executor, distributed.Client, or what has ``submit``, optional
    shared_filesystem : bool, default True
        As for `run_jobs`.
    progress : bool, optional
        A progress bar; default: in a notebook, and if standard error is a terminal.
    log : callable, optional
        Called with a line of text when there is something to tell, such as how many runs were found finished.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If a text, a name or a number is not understood, or out of range; if a batch is larger than the data.
    TypeError
        If ``seeds`` is not a whole number.
    OSError
        If the folder cannot be written to.
    DataError
        If the data cannot be loaded.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration, compare
    >>> small = Configuration("mlp", "digits", epochs=1, train=200, test=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = compare(small, ["diagonal(0.25)"], seeds=1, out=folder, progress=False)
    >>> [method.label for method in found.methods]
    ['exact', 'DiagonalSketch(0.25)', 'exact, batch 33']
    """
    seeds = count("seeds", seeds, MOST_SEEDS, "seeds")
    configuration = configuration or Configuration()
    methods = methods_from(tuple(vjps), budget, tuple(adaptive))
    configuration.check_batch()
    data = configuration.load()
    store = Store(out)
    methods = with_baseline(configuration, methods, data)
    jobs = [Job(configuration, method, seed) for seed in range(seeds) for method in methods]
    found = {job.key for job in jobs if store.get(job.key) is not None}
    if found and log is not None:
        log(f"{len(found)} of {len(jobs)} runs were finished before and are kept")
    by_key = run_jobs(jobs, store, executor=executor, shared_filesystem=shared_filesystem, progress=progress)
    runs = [dataclasses.replace(by_key[job.key], label=job.method.label) for job in jobs]
    measurements, advice = measure(configuration, methods, data)
    comparison = Comparison(configuration, methods, tuple(range(seeds)), tuple(runs), measurements, advice)
    comparison.save(store.folder)
    return comparison


def with_baseline(configuration: Configuration, methods: tuple[Method, ...], data: Dataset) -> tuple[Method, ...]:
    """Add exact VJPs on a smaller batch, whose step costs what a step of the diagonal sketch does.

    Without a diagonal sketch among the methods, the first randomised one is taken. Where that is dearer than exact
    VJPs, the batch is larger.
    """
    sketched = [method for method in methods if not method.exact]
    if not sketched:
        return methods
    equal = next((m for m in sketched if m.vjp.startswith("DiagonalSketch")), sketched[0])
    size = equal_cost_batch(configuration, equal, data)
    return (*methods, Method(f"exact, batch {size}", batch_size=size, equal_cost_to=equal.label))
