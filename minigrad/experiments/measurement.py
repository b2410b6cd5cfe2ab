"""The cost and the noise of a method, measured on one batch of a partly trained model."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minigrad import ops, training
from minigrad.datasets import Dataset
from minigrad.engine.tape import Tape
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.experiments.verdict import verdict
from minigrad.inspect.advice_report import Advice
from minigrad.inspect.cost import cost
from minigrad.inspect.error_gains import error_gains
from minigrad.nn.module import Module
from minigrad.streams import Domain, generator
from minigrad.threads import one_thread
from minigrad.typing import Array

__all__ = ["Measurement", "equal_cost_batch", "measure"]

ROUNDS = 25
DRAWS = 64


@dataclass(frozen=True)
class Measurement:
    """One method on one batch, by the side of the exact VJPs on the whole batch.

    Attributes
    ----------
    step_flops : float
        Forward and expected backward operations of a step, over those of the exact one.
    backward_flops : float
        Expected backward operations, over the exact ones.
    backward_time : float
        Median time of a backward pass over that of the exact one, measured in turn.
    variance : float
        E‖ĝ − g‖² / ‖g‖² for the gradient g of the whole batch (whose loss is a mean), estimated from 64 draws; for a
        smaller batch, over random parts of the whole batch without replacement; NaN for a larger one.
    """

    step_flops: float
    backward_flops: float
    backward_time: float
    variance: float


class _Subject:
    """A recorded loss that can be pulled back."""

    def __init__(self, model: Module, x: Array, y: Array):
        self.parameters = list(model.parameters())
        with Tape(rng=0) as tape:
            loss = ops.cross_entropy(model(x), y)
        self.tape, self.loss = tape, loss

    def gradient(self, seed: int) -> Array:
        """The whole gradient as one vector."""
        parts = self.tape.gradients(self.loss, self.parameters, rng=seed)
        return np.concatenate([np.ravel(part) for part in parts]).astype(np.float64)  # its square may be large

    def seconds(self, seed: int) -> float:
        """The time of one backward pass."""
        started = time.perf_counter()
        self.tape.gradients(self.loss, self.parameters, rng=seed, structured=True)
        return time.perf_counter() - started


@one_thread()
def equal_cost_batch(configuration: Configuration, method: Method, data: Dataset) -> int:
    """The batch size at which an exact step costs what a step of the method does, forward and backward.

    Cost is proportional to the batch size for both; the result is rounded, at least 1 and at most all of the data.
    """
    size = configuration.batch_size
    model = configuration.build(data, method, 0)
    if method.price is not None:  # a fresh network keeps everything
        model.load_state_dict(_after_one_epoch(configuration, data))
        set_price(model, method, data, size)
    subject = _Subject(model, data.x_train[:size], data.y_train[:size])
    count = cost(subject.tape, subject.loss, rng=0)
    equal = round(size * (count.forward + count.backward) / (count.forward + count.backward_exact))
    return min(max(1, equal), len(data.x_train))


@one_thread()
def measure(
    configuration: Configuration, methods: Sequence[Method], data: Dataset
) -> tuple[dict[str, Measurement], Advice | None]:
    """Measure every method at the parameters that one epoch of exact training from seed 0 leads to; J of them, too.

    Where that epoch diverges, the initial parameters are taken. Times are taken in turn, method by method, 25 times
    over, and compared by their medians.
    """
    size = configuration.batch_size
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of a model that is about to diverge
        state = _after_one_epoch(configuration, data)
        subjects = {}
        for method in methods:
            model = configuration.build(data, method, 0)
            model.load_state_dict(state)
            set_price(model, method, data, size)
            part = method.batch_size or size
            subjects[method.label] = (model, _Subject(model, data.x_train[:part], data.y_train[:part]), part)
        found = _measured(subjects, data.x_train[:size], data.y_train[:size])
        vjps = {
            label: {path: module.vjp for path, module in model.named_modules() if hasattr(module, "vjp")}
            for label, (model, _, _) in subjects.items()
        }
        return found, verdict(subjects["exact"][0], methods, vjps, data, size)


def set_price(model: Module, method: Method, data: Dataset, batch_size: int) -> None:
    """Put the estimators of a method's price on a model as it is: the best by a measurement, or the given one."""
    if method.price is not None:
        gains = error_gains(model, data, batch_size=batch_size, rng=0)
        gains.set_on(model, None if isinstance(method.price, str) else method.price)


def _measured(subjects: dict[str, tuple[Module, _Subject, int]], x: Array, y: Array) -> dict[str, Measurement]:
    exact_model, exact, size = subjects["exact"]
    reference, full = exact.gradient(0), cost(exact.tape)
    norm = float(np.square(reference).sum())
    times: dict[str, list[float]] = {label: [] for label in subjects}
    for turn in range(ROUNDS + 1):
        for label, (_, subject, _) in subjects.items():
            seconds = subject.seconds(turn)
            if turn:  # the first turn warms up
                times[label].append(seconds)
    out = {}
    for label, (_, subject, part) in subjects.items():
        count = cost(subject.tape, subject.loss, rng=0)
        error = math.nan
        if part <= size:
            draws = _parts(exact_model, x, y, part) if part < size else map(subject.gradient, range(DRAWS))
            error = statistics.fmean(float(np.square(g - reference).sum()) for g in draws) if label != "exact" else 0.0
        out[label] = Measurement(
            step_flops=(count.forward + count.backward) / (full.forward + full.backward),
            backward_flops=count.backward / full.backward,
            backward_time=statistics.median(times[label]) / statistics.median(times["exact"]),
            variance=error / norm if norm else math.nan,
        )
    return out


def _parts(model: Module, x: Array, y: Array, part: int) -> list[Array]:
    """Exact gradients on random parts of a batch."""
    rng = generator(Domain.PARTS, 0)
    chosen = [rng.permutation(len(x))[:part] for _ in range(DRAWS)]
    return [_Subject(model, x[index], y[index]).gradient(0) for index in chosen]


def _after_one_epoch(configuration: Configuration, data: Dataset) -> dict[str, Array]:
    one = dataclasses.replace(configuration, epochs=1)
    model = one.build(data, Method("exact"), 0)
    initial = model.state_dict()
    try:
        training.fit(
            model,
            data,
            optimizer=one.make_optimizer(model),
            epochs=1,
            batch_size=one.batch_size,
            max_norm=one.max_norm,
            rng=0,
            progress=False,
        )
    except training.DivergenceError:
        return initial
    return model.state_dict()
