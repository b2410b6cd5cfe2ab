"""The training loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from minigrad import ops
from minigrad.cotangents import dense
from minigrad.inspect.cost import Cost, cost
from minigrad.nn.module import Module
from minigrad.optim import Optimizer, clip_grad_norm
from minigrad.sweep import stream
from minigrad.tape import Tape
from minigrad.tensor import Tensor
from minigrad.training.batches import Batches
from minigrad.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigrad.training.history import Epoch, History, correct
from minigrad.typing import Array, Seed

if TYPE_CHECKING:
    from minigrad.datasets import Dataset

__all__ = ["DivergenceError", "evaluate", "fit"]

Loss: TypeAlias = Callable[[Any, Array], Tensor]


class DivergenceError(FloatingPointError):
    """A training run met a loss or parameters that are not finite.

    Attributes
    ----------
    step : int
        The step at which it was noticed.
    history : History
        The epochs that were finished before.
    """

    def __init__(self, message: str, step: int, history: History):
        super().__init__(message)
        self.step, self.history = step, history


def fit(
    model: Module,
    data: Dataset | tuple[Array, ...],
    *,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 128,
    loss: Loss = ops.cross_entropy,
    schedule: Callable[[int], float] | None = None,
    max_norm: float | None = None,
    steps_per_epoch: int | None = None,
    rng: Seed = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool | None = None,
) -> History:
    """Train a classifier on batches, and measure it after each epoch.

    Every draw is keyed by the seed and the number of the step, so a run that was interrupted and resumed from its
    checkpoint gives bit for bit the parameters of one that was not.

    Parameters
    ----------
    model : Module
        Maps a batch of inputs to logits of shape (batch, classes).
    data : Dataset or tuple of ndarray
        ``(x_train, y_train)`` or ``(x_train, y_train, x_test, y_test)``.
    optimizer : Optimizer
        Of the parameters of the model.
    epochs : int
        How many in all, those of a checkpoint included.
    batch_size : int, default 128
        All batches are full (`Batches`).
    loss : callable, default `ops.cross_entropy`
        ``loss(logits, labels)``, a scalar Tensor; by default the mean over the batch.
    schedule : callable, optional
        ``schedule(step)`` is the learning rate of a step, counted from 0. Default: that of the optimizer, constant.
    max_norm : float, optional
        Scales the gradient down to this norm where it is larger.
    steps_per_epoch : int, optional
        Default: one pass over the training data, rounded up.
    rng : Generator, int or None
        The seed of the order of the data, of dropout and of the random VJPs.
    checkpoint : path-like, optional
        Written after each epoch, atomically; if it exists, training goes on from it.
    progress : bool, optional
        A progress bar; default: if standard error is a terminal.

    Returns
    -------
    History

    Raises
    ------
    DivergenceError
        If the loss or a parameter is not finite; the checkpoint stays that of the last good epoch.
    CheckpointError
        If the checkpoint is damaged, or belongs to another run.
    ValueError
        If an option is out of range.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import datasets, nn, optim, training
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 32, 10), rng=0)
    >>> history = training.fit(model, data, optimizer=optim.SGD(model, lr=0.2), epochs=2, batch_size=32, rng=0)
    >>> history.last.test_accuracy > 0.8
    True
    """
    if epochs < 1 or (steps_per_epoch is not None and steps_per_epoch < 1):
        raise ValueError(f"fit: epochs={epochs} and steps_per_epoch={steps_per_epoch} must be at least 1")
    run = _Run(model, data, optimizer, batch_size, loss, schedule, max_norm, steps_per_epoch, rng)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        run.restore(path)
    from tqdm import tqdm

    total = epochs * run.steps_per_epoch
    quiet = None if progress is None else not progress
    with tqdm(total=total, initial=min(run.step, total), disable=quiet, unit="step", leave=False) as bar:
        while len(run.history) < epochs:
            run.epoch(bar)
            if path is not None:
                run.save(path)
            last = run.history.last
            bar.set_postfix(loss=f"{last.loss:.3g}", accuracy=f"{last.test_accuracy or last.accuracy:.3f}")
    return run.history


def evaluate(
    model: Module, x: Array, labels: Array, loss: Loss = ops.cross_entropy, batch_size: int = 1000
) -> tuple[float, float]:
    """Mean loss and accuracy, in evaluation mode and without recording.

    Parameters
    ----------
    model : Module
    x : ndarray, shape (N, ...)
    labels : ndarray of int, shape (N,)
    loss : callable, default `ops.cross_entropy`
        A mean over its batch.
    batch_size : int, default 1000

    Returns
    -------
    loss, accuracy : float

    Examples
    --------
    >>> from minigrad import datasets, nn, training
    >>> data = datasets.digits().flat()
    >>> mean_loss, accuracy = training.evaluate(nn.mlp((64, 10), rng=0), data.x_test, data.y_test)
    >>> 0 <= accuracy <= 1
    True
    """
    was_training = model.training
    model.eval()
    total = right = 0.0
    try:
        for first in range(0, len(x), batch_size):
            part = slice(first, first + batch_size)
            logits = model(x[part])
            total += loss(logits, labels[part]).item() * len(labels[part])
            right += correct(logits.data, labels[part]) * len(labels[part])
    finally:
        model.train(was_training)
    return total / len(x), right / len(x)


class _Run:
    """The state of a training run between two epochs."""

    def __init__(
        self,
        model: Module,
        data: Dataset | tuple[Array, ...],
        optimizer: Optimizer,
        batch_size: int,
        loss: Loss,
        schedule: Callable[[int], float] | None,
        max_norm: float | None,
        steps_per_epoch: int | None,
        rng: Seed,
    ):
        arrays = data if isinstance(data, tuple) else (data.x_train, data.y_train, data.x_test, data.y_test)
        if len(arrays) not in (2, 4) or len(arrays[0]) != len(arrays[1]):
            raise ValueError("fit: data is a Dataset, (x_train, y_train) or (x_train, y_train, x_test, y_test)")
        self.x, self.y = arrays[:2]
        self.test = arrays[2:] if len(arrays) == 4 else None
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.schedule, self.max_norm = schedule, max_norm
        self.seed = stream(rng)
        self.batches = Batches(len(self.x), batch_size, self.seed)
        self.steps_per_epoch = steps_per_epoch or self.batches.steps_per_pass
        self.step = 0
        self.history = History()
        self.forward_flops = self.backward_flops = 0.0
        self._cost: tuple[Any, Cost] | None = None

    def epoch(self, bar: Any) -> None:
        """Train for one epoch, and add it to the history."""
        self.model.train()
        started = time.perf_counter()
        losses, accuracies, backward = 0.0, 0.0, 0.0
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is found below
            for _ in range(self.steps_per_epoch):
                loss, accuracy, seconds = self.one_step()
                losses += loss
                accuracies += accuracy
                backward += seconds
                bar.update()
        seconds = time.perf_counter() - started
        self._check_parameters()
        test_loss, test_accuracy = (None, None) if self.test is None else evaluate(self.model, *self.test, self.loss)
        self.history.epochs.append(
            Epoch(
                epoch=len(self.history) + 1,
                step=self.step,
                lr=float(self.optimizer.lr),
                loss=losses / self.steps_per_epoch,
                accuracy=accuracies / self.steps_per_epoch,
                test_loss=test_loss,
                test_accuracy=test_accuracy,
                seconds=seconds,
                backward_seconds=backward,
                forward_flops=self.forward_flops,
                backward_flops=self.backward_flops,
            )
        )

    def one_step(self) -> tuple[float, float, float]:
        """Take one step; return the loss and the accuracy on its batch, and the seconds of the backward pass."""
        chosen = self.batches[self.step]
        x, y = self.x[chosen], self.y[chosen]
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.step)
        with Tape(rng=step_key(self.seed, self.step, 0)) as tape:
            logits = self.model(x)
            loss = self.loss(logits, y)
        value = loss.item()
        if not np.isfinite(value):
            self._diverged(f"the loss is {value}")
        started = time.perf_counter()
        key = step_key(self.seed, self.step, 1)
        gradients = tape.gradients(loss, self.optimizer.parameters, rng=key, structured=self.max_norm is None)
        backward = time.perf_counter() - started
        if self.max_norm is not None:
            gradients = tuple([dense(g) for g in gradients])
            clip_grad_norm(gradients, self.max_norm)
        self.optimizer.step(gradients)
        self._count(tape)
        self.step += 1
        return value, correct(logits.data, y), backward

    def _count(self, tape: Tape) -> None:
        """Add the operations of a step; they are counted afresh only when a tape looks different."""
        looks = tuple([(node.shape, id(node.vjp)) for node in tape.nodes])
        if self._cost is None or self._cost[0] != looks:
            self._cost = looks, cost(tape)
        self.forward_flops += self._cost[1].forward
        self.backward_flops += self._cost[1].backward

    def _check_parameters(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.data).all():
                self._diverged(f"the parameter {name!r} holds a value that is not finite")

    def _diverged(self, what: str) -> None:
        raise DivergenceError(
            f"fit: {what} at step {self.step} (epoch {len(self.history) + 1}). The learning rate may be too large for "
            "the noise: lower it, raise the budget, or clip the gradient with max_norm=",
            self.step,
            self.history,
        )

    def identity(self) -> dict[str, Any]:
        """What must agree for a checkpoint to belong to this run."""
        return {
            "seed": self.seed,
            "samples": len(self.x),
            "batch_size": self.batches.batch_size,
            "steps_per_epoch": self.steps_per_epoch,
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        arrays = {f"model/{name}": array for name, array in self.model.state_dict().items()}
        state = self.optimizer.state_dict()
        plain = {}
        for name, value in state.items():
            if isinstance(value, np.ndarray):
                arrays[f"optimizer/{name}"] = value
            else:
                plain[name] = value
        meta = {
            "run": self.identity(),
            "step": self.step,
            "flops": [self.forward_flops, self.backward_flops],
            "optimizer": plain,
            "history": self.history.to_dict(),
        }
        save_checkpoint(path, arrays, meta)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        arrays, meta = load_checkpoint(path)
        for name, value in self.identity().items():
            found = meta["run"].get(name)
            if found != value:
                raise CheckpointError(
                    f"{path} belongs to another run: its {name} is {found}, that of this run is {value}. Delete it, or "
                    "give this run a checkpoint of its own"
                )
        self.model.load_state_dict(_below("model/", arrays))
        self.optimizer.load_state_dict({**meta["optimizer"], **_below("optimizer/", arrays)})
        self.step = meta["step"]
        self.forward_flops, self.backward_flops = meta["flops"]
        self.history = History.from_dict(meta["history"])


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def step_key(seed: int, step: int, purpose: int) -> int:
    """The seed of one purpose of one step (0: forward, 1: backward)."""
    return int(np.random.SeedSequence([seed, step, purpose]).generate_state(1, np.uint64)[0])
