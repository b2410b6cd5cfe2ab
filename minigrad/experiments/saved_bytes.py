"""Sketches of what networks save, measured: bytes of the tape, noise, seconds and accuracy, beside micro-batches."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits
from minigrad.experiments.jobs import run_jobs
from minigrad.experiments.network_run import check_networks
from minigrad.experiments.saved_bytes_job import SAVED, SavedBytesJob, saved_as
from minigrad.experiments.saved_bytes_result import SavedBytesResult, SavedBytesRun
from minigrad.experiments.store import Store

__all__ = ["measure_saved_bytes"]


def measure_saved_bytes(
    configurations: dict[str, Configuration],
    out: str | Path,
    *,
    saved: tuple[str, ...] = SAVED,
    steps: int = 300,
    batches: int = 20,
    seeds: int = 2,
    executor: Submits | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
) -> SavedBytesResult:
    """Measure what it costs, and what it spares, to save a sketch of what the way back needs.

    A network is trained exactly for some steps. Then, for each estimator, the bytes of activations on the tape of a
    step, the variance V that it adds to the gradient over that of the minibatch, σ², and the processor time of a step,
    over the exact ones; and the accuracy of another network that was trained with it from the start. Beside them stand
    exact micro-batches, an eighth of the batch at a time: the rival that has no noise.

    Parameters
    ----------
    configurations : mapping from str to Configuration
        By a name that is of no account for the results.
    out : path-like
        The folder of the results; finished networks are kept there and are not done again.
    saved : tuple of str
        Estimators as text, for all layers that can save a sketch (``nn.Saving``); ``weights: mask(0.1, axis=row)`` is
        for the inputs of weights alone.
    steps : int, default 300
    batches : int, default 20
        At least 2.
    seeds : int, default 2
    executor, shared_filesystem, progress
        As for `minigrad.experiments.jobs.run_jobs`.

    Returns
    -------
    SavedBytesResult

    Raises
    ------
    ValueError
        If a text is not understood or a number out of range.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.saved_bytes import measure_saved_bytes
    >>> small = {"mlp": Configuration("mlp", "digits", train=300, lr=0.05)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = measure_saved_bytes(
    ...         small, folder, saved=("rounding(4)",), steps=20, batches=3, seeds=1, progress=False)
    >>> [point.what for point in result.runs[0].points]
    ['exact', 'rounding(4)', 'exact, micro-batches of an eighth']
    >>> exact, four, parts = result.runs[0].points
    >>> four.size < 0.3, 0 < four.noise < 0.1
    (True, True)
    """
    check_networks("memory", configurations.values(), (steps,), batches, seeds)
    for text in saved:
        saved_as(text)
    store = Store(out, SavedBytesRun)
    jobs = [
        SavedBytesJob(configuration, seed, steps, tuple(dict.fromkeys(saved)), batches)
        for configuration in configurations.values()
        for seed in range(seeds)
    ]
    done = run_jobs(
        jobs, store, executor=executor, shared_filesystem=shared_filesystem, progress=progress, label="networks"
    )
    settings: tuple[dict[str, Any], ...] = tuple(asdict(configuration) for configuration in configurations.values())
    result = SavedBytesResult(tuple(done[job.key] for job in jobs), settings, steps, batches)
    result.save(store.folder)
    return result
