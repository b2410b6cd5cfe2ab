"""One stage of a pipeline: its part of each training step, and its checkpoints."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import nn, ops
from minigrad.engine.sweep import Sweep
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.engine.wanted import arrived
from minigrad.estimators import parse
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.pipeline.cutting import boundaries, cut
from minigrad.experiments.pipeline.frame import Role
from minigrad.experiments.pipeline.link import Link
from minigrad.experiments.pipeline.sketching import sketched
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.streams import Domain, child, generator
from minigrad.structure import Cotangent, dense
from minigrad.training.batches import Batches
from minigrad.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigrad.typing import Array

__all__ = ["Counts", "Plan", "Stage", "checkpoint_path", "newest_checkpoint"]


@dataclass(frozen=True)
class Plan:
    """All that decides what the stages of a pipeline compute together.

    Parameters
    ----------
    key : str
        The name of the run, which its checkpoints bear.
    configuration : Configuration
    seed : int
    cuts : tuple of int
        See `minigrad.experiments.pipeline.cutting.cut`.
    steps : int
    wire : str
        The estimator of cotangents that are sent, as text; the same for every cut.
    every : int
        Steps between two checkpoints.
    folder : str
        Where they are kept.
    extensions : tuple of str
        As for `minigrad.experiments.jobs.Job`.
    """

    key: str
    configuration: Configuration
    seed: int
    cuts: tuple[int, ...]
    steps: int
    wire: str
    every: int
    folder: str
    extensions: tuple[str, ...] = ()


@dataclass
class Counts:
    """The sums over the steps of one stage.

    Bytes that it sent; seconds from end to end, and seconds of the processor, in all and for sketches and frames; and
    the losses, of the last stage.
    """

    forward_bytes: int = 0
    backward_bytes: int = 0
    forward_headers: int = 0
    backward_headers: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    coding: float = 0.0
    losses: list[float] = field(default_factory=list)


class Stage:
    """A stage, between the one before it and the one after it.

    Parameters
    ----------
    plan : Plan
    index : int
        The first is 0.
    before, after : Link or None
        None for the first and for the last stage.
    step : int
        The checkpoint to go on from; 0 for none.
    """

    def __init__(self, plan: Plan, index: int, before: Link | None, after: Link | None, step: int = 0):
        c = plan.configuration
        self.plan, self.index, self.before, self.after, self.step = plan, index, before, after, step
        self.data = c.load()
        whole = nn.models.build(c.model, self.data.input_shape, self.data.num_classes, rng=plan.seed)
        stages = cut(whole, plan.cuts)
        self.boundaries = boundaries(stages, self.data.x_train, c.batch_size)
        self.model = stages[index].train()
        self.dtype = dtype_of(stages[0].parameters())
        self.optimizer = c.make_optimizer(self.model)
        self.batches = Batches(len(self.data.x_train), c.batch_size, plan.seed)
        self.estimator = parse(plan.wire)
        self.counts = Counts()
        if step:
            self.restore()

    def run(self) -> None:
        """Take all steps that are left."""
        while self.step < self.plan.steps:
            began, worked = time.perf_counter(), time.thread_time()
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                self.one_step()
            self.counts.seconds += time.perf_counter() - began
            self.counts.cpu += time.thread_time() - worked
            if self.step % self.plan.every == 0 or self.step == self.plan.steps:
                self.save()

    def one_step(self) -> None:
        """Go forward and back once, and change the parameters.

        Raises
        ------
        FloatingPointError
            If the loss is not finite.
        LinkError, FrameError
            As `Link`.
        """
        step = self.step
        # Dropout and the wire of each stage draw by themselves, as any pass of a model does.
        key = child(Domain.STAGE, child(Domain.STEP, self.plan.seed, step), self.index)
        chosen = self.batches[step]
        x: Any
        if self.before is None:
            x = fed(self.data.x_train[chosen], self.dtype)
        else:
            came = self.before.receive(step, "activation", *self.boundaries[self.index - 1])
            x = Tensor(dense(came), requires_grad=True)
        wanted = [*self.optimizer.parameters, *([] if self.before is None else [x])]
        with Tape(rng=key) as tape:
            out = self.model(x)
            if self.after is None:
                loss = ops.cross_entropy(out, fed(self.data.y_train[chosen], self.dtype))
        if self.after is None:
            value = loss.item()
            if not np.isfinite(value):
                raise FloatingPointError(f"the loss is {value} at step {step}")
            self.counts.losses.append(value)
            gradients: Sequence[Any] = tape.gradients(loss, wanted, rng=key)
        else:
            self._send(self.after, out.data, "activation")
            g = self.after.receive(step, "cotangent", *self.boundaries[self.index])
            gradients = pulled_back(tape, out, g, wanted)
        if self.before is not None:
            *gradients, g = gradients
            began = time.thread_time()
            back = sketched(self.estimator, dense(g), generator(Domain.SAMPLE, key))
            self.counts.coding += time.thread_time() - began
            self._send(self.before, back, "cotangent")
        self.optimizer.step(list(gradients))
        self.step += 1
        for link in (self.before, self.after):
            if link is not None:
                self.counts.coding, link.coding = self.counts.coding + link.coding, 0.0

    def _send(self, link: Link, g: Cotangent, role: Role) -> None:
        sent, headers = link.send(g, self.step, role)
        if role == "activation":
            self.counts.forward_bytes += sent
            self.counts.forward_headers += headers
        else:
            self.counts.backward_bytes += sent
            self.counts.backward_headers += headers

    def save(self) -> None:
        """Write a checkpoint, and remove those from which no stage can have to go on."""
        arrays = {f"model/{name}": array for name, array in self.model.state_dict().items()}
        state = self.optimizer.state_dict()
        arrays |= {f"optimizer/{name}": value for name, value in state.items() if isinstance(value, np.ndarray)}
        numbers = {name: value for name, value in state.items() if not isinstance(value, np.ndarray)}
        meta = {"key": self.plan.key, "step": self.step, "optimizer": numbers, "counts": asdict(self.counts)}
        folder = Path(self.plan.folder)
        save_checkpoint(checkpoint_path(folder, self.index, self.step), arrays, meta)
        # The others are at most one step behind, so that they have the checkpoint before this one.
        for step in _steps(folder, self.index):
            if step < self.step - self.plan.every:
                checkpoint_path(folder, self.index, step).unlink(missing_ok=True)

    def restore(self) -> None:
        """Take over the checkpoint of this step."""
        arrays, meta = load_checkpoint(checkpoint_path(Path(self.plan.folder), self.index, self.step))
        self.model.load_state_dict(_below("model/", arrays))
        self.optimizer.load_state_dict({**meta["optimizer"], **_below("optimizer/", arrays)})
        self.counts = Counts(**meta["counts"])


def pulled_back(tape: Tape, out: Tensor, g: Cotangent, wanted: Sequence[Tensor]) -> list[Cotangent]:
    """The gradients of some tensors, from the cotangent of what a stage handed on.

    A structured one goes on as it is: where some rows came, the last layers of this stage work on these alone.
    """
    if isinstance(g, np.ndarray):
        return list(tape.gradients(out, list(wanted), cotangent=g))
    sweep: Sweep = tape.sweep(out, np.zeros(out.shape, out.data.dtype))
    sweep.pending[sweep.position] = g.uncoded()
    tape.run(sweep, None)
    return [arrived(sweep, tensor, tape) for tensor in wanted]


def checkpoint_path(folder: Path, index: int, step: int) -> Path:
    """Where a stage keeps its state after so many steps."""
    return folder / f"stage-{index}-step-{step}.npz"


def _steps(folder: Path, index: int) -> list[int]:
    """The steps of which a stage has a checkpoint."""
    names = [path.stem.rpartition("-")[2] for path in folder.glob(f"stage-{index}-step-*.npz")]
    return sorted(int(name) for name in names if name.isdecimal())


def newest_checkpoint(folder: Path, stages: int, key: str) -> int:
    """The last step of which every stage has a sound checkpoint of this run; 0 if there is none."""
    common = set.intersection(*[set(_steps(folder, index)) for index in range(stages)])
    for step in sorted(common, reverse=True):
        try:
            if all(load_checkpoint(checkpoint_path(folder, k, step))[1].get("key") == key for k in range(stages)):
                return step
        except (CheckpointError, FileNotFoundError):
            continue  # an older one may be sound
    return 0


def _below(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
