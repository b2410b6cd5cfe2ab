"""Many training runs, one after another or on any executor; each is kept as soon as it is finished."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits, with_futures
from minigrad.experiments.interrupts import held
from minigrad.experiments.method import Method
from minigrad.experiments.run import Run, train
from minigrad.experiments.store import KeptRun, Store
from minigrad.extensions import import_extension, imported
from minigrad.terminal import lenient_warnings, progress_bar

__all__ = ["Job", "Task", "run_jobs"]

Made = TypeVar("Made", covariant=True)

RARELY = 2.0
"""Seconds between two looks at futures that cannot call, where nothing has happened for long."""


class Task(Protocol[Made]):
    """Something that is done in whatever process, and whose result is kept under a key; as `Job`."""

    @property
    def key(self) -> str:
        """The name under which its result is kept."""

    def __call__(self, checkpoint: Path | None = None) -> Made:
        """Do it; it may leave off and go on at the checkpoint."""


@dataclass(frozen=True)
class Job:
    """One run that is to be done.

    Parameters
    ----------
    configuration : Configuration
    method : Method
    seed : int
    extensions : tuple of str
        Modules and files that register the names which the job uses, and are imported where it is done. Default: all
        that were imported here as ``--import`` does.

    Examples
    --------
    >>> Job(Configuration(train=64, test=20, epochs=1, batch_size=32), Method("mask", "Mask(0.5)"), seed=3)().seed
    3
    """

    configuration: Configuration
    method: Method
    seed: int
    extensions: tuple[str, ...] = field(default_factory=imported)

    @property
    def key(self) -> str:
        """The name under which its run is kept."""
        return self.configuration.key(self.method, self.seed)

    def __call__(self, checkpoint: Path | None = None) -> Run:
        """Train, in whatever process this is."""
        for name in self.extensions:
            import_extension(name)
        return train(self.configuration, self.method, self.seed, None, checkpoint)


def run_jobs(
    jobs: Sequence[Task[KeptRun]],
    store: Store[KeptRun],
    *,
    executor: Submits | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
    label: str = "",
) -> dict[str, KeptRun]:
    """Do the jobs whose runs are not in the store, and return the runs of all.

    Parameters
    ----------
    jobs : sequence of Job, or of any `Task`
        Those that compute the same are done once.
    store : Store
        Only this process writes finished runs to it, each the moment it arrives.
    executor : concurrent.futures.Executor, distributed.Client, or what has ``submit``, optional
        Where the jobs are done: processes (`process_executor`), a Dask cluster (`dask_executor`, or a client), or
        anything whose ``submit(function, *arguments)`` returns a future: an object with ``done()``, ``result()`` and
        ``exception()``. Default: here, one after another.
    shared_filesystem : bool, default True
        Whether the executor's workers see the store's folder, so that runs under way can be checkpointed there.
    progress : bool, optional
        A progress bar with the time left; default: in a notebook, and if standard error is a terminal.
    label : str
        Words in front of the bar.

    Returns
    -------
    dict of str to Run
        By `Job.key`; of whatever the store keeps.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        If the executor died or gave the jobs up; what was finished before is in the store, and a second call goes on
        from there. What a job raises is raised as it is, and no other job is begun.
    ValueError
        If a worker computed another run than it was asked for, since its data or its minigrad are not those of this
        process.

    Examples
    --------
    >>> import tempfile
    >>> small = Configuration(train=64, test=20, epochs=1, batch_size=32)
    >>> jobs = [Job(small, Method("exact"), seed) for seed in (0, 1, 1)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs = run_jobs(jobs, Store(folder), progress=False)
    >>> sorted(run.seed for run in runs.values())
    [0, 1]
    """
    by_key = {job.key: job for job in jobs}
    runs = {key: run for key in by_key if (run := store.get(key)) is not None}
    todo = {key: job for key, job in by_key.items() if key not in runs}
    with (
        lenient_warnings(),
        progress_bar(len(by_key), len(runs), "run", progress, label) as bar,
        with_futures(executor) as futures_of,
        closing(_finished(todo, store, futures_of, shared_filesystem)) as finished,
    ):
        for key, run in finished:
            if run.key != key:
                raise ValueError(
                    f"a worker was asked for the run {key} ({run.label!r}, seed {run.seed}) and computed {run.key}: "
                    "its data, its NumPy or its minigrad are not those of this process. Give all workers the same"
                )
            store.put(run)
            runs[key] = run
            bar.update()
    return runs


def _finished(
    todo: dict[str, Task[KeptRun]], store: Store[KeptRun], executor: Submits | None, shared_filesystem: bool
) -> Generator[tuple[str, KeptRun], None, None]:
    """The runs of some jobs, as they are finished."""
    checkpoints = {key: store.checkpoint(key) if shared_filesystem else None for key in todo}
    if executor is None:
        for key, job in todo.items():
            run = job(checkpoints[key])
            with held():  # until the caller has kept it
                yield key, run
        return
    futures: dict[Any, str] = {}
    broken = False
    try:
        with held():
            futures.update({executor.submit(job, checkpoints[key]): key for key, job in todo.items()})
        for future in _as_done(futures):
            key, run = futures[future], future.result()
            del futures[future]
            with held():
                yield key, run
    except (Exception, KeyboardInterrupt) as error:
        broken = isinstance(error, BrokenExecutor)
        for future, key in futures.items():  # what was finished at the same time is not lost
            if future.done() and not _cancelled(future) and future.exception() is None:
                with held():
                    yield key, future.result()
        raise
    finally:
        # A broken executor gives up its jobs by itself, and stumbles over one that is cancelled meanwhile.
        for future in () if broken else futures:
            if hasattr(future, "cancel"):
                future.cancel()


def _as_done(futures: dict[Any, str]) -> Iterator[Any]:
    """The futures as they are done: those of the standard library call, others are asked, ever more rarely."""
    if all(isinstance(future, Future) for future in futures):
        yield from as_completed(list(futures))
        return
    waiting, pause = list(futures), 0.01
    while waiting:
        done = [future for future in waiting if future.done()]
        waiting = [future for future in waiting if all(future is not other for other in done)]
        yield from done
        pause = 0.01 if done else min(2 * pause, RARELY)
        if waiting:
            time.sleep(pause)


def _cancelled(future: Any) -> bool:
    """True if a future says that it was cancelled."""
    return bool(future.cancelled()) if hasattr(future, "cancelled") else False
