"""The state of a training run: one step, one epoch, and how it is saved and restored."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from minigrad.arrays import plain
from minigrad.cotangents import dense
from minigrad.inspect.cost import Cost, cost
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.nn.module import Module
from minigrad.optim import Optimizer, clip_grad_norm
from minigrad.streams import Domain, child, generator, key_of
from minigrad.tape import Tape
from minigrad.training.batches import Batches
from minigrad.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigrad.training.evaluate import Loss, evaluate
from minigrad.training.history import Epoch, History, correct
from minigrad.typing import Array, Seed

if TYPE_CHECKING:
    from minigrad.datasets import Dataset

__all__ = ["Augmentation", "Callback", "DivergenceError", "Loop"]

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
    """Something that acts before each step, and has a state that checkpoints keep."""

    def __call__(self, loop: Loop) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], loop: Loop) -> None: ...


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
        self.steps_per_epoch = steps_per_epoch or self.batches.steps_per_pass
        self.step = 0
        self.history = History()
        self.forward_flops = self.backward_flops = 0.0
        self.callbacks, self.augment = tuple(callbacks), augment
        self._cost: tuple[Any, Any, Cost] | None = None
        # Callbacks may change the VJPs of the model; a checkpoint goes by those that it began with.
        chosen = {path: getattr(module, "vjp", None) for path, module in model.named_modules()}
        self._vjps = {path: _vjp_name(vjp) for path, vjp in chosen.items() if vjp is not None}
        kept = {path: getattr(module, "save", None) for path, module in model.named_modules()}
        self._saves = {path: _vjp_name(save) for path, save in kept.items() if save is not None}

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
        key, chosen = self.key, self.batches[self.step]
        x, y = fed(self.x[chosen], self.dtype), fed(self.y[chosen], self.dtype)
        if self.augment is not None:
            x = self.augment(x, generator(Domain.AUGMENTATION, key))
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.step)
        with Tape(rng=key) as tape:
            logits = self.model(x)
            loss = self.loss(logits, y)
        value = loss.item()
        if not np.isfinite(value):
            self._diverged(f"the loss is {value}")
        started = time.perf_counter()
        wanted = [p for p in self.optimizer.parameters if p.requires_grad]  # without those that were frozen
        gradients = tape.gradients(loss, wanted, rng=key, structured=self.max_norm is None)
        backward = time.perf_counter() - started
        if self.max_norm is not None:
            gradients = tuple([dense(g) for g in gradients])
            clip_grad_norm(gradients, self.max_norm)
        found = iter(gradients)
        self.optimizer.step([next(found) if p.requires_grad else p.data for p in self.optimizer.parameters])
        self._count(tape)
        self.step += 1
        return value, correct(logits.data, y), backward

    def _count(self, tape: Tape) -> None:
        """Add the operations of a step; they are counted afresh only when a tape looks different."""
        draws = [node.draws() for node in tape.nodes]
        looks = [
            (node.primitive, node.shape, node.in_shapes, [(id(e), e.budget, edges) for e, edges in own])
            for node, own in zip(tape.nodes, draws, strict=True)
        ]
        if self._cost is None or self._cost[0] != looks:
            self._cost = looks, draws, cost(tape)  # keeping the estimators keeps their ids from being given anew
        self.forward_flops += self._cost[2].forward
        self.backward_flops += self._cost[2].backward

    def _check_parameters(self) -> None:
        for name, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.data).all():
                self._diverged(f"the parameter {name!r} holds a value that is not finite")

    def _diverged(self, what: str) -> None:
        remedy = "lower it"
        if self._vjps or self._saves:
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

    def identity(self) -> dict[str, Any]:
        """What must agree for a checkpoint to belong to this run, as JSON-ready data."""
        return {
            "seed": self.seed,
            "samples": list(np.shape(self.x)),
            "labels": zlib.crc32(np.ascontiguousarray(self.y).tobytes()),
            "batch_size": self.batches.batch_size,
            "steps_per_epoch": self.steps_per_epoch,
            "optimizer": type(self.optimizer).__name__ + self.optimizer.repr_arguments(),
            "max_norm": self.max_norm,
            "vjp": self._vjps,
            "save": self._saves,
            "callbacks": [repr(callback) for callback in self.callbacks],
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
            "callbacks": [callback.state_dict() for callback in self.callbacks],
        }
        save_checkpoint(path, arrays, meta)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint; where it does not fit, nothing is changed."""
        arrays, meta = load_checkpoint(path)
        remedy = "Delete it, or give this run a checkpoint of its own"
        try:
            run, step, (forward, backward) = meta["run"], int(meta["step"]), meta["flops"]
            history, seed = History.from_dict(meta["history"]), run["seed"]
            state = {**meta["optimizer"], **_below("optimizer/", arrays)}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{path} is a checkpoint, but not one of training.fit. {remedy}") from error
        expected = {**self.identity(), "seed": seed if self.any_seed else self.seed}
        for name, value in expected.items():
            if run.get(name) != value:
                raise CheckpointError(
                    f"{path} belongs to another run: its {name} is {run.get(name)}, that of this run is {value}. "
                    f"{remedy}"
                )
        before = self.optimizer.state_dict()
        try:
            self.optimizer.load_state_dict(state)
            self.model.load_state_dict(_below("model/", arrays))
        except ValueError as error:
            self.optimizer.load_state_dict(before)
            raise CheckpointError(f"{path} belongs to another model: {error}\n{remedy}") from error
        for callback, kept in zip(self.callbacks, meta["callbacks"], strict=True):
            callback.load_state_dict(kept, self)
        self.seed = seed
        self.batches = Batches(len(self.x), self.batches.batch_size, seed)
        self.step, self.history = step, history
        self.forward_flops, self.backward_flops = forward, backward


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _vjp_name(vjp: Any) -> Any:
    """An estimator as text that is the same in every process."""
    if isinstance(vjp, Mapping):
        return {edge: _vjp_name(estimator) for edge, estimator in vjp.items()}
    text = repr(vjp)
    return type(vjp).__name__ if " at 0x" in text else text
