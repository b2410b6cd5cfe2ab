"""The cost to a precision along training: of nothing, samples at the logits, rows, columns, and rows by one price."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from minigrad import inspect, ops, training
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.executors import Submits
from minigrad.experiments.jobs import run_jobs
from minigrad.experiments.method import Method, methods_from
from minigrad.experiments.network_run import check_networks
from minigrad.experiments.precision_result import PrecisionPoint, PrecisionResult, PrecisionRun
from minigrad.experiments.run import callbacks_of, sampler_of
from minigrad.experiments.store import Store
from minigrad.extensions import import_extension, imported
from minigrad.threads import one_thread
from minigrad.training.loop import Loop

__all__ = ["PRECISION_STAGES", "PrecisionJob", "measure_precision"]

PRECISION_STAGES = (0, 100, 300, 600)
"""Steps after which networks are looked at."""

BUDGETS = (0.85, 0.7, 0.5, 0.35, 0.25, 0.15)

LOSS_SAMPLES = 2_000
"""Training samples on which the loss is taken."""


@dataclass(frozen=True)
class PrecisionJob:
    """One network, looked at after some numbers of steps.

    Parameters
    ----------
    configuration : Configuration
        Its learning rate stays the same throughout.
    seed : int
    stages : tuple of int
    batches : int
        Budgets and prices are chosen on so many batches, and J is measured on as many others.
    factors : tuple of float
        Multiples of the root of the price at which J is measured, too.
    trained : Method
        With which the network is trained.
    extensions : tuple of str
        As for `minigrad.experiments.jobs.Job`.
    """

    configuration: Configuration
    seed: int
    stages: tuple[int, ...] = PRECISION_STAGES
    batches: int = 20
    factors: tuple[float, ...] = (0.5, 2.0)
    trained: Method = field(default_factory=lambda: Method("exact"))
    extensions: tuple[str, ...] = field(default_factory=imported)

    @property
    def key(self) -> str:
        """The name under which its run is kept."""
        run = self.configuration.key(self.trained, self.seed)
        what = ["precision", run, self.stages, self.batches, self.factors]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    @one_thread()
    def __call__(self, checkpoint: Path | None = None) -> PrecisionRun:
        """Train and measure, in whatever process this is; some minutes, so that there is no checkpoint."""
        for name in self.extensions:
            import_extension(name)
        key = self.key
        c, data = self.configuration, self.configuration.load()
        model = c.build(data, self.trained, self.seed)
        part = data.x_train, data.y_train
        loop = Loop(
            model,
            part,
            c.make_optimizer(model),
            c.batch_size,
            ops.cross_entropy,
            None,
            c.max_norm,
            None,
            self.seed,
            callbacks_of(self.trained),
            sampler=sampler_of(self.trained),
        )
        points: list[PrecisionPoint] = []
        for stage in sorted(self.stages):
            model.train()
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                while loop.step < stage:
                    loop.one_step()
            buffers = {name: array.copy() for name, array in model.named_buffers()}  # running statistics
            advice = inspect.advise(
                model,
                part,
                budgets=BUDGETS,
                batch_size=c.batch_size,
                batches=self.batches,
                factors=self.factors,
                rng=self.seed,
            )
            for name, array in model.named_buffers():
                array[...] = buffers[name]
            x, y = (array[:LOSS_SAMPLES] for array in part)
            loss = float(training.evaluate(model, x, y, batch_size=100)[0])
            exact = advice.candidates[0]
            points += [
                PrecisionPoint(
                    steps=stage,
                    loss=loss,
                    what=each.name,
                    setting=each.setting,
                    operations=(each.forward + each.backward) / (exact.forward + exact.backward),
                    noise=each.noise,
                    ratio=each.ratio,
                    error=each.error,
                    caution=each.caution,
                )
                for each in advice.candidates
            ]
        return PrecisionRun(key, c.model, self.seed, c.data, tuple(points))


def measure_precision(
    configurations: dict[str, Configuration],
    out: str | Path,
    *,
    stages: tuple[int, ...] = PRECISION_STAGES,
    batches: int = 20,
    factors: tuple[float, ...] = (0.5, 2.0),
    trained: str = "exact",
    seeds: int = 3,
    executor: Submits | None = None,
    shared_filesystem: bool = True,
    progress: bool | None = None,
) -> PrecisionResult:
    """Measure what it costs to reach a precision with each kind of sketch, as networks are trained.

    Each network is trained at one learning rate. After each number of steps `minigrad.inspect.advise` measures
    J = (1 + V/σ²) · (operations over exact ones) of no sketch, of samples at the logits, rows and columns at their best
    budgets, and of rows by one price for every edge; and of that price with its root halved and doubled. Scores and the
    measurement of gains are among the operations.

    Parameters
    ----------
    configurations : mapping from str to Configuration
        By a name that is of no account for the results; noise is measured on batches of their size.
    out : path-like
        The folder of the results; finished networks are kept there and are not done again.
    stages : tuple of int
    batches : int, default 20
        At least 2.
    factors : tuple of float, default (0.5, 2.0)
        Multiples of the root τ of the price.
    trained : str, default "exact"
        What networks are trained with, as `minigrad.experiments.compare` takes it: such as ``price(auto)``.
    seeds : int, default 3
        Of the initial parameters, of the order of the data, and of the batches on which J is measured.
    executor, shared_filesystem, progress
        As for `minigrad.experiments.jobs.run_jobs`.

    Returns
    -------
    PrecisionResult

    Raises
    ------
    ValueError
        If a text is not understood or a number out of range.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.precision import measure_precision
    >>> small = {"mlp": Configuration("mlp", train=300, lr=0.05)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = measure_precision(small, folder, stages=(40,), batches=3, seeds=1, progress=False)
    >>> [point.what for point in result.runs[0].points]  # doctest: +NORMALIZE_WHITESPACE
    ['nothing', 'samples at the logits', 'rows', 'columns', 'rows by one price', 'rows, 0.5 × τ', 'rows, 2 × τ']
    """
    check_networks("precision", configurations.values(), stages, batches, seeds)
    if not all(0 < factor < np.inf for factor in factors):
        raise ValueError(f"precision: factors={factors} of τ must be positive and finite")
    method = Method("exact") if trained.strip() == "exact" else methods_from((trained,), 1.0)[-1]
    store = Store(out, PrecisionRun)
    jobs = [
        PrecisionJob(configuration, seed, tuple(sorted(set(stages))), batches, tuple(factors), method)
        for configuration in configurations.values()
        for seed in range(seeds)
    ]
    done = run_jobs(
        jobs, store, executor=executor, shared_filesystem=shared_filesystem, progress=progress, label="networks"
    )
    settings = tuple(asdict(configuration) for configuration in configurations.values())
    result = PrecisionResult(tuple(done[job.key] for job in jobs), settings, method.label, batches)
    result.save(store.folder)
    return result
