"""Schedules: the learning rate as a function of the number of the step, counted from 0.

They hold no state, so a run that is resumed at step k has the learning rates of one that was never stopped:

    optimizer.lr = schedule(step)
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from minigrad.counts import whole
from minigrad.optim.arguments import not_negative

__all__ = ["Constant", "Cosine", "Schedule", "StepDecay", "Warmup"]

Schedule: TypeAlias = Callable[[int], float]
"""A schedule: any function from the number of the step to the learning rate."""


@dataclass(frozen=True)
class Constant:
    """One learning rate throughout.

    Parameters
    ----------
    lr : float
        Above 0.

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    lr: float

    def __post_init__(self) -> None:
        _check_lr(self)

    def __call__(self, step: int) -> float:
        _check_step(self, step)
        return self.lr


@dataclass(frozen=True)
class StepDecay:
    """A learning rate that is multiplied by a factor every so many steps.

    Parameters
    ----------
    lr : float
        That of the first steps, above 0.
    every : int
        The number of steps between changes, at least 1.
    factor : float, default 0.1
        At least 0.

    Examples
    --------
    >>> schedule = StepDecay(1.0, every=10, factor=0.5)
    >>> schedule(9), schedule(10), schedule(20)
    (1.0, 0.5, 0.25)
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check_lr(self)
        _check_count(self, "every")
        object.__setattr__(self, "factor", not_negative("StepDecay: factor", self.factor))

    def __call__(self, step: int) -> float:
        return self.lr * float(self.factor ** (_check_step(self, step) // self.every))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from ``lr`` at step 0 down to ``final`` at step ``steps``, and ``final`` from there on.

    Loshchilov & Hutter (2017), *SGDR: Stochastic Gradient Descent with Warm Restarts*, ICLR, equation 5, without
    restarts.

    Parameters
    ----------
    lr : float
        Above 0.
    steps : int
        At least 1.
    final : float, default 0
        At least 0.

    Examples
    --------
    >>> schedule = Cosine(1.0, steps=100)
    >>> schedule(0), round(schedule(50), 6), schedule(100)
    (1.0, 0.5, 0.0)
    """

    lr: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        _check_lr(self)
        _check_count(self, "steps")
        object.__setattr__(self, "final", not_negative("Cosine: final", self.final))

    def __call__(self, step: int) -> float:
        part = min(_check_step(self, step) / self.steps, 1.0)
        return self.final + (self.lr - self.final) * (1 + math.cos(math.pi * part)) / 2


@dataclass(frozen=True)
class Warmup:
    """A rise along a straight line to the beginning of another schedule, which then takes over from its step 0.

    During the rise the learning rate is ``schedule(0) · (step + 1) / (steps + 1)``, so it is never 0.

    Parameters
    ----------
    schedule : callable
        Any schedule.
    steps : int
        The length of the rise, at least 1.

    Examples
    --------
    >>> schedule = Warmup(Cosine(1.0, steps=100), steps=4)
    >>> schedule
    Warmup(schedule=Cosine(lr=1.0, steps=100, final=0.0), steps=4)
    >>> [round(schedule(step), 4) for step in (0, 1, 2, 3, 4, 54)]
    [0.2, 0.4, 0.6, 0.8, 1.0, 0.5]
    """

    schedule: Schedule
    steps: int

    def __post_init__(self) -> None:
        if not callable(self.schedule):
            raise TypeError(f"Warmup: takes a schedule first, such as Constant(0.1), got {self.schedule!r}")
        _check_count(self, "steps")

    def __call__(self, step: int) -> float:
        step = _check_step(self, step)
        if step < self.steps:
            return self.schedule(0) * (step + 1) / (self.steps + 1)
        return self.schedule(step - self.steps)


def _check_lr(schedule: Any) -> None:
    lr = not_negative(f"{type(schedule).__name__}: lr", schedule.lr)
    if lr == 0:
        raise ValueError(f"{type(schedule).__name__}: lr=0 would never change anything; it must be above 0")
    object.__setattr__(schedule, "lr", lr)


def _check_count(schedule: Any, name: str) -> None:
    object.__setattr__(schedule, name, whole(f"{type(schedule).__name__}: {name}", getattr(schedule, name)))


def _check_step(schedule: Any, step: Any) -> int:
    number = operator.index(step)
    if number < 0:
        raise ValueError(f"{type(schedule).__name__}: step {number} is negative; steps are counted from 0")
    return number
