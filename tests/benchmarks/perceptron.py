"""A training step of a multilayer perceptron: ReLU, cross-entropy, plain SGD."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.estimators import DiagonalSketch, Mask

from . import peers
from .peers import Loss
from .program import KEPT, Case, Program, Target, held_by

RATE = np.float32(1e-3)


class Problem:
    """Inputs, labels and initial parameters, the same for every program."""

    def __init__(self, sizes: tuple[int, ...], batch: int, tiny: bool):
        if tiny:
            sizes, batch = (7, 6, 5, 3), 4
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((batch, sizes[0]), np.float32)
        self.labels = rng.integers(0, sizes[-1], batch)
        self.weights = [
            rng.standard_normal((m, n), np.float32) * np.float32(np.sqrt(2 / n)) for n, m in itertools.pairwise(sizes)
        ]
        self.biases = [rng.standard_normal(m, np.float32) * np.float32(0.1) for m in sizes[1:]]


def numpy_program(sizes: tuple[int, ...], batch: int, tiny: bool) -> Program:
    """As a careful student would write it: no buffers are kept, work is done in place where that is natural."""
    p = Problem(sizes, batch, tiny)
    count, rows, ones = len(p.weights), np.arange(len(p.x)), np.ones(len(p.x), np.float32)

    def gradients() -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
        kept = [p.x]
        for k, (w, b) in enumerate(zip(p.weights, p.biases, strict=True)):
            z = kept[-1] @ w.T
            z += b
            if k < count - 1:
                np.maximum(z, 0, out=z)
            kept.append(z)
        logits = kept.pop()
        logits -= logits.max(axis=1, keepdims=True)
        e = np.exp(logits)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - logits[rows, p.labels]).mean()
        g = e / total
        g[rows, p.labels] -= 1
        g /= np.float32(len(g))
        dw, db = [None] * count, [None] * count
        for k in reversed(range(count)):
            dw[k], db[k] = g.T @ kept[k], ones @ g
            if k:
                g = g @ p.weights[k]
                g *= kept[k] > 0
        return loss, dw, db

    def step() -> None:
        _, dw, db = gradients()
        for own, found in zip(p.weights + p.biases, dw + db, strict=True):
            own -= RATE * found

    def result() -> list[np.ndarray]:
        loss, dw, db = gradients()
        return [loss, *dw, *db]

    return Program(step, result)


def products_program(sizes: tuple[int, ...], batch: int, tiny: bool) -> Program:
    """The matrix products of the step and nothing else, into memory that is there already."""
    p = Problem(sizes, batch, tiny)
    values = [p.x] + [np.ones((len(p.x), len(w)), np.float32) for w in p.weights]
    cotangents = [np.ones_like(v) for v in values]
    outputs = [np.empty_like(v) for v in values]
    found = [np.empty_like(w) for w in p.weights]

    def step() -> None:
        for k, w in enumerate(p.weights):
            np.matmul(values[k], w.T, out=outputs[k + 1])
        for k in reversed(range(len(found))):
            np.matmul(cotangents[k + 1].T, values[k], out=found[k])
            if k:
                np.matmul(cotangents[k + 1], p.weights[k], out=outputs[k])

    return Program(step)


@dataclass(frozen=True)
class Sketches:
    """Which estimators a model carries; None is exact.

    Parameters
    ----------
    columns : Estimator, optional
        The ``vjp`` of every linear layer but the last.
    logits : Estimator, optional
        The ``vjp`` of the last.
    save : Estimator, optional
        The ``save`` of all.
    """

    columns: mg.Estimator | None = None
    logits: mg.Estimator | None = None
    save: mg.Estimator | None = None


EXACT = Sketches()


def model_of(p: Problem, sketches: Sketches = EXACT) -> tuple[nn.Sequential, list[mg.Tensor]]:
    """The library's model, and its parameters: all weights, then all biases."""
    layers: list[nn.Module] = []
    for k, (w, b) in enumerate(zip(p.weights, p.biases, strict=True)):
        vjp = sketches.columns if k < len(p.weights) - 1 else sketches.logits
        layer = nn.Linear(w.shape[1], w.shape[0], rng=0, vjp=vjp, save=sketches.save)
        layer.weight.data, layer.bias.data = w, b
        layers += [layer, nn.ReLU()]
    linears = layers[::2]
    return nn.Sequential(*layers[:-1]), [layer.weight for layer in linears] + [layer.bias for layer in linears]


def record(model: nn.Module, p: Problem, rng: int = 0) -> tuple[mg.Tape, mg.Tensor]:
    with mg.Tape(rng=rng) as tape:
        loss = ops.cross_entropy(model(p.x), p.labels)
    return tape, loss


def minigrad_program(
    sizes: tuple[int, ...],
    batch: int,
    tiny: bool,
    sketches: Sketches = EXACT,
    structured: bool = False,
    rate: float = float(RATE),
) -> Program:
    p = Problem(sizes, batch, tiny)
    model, parameters = model_of(p, sketches)
    optimizer = optim.SGD(parameters, lr=rate)
    calls = itertools.count()

    def step() -> None:
        number = next(calls)
        tape, loss = record(model, p, number)
        if structured:
            optimizer.step(tape.gradients(loss, parameters, rng=number, structured=True))
        else:
            tape.backward(loss, rng=number)
            optimizer.step()
            optimizer.zero_grad()

    def result() -> list[np.ndarray]:
        tape, loss = record(model, p)
        return [loss.data, *tape.gradients(loss, parameters)]

    return Program(step, result if sketches is EXACT else None, lambda: held_by(record(model, p)[0], p.x))


def written_once(sizes: tuple[int, ...], batch: int, tiny: bool) -> tuple[Loss, list[np.ndarray]]:
    """The loss for `benchmarks.peers`, and its parameters: all weights, then all biases."""
    p = Problem(sizes, batch, tiny)
    count = len(p.weights)

    def loss(xp: Any, *parameters: Any) -> Any:
        h = xp.const(p.x)
        for k, (w, b) in enumerate(zip(parameters[:count], parameters[count:], strict=True)):
            h = xp.linear(h, w, b)
            if k < count - 1:
                h = xp.relu(h)
        return xp.cross_entropy(h, xp.const(p.labels))

    return loss, [*p.weights, *p.biases]


def peer_program(library: str, sizes: tuple[int, ...], batch: int, tiny: bool) -> Program:
    return peers.program(library, *written_once(sizes, batch, tiny), float(RATE))


def buffered_program(sizes: tuple[int, ...], batch: int, tiny: bool) -> Program:
    """By hand, and every array of the step has its memory from the start."""
    p = Problem(sizes, batch, tiny)
    count, rows, ones = len(p.weights), np.arange(len(p.x)), np.ones(len(p.x), np.float32)
    values = [p.x] + [np.empty((len(p.x), len(w)), np.float32) for w in p.weights]
    cotangents = [np.empty_like(v) for v in values]
    positive = [np.empty(v.shape, bool) for v in values]
    dw, db = ([np.empty_like(own) for own in kind] for kind in (p.weights, p.biases))

    def gradients() -> np.float32:
        for k, (w, b) in enumerate(zip(p.weights, p.biases, strict=True)):
            z = np.matmul(values[k], w.T, out=values[k + 1])
            z += b
            if k < count - 1:
                np.maximum(z, 0, out=z)
        logits, g = values[-1], cotangents[-1]
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=g)
        total = g.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - logits[rows, p.labels]).mean()
        g /= total
        g[rows, p.labels] -= 1
        g /= np.float32(len(g))
        for k in reversed(range(count)):
            np.matmul(cotangents[k + 1].T, values[k], out=dw[k])
            np.matmul(ones, cotangents[k + 1], out=db[k])
            if k:
                np.matmul(cotangents[k + 1], p.weights[k], out=cotangents[k])
                cotangents[k] *= np.greater(values[k], 0, out=positive[k])
        return loss

    def step() -> None:
        gradients()
        for own, found in zip(p.weights + p.biases, dw + db, strict=True):
            found *= RATE
            own -= found

    def result() -> list[np.ndarray]:
        return [gradients(), *[found.copy() for found in dw + db]]

    return Program(step, result)


def exact(sizes: tuple[int, ...], batch: int, targets: list[Target]) -> Case:
    of = {
        "numpy": numpy_program,
        "numpy, buffers": buffered_program,
        "products": products_program,
        "minigrad": minigrad_program,
        **{library: partial(peer_program, library) for library in peers.OTHERS},
    }
    programs = {name: partial(make, sizes, batch) for name, make in of.items()}
    return Case(f"MLP {'-'.join(map(str, sizes))}, batch {batch}", programs, "numpy", targets, memory=True)


WIDE = (784, 2048, 2048, 10)


def sketched() -> Case:
    """The wide perceptron with sketches, against its own exact step."""
    make = partial(minigrad_program, WIDE, 256)
    programs = {"exact": make}
    for name, sketches in {
        "columns, Mask(0.1)": Sketches(columns=Mask(0.1)),
        "columns, DiagonalSketch(0.1)": Sketches(columns=DiagonalSketch(0.1)),
        "samples at the logits, 0.3": Sketches(logits=DiagonalSketch(0.3, axis="sample")),
        "samples at the logits, 0.1": Sketches(logits=DiagonalSketch(0.1, axis="sample")),
    }.items():
        programs[name] = partial(make, sketches=sketches, structured=True)
    targets = [Target(name, "exact", 0.5) for name in programs if "0.1" in name]
    return Case("training step of MLP 784-2048-2048-10, batch 256, sketched", programs, "exact", targets)


def saved() -> Case:
    """The wide perceptron at a batch whose activations are the largest part of memory, with sketched residuals."""
    make = partial(minigrad_program, WIDE, 4096)
    programs = {"exact": make, "save=Mask(0.1, row)": partial(make, sketches=Sketches(save=Mask(0.1, axis="row")))}
    held = [Target("save=Mask(0.1, row)", "exact", 0.2)]
    title = "training step of MLP 784-2048-2048-10, batch 4096, a tenth of the rows of each layer's input saved"
    return Case(title, programs, "exact", memory=True, held=held)


CASES = {
    "mlp": exact(
        (784, 512, 512, 10),
        128,
        [Target("minigrad", "numpy", 0.97), Target("minigrad", "torch", 1.0), Target("minigrad" + KEPT, "torch", 1.0)],
    ),
    "mlp-wide": exact(WIDE, 256, [Target("minigrad", "numpy", 0.80), Target("minigrad", "products", 1.1)]),
    "train-wide": sketched(),
    "train-save": saved(),
}
