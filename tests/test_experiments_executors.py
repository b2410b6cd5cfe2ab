"""Where runs are done: futures that know little, loky, a client, and a Dask cluster to which everything happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager

import pytest
from sweep_cases import EXACT, MASK, SWEEP, Counting, check_sweep, timeless

from minigrad.experiments import Configuration
from minigrad.experiments.executors import dask_executor
from minigrad.experiments.jobs import Job, run_jobs

EXECUTORS = sys.modules["minigrad.experiments.executors"]
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")


class Failing(Job):
    """A job that raises."""

    def __call__(self, checkpoint=None):
        raise OSError("the disk is full")


# Futures that are none of the standard library's


class Bare:
    """All that is asked of a future; no ``cancelled``, no ``cancel``, no callbacks."""

    def __init__(self, function, arguments):
        self.thread = threading.Thread(target=self._run, args=(function, arguments))
        self.value = self.error = None
        self.thread.start()

    def _run(self, function, arguments):
        try:
            self.value = function(*arguments)
        except Exception as error:
            self.error = error

    def done(self):
        return not self.thread.is_alive()

    def exception(self):
        self.thread.join()
        return self.error

    def result(self):
        if self.exception() is not None:
            raise self.error
        return self.value


class Cancellable(Bare):
    """As a job of submitit: it can be cancelled, and does not say whether it was."""

    cancels = 0

    def cancel(self, check=True):
        Cancellable.cancels += 1


class Batch:
    """What submits to a batch system."""

    def __init__(self, kind):
        self.kind = kind

    def submit(self, function, *arguments, **named):
        return self.kind(function, arguments)


@pytest.mark.parametrize("kind", [Bare, Cancellable])
def test_futures_that_only_answer(kind, tmp_path):
    store = Counting(tmp_path)
    check_sweep(run_jobs(SWEEP, store, executor=Batch(kind)), store)


@pytest.mark.parametrize("kind", [Bare, Cancellable])
def test_futures_that_only_answer_and_fail(kind, tmp_path):
    store, third = Counting(tmp_path), SWEEP[2]
    failing = Failing(third.configuration, third.method, third.seed)
    Cancellable.cancels = 0
    with pytest.raises(OSError, match="the disk is full"):
        run_jobs([*SWEEP[:2], failing, *SWEEP[3:]], store, executor=Batch(kind))
    assert third.key not in store.seen and len(set(store.seen)) == len(store.seen)
    assert kind is Bare or Cancellable.cancels
    check_sweep(run_jobs(SWEEP, store, executor=Batch(kind)), store)


def test_an_executor_that_cancels_by_itself_is_broken(tmp_path):
    """Whoever closes an executor in the midst of a sweep."""
    from concurrent.futures import Future

    class Closing:
        def submit(self, function, *arguments):
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    with pytest.raises(BrokenExecutor, match="gave up the runs"):
        run_jobs(SWEEP, Counting(tmp_path), executor=Closing())


def test_loky(tmp_path):
    loky = pytest.importorskip("loky")
    store = Counting(tmp_path)
    with loky.ProcessPoolExecutor(2) as executor:
        check_sweep(run_jobs(SWEEP, store, executor=executor), store)


# A Dask cluster


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def started(*command):
    """A program of Dask's that says nothing, and finds the classes of this file where this process does."""
    found = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": found},
    )


def ended(*programs):
    for program in programs:
        if program.poll() is None:
            program.kill()
        program.wait()


@contextmanager
def cluster(port):
    """A scheduler and a worker, each a program of its own: the address, and the scheduler."""
    quiet = ("--no-dashboard", "--host", "127.0.0.1")
    address = f"tcp://127.0.0.1:{port}"
    scheduler = started("distributed.cli.dask_scheduler", "--port", str(port), *quiet)
    worker = started(
        "distributed.cli.dask_worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny", *quiet
    )  # fmt: skip
    try:
        yield address, scheduler
    finally:
        ended(worker, scheduler)


@contextmanager
def reached(address):
    """A client, once the scheduler is up; a busy machine takes its time."""
    give_up = time.monotonic() + 300
    while True:
        try:
            with dask_executor(address) as client:
                yield client
                return
        except OSError:
            if time.monotonic() > give_up:
                raise


@needs_kill
def test_a_scheduler_ends_and_is_started_again_in_the_midst_of_a_sweep(tmp_path):
    """And before that a job raises. Each run is in the store exactly once, whatever was lost on the way."""
    pytest.importorskip("distributed")
    port, second = free_port(), SWEEP[1]
    failing = Failing(second.configuration, second.method, second.seed)

    class Killing(Counting):
        def put(self, run):
            super().put(run)
            if self.scheduler.poll() is None:
                self.scheduler.kill()
                self.scheduler.wait()

    store = Killing(tmp_path)
    with cluster(port) as (address, store.scheduler), reached(address) as client:
        with pytest.raises(OSError, match="the disk is full"):
            run_jobs([failing], store, executor=client, shared_filesystem=False)
        assert not store.seen
        with pytest.raises(BrokenExecutor, match="gave up the runs: its scheduler has ended"):
            run_jobs(SWEEP, store, executor=client, shared_filesystem=False)
    kept = len(store.seen)
    assert 1 <= kept < len(SWEEP)
    with cluster(port) as (address, scheduler), reached(address) as client:
        again = Counting(tmp_path)
        runs = run_jobs(SWEEP, again, executor=client, shared_filesystem=False)
    again.seen += store.seen
    check_sweep(runs, again)


@needs_kill
def test_a_worker_of_a_dask_cluster_is_killed(tmp_path):
    """One of two workers is killed with work in its hands: every run is there once, and right."""
    distributed = pytest.importorskip("distributed")
    longer = Configuration(train=256, test=50, epochs=4, batch_size=32)
    jobs = [Job(longer, method, seed) for method in (EXACT, MASK) for seed in range(4)]
    killed = []

    class Killing(Counting):
        def put(self, run):
            super().put(run)
            if len(self.seen) == 1:
                busy = next(worker for worker, keys in client.processing().items() if keys)
                killed.append(pids[busy])
                os.kill(pids[busy], signal.SIGKILL)

    free = "127.0.0.1:0"  # any port: another cluster may have the usual one
    options = {"processes": True, "dashboard_address": free, "host": "127.0.0.1", "worker_dashboard_address": free}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, silence_logs=50, **options) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        dask_executor(cluster.scheduler_address) as executor,
    ):
        pids = client.run(os.getpid)
        assert len(set(pids.values())) == 2 and os.getpid() not in pids.values()
        store = Killing(tmp_path)
        runs = run_jobs(jobs, store, executor=executor, shared_filesystem=False)
        now = client.run(os.getpid)
    assert len(killed) == 1 and killed[0] not in now.values()
    assert set(runs) == {job.key for job in jobs} and sorted(store.seen) == sorted(runs)
    for job in (jobs[0], jobs[-1]):
        assert timeless(runs[job.key]) == timeless(job())
    assert run_jobs(jobs, store) == runs and len(store.seen) == len(jobs)  # nothing is left to do


def test_without_distributed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[cluster\]"'), dask_executor("tcp://127.0.0.1:1"):
        pass


@pytest.mark.parametrize("there", ["nobody", "somebody who says nothing"])
def test_no_scheduler_at_the_address(there, monkeypatch):
    """It is refused as soon as patience ends, whatever Dask is set to; one second of it is enough here."""
    pytest.importorskip("distributed")
    assert EXECUTORS.PATIENCE < 5
    monkeypatch.setattr(EXECUTORS, "PATIENCE", 1.0)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
        if there != "nobody":
            one.listen()
        refused = pytest.raises(OSError, match=rf"no Dask scheduler answers at 'tcp://127\.0\.0\.1:{port}'")
        with refused, dask_executor(f"tcp://127.0.0.1:{port}"):
            pass
