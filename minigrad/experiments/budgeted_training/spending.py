"""A budget, what has been spent of it, and the learning rate that reaches 0 when all of it is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import ops
from minigrad.datasets import Dataset
from minigrad.engine.tape import Tape
from minigrad.experiments.budgeted_training.benchmark import STEP_BATCH, Unit
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.inspect.cost import cost
from minigrad.training.loop import Loop

if TYPE_CHECKING:
    from minigrad.inspect.cost_report import Cost

__all__ = ["Spending", "step_cost", "unit_cost"]

TIMED = 30
"""Exact steps of which the unit of seconds is the median; a few before them warm up."""

CALM = 1e-4
"""The learning rate of these: with a large one training may diverge."""


class Spending:
    """A callback that sets the learning rate by the fraction of a budget that is spent: half a cosine to 0.

    So the schedule ends with the budget whatever a step costs, also where estimators keep less as training goes on.

    Parameters
    ----------
    unit : {"operations", "seconds"}
    budget : float
        In floating-point operations, or in seconds of this thread's processor time.
    lr : float
        The learning rate of the first step.

    Attributes
    ----------
    seconds, wall : float
        Processor time of this thread, and wall time, of all steps so far.
    """

    not_fingerprinted = ("seconds", "wall", "before")

    def __init__(self, unit: Unit, budget: float, lr: float):
        self.unit, self.budget, self.lr = unit, budget, lr
        self.seconds = self.wall = self.before = 0.0

    def spent(self, loop: Loop) -> float:
        """The amount spent so far, in the unit."""
        return self.seconds if self.unit == "seconds" else loop.forward_flops + loop.backward_flops

    def left(self, loop: Loop) -> bool:
        """True if another step like the last brings what was spent nearer to the budget."""
        spent = self.spent(loop)
        return loop.step == 0 or spent + (spent - self.before) / 2 < self.budget

    @contextmanager
    def step(self, loop: Loop) -> Iterator[None]:
        """A block that is one step, whose time is taken."""
        self.before = self.spent(loop)
        wall, seconds = time.perf_counter(), time.thread_time()
        yield
        self.seconds += time.thread_time() - seconds
        self.wall += time.perf_counter() - wall

    def __call__(self, loop: Loop) -> None:
        """Set the learning rate of the coming step."""
        done = min(1.0, self.spent(loop) / self.budget)
        loop.optimizer.lr = self.lr * 0.5 * (1 + math.cos(math.pi * done))

    def state_dict(self) -> dict[str, Any]:
        """The state that a checkpoint keeps."""
        return {name: getattr(self, name) for name in self.not_fingerprinted}

    def load_state_dict(self, state: dict[str, Any], loop: Loop) -> None:
        """Go on from what a checkpoint kept."""
        for name in self.not_fingerprinted:
            setattr(self, name, float(state[name]))


def step_cost(configuration: Configuration, data: Dataset, batch_size: int) -> float:
    """Operations of an exact step, forward and backward."""
    model = configuration.build(data, Method("exact"), 0)
    with Tape(rng=0) as tape:
        ops.cross_entropy(model(data.x_train[:batch_size]), data.y_train[:batch_size])
    count: Cost = cost(tape)
    return count.forward + count.backward_exact


def unit_cost(configuration: Configuration, data: Dataset, unit: Unit) -> float:
    """The cost of an exact step of a batch of 64: its operations, or the median of its seconds on this machine."""
    if unit == "operations":
        return step_cost(configuration, data, STEP_BATCH)
    model = configuration.build(data, Method("exact"), 0)
    spending = Spending("seconds", math.inf, configuration.lr)
    part = (data.x_train, data.y_train)
    optimizer = replace(configuration, lr=min(configuration.lr, CALM)).make_optimizer(model)
    loop = Loop(model, part, optimizer, STEP_BATCH, ops.cross_entropy, None, None, 1, 0)
    seconds = []
    for _ in range(TIMED + 5):
        before = spending.seconds
        with spending.step(loop):
            loop.one_step()
        seconds.append(spending.seconds - before)
    return float(np.median(seconds[5:]))
