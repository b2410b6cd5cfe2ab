"""Many runs on any executor: each is done once, and kept the moment it arrives, whatever happens to the workers."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import pytest

from minigrad.experiments import Configuration, Method, Run
from minigrad.experiments.jobs import Job, dask_executor, process_executor, run_jobs
from minigrad.experiments.store import Store
from minigrad.training import Epoch, History

JOBS = sys.modules["minigrad.experiments.jobs"]
TINY = Configuration(train=128, test=50, epochs=1, batch_size=64)
EXACT, MASK = Method("exact"), Method("mask", "Mask(0.5)")
SWEEP = [Job(TINY, method, seed) for method in (EXACT, MASK) for seed in range(3)]
needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")


class Dying(Job):
    """A job of which its worker dies."""

    def __call__(self, checkpoint=None):
        os._exit(3)


class Counting(Store):
    """A store that notes what is put into it, and checks that it is there at once."""

    def __init__(self, folder):
        super().__init__(folder)
        self.seen = []

    def put(self, run):
        super().put(run)
        assert Store(self.folder).get(run.key) == run
        self.seen.append(run.key)


def timeless(run):
    epochs = [{k: v for k, v in vars(e).items() if "seconds" not in k} for e in run.history.epochs]
    return run.key, run.label, run.seed, run.diverged, epochs


@pytest.fixture(scope="module")
def alone():
    """The runs of the sweep, without any store or executor."""
    return {job.key: timeless(job()) for job in SWEEP}


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


def check_sweep(runs, store, alone):
    assert {key: timeless(run) for key, run in runs.items()} == alone
    assert sorted(store.seen) == sorted(alone)  # each exactly once
    assert {path.name for path in (store.folder / "runs").iterdir()} == {f"{key}.json" for key in alone}


# One executor after the other


def test_without_an_executor(tmp_path, alone):
    store = Counting(tmp_path)
    check_sweep(run_jobs(SWEEP, store), store, alone)
    assert store.seen == [job.key for job in SWEEP]  # in order


def test_threads(tmp_path, alone):
    store = Counting(tmp_path)
    with ThreadPoolExecutor(3) as executor:
        check_sweep(run_jobs(SWEEP, store, executor=executor), store, alone)


def test_processes(tmp_path, alone):
    store = Counting(tmp_path)
    with process_executor(2) as executor:
        runs = run_jobs(SWEEP, store, executor=executor)
        assert executor.submit(os.getpid).result() != os.getpid()
    check_sweep(runs, store, alone)


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


def test_a_worker_process_that_dies(tmp_path, alone):
    store, third = Counting(tmp_path), SWEEP[2]
    dying = Dying(third.configuration, third.method, third.seed)
    with process_executor(1) as executor, pytest.raises(BrokenProcessPool):
        run_jobs([*SWEEP[:2], dying, *SWEEP[3:]], store, executor=executor)
    assert store.seen == [job.key for job in SWEEP[:2]]
    with ThreadPoolExecutor(2) as executor:
        check_sweep(run_jobs(SWEEP, store, executor=executor), store, alone)


def test_a_worker_with_other_data_is_found_out(tmp_path, instant, monkeypatch):
    """It computes a run of another key: that is not kept, nor taken for the one that was asked for."""
    instantly = JOBS.train
    monkeypatch.setattr(JOBS, "train", lambda c, method, seed, *rest: instantly(c, method, seed + 7, *rest))
    store = Counting(tmp_path)
    with ThreadPoolExecutor(1) as executor, pytest.raises(ValueError, match="was asked for the run"):
        run_jobs([Job(TINY, MASK, 0)], store, executor=executor)
    assert not store.seen


# A Dask cluster


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


def test_no_scheduler_at_the_address():
    distributed = pytest.importorskip("distributed")
    import dask

    assert distributed.__name__ == "distributed"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "300ms"}),
        pytest.raises(OSError, match=r"127\.0\.0\.1:9"),
        dask_executor("tcp://127.0.0.1:9"),
    ):
        pass
