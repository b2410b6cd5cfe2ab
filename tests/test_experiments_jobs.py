"""Many runs on any executor: each is done once, and kept the moment it arrives, whatever happens to the workers."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest
from sweep_cases import MASK, SWEEP, TINY, Counting, check_sweep

from minigrad.experiments import Method, Run
from minigrad.experiments.executors import process_executor
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.store import Store
from minigrad.training import Epoch, History

JOBS = sys.modules["minigrad.experiments.jobs"]


class Dying(Job):
    """A job of which its worker dies."""

    def __call__(self, checkpoint=None):
        os._exit(3)


@pytest.fixture
def instant(monkeypatch):
    """Runs that take no time; the list of those that were done."""
    done = []

    def train(configuration, method, seed, data, checkpoint):
        done.append((method.label, seed))
        epoch = Epoch(1, 1, 0.1, 1.0, 0.5, 1.0, 0.5, 0.0, 0.0, 1.0, 2.0)
        return Run(configuration.key(method, seed), method.label, seed, History([epoch]))

    monkeypatch.setattr(JOBS, "train", train)
    return done


# One executor after the other


def test_without_an_executor(tmp_path):
    store = Counting(tmp_path)
    check_sweep(run_jobs(SWEEP, store), store)
    assert store.seen == [job.key for job in SWEEP]  # in order


def test_threads(tmp_path):
    store = Counting(tmp_path)
    with ThreadPoolExecutor(3) as executor:
        check_sweep(run_jobs(SWEEP, store, executor=executor), store)


def test_processes(tmp_path):
    store = Counting(tmp_path)
    with process_executor(2) as executor:
        runs = run_jobs(SWEEP, store, executor=executor)
        assert executor.submit(os.getpid).result() != os.getpid()
    check_sweep(runs, store)


@pytest.mark.parametrize("workers", [0, -1])
def test_there_is_a_worker(workers):
    with pytest.raises(ValueError, match=f"jobs={workers} must be at least 1"), process_executor(workers):
        pass


# Duplicates, and going on


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor])
def test_what_computes_the_same_is_done_once(pool, tmp_path, instant):
    other_label = Job(TINY, Method("by another name", "Mask(0.5)"), 0)
    jobs = [Job(TINY, MASK, 0), Job(TINY, MASK, 0), other_label, Job(TINY, MASK, 1)]
    store, executor = Counting(tmp_path), pool and pool(2)
    runs = run_jobs(jobs, store, executor=executor)
    assert len(instant) == 2 and len(store.seen) == 2 and set(runs) == {job.key for job in jobs}
    assert run_jobs(jobs, store, executor=executor) == runs and len(instant) == 2
    run_jobs([*jobs, Job(TINY, MASK, 2)], store, executor=executor)
    assert len(instant) == 3 and instant[-1] == ("mask", 2)


def test_a_run_is_kept_the_moment_it_arrives(tmp_path, monkeypatch, instant):
    """The second job waits until the first one's run is on disk: were it written at the end, it would wait forever."""
    first, second = Job(TINY, MASK, 0), Job(TINY, MASK, 1)
    kept, instantly = threading.Event(), JOBS.train

    def train(configuration, method, seed, *rest):
        assert seed == 0 or kept.wait(600)
        return instantly(configuration, method, seed, *rest)

    monkeypatch.setattr(JOBS, "train", train)

    class Telling(Counting):
        def put(self, run):
            super().put(run)
            kept.set()

    with ThreadPoolExecutor(2) as executor:
        assert len(run_jobs([second, first], Telling(tmp_path), executor=executor)) == 2


@pytest.mark.parametrize("shared_filesystem", [True, False])
def test_checkpoints_lie_in_the_store_where_workers_see_it(shared_filesystem, tmp_path, monkeypatch, instant):
    instantly, seen = JOBS.train, []

    def train(*arguments):
        seen.append(arguments[-1])
        return instantly(*arguments)

    monkeypatch.setattr(JOBS, "train", train)
    store, job = Store(tmp_path), Job(TINY, MASK, 0)
    run_jobs([job], store, shared_filesystem=shared_filesystem)
    assert seen == [store.checkpoint(job.key) if shared_filesystem else None]


# Failures


def test_a_failing_job_keeps_what_was_finished(tmp_path, monkeypatch, instant):
    instantly = JOBS.train

    def train(configuration, method, seed, *rest):
        if seed == 2:
            raise OSError("the disk is full")
        return instantly(configuration, method, seed, *rest)

    monkeypatch.setattr(JOBS, "train", train)
    jobs = [Job(TINY, MASK, seed) for seed in range(5)]
    store = Counting(tmp_path)
    with pytest.raises(OSError, match="the disk is full"):
        run_jobs(jobs, store)
    assert store.seen == [jobs[0].key, jobs[1].key]
    monkeypatch.setattr(JOBS, "train", instantly)
    assert len(run_jobs(jobs, store)) == 5 and sorted(store.seen) == sorted(job.key for job in jobs)


class Immediate(Executor):
    """Everything is finished when it is asked for; from the start, or from somewhere on, the executor is broken."""

    def __init__(self, broken):
        self.broken, self.count = broken, 0

    def submit(self, function, /, *arguments):
        future = Future()
        future.set_running_or_notify_cancel()
        if self.count in self.broken:
            future.set_exception(BrokenExecutor("died"))
        else:
            future.set_result(function(*arguments))
        self.count += 1
        return future


@pytest.mark.parametrize("broken", [(0,), (1, 3, 5), (5,), tuple(range(6))])
def test_what_arrives_together_with_a_failure_is_kept(broken, tmp_path, instant):
    """Finished futures come in any order, so an error may come first."""
    jobs = [Job(TINY, MASK, seed) for seed in range(6)]
    store = Counting(tmp_path)
    with pytest.raises(BrokenExecutor):
        run_jobs(jobs, store, executor=Immediate(broken))
    assert sorted(store.seen) == sorted(job.key for k, job in enumerate(jobs) if k not in broken)
    assert len(run_jobs(jobs, store, executor=Immediate(()))) == 6 and len(store.seen) == 6


def test_what_was_not_begun_is_cancelled(tmp_path, monkeypatch, instant):
    def train(configuration, method, seed, *rest):
        instant.append(seed)
        time.sleep(0.05)  # so that the failure is met before all the others are through
        raise ValueError("no")

    monkeypatch.setattr(JOBS, "train", train)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="no"):
        run_jobs([Job(TINY, MASK, seed) for seed in range(50)], Store(tmp_path), executor=executor)
    assert len(instant) < 50


def test_a_worker_process_that_dies(tmp_path):
    store, third = Counting(tmp_path), SWEEP[2]
    dying = Dying(third.configuration, third.method, third.seed)
    with process_executor(1) as executor, pytest.raises(BrokenProcessPool):
        run_jobs([*SWEEP[:2], dying, *SWEEP[3:]], store, executor=executor)
    assert store.seen == [job.key for job in SWEEP[:2]]
    with ThreadPoolExecutor(2) as executor:
        check_sweep(run_jobs(SWEEP, store, executor=executor), store)


def test_a_worker_with_other_data_is_found_out(tmp_path, instant, monkeypatch):
    """It computes a run of another key: that is not kept, nor taken for the one that was asked for."""
    instantly = JOBS.train
    monkeypatch.setattr(JOBS, "train", lambda c, method, seed, *rest: instantly(c, method, seed + 7, *rest))
    store = Counting(tmp_path)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="was asked for the run"):
        run_jobs([Job(TINY, MASK, 0)], store, executor=executor)
    assert not store.seen
