"""When a sketch pays: the cost to a precision against how few samples carry the gradient, as training goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import inspect, nn, ops, training
from minigrad.datasets import Dataset
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators import DiagonalSketch
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits
from minigrad.experiments.field_result import FieldPoint, FieldResult, FieldRun
from minigrad.experiments.jobs import run_jobs
from minigrad.experiments.method import Method, methods_from
from minigrad.experiments.network_run import check_networks
from minigrad.experiments.store import Store
from minigrad.extensions import import_extension, imported
from minigrad.inspect.cost import cost
from minigrad.nn.module import Module
from minigrad.theory import effective_share, samples_ratio
from minigrad.threads import one_thread
from minigrad.training.loop import Loop
from minigrad.training.weighing import norms
from minigrad.typing import Array

__all__ = ["FIELD_STAGES", "FieldJob", "measure_field"]

FIELD_STAGES = (0, 30, 100, 300, 1000, 3000)
"""Exact steps of a batch of 64 after which networks are looked at."""

BUDGETS = (0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 0.02)

BATCH = 64

NORMS = 2_000
"""Samples whose gradient norms are taken."""

ROUNDS = 15
"""Passes that are timed, by turns; the least of them counts."""

SKETCH = "last: diagonal(0.5, axis=sample)"


@dataclass(frozen=True)
class FieldJob:
    """One network on one data set, looked at after some numbers of steps.

    Parameters
    ----------
    configuration : Configuration
        Its learning rate stays the same throughout.
    seed : int
    stages : tuple of int
    batches : int
        On which noise is measured.
    extensions : tuple of str
        As for `minigrad.experiments.jobs.Job`.
    """

    configuration: Configuration
    seed: int
    stages: tuple[int, ...] = FIELD_STAGES
    batches: int = 12
    extensions: tuple[str, ...] = field(default_factory=imported)

    @property
    def method(self) -> Method:
        """Samples at the logits."""
        return methods_from((SKETCH,), 0.5)[-1]

    @property
    def key(self) -> str:
        """The name under which its run is kept."""
        what = ["field", self.configuration.key(self.method, self.seed), self.stages, self.batches]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    @one_thread()
    def __call__(self, checkpoint: Path | None = None) -> FieldRun:
        """Train and measure, in whatever process this is; a few minutes, so that there is no checkpoint."""
        for name in self.extensions:
            import_extension(name)
        c, data = self.configuration, self.configuration.load()
        model = c.build(data, Method("exact"), self.seed)
        part = data.x_train, data.y_train
        loop = Loop(model, part, c.make_optimizer(model), BATCH, ops.cross_entropy, None, None, 1, self.seed)
        points = []
        for stage in sorted(self.stages):
            model.train()
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                while loop.step < stage:
                    loop.one_step()
            points.append(self._point(model, data, stage))
        return FieldRun(self.key, c.model, self.seed, c.data, tuple(points))

    def _point(self, model: Module, data: Dataset, stage: int) -> FieldPoint:
        sketched = self.configuration.build(data, self.method, self.seed)
        sketched.load_state_dict(model.state_dict())
        sizes = _norms(model, data)
        x, y = data.x_train[:BATCH], data.y_train[:BATCH]
        with Tape(rng=0) as tape:
            ops.cross_entropy(model(x), y)
        count = cost(tape)
        advice = inspect.tradeoff(
            sketched, data, budgets=BUDGETS, batch_size=BATCH, batches=self.batches, rng=self.seed
        )
        seconds = 1.0
        if advice.worth_it:
            estimator = DiagonalSketch(advice.budget, axis="sample")
            nn.set_vjp(sketched, estimator, where=lambda name, module: getattr(module, "vjp", None) is not None)
            operations = (advice.fixed_cost + advice.sketchable_cost * advice.budget) / advice.step_cost[0]
            seconds = advice.ratio / operations * _time_ratio(sketched, model, x, y)
        return FieldPoint(
            steps=stage,
            share=effective_share(sizes),
            budget=advice.budget,
            ratio=advice.ratio,
            ratio_error=advice.ratio_error,
            seconds_ratio=seconds,
            predicted=samples_ratio(sizes, count.forward / count.backward_exact),
            forward=count.forward / count.backward_exact,
            loss=float(training.evaluate(model, data.x_train[:NORMS], data.y_train[:NORMS], batch_size=100)[0]),
        )


def measure_field(
    configurations: dict[str, Configuration],
    data: tuple[str, ...],
    out: str | Path,
    *,
    stages: tuple[int, ...] = FIELD_STAGES,
    batches: int = 12,
    seeds: int = 1,
    executor: Submits | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
) -> FieldResult:
    """Measure when samples at the logits pay, for some networks on some data sets as they are trained.

    Each network is trained exactly, in batches of 64 and at one learning rate. After each number of steps these are
    taken: the share of effective samples, (E s)²/E s² with s the norm of a sample's gradient at the logits; the cost to
    a precision J = (1 + V/σ²) · (operations over exact ones) at the best budget, which `minigrad.inspect.tradeoff`
    finds and measures on batches of its own; the same in seconds; and what `minigrad.theory.samples_ratio` predicts
    from the norms.

    Parameters
    ----------
    configurations : mapping from str to Configuration
        By the names that the picture gives them.
    data : tuple of str
        Names of data sets.
    out : path-like
        The folder of the results; finished networks are kept there and are not done again.
    stages : tuple of int
    batches : int, default 12
        At least 2.
    seeds : int, default 1
    executor, shared_filesystem, progress
        As for `minigrad.experiments.jobs.run_jobs`.

    Returns
    -------
    FieldResult

    Raises
    ------
    ValueError
        If a name is unknown or a number out of range.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.field import measure_field
    >>> small = {"mlp": Configuration("mlp", train=300, lr=0.05)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = measure_field(small, ("digits",), folder, stages=(0, 40), batches=3, progress=False)
    >>> fresh, trained = result.runs[0].points
    >>> fresh.share > trained.share, 0 < trained.predicted < fresh.predicted <= 1
    (True, True)
    """
    on_data = [_on(configuration, name) for configuration in configurations.values() for name in data]
    check_networks("field", on_data, stages, batches, seeds)
    store = Store(out, FieldRun)
    jobs = [
        FieldJob(configuration, seed, tuple(sorted(set(stages))), batches)
        for configuration in on_data
        for seed in range(seeds)
    ]
    done = run_jobs(
        jobs, store, executor=executor, shared_filesystem=shared_filesystem, progress=progress, label="networks"
    )
    settings = tuple(dataclasses.asdict(configuration) for configuration in on_data)
    result = FieldResult(tuple(done[job.key] for job in jobs), BATCH, batches, settings)
    result.save(store.folder)
    return result


def _on(configuration: Configuration, data: str) -> Configuration:
    """A configuration on another data set: as many training samples, if it has them, in batches of one size."""
    other = dataclasses.replace(configuration, data=data, train=None, batch_size=BATCH)
    most = len(other.load().x_train)
    train = configuration.train
    return other if train is None or train >= most else dataclasses.replace(other, train=train)


def _norms(model: Module, data: Dataset) -> Array:
    """The norm of the gradient at the logits, of the loss of each of some samples."""
    found = []
    model.eval()
    for first in range(0, min(NORMS, len(data.x_train)), 100):
        part = slice(first, min(first + 100, NORMS))
        logits = Tensor(model(data.x_train[part]).data, requires_grad=True)
        with Tape() as tape:
            loss = ops.cross_entropy(logits, data.y_train[part])
        found.append(norms(tape.gradients(loss, [logits])[0], None))
    model.train()
    return np.concatenate(found)


def _time_ratio(sketched: Module, exact: Module, x: Array, y: Array) -> float:
    """Seconds of a step's two passes over those of exact ones: the least of some, taken by turns."""
    least = {"sketched": math.inf, "exact": math.inf}
    models: dict[str, Any] = {"sketched": sketched, "exact": exact}
    for turn in range(ROUNDS):
        for name, model in models.items():
            started = time.thread_time()
            with Tape(rng=turn) as tape:
                loss = ops.cross_entropy(model(x), y)
            tape.gradients(loss, list(model.parameters()), rng=turn, structured=True)
            least[name] = min(least[name], time.thread_time() - started)
    return least["sketched"] / least["exact"]
