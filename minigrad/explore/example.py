"""The tape that the explorer shows when it is given none."""

from __future__ import annotations

import numpy as np

from minigrad import datasets, ops
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.streams import Domain, generator
from minigrad.typing import Array

__all__ = ["EXAMPLE_NODE", "example"]

SAMPLES, STRIPS, PIXELS, FEATURES, CLASSES = 8, 4, 16, 20, 10
EXAMPLE_NODE = 2
"""The second linear layer: the input of this one, unlike that of the first, needs a gradient."""

STEPS, BATCH, RATE = 60, 32, 0.3


def example(rng: int = 0) -> tuple[Tape, Tensor]:
    """Record a small network on handwritten digits, after a short training.

    Each digit is cut into four strips of 16 pixels. Two linear layers with ReLU see each strip alone; a third one
    classifies the mean over the strips. So the cotangents of the first two have samples, rows (the strips of all
    samples) and columns, which are three different things.

    Parameters
    ----------
    rng : int, default 0
        A seed, of the initial weights and of the batches.

    Returns
    -------
    tape : Tape
        Of seven nodes; nodes 0, 2 and 5 are linear. No node has an estimator.
    loss : Tensor
        The mean cross-entropy of eight digits, in nats.

    Examples
    --------
    >>> tape, loss = example()
    >>> [node.name for node in tape.nodes]
    ['linear', 'relu', 'linear', 'relu', 'mean', 'linear', 'cross_entropy']
    >>> tape.nodes[2].shape
    (8, 4, 20)
    """
    draws = generator(Domain.EXAMPLE, rng)
    data = datasets.digits()
    images, labels = data.x_train.reshape(-1, STRIPS, PIXELS), data.y_train
    leaves = []
    for k, (outputs, inputs) in enumerate([(FEATURES, PIXELS), (FEATURES, FEATURES), (CLASSES, FEATURES)], start=1):
        values = draws.standard_normal((outputs, inputs)) * np.sqrt(2 / inputs)
        leaves.append(Tensor(values.astype(np.float32), requires_grad=True, name=f"w{k}"))
        leaves.append(Tensor(np.zeros(outputs, np.float32), requires_grad=True, name=f"b{k}"))
    for _ in range(STEPS):
        batch = draws.integers(len(labels), size=BATCH)
        tape, loss = _record(images[batch], labels[batch], leaves)
        for leaf, gradient in zip(leaves, tape.gradients(loss, leaves), strict=True):
            leaf.data = leaf.data - np.float32(RATE) * gradient
    return _record(images[:SAMPLES], labels[:SAMPLES], leaves)


def _record(images: Array, labels: Array, leaves: list[Tensor]) -> tuple[Tape, Tensor]:
    w1, b1, w2, b2, w3, b3 = leaves
    with Tape() as tape:
        hidden = ops.linear(ops.linear(images, w1, b1).relu(), w2, b2).relu()
        loss = ops.cross_entropy(ops.linear(hidden.mean(axis=1), w3, b3), labels)
    return tape, loss
