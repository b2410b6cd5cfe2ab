"""Whole training steps that save in a few bits what the way back needs, against exact ones and exact micro-batches.

What is asked: bytes of activations on the tape, peak resident memory, seconds. A micro-batch is the rival without
noise: gradients of parts of the batch are summed, and a tape never holds more than one part.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.estimators import Estimator, Mask, StochasticRounding

from .perceptron import RATE
from .priced import images
from .program import Case, Held, Program, Target, held_by

EXACT, PARTS = "exact", "exact, micro-batches of an eighth"
SLOWER = 1.1
SAVED: dict[str, dict[str, Estimator]] = {
    "mlp": {
        "8 bits": StochasticRounding(8),
        "4 bits": StochasticRounding(4),
        "2 bits": StochasticRounding(2),
        "Mask(0.1, row)": Mask(0.1, axis="row"),
    },
    "vit": {"8 bits": StochasticRounding(8), "4 bits": StochasticRounding(4), "2 bits": StochasticRounding(2)},
    "bagnet": {
        "8 bits, blocks": StochasticRounding(8, "block"),
        "5 bits, blocks": StochasticRounding(5, "block"),
        "4 bits, blocks": StochasticRounding(4, "block"),
    },
}
"""By network what is saved: of all layers, of the perceptron of its linear maps, since a ReLU keeps bits."""


def problem(name: str, batch: int, tiny: bool) -> tuple[nn.Module, Any, Any]:
    """A network, images, and their labels."""
    batch = 16 if tiny else batch
    if name == "mlp":
        rng = np.random.default_rng(0)
        sizes = (12, 16, 10) if tiny else (784, 1024, 1024, 10)
        x = rng.standard_normal((batch, sizes[0]), np.float32)
        return nn.mlp(sizes, rng=0), x, rng.integers(10, size=batch)
    x, labels = images()
    return nn.models.build(name, x.shape[1:], 10, rng=0), x[:batch], labels[:batch]


def step_of(name: str, batch: int, save: Estimator | None, parts: int, tiny: bool) -> Program:
    net, x, labels = problem(name, batch, tiny)
    if save is not None:
        nn.set_save(net, save, where=nn.Linear if name == "mlp" else nn.Saving)
    optimizer = optim.SGD(net, lr=float(RATE))
    numbers = itertools.count()
    each = -(-len(x) // parts)

    def record(start: int = 0, number: int = 0) -> tuple[mg.Tape, mg.Tensor]:
        with mg.Tape(rng=number) as tape:
            some = slice(start, start + each)
            loss = ops.multiply(ops.cross_entropy(net(x[some]), labels[some]), len(x[some]) / len(x))
        return tape, loss

    def step() -> None:
        for start in range(0, len(x), each):
            tape, loss = record(start, next(numbers))
            tape.backward(loss)
            del tape, loss
        optimizer.step()
        optimizer.zero_grad()

    def held() -> Held:
        return held_by(record()[0], x)

    return Program(step, None, held)


def case(name: str, batch: int, title: str, limit: float, goal: str) -> Case:
    """The tape shall take ``limit`` of the exact one; with the estimator of ``goal`` the step 1.1 times as long."""
    programs = {EXACT: partial(step_of, name, batch, None, 1), PARTS: partial(step_of, name, batch, None, 8)}
    for text, save in SAVED[name].items():
        programs[text] = partial(step_of, name, batch, save, 1)
    every = [Target(program, EXACT, limit) for program in programs if program != EXACT]
    return Case(
        f"training step of {title}, batch {batch}, saved in a few bits", programs, EXACT,
        [Target(goal, EXACT, SLOWER)], memory=True, held=every,
    )  # fmt: skip


CASES = {
    "bits-mlp": case("mlp", 4096, "MLP 784-1024-1024-10", 0.2, "4 bits"),
    "bits-vit": case("vit", 64, "the vision transformer", 0.35, "4 bits"),
    "bits-bagnet": case("bagnet", 64, "the BagNet", 0.3, "5 bits, blocks"),
}
