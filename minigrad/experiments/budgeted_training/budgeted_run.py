"""One run of budgeted training: until its budget is spent, and then scored."""

from __future__ import annotations

import hashlib
import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import ops, training
from minigrad.datasets import Dataset
from minigrad.experiments.budgeted_training.benchmark import Unit
from minigrad.experiments.budgeted_training.spending import Spending
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.experiments.run import AUGMENTATION, callbacks_of, sampler_of
from minigrad.extensions import import_extension, imported
from minigrad.report import json_ready
from minigrad.threads import one_thread
from minigrad.training.loop import Loop
from minigrad.training.resume import Saved

__all__ = ["BudgetedJob", "BudgetedRun", "held_out"]

TRAIN_SCORED = 5_000
"""The training loss is that of the first so many training images."""

SCORED_TOGETHER = 100
"""Images in a batch that is scored: few, for what does not fit into the cache takes twice as long."""

CHECKPOINT_SECONDS = 20.0
"""No more than this is lost when a run is interrupted."""


@dataclass(frozen=True)
class BudgetedRun:
    """The result of one run. Losses are means in nats, of the parameters at the end of the run.

    Attributes
    ----------
    key : str
    label : str
        Of the method.
    seed, batch_size : int
    lr : float
        Of the first step.
    level : float
        The budget; 1 is that of the benchmark's exact steps.
    steps : int
    forward, backward : float
        Operations that were spent.
    seconds, wall : float
        Processor time of the thread and wall time of the steps; to load and to score is not in them.
    held_loss, held_accuracy : float or None
        On the held-out training images; None where the run diverged.
    train_loss, train_accuracy, test_loss, test_accuracy : float or None
        None also where only the held-out images were to be scored.
    diverged : str or None
        The message, where the loss or a parameter was no longer finite.

    Examples
    --------
    >>> run = BudgetedRun("a1b2", "exact", 0, 64, 0.1, 1.0, 100, 2e6, 4e6, 1.5, 1.6, test_loss=0.5)
    >>> BudgetedRun.from_dict(run.to_dict()) == run
    True
    """

    key: str
    label: str
    seed: int
    batch_size: int
    lr: float
    level: float
    steps: int
    forward: float
    backward: float
    seconds: float
    wall: float
    held_loss: float | None = None
    held_accuracy: float | None = None
    train_loss: float | None = None
    train_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    diverged: str | None = None

    def spent(self, unit: Unit) -> float:
        """The operations or seconds that the run spent."""
        return self.seconds if unit == "seconds" else self.forward + self.backward

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-ready data; `from_dict` reads it."""
        return dict(json_ready(asdict(self)))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> BudgetedRun:
        """The run that `to_dict` wrote."""
        return cls(**data)


@dataclass(frozen=True)
class BudgetedJob:
    """One run that is to be done.

    Parameters
    ----------
    configuration : Configuration
        With the batch size and the learning rate.
    method : Method
    seed : int
    unit : {"operations", "seconds"}
    level : float
        The budget as tables name it.
    budget : float
        The same in operations or seconds.
    scored : bool
        Whether the run is scored on training and test images, too; a run that is to choose by is scored on the
        held-out ones alone.
    extensions : tuple of str
        As for `minigrad.experiments.jobs.Job`.

    Examples
    --------
    >>> from minigrad.experiments import Configuration, Method
    >>> from minigrad.experiments.budgeted_training import BudgetedJob
    >>> run = BudgetedJob(Configuration("mlp", "digits", lr=0.1), Method("exact"), 0, "operations", 1.0, 1e9, True)()
    >>> 0.99e9 < run.forward + run.backward < 1.01e9, run.test_accuracy > 0.5
    (True, True)
    """

    configuration: Configuration
    method: Method
    seed: int
    unit: Unit
    level: float
    budget: float
    scored: bool
    extensions: tuple[str, ...] = field(default_factory=imported)

    @property
    def key(self) -> str:
        """The name under which its run is kept."""
        what = [self.configuration.key(self.method, self.seed), self.unit, self.budget, self.scored]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    @one_thread()
    def __call__(self, checkpoint: Path | None = None) -> BudgetedRun:
        """Train until the budget is spent, in whatever process this is, and score what came of it."""
        for name in self.extensions:
            import_extension(name)
        try:
            return self._run(checkpoint)
        except training.CheckpointError as error:
            if checkpoint is None or not checkpoint.is_file() or isinstance(error, training.OtherRunError):
                raise
            checkpoint.unlink()
            return self._run(checkpoint)

    def _run(self, checkpoint: Path | None) -> BudgetedRun:
        c, data = self.configuration, self.configuration.load()
        first = held_out(data)
        model = c.build(data, self.method, self.seed)
        spending = Spending(self.unit, self.budget, c.lr)
        loop = Loop(
            model,
            (data.x_train[:first], data.y_train[:first]),
            c.make_optimizer(model),
            c.batch_size,
            ops.cross_entropy,
            None,
            c.max_norm,
            1,
            self.seed,
            [*callbacks_of(self.method, self.unit), spending],
            AUGMENTATION if c.augment else None,
            sampler_of(self.method),
        )
        diverged, scores = None, dict[str, Any]()
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            try:
                _spend(loop, spending, checkpoint)
                scores = self._scores(loop, data, first)
            except training.DivergenceError as error:
                diverged = str(error)
        found = BudgetedRun(
            self.key, self.method.label, self.seed, c.batch_size, c.lr, self.level, loop.step, loop.forward_flops,
            loop.backward_flops, spending.seconds, spending.wall, diverged=diverged,
        )  # fmt: skip
        return replace(found, **scores)

    def _scores(self, loop: Loop, data: Dataset, first: int) -> dict[str, Any]:
        """Losses and accuracies by name."""
        parts = {"held": (data.x_train[first:], data.y_train[first:])}
        if self.scored:
            seen = min(first, TRAIN_SCORED)
            parts["train"] = data.x_train[:seen], data.y_train[:seen]
            parts["test"] = data.x_test, data.y_test
        found = {}
        for name, (x, y) in parts.items():
            loss, accuracy = training.evaluate(loop.model, x, y, batch_size=SCORED_TOGETHER)
            if not math.isfinite(loss):
                raise training.DivergenceError(f"the {name} loss is {loss}", loop.step, loop.history)
            found[f"{name}_loss"], found[f"{name}_accuracy"] = loss, accuracy
        return found


def held_out(data: Dataset) -> int:
    """Where the held-out images begin: the last tenth of the training images, which no run trains on."""
    if len(data.x_train) < 10:
        raise ValueError(f"of {len(data.x_train)} training samples no tenth can be held out; take at least 10")
    return len(data.x_train) - len(data.x_train) // 10


def _spend(loop: Loop, spending: Spending, checkpoint: Path | None) -> None:
    """Take steps until the budget is spent."""
    saved = None
    if checkpoint is not None:
        saved = Saved(loop, checkpoint)
        if checkpoint.exists():
            saved.restore(1)
    loop.model.train()
    written = time.monotonic()
    while spending.left(loop):
        with spending.step(loop):
            loop.one_step()
        if saved is not None and time.monotonic() - written >= CHECKPOINT_SECONDS:
            saved.save()
            written = time.monotonic()
