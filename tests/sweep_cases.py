"""A small sweep, its runs as they are without any store or executor, and a store that counts."""

from __future__ import annotations

from functools import cache

from minigrad.experiments import Configuration, Method
from minigrad.experiments.jobs import Job
from minigrad.experiments.store import Store

TINY = Configuration(train=128, test=50, epochs=1, batch_size=64)
EXACT, MASK = Method("exact"), Method("mask", "Mask(0.5)")
SWEEP = [Job(TINY, method, seed) for method in (EXACT, MASK) for seed in range(3)]


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


@cache
def alone():
    """The runs of the sweep, one after another, without any store or executor."""
    return {job.key: timeless(job()) for job in SWEEP}


def check_sweep(runs, store):
    """Every run is there, put exactly once, and bit-identical to one by itself."""
    assert {key: timeless(run) for key, run in runs.items()} == alone()
    assert sorted(store.seen) == sorted(alone())
    assert {path.name for path in (store.folder / "runs").iterdir()} == {f"{key}.json" for key in alone()}
