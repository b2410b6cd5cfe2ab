"""The state of a training run: one step, one epoch, and how it is saved and restored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from minigrad.arrays import plain
from minigrad.engine.node import Node
from minigrad.engine.tape import Tape
from minigrad.inspect.backward_flops import BackwardFlops
from minigrad.inspect.cost import cost
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.nn.module import Module
from minigrad.optim import Optimizer, clip_grad_norm
from minigrad.streams import Domain, child, generator, key_of
from minigrad.structure import Cotangent, dense
from minigrad.training.batches import Batches
from minigrad.training.evaluate import Loss, accuracy, evaluate
from minigrad.training.history import Epoch, History
from minigrad.training.sampler import Sampler
from minigrad.training.weighing import check_batch_statistics, check_loss, norms
from minigrad.typing import Array, Seed

if TYPE_CHECKING:
    from minigrad.datasets import Dataset

__all__ = ["Augmentation", "Callback", "DivergenceError", "Loop", "Step", "Watching"]

Augmentation: TypeAlias = Callable[[Array, np.random.Generator], Array]
"""``augment(x, rng)``: a batch of inputs, changed at random."""


class DivergenceError(FloatingPointError):
    """A training run met a loss or parameters that are not finite.

    Attributes
    ----------
    step : int
        The step at which it was noticed.
    history : History
        The epochs that were finished before.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import nn, optim, training
    >>> x, y = np.full((8, 4), np.inf, np.float32), np.zeros(8, int)
    >>> model = nn.mlp((4, 2), rng=0)
    >>> try:
    ...     with np.errstate(invalid="ignore"):
    ...         training.fit(model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=8, rng=0)
    ... except training.DivergenceError as error:
    ...     print(error.step)
    0
    """

    def __init__(self, message: str, step: int, history: History):
        super().__init__(message)
        self.step, self.history = step, history


class Callback(Protocol):
    """Something that acts before each step, and has a state that checkpoints keep: JSON-ready data, and arrays."""

    def __call__(self, loop: Loop) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], loop: Loop) -> None: ...


@dataclass(frozen=True)
class Step:
    """The outcome of a step before the optimiser moves: for callbacks that have a method ``after``.

    Attributes
    ----------
    tape : Tape
        After its backward pass.
    gradients : tuple of ndarray or structured cotangent
        As they arrived, not clipped: of the parameters of the optimiser that are trained. Not to be changed, and not to
        be kept where the loop clips them in place (``loop.max_norm``).
    operations : float
        Those of the step, forward and backward.
    """

    tape: Tape
    gradients: Sequence[Cotangent]
    operations: float


@runtime_checkable
class Watching(Callback, Protocol):
    """A callback that also looks at each step when its gradients are there."""

    def after(self, loop: Loop, step: Step) -> None: ...


class Loop:
    """The state of a training run between two epochs. The arguments are those of `minigrad.training.fit`."""

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
        callbacks: Sequence[Callback] = (),
        augment: Augmentation | None = None,
        sampler: Sampler | None = None,
    ):
        arrays = data if isinstance(data, tuple) else (data.x_train, data.y_train, data.x_test, data.y_test)
        arrays = tuple([plain(array, "fit: the data") for array in arrays])
        if len(arrays) not in (2, 4) or any(len(arrays[k]) != len(arrays[k + 1]) for k in range(0, len(arrays), 2)):
            raise ValueError(
                "fit: data is a Dataset, (x_train, y_train) or (x_train, y_train, x_test, y_test), with one label for "
                "each sample"
            )
        own = {id(parameter) for parameter in model.parameters()}
        if not any(id(parameter) in own for parameter in optimizer.parameters):
            raise ValueError("fit: the optimiser has no parameter of this model; make it with optimizer=SGD(model, …)")
        self.x, self.y = arrays[:2]
        self.test = arrays[2:] if len(arrays) == 4 else None
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.dtype = dtype_of(model.parameters())
        self.schedule, self.max_norm = schedule, max_norm
        self.seed, self.any_seed = key_of(rng), rng is None
        self.batches = Batches(len(self.x), batch_size, self.seed)
        self.sampler = Sampler() if sampler is None else sampler
        self.sampler.begin(self.batches)
        if self.sampler.weighs:
            check_loss(self.sampler, loss)
        self.steps_per_epoch = steps_per_epoch or self.batches.steps_per_pass
        self.step = 0
        self.history = History()
        self.forward_flops = self.backward_flops = 0.0
        self.callbacks, self.augment = tuple(callbacks), augment
        self.watching = [callback for callback in self.callbacks if isinstance(callback, Watching)]
        self._cost: tuple[Any, float, BackwardFlops] | None = None

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
            test_loss, test_accuracy = evaluate(self.model, *self.test, self.loss) if self.test else (None, None)
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
        for callback in self.callbacks:
            callback(self)
        key, (chosen, weights) = self.key, self.sampler.draw(self.step)
        x, y = fed(self.x[chosen], self.dtype), fed(self.y[chosen], self.dtype)
        if self.augment is not None:
            x = self.augment(x, generator(Domain.AUGMENTATION, key))
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.step)
        with Tape(rng=key) as tape:
            logits = self.model(x)
            loss = self.loss(logits, y) if weights is None else self.loss(logits, y, weights=weights)
        if self.sampler.weighs:
            check_batch_statistics(self.sampler, tape)
        value = loss.item()
        if not np.isfinite(value):
            self._diverged(f"the loss is {value}")
        started = time.perf_counter()
        wanted = [p for p in self.optimizer.parameters if p.requires_grad]  # without those that were frozen
        scored = [logits] if self.sampler.wants_scores else []
        gradients = list(tape.gradients(loss, [*wanted, *scored], rng=key, structured=self.max_norm is None))
        if scored:
            self.sampler.visited(self.step, chosen, norms(dense(gradients.pop()), weights))
        backward = time.perf_counter() - started
        operations = self._count(tape)
        for callback in self.watching:
            callback.after(self, Step(tape, gradients, operations))
        if self.max_norm is not None:
            gradients = [dense(g) for g in gradients]
            clip_grad_norm(gradients, self.max_norm)
        found = iter(gradients)
        self.optimizer.step([next(found) if p.requires_grad else p.data for p in self.optimizer.parameters])
        self.step += 1
        return value, accuracy(logits.data, y, weights), backward

    def _count(self, tape: Tape) -> float:
        """Add the operations of a step; they are counted afresh only when a tape looks different."""
        looks = [
            (
                node.primitive,
                node.shape,
                node.in_shapes,
                [(type(e), e.budget, e.adapts, e.kept(node.shape), e.overhead(node.shape), at) for e, at in own],
            )
            for node, own in zip(tape.nodes, map(Node.draws, tape.nodes), strict=True)
        ]
        if self._cost is None or self._cost[0] != looks:
            self._cost = looks, cost(tape).forward, BackwardFlops(tape)
        _, forward, of = self._cost
        backward = of(tape.shares)
        self.forward_flops += forward
        self.backward_flops += backward
        return forward + backward

    def _check_parameters(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.data).all():
                self._diverged(f"the parameter {name!r} holds a value that is not finite")

    def _diverged(self, what: str) -> None:
        remedy = "lower it"
        modules = [module for _, module in self.model.named_modules()]
        if any(getattr(module, name, None) is not None for module in modules for name in ("vjp", "save")):
            remedy += (
                ", or raise the budget. Clipping with max_norm= bounds the steps too, but biases a sketched gradient: "
                "its mean becomes too short (see minigrad.optim.clip_grad_norm)"
            )
        elif self.max_norm is None:
            remedy += ", or clip the gradient with max_norm="
        raise DivergenceError(
            f"fit: {what} at step {self.step} (epoch {len(self.history) + 1}). The learning rate may be too large for "
            f"the noise: {remedy}",
            self.step,
            self.history,
        )

    @property
    def key(self) -> int:
        """The seed of this step, for all that draws in it."""
        return child(Domain.STEP, self.seed, self.step)
