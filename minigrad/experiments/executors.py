"""Executors of runs: worker processes on this machine, a Dask cluster, or whatever else has ``submit``."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from minigrad.allocator import keep_memory
from minigrad.counts import MOST_WORKERS, count
from minigrad.experiments.interrupts import QuietContext, held

__all__ = ["Submits", "begin_worker", "dask_executor", "process_executor", "with_futures"]

PATIENCE = 4.0
"""Seconds until a scheduler has answered, or there is none at the address."""


class Submits(Protocol):
    """Something to hand runs to: ``submit`` returns an object with ``done()``, ``result()`` and ``exception()``."""

    def submit(self, function: Any, /, *arguments: Any) -> Any:
        """Have the function called with the arguments, some time and somewhere."""


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

    Examples
    --------
    >>> with process_executor(1) as executor:
    ...     executor.submit(abs, -3).result()
    3
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
def dask_executor(address: str) -> Iterator[Submits]:
    """The workers of a Dask cluster, which need minigrad installed and the data at hand.

    Parameters
    ----------
    address : str
        Of the scheduler, such as ``tcp://127.0.0.1:8786``.

    Yields
    ------
    distributed.Client
        For `run_jobs`, or whatever else a client is good for.

    Raises
    ------
    ImportError
        If ``distributed`` is not installed.
    OSError
        If no scheduler answers at the address within four seconds.
    ValueError
        If the address is not of the form that Dask knows.

    Examples
    --------
    >>> with dask_executor("tcp://192.0.2.1:8786") as executor:  # doctest: +SKIP
    ...     runs = run_jobs(jobs, store, executor=executor, shared_filesystem=False)
    >>> with dask_executor("the cluster") as executor:
    ...     pass
    Traceback (most recent call last):
        ...
    ValueError: no Dask scheduler answers at 'the cluster'; write the address that it shows, such as ...
    """
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ImportError(
            'a Dask cluster needs `pip install ".[cluster]"` in a clone of minigrad, or `pip install distributed`'
        ) from error
    with _told_once("distributed.client"), _client(distributed, address) as client:
        yield client


@contextmanager
def with_futures(executor: Any) -> Iterator[Any]:
    """A block in which a client of a Dask cluster is an executor, and what gives runs up is a broken one.

    Parameters
    ----------
    executor : distributed.Client, or anything else
        A client is known by its method ``get_executor``.

    Raises
    ------
    concurrent.futures.BrokenExecutor
        If the executor cancels what nobody here did, as a client does whose scheduler ends; or if the workers of a job
        die again and again.
    """
    if not hasattr(executor, "get_executor"):
        try:
            yield executor
        except CancelledError as error:
            raise BrokenExecutor("the executor gave up the runs, and cancelled them") from error
        return
    where = f"the Dask cluster at {executor.scheduler.address}"
    try:
        with _told_once("distributed.client"):
            # The scheduler gives a job whose worker dies to another, until `allowed-failures` workers have died of it.
            yield executor.get_executor(pure=False)
    except CancelledError as error:
        raise BrokenExecutor(f"{where} gave up the runs: its scheduler has ended or is out of reach") from error
    except importlib.import_module("distributed").KilledWorker as error:
        raise BrokenExecutor(f"{where} gave up a run, whose workers died: {error}") from error


def _client(distributed: Any, address: str) -> Any:
    """A client of the scheduler at an address."""
    words = f"no Dask scheduler answers at {address!r}; write the address that it shows, such as tcp://127.0.0.1:8786"
    try:
        if not address.strip():  # which would start a cluster here
            raise ValueError("it is empty")
        distributed.comm.get_address_host_port(address)  # before a client is half made
        import asyncio  # takes a while, and few need it

        with ThreadPoolExecutor(1) as pool:  # a notebook has an event loop in this thread
            pool.submit(asyncio.run, _shake_hands(distributed, address)).result()
        return distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except ValueError as error:
        raise ValueError(f"{words} ({error})") from error
    except Exception as error:  # what says something else than a scheduler does is met by errors of many kinds
        raise OSError(f"{words} ({str(error) or 'it did not answer in time'})") from error


async def _shake_hands(distributed: Any, address: str) -> None:
    """Greet a scheduler, and leave: a client would wait for ever for the greeting of what is none."""
    import asyncio

    arguments = distributed.Security().get_connection_args("client")
    comm = await asyncio.wait_for(distributed.comm.connect(address, timeout=PATIENCE, **arguments), PATIENCE)
    await comm.close()


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
