"""Whole training steps with rows at one price, in the three architectures, after a little training.

What a price keeps depends on the network and its data, so these are trained first: on the bundled digits, enlarged to
images of 28 × 28 with a random shift.
"""

from __future__ import annotations

import copy
from functools import cache, partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import datasets, inspect, nn, ops, optim, training
from minigrad.nn import Module

from .program import Case, Program, Target

STEPS = 150
EXACT, EDGES, NODES, SECONDS = "exact", "one price", "one price, a draw a node", "one price, in seconds"


def images() -> tuple[np.ndarray, np.ndarray]:
    """Digits of 24 × 24 somewhere in 28 × 28, of mean 0 and variance 1, and their labels."""
    data, rng = datasets.digits(), np.random.default_rng(0)
    small = np.kron(data.x_train.reshape(-1, 8, 8), np.ones((3, 3), np.float32))
    large = np.zeros((len(small), 28, 28, 1), np.float32)
    for image, digit, (i, j) in zip(large, small, rng.integers(0, 5, (len(small), 2)), strict=True):
        image[i : i + 24, j : j + 24, 0] = digit
    return (large - large.mean()) / large.std(), data.y_train


@cache
def trained(model: str, batch: int, tiny: bool) -> tuple[Module, np.ndarray, np.ndarray]:
    """A network after some exact steps, and the images."""
    x, labels = images()
    if tiny:
        x, labels = x[:64], labels[:64]
    net = nn.models.build(model, x.shape[1:], 10, rng=0)
    optimizer: Any = optim.Adam(net, lr=1e-3) if model == "vit" else optim.SGD(net, lr=0.02, momentum=0.9)
    steps = 2 if tiny else STEPS
    training.fit(
        net, (x, labels), optimizer=optimizer, epochs=1, steps_per_epoch=steps, batch_size=batch, rng=0, progress=False
    )
    return net, x, labels


def step_of(model: str, batch: int, how: str, tiny: bool) -> Program:
    """A step of plain SGD at a rate of next to nothing, so that what is kept stays what it is."""
    batch = 16 if tiny else batch
    start, x, labels = trained(model, batch, tiny)
    net = copy.deepcopy(start)
    if how != EXACT:
        cost = "seconds" if how == SECONDS else "operations"
        gains = inspect.error_gains(net, (x, labels), batch_size=batch, batches=2 if tiny else 4, cost=cost, rng=0)
        gains.set_on(net, draws="edge" if how == EDGES else "node")
    optimizer = optim.SGD(net, lr=1e-9)
    numbers = iter(range(10**9))

    def step() -> None:
        number = next(numbers)
        with mg.Tape(rng=number) as tape:
            loss = ops.cross_entropy(net(x[:batch]), labels[:batch])
        tape.backward(loss, rng=number)
        optimizer.step()
        optimizer.zero_grad()

    return Program(step)


def case(model: str, batch: int, title: str, goal: float) -> Case:
    programs = {how: partial(step_of, model, batch, how) for how in (EXACT, EDGES, NODES, SECONDS)}
    targets = [Target(how, EXACT, goal) for how in (EDGES, NODES, SECONDS)]
    return Case(f"training step of {title}, batch {batch}, rows at one price", programs, EXACT, targets, apart=False)


CASES = {
    "price-mlp": case("mlp", 128, "the perceptron", 0.72),
    "price-vit": case("vit", 64, "the vision transformer", 0.85),
    "price-bagnet": case("bagnet_group", 64, "the BagNet with group normalization", 0.79),
}
