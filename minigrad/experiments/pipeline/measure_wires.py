"""A model in several processes, once for each estimator of what goes back over the wire."""

from __future__ import annotations

import os
from collections.abc import Sequence

from minigrad.counts import MOST_DRAWS, MOST_SEEDS, MOST_STEPS, count
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.jobs import run_jobs
from minigrad.experiments.pipeline.pipeline_result import PipelineResult
from minigrad.experiments.pipeline.pipeline_run import PipelineJob, PipelineRun
from minigrad.experiments.store import Store

__all__ = ["WIRES", "measure_pipeline"]

WIRES = (
    "rounding(8)",
    "rounding(4)",
    "rounding(2)",
    "rounding(4, allocation=optimal)",
    "rounding(2, allocation=optimal)",
    "then(lowrank(0.125), rounding(8))",
    "then(lowrank(0.0625), rounding(8))",
    "then(mask(0.5, axis=row), rounding(4))",
    "then(mask(0.25, axis=row), rounding(4))",
    "mask(0.25)",
    "mask(0.125)",
)
"""Estimators of cotangents on a wire, beside exact ones."""


def measure_pipeline(
    configuration: Configuration,
    out: str | os.PathLike[str],
    *,
    wires: Sequence[str] = WIRES,
    steps: int = 300,
    stages: int = 2,
    cuts: Sequence[int] = (),
    seeds: int = 1,
    draws: int = 40,
    every: int = 50,
    progress: bool | None = None,
) -> PipelineResult:
    """Train a model whose stages run in processes of their own, once for each estimator of what is sent back.

    Stages are joined by sockets on the loopback address. Activations go forward as they are, since a stage is no linear
    function of them; cotangents go back as the estimator leaves them. A batch goes through all stages before the next
    one begins, as nothing is overlapped. A stage that is killed is started again, with the others, at the last step of
    which each has a checkpoint, and they go on bit for bit.

    Parameters
    ----------
    configuration : Configuration
        Its learning rate stays the same throughout.
    out : path-like
        The folder of the results; finished runs are kept there and are not done again.
    wires : sequence of str
        Estimators, as `minigrad.estimators.parse` takes them; ``exact`` is always the first.
    steps : int, default 300
    stages : int, default 2
        How many, of about the same numbers of parameters.
    cuts : sequence of int, optional
        In place of stages: the modules with which the second begins, the third, and so on.
    seeds : int, default 1
        Of the initial parameters, the order of the data, and the draws.
    draws : int, default 40
        For the variance.
    every : int, default 50
        Steps between two checkpoints of a stage.
    progress : bool, optional
        As for `minigrad.experiments.jobs.run_jobs`.

    Returns
    -------
    PipelineResult

    Raises
    ------
    ValueError
        If a text is not understood, a number is out of range, or an estimator needs more than the cotangent.
    TypeError
        If the modules of the model do not run one after the other.
    concurrent.futures.BrokenExecutor
        If a stage fails, or ends again and again; what was finished is kept.

    Examples
    --------
    >>> import tempfile
    >>> from minigrad.experiments import Configuration
    >>> from minigrad.experiments.pipeline import measure_pipeline
    >>> small = Configuration("mlp", "digits", train=200, test=100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = measure_pipeline(small, folder, wires=["rounding(4)"], steps=3, draws=5, progress=False)
    >>> [round(means["exact"], 2) for means in result.summary().values()]  # 4 bits of 32, a row's ends, and headers
    [1.0, 0.13]
    """
    steps = count("pipeline: steps", steps, MOST_STEPS, "steps")
    seeds = count("pipeline: seeds", seeds, MOST_SEEDS, "seeds")
    draws = count("pipeline: draws", draws, MOST_DRAWS, "draws", least=2)
    every = count("pipeline: every", every, MOST_STEPS, "steps between checkpoints")
    texts = list(dict.fromkeys(["exact", *[wire.strip() for wire in wires]]))
    jobs = [
        PipelineJob(configuration, wire, seed, steps, stages, tuple(cuts), draws, every)
        for wire in texts
        for seed in range(seeds)
    ]
    for job in jobs[::seeds]:
        job.check()
    store = Store(out, PipelineRun)
    done = run_jobs(jobs, store, progress=progress, label="pipelines")
    result = PipelineResult(tuple(done[job.key] for job in jobs), configuration.to_dict(), draws)
    result.save(store.folder)
    return result
