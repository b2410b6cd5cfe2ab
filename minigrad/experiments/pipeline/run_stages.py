"""The stages of a pipeline, each in a process of its own: how they are started, watched, and started again."""

from __future__ import annotations

import multiprocessing.connection
import traceback
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from minigrad.experiments.executors import begin_worker
from minigrad.experiments.interrupts import QuietContext, held
from minigrad.experiments.pipeline.link import Link, LinkError, loopback_pair
from minigrad.experiments.pipeline.stage import Plan, Stage, newest_checkpoint
from minigrad.extensions import import_extension
from minigrad.threads import one_thread

__all__ = ["Diverged", "StageError", "run_stages"]

FAILED, DIVERGED, ALONE = 3, 4, 5
"""Statuses of a stage that ends by an error of its own, by a loss that is not finite, or since a neighbour has gone."""

PATIENCE = 60.0
"""Seconds for the others to end by themselves, once one has."""

MOST_RESTARTS = 5
"""Without a new checkpoint in between."""

MOST_WORDS = 2000
"""Of an error, in letters: a pipe holds them until they are read."""


class StageError(BrokenExecutor):
    """A stage of a pipeline has failed, or ended again and again.

    Examples
    --------
    >>> issubclass(StageError, BrokenExecutor)
    True
    """


class Diverged(FloatingPointError):
    """The loss of a pipeline is not finite."""


def run_stages(plan: Plan, stages: int) -> int:
    """Train a pipeline to its last step; each stage then has a checkpoint of that.

    A stage that ends before, whatever ended it, takes its neighbours with it. All are started again at the last step
    of which each has a checkpoint, and go on bit for bit.

    Parameters
    ----------
    plan : Plan
    stages : int

    Returns
    -------
    int
        How often the stages had to be started again.

    Raises
    ------
    StageError
        If a stage raised an error, whose words are in the message; or if stages ended five times without a new
        checkpoint.
    Diverged
        If the loss is not finite.
    """
    folder = Path(plan.folder)
    folder.mkdir(parents=True, exist_ok=True)
    restarts = fruitless = 0
    start = newest_checkpoint(folder, stages, plan.key)
    while start < plan.steps:
        ended = _once(plan, stages, start)
        before, start = start, newest_checkpoint(folder, stages, plan.key)
        if start == plan.steps:
            break
        restarts += 1
        fruitless = 0 if start > before else fruitless + 1
        if fruitless >= MOST_RESTARTS:
            raise StageError(
                f"the stages of a pipeline ended {fruitless} times between step {start} and its next checkpoint, the "
                f"last time with {ended}: is there enough memory?"
            )
    return restarts


def _once(plan: Plan, stages: int, start: int) -> str:
    """Start the stages, and wait until all have ended; how each did."""
    context = QuietContext()
    pairs = [loopback_pair() for _ in range(stages - 1)]
    pipes = [context.Pipe(duplex=False) for _ in range(stages)]
    processes: list[Any] = []
    try:
        with held():
            for k in range(stages):
                before = pairs[k - 1][1] if k else None
                after = pairs[k][0] if k < stages - 1 else None
                process = context.Process(
                    target=run_stage, args=(plan, k, before, after, start, pipes[k][1]), name=f"stage {k}"
                )
                process.start()
                processes.append(process)
        for end in [end for pair in pairs for end in pair]:  # the stages alone hold them: if one ends, others see it
            end.close()
        _wait(processes)
    finally:
        with held():
            for process in processes:
                process.kill()
            for process in processes:
                process.join()
        for end in [end for pair in pairs for end in pair]:
            end.close()
    words = [_words(pipe) for pipe, _ in pipes]
    for pipe in [pipe for both in pipes for pipe in both]:
        pipe.close()
    codes = [process.exitcode for process in processes]
    for k, code in enumerate(codes):
        if code == DIVERGED:
            raise Diverged(words[k])
        if code is not None and code > 0 and code != ALONE:
            raise StageError(f"stage {k} of a pipeline failed: {words[k] or f'it ended with status {code}'}")
    return ", ".join(f"stage {k}: status {code}" for k, code in enumerate(codes))


def _wait(processes: Sequence[Any]) -> None:
    """Wait until all have ended; no longer than `PATIENCE` after one has that should not have."""
    left = list(processes)
    patience = None
    while left:
        done = multiprocessing.connection.wait([process.sentinel for process in left], patience)
        if not done:
            return  # those that are left hang
        for process in [process for process in left if process.sentinel in done]:
            process.join()
            left.remove(process)
            patience = PATIENCE if process.exitcode else patience


def _words(pipe: Any) -> str:
    try:
        return str(pipe.recv_bytes().decode()) if pipe.poll() else ""
    except (EOFError, OSError):
        return ""


def run_stage(plan: Plan, index: int, before: Any, after: Any, start: int, words: Any) -> None:
    """Be a stage, in a process of one's own; end with a status that says how it went."""
    begin_worker()
    above, below = (None if end is None else Link(end) for end in (before, after))
    status, text = 0, ""
    try:
        for name in plan.extensions:
            import_extension(name)
        with one_thread():
            Stage(plan, index, above, below, start).run()
    except LinkError as error:
        status, text = ALONE, str(error)
    except FloatingPointError as error:
        status, text = DIVERGED, str(error)
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        status, text = FAILED, f"{type(error).__name__}: {error} (line {where.lineno} of {Path(where.filename).name})"
    if text:
        words.send_bytes(text[:MOST_WORDS].encode())
    raise SystemExit(status)
