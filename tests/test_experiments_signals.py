"""Ctrl-C and kill -9 end the worker processes of a sweep, too: none goes on unseen, and none has the last word."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import BrokenExecutor, CancelledError

import pytest

from minigrad.experiments.executors import process_executor, with_futures
from minigrad.experiments.interrupts import held

pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no process groups")

PROGRAM = """
import signal, sys, time
from pathlib import Path
from tqdm import tqdm
from minigrad.experiments.executors import process_executor

def work(folder):
    list(tqdm([1], disable=True))  # as training does
    (Path(folder) / "begun").touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it runs in the background
    with process_executor(1) as executor:
        list(executor.map(work, 3 * [sys.argv[1]]))
"""


@pytest.fixture
def sweep(tmp_path):
    """A sweep whose worker is busy; everything that it started holds the pipe of its output open."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(tmp_path / "program.py"), str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:  # fmt: skip
        give_up = time.monotonic() + 600
        while not (tmp_path / "begun").exists() and time.monotonic() < give_up and process.poll() is None:
            time.sleep(0.01)
        assert (tmp_path / "begun").exists()
        yield process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_ctrl_c(sweep):
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    output, _ = sweep.communicate(timeout=120)  # until the last of them has gone
    assert sweep.returncode not in (0, None) and b"KeyboardInterrupt" in output
    assert b"InvalidStateError" not in output and b"leaked" not in output


def test_kill_9(sweep):
    sweep.kill()
    sweep.communicate(timeout=120)
    assert sweep.returncode == -signal.SIGKILL


# Ctrl-C at any time, to the command itself

SAID = b"\ninterrupted; finished runs are kept, and the same command goes on from there\n"
COMMAND = """
import os, signal, sys, threading, time

def press(times):
    for seconds in times:
        time.sleep(seconds)
        os.killpg(0, signal.SIGINT)  # as a terminal does: to every process of the group

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import minigrad.cli, minigrad.experiments.executors as jobs

    times = [float(text) for text in sys.argv.pop(1).split(",")]
    before = jobs.process_executor
    def process_executor(workers):  # the clock starts with the workers
        threading.Thread(target=press, args=(times,), daemon=True).start()
        return before(workers)
    jobs.process_executor = process_executor
    sys.exit(minigrad.cli.console())
"""
COMPARE = "compare --epochs 500 --train 256 --test 50 --seeds 2 --vjp mask --jobs 2 --out"


@pytest.mark.parametrize("times", ["0", "0.1,0.1,0.1", "0.5", "1.5,0.02", "3"])
def test_ctrl_c_is_one_line(times, tmp_path):
    """While workers start, which takes longest on a busy machine; while they work; and again while they are ended."""
    (tmp_path / "command.py").write_text(COMMAND)
    command = [sys.executable, str(tmp_path / "command.py"), times, *shlex.split(COMPARE), str(tmp_path / "out")]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, timeout=120
    )  # fmt: skip
    said = done.stdout
    if sys.version_info < (3, 11):  # its own process pools may complain while the interpreter ends
        said = said.partition(b"Exception ignored in: <module 'threading'")[0]
    assert (said, done.returncode) == (SAID, 130)


def test_what_is_held_is_not_cut_in_two():
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with held():
            for step in range(3):
                signal.raise_signal(signal.SIGINT)
                steps.append(step)
        steps.append("after")
    assert steps == [0, 1, 2] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_nothing_is_held_where_nobody_listens(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with held():
            assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_nothing_is_held_in_another_thread():
    seen = []

    def work():
        with held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_workers_are_deaf_from_the_start_and_this_process_is_not():
    with process_executor(1) as executor:
        assert executor.submit(blocked).result()
        assert not blocked()


# The scheduler of a Dask cluster ends

CLUSTER = """
import pathlib, sys, time
from distributed import LocalCluster

if __name__ == "__main__":
    options = {"processes": True, "dashboard_address": ":0", "host": "127.0.0.1", "worker_dashboard_address": None}
    cluster = LocalCluster(n_workers=1, threads_per_worker=1, silence_logs=50, **options)
    pathlib.Path(sys.argv[1]).write_text(cluster.scheduler_address)
    time.sleep(600)
"""


@pytest.fixture
def cluster(tmp_path):
    """A cluster in processes of its own, and its address."""
    pytest.importorskip("distributed")
    (tmp_path / "cluster.py").write_text(CLUSTER)
    place = tmp_path / "address"
    command = [sys.executable, str(tmp_path / "cluster.py"), str(place)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        give_up = time.monotonic() + 120
        while not (place.exists() and place.read_text()) and time.monotonic() < give_up and process.poll() is None:
            time.sleep(0.05)
        yield process, place.read_text()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def test_a_sweep_on_a_dask_cluster_ends_in_one_message(cluster, tmp_path):
    """By Ctrl-C; and begun again, by the end of the scheduler."""
    process, address = cluster
    out = tmp_path / "out"
    command = f"compare --epochs 40 --train 512 --test 50 --seeds 40 --vjp mask --out {shlex.quote(str(out))}"
    gone = (
        f"minigrad: the Dask cluster at {address} gave up the runs: its scheduler has ended or is out of reach "
        "Finished runs are kept, and the same command goes on from there"
    )
    endings = ((signal.SIGINT, 130, SAID.decode().strip()), (signal.SIGKILL, 2, gone))
    for number, status, words in endings:
        kept = len(list(out.glob("runs/*.json")))
        with subprocess.Popen(
            [sys.executable, "-c", DASK, *shlex.split(command), "--dask", address],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ) as sweep:  # fmt: skip
            give_up = time.monotonic() + 120
            while len(list(out.glob("runs/*.json"))) <= kept and time.monotonic() < give_up and sweep.poll() is None:
                time.sleep(0.05)
            os.killpg(process.pid if number == signal.SIGKILL else sweep.pid, number)
            _, said = sweep.communicate(timeout=120)
        assert (" ".join(said.decode().split()), sweep.returncode) == (words, status)
        assert len(list(out.glob("runs/*.json"))) > kept


DASK = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import minigrad.cli
sys.exit(minigrad.cli.console())
"""


def test_what_a_dask_cluster_gives_up_is_a_broken_executor():
    """Its exceptions are classes of its own, which no caller could name without it."""
    distributed = pytest.importorskip("distributed")
    for error in (
        distributed.KilledWorker("a-job", types.SimpleNamespace(address="tcp://127.0.0.1:2"), 3),
        CancelledError(),
    ):
        gave_up = pytest.raises(BrokenExecutor, match=r"the Dask cluster at tcp://127\.0\.0\.1:1 gave up")
        with gave_up, with_futures(FakeClient()):
            raise error


class FakeClient:
    scheduler = types.SimpleNamespace(address="tcp://127.0.0.1:1")

    def get_executor(self, pure):
        return None
