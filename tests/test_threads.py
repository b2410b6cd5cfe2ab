"""One BLAS thread for a run, whatever the environment and other Python threads do, and what was before afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import pytest
import scipy.linalg  # noqa: F401  its BLAS is loaded before numbers of threads are looked at
import threadpoolctl
from threadpoolctl import threadpool_info, threadpool_limits

from minigrad import cli, inspect, nn, optim, training
from minigrad.experiments import Configuration, Method, train
from minigrad.experiments.executors import process_executor
from minigrad.experiments.inspection import advise_model, inspect_model
from minigrad.experiments.jobs import Job
from minigrad.experiments.measurement import equal_cost_batch, measure
from minigrad.extras import equal_cost
from minigrad.threads import one_thread

SETTINGS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def blas_threads():
    """How many threads each BLAS library of this process takes, as seen from this Python thread."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


pytestmark = pytest.mark.skipif(not blas_threads(), reason="threadpoolctl knows no BLAS library of this NumPy")


@pytest.fixture(autouse=True)
def two_threads():
    """What the environment says, for these tests."""
    with threadpool_limits(2, "blas"):
        assert blas_threads() == {2}
        yield


# The block


def test_one_thread_and_what_was_before():
    with one_thread():
        assert blas_threads() == {1}
        with one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}  # a block within a block puts nothing back
    assert blas_threads() == {2}


def test_what_was_before_is_put_back_after_an_error():
    with pytest.raises(KeyboardInterrupt), one_thread():
        raise KeyboardInterrupt
    assert blas_threads() == {2}


def test_a_function_that_is_decorated_may_call_itself():
    @one_thread()
    def seen(depth):
        """How deep it is."""
        return [*(seen(depth - 1) if depth else []), blas_threads()]

    assert seen(2) == [{1}, {1}, {1}] and seen.__doc__ == "How deep it is." and blas_threads() == {2}


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_blocks_side_by_side_in_python_threads(first_ends_first):
    """The number is one for the process: whoever leaves first must not give it back to the others."""
    seen = []

    def block(begun, end):
        with one_thread():
            begun.set()
            assert end.wait(600)
            seen.append(blas_threads())

    events = [(threading.Event(), threading.Event()) for _ in range(2)]
    with ThreadPoolExecutor(2) as executor:
        futures = []
        for begun, end in events:
            futures.append(executor.submit(block, begun, end))
            assert begun.wait(600)
        for k in (0, 1) if first_ends_first else (1, 0):
            events[k][1].set()
            futures[k].result()
    assert seen == [{1}, {1}] and blas_threads() == {2}


def test_a_limit_of_the_user_around_runs_in_other_python_threads():
    """threadpoolctl 3.8 heeds the first Python thread that sets a number; a run is heeded all the same."""
    with threadpool_limits(3, "blas"), ThreadPoolExecutor(1) as executor:
        assert executor.submit(one_thread()(blas_threads)).result() == {1}
        assert blas_threads() == {3}
    assert blas_threads() == {2}


def test_a_library_that_keeps_its_threads_is_told(monkeypatch):
    class Deaf(threadpoolctl.ThreadpoolController):
        def limit(self, **options):
            return super().limit(limits=None)

    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", Deaf)
    said = r"keeps its threads: .*\(2\).*OPENBLAS_NUM_THREADS=1, before Python starts"
    with pytest.warns(RuntimeWarning, match=said) as caught:
        one_thread()(blas_threads)()
    assert caught[0].filename == __file__ and blas_threads() == {2}


def test_many_short_blocks_in_python_threads():
    def block(_):
        with one_thread():
            return blas_threads()

    with ThreadPoolExecutor(8) as executor:
        assert set(map(frozenset, executor.map(block, range(100)))) == {frozenset({1})}
    assert blas_threads() == {2}


# Every run


class Watched(nn.Sequential):
    """A perceptron that notes how many threads there are, when it is built and whenever it computes."""

    seen: ClassVar[list[set[int]]] = []

    def __init__(self, *layers):
        super().__init__(*layers)
        self.seen.append(blas_threads())

    def forward(self, x):
        self.seen.append(blas_threads())
        return super().forward(x)


@pytest.fixture
def watched(monkeypatch, names_are_forgotten):
    """The model, known to experiments by its name; what it saw."""

    def build(input_shape, classes, *, rng=None):
        return Watched(nn.Flatten(), nn.mlp((int(np.prod(input_shape)), 16, 16, classes), rng=rng))

    nn.models.register("watched", "a perceptron that is watched")(build)
    monkeypatch.setattr(Watched, "seen", [])
    return Watched.seen


SMALL = Configuration(train=64, test=20, epochs=1, batch_size=32)
MASK = Method("mask", "Mask(0.5)")


def small(**options):
    return Configuration("watched", train=64, test=20, epochs=1, batch_size=32, **options)


def fitted():
    data = SMALL.load()
    model = small().build(data, MASK, 0)
    Watched.seen.clear()  # the model was built outside
    return model, data


def fit():
    model, data = fitted()
    adapt = training.AdaptiveBudget(0.5)
    training.fit(model, data, optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=32, rng=0, callbacks=[adapt])


def evaluate():
    model, data = fitted()
    training.evaluate(model, data.x_test, data.y_test)


def reported(report, **options):
    model, data = fitted()
    report(model, data, batch_size=32, batches=2, rng=0, **options)


def key():
    small(lr=0.0123).key(MASK, seed=3)  # of its own: keys are kept


def equal():
    equal_cost(small(), 0.25, draws=2, methods=["column mask"])


RUNS = {
    "fit": fit,
    "evaluate": evaluate,
    "gradient_noise": lambda: reported(inspect.gradient_noise),
    "tradeoff": lambda: reported(inspect.tradeoff),
    "advise": lambda: reported(inspect.advise),
    "allocate": lambda: reported(inspect.allocate, budget=0.5),
    "train": lambda: train(small(), MASK, 0),
    "job": lambda: Job(small(), MASK, 0)(),
    "key": key,
    "measure": lambda: measure(small(), [Method("exact"), MASK], small().load()),
    "equal_cost_batch": lambda: equal_cost_batch(small(), MASK, small().load()),
    "equal_cost": equal,
    "inspect_model": lambda: inspect_model(small(), "mask", budget=0.5, draws=100),
    "advise_model": lambda: advise_model(small(), "mask", budget=0.5, batches=2),
    "the command line": lambda: cli.main(["inspect", "--model", "watched", "--train", "64", "--vjp", "mask(0.5)"]),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_takes_one_thread_from_beginning_to_end(name, watched, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RUNS[name]()
    assert watched and all(threads == {1} for threads in watched)
    assert blas_threads() == {2}


# In processes


def cleaned(**settings):
    """This environment with other settings of BLAS."""
    return {name: value for name, value in os.environ.items() if name not in SETTINGS} | settings


BITS = """
import hashlib, numpy as np
from minigrad import inspect, nn, optim, training
from minigrad.estimators import DiagonalSketch
rng, total = np.random.default_rng(0), hashlib.sha256()
for dtype, sizes in ((np.float32, (784, 256, 64, 10)), (np.float64, (300, 200, 10))):
    x, y = rng.normal(size=(256, sizes[0])).astype(dtype), rng.integers(0, 10, 256)
    model = nn.mlp(sizes, rng=0, dtype=dtype)
    nn.set_vjp(model, DiagonalSketch(0.5, axis="sample"))
    options = dict(batch_size=128, rng=0)
    history = training.fit(model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=2, progress=False, **options)
    allocation = inspect.allocate(model, (x, y), budget=0.5, batches=2, **options)
    for parameter in model.parameters():
        total.update(parameter.data.tobytes())
    total.update(repr((history["loss"], allocation.budgets)).encode())
print(total.hexdigest())
"""


def test_the_bits_of_a_run_do_not_hang_on_the_environment():
    """On the kernels of this processor, or those that OPENBLAS_CORETYPE asks for."""
    found = {}
    for settings in ({}, {"OPENBLAS_NUM_THREADS": "1"}, {"OMP_NUM_THREADS": "2"}, {"OPENBLAS_NUM_THREADS": "3"}):
        done = subprocess.run(
            [sys.executable, "-c", BITS], env=cleaned(**settings), capture_output=True, text=True, timeout=6000
        )
        assert done.stderr == "" and len(done.stdout.strip()) == 64
        found[str(settings)] = done.stdout
    assert len(set(found.values())) == 1, found


def test_workers_take_one_thread_for_a_run_by_themselves(monkeypatch):
    """Nothing of it is in the environment, in which MKL has a setting already."""
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    before = dict(os.environ)
    with process_executor(1) as executor:
        assert dict(os.environ) == before
        inside, outside = executor.submit(seen_by_a_worker).result()
    assert inside == {1} and outside == blas_threads_of_a_new_process()


def seen_by_a_worker():
    data, seen = SMALL.load(), []
    model = SMALL.build(data, MASK, 0)
    options = {"epochs": 1, "batch_size": 32, "progress": False, "callbacks": [Noting(seen)]}
    training.fit(model, data, optimizer=optim.SGD(model, lr=0.1), **options)
    (inside,) = {frozenset(threads) for threads in seen}
    return set(inside), blas_threads()


class Noting:
    """A callback."""

    def __init__(self, seen):
        self.seen = seen

    def __call__(self, loop):
        self.seen.append(blas_threads())

    def state_dict(self):
        return {}

    def load_state_dict(self, state, loop):
        pass


def blas_threads_of_a_new_process():
    code = "import numpy; from threadpoolctl import threadpool_info as i; print(*{l['num_threads'] for l in i()})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    return set(map(int, done.stdout.split()))


def test_no_run_loads_a_blas_library_when_it_is_under_way():
    """It would keep its threads."""
    code = """
from threadpoolctl import threadpool_info
from minigrad import datasets, inspect, nn, optim, training
from minigrad.estimators import LowRankSketch
from minigrad.threads import one_thread
paths = lambda: sorted(library["filepath"] for library in threadpool_info() if library["user_api"] == "blas")
data, model = datasets.digits().subset(train=64, test=20).flat(), nn.mlp((64, 16, 10), rng=0)
nn.set_vjp(model, LowRankSketch(0.5))
with one_thread():
    before = paths()  # the beginning of a run loads what it needs
training.fit(model, data, optimizer=optim.Adam(model, lr=0.1), epochs=1, batch_size=32, progress=False, max_norm=1)
inspect.allocate(model, data, budget=0.5, batch_size=32, batches=2)
inspect.tradeoff(model, data, batch_size=32, batches=2)
inspect.advise(model, data, batch_size=32, batches=2)
print(paths() == before != [])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (done.stdout, done.stderr) == ("True\n", "")
