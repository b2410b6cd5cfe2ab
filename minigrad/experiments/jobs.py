"""Many training runs, one after another or on any executor; each is kept as soon as it is finished."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from minigrad.allocator import keep_memory
from minigrad.counts import MOST_WORKERS, count
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.interrupts import QuietContext, held
from minigrad.experiments.method import Method
from minigrad.experiments.run import Run, train
from minigrad.experiments.store import KeptRun, Store
from minigrad.extensions import import_extension, imported
from minigrad.terminal import lenient_warnings, progress_bar

__all__ = ["Job", "Task", "begin_worker", "dask_executor", "process_executor", "run_jobs"]

Made = TypeVar("Made", covariant=True)


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
    executor: Executor | None = None,
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
    executor : concurrent.futures.Executor, optional
        Where the jobs are done: processes (`process_executor`), a Dask cluster (`dask_executor`), or anything else
        with ``submit``. Default: here, one after another.
    shared_filesystem : bool, default True
        Whether the executor's workers see the store's folder, so that runs under way can be checkpointed there.
    progress : bool, optional
        A progress bar with the time left; default: if standard error is a terminal.
    label : str
        Words in front of the bar.

    Returns
    -------
    dict of str to Run
        By `Job.key`; of whatever the store keeps.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        If the executor died; what was finished before is in the store, and a second call goes on from there.
    ValueError
        If a worker computed another run than it was asked for, since its data or its minigrad are not those of this
        process.
    """
    by_key = {job.key: job for job in jobs}
    runs = {key: run for key in by_key if (run := store.get(key)) is not None}
    todo = {key: job for key, job in by_key.items() if key not in runs}
    with (
        lenient_warnings(),
        progress_bar(len(by_key), len(runs), "run", progress, label) as bar,
        closing(_finished(todo, store, executor, shared_filesystem)) as finished,
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
    todo: dict[str, Task[KeptRun]], store: Store[KeptRun], executor: Executor | None, shared_filesystem: bool
) -> Generator[tuple[str, KeptRun], None, None]:
    """The runs of some jobs, as they are finished."""
    checkpoints = {key: store.checkpoint(key) if shared_filesystem else None for key in todo}
    if executor is None:
        for key, job in todo.items():
            run = job(checkpoints[key])
            with held():  # until the caller has kept it
                yield key, run
        return
    futures: dict[Future[KeptRun], str] = {}
    broken = False
    try:
        with held():
            futures.update({executor.submit(job, checkpoints[key]): key for key, job in todo.items()})
        for future in as_completed(futures):
            key, run = futures[future], future.result()
            del futures[future]
            with held():
                yield key, run
    except (Exception, KeyboardInterrupt) as error:
        broken = isinstance(error, BrokenExecutor)
        for future, key in futures.items():  # what was finished at the same time is not lost
            if future.done() and not future.cancelled() and future.exception() is None:
                with held():
                    yield key, future.result()
        raise
    finally:
        # A broken executor gives up its jobs by itself, and stumbles over one that is cancelled meanwhile.
        for future in () if broken else futures:
            future.cancel()


@contextmanager
def process_executor(workers: int) -> Iterator[Executor]:
    """Worker processes on this machine; as each run takes one BLAS thread, as many as there are cores.

    They end with this process, whatever ends it, and at once where the block is left by an exception, as by Ctrl-C.

    Parameters
    ----------
    workers : int
        At least 1.

    Raises
    ------
    ValueError
        If there is no worker, or there are more than 1,000.
    """
    workers = count("jobs", workers, MOST_WORKERS, "processes")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, QuietContext(), begin_worker) as executor:
        try:
            yield executor
        except BaseException:  # Ctrl-C, too: whoever stops does not wait for the runs under way
            with held():
                _end(executor, others)
            raise


def _end(executor: ProcessPoolExecutor, others: set[Any]) -> None:
    """Cancel what was not begun, and end the workers.

    The thread that manages them must have put aside what was cancelled before it learns that a worker has ended, or it
    ends with a traceback (Python 3.10 and 3.11). It takes what was submitted in order, so a last job tells when.
    """
    with suppress(RuntimeError):  # it has ended already
        last = executor.submit(int)
        executor.shutdown(wait=False, cancel_futures=True)
        while not (last.running() or last.done()):
            time.sleep(0.001)
    for worker in set(multiprocessing.active_children()) - others:
        worker.terminate()


def begin_worker() -> None:
    """Begin a worker: leave Ctrl-C to the process that started it, and end when that does."""
    from tqdm import tqdm

    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a worker that is ended leaves behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    keep_memory()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The workers of a Dask cluster, which need minigrad installed and the data at hand.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    ImportError
        If ``distributed`` is not installed.
    OSError
        If there is no scheduler at the address.
    ValueError
        If the address is not of the form that Dask knows.
    concurrent.futures.BrokenExecutor
        If the scheduler ends, or a job's workers die again and again.
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ImportError(
            'a Dask cluster needs `pip install ".[cluster]"` in a clone of minigrad, or `pip install distributed`'
        ) from error
    with _told_once("distributed.client"), _client(distributed, address) as client:
        try:
            # The scheduler gives a job whose worker dies to another, until `allowed-failures` workers have died of it.
            yield client.get_executor(pure=False)
        except CancelledError as error:
            raise BrokenExecutor(
                f"the Dask cluster at {address} gave up the runs: its scheduler has ended or is out of reach"
            ) from error
        except distributed.KilledWorker as error:
            raise BrokenExecutor(f"the Dask cluster at {address} gave up a run, whose workers died: {error}") from error


def _client(distributed: Any, address: str) -> Any:
    """A client of the scheduler at an address."""
    words = f"no Dask scheduler answers at {address!r}; write the address that it shows, such as tcp://127.0.0.1:8786"
    try:
        if not address.strip():  # which would start a cluster here
            raise ValueError("it is empty")
        distributed.comm.get_address_host_port(address)  # before a client is half made
        return distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise (OSError if isinstance(error, OSError) else ValueError)(f"{words} ({error})") from error


@contextmanager
def _told_once(name: str) -> Iterator[None]:
    """A block in which a logger is silent, since what it would show as a traceback is raised as well."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger(name)
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)
