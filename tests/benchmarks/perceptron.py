"""A training step of a multilayer perceptron: ReLU, cross-entropy, plain SGD."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.estimators import DiagonalSketch, Mask

from .program import Case, Program, Target

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


def minigrad_program(sizes: tuple[int, ...], batch: int, tiny: bool, vjps: str = "", structured: bool = False):
    p = Problem(sizes, batch, tiny)
    layers: list[nn.Module] = []
    for w, b in zip(p.weights, p.biases, strict=True):
        layer = nn.Linear(w.shape[1], w.shape[0], rng=0)
        layer.weight.data, layer.bias.data = w, b
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    linears = layers[::2]
    if vjps == "mask":
        for layer in linears[:-1]:
            layer.vjp = Mask(0.1)
    elif vjps == "diagonal":
        for layer in linears[:-1]:
            layer.vjp = DiagonalSketch(0.1)
    elif vjps:
        linears[-1].vjp = DiagonalSketch(float(vjps), axis="sample")
    parameters = [layer.weight for layer in linears] + [layer.bias for layer in linears]
    optimizer = optim.SGD(parameters, lr=float(RATE))
    calls = iter(range(10**9))

    def step() -> None:
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(p.x), p.labels)
        if structured:
            optimizer.step(tape.gradients(loss, parameters, rng=next(calls), structured=True))
        else:
            tape.backward(loss)
            optimizer.step()
            optimizer.zero_grad()

    def result() -> list[np.ndarray]:
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(p.x), p.labels)
        return [loss.data, *tape.gradients(loss, parameters)]

    return Program(step, None if vjps else result)


def torch_program(sizes: tuple[int, ...], batch: int, tiny: bool) -> Program:
    import torch
    from torch.nn import functional as F

    p = Problem(sizes, batch, tiny)
    x, labels = torch.from_numpy(p.x), torch.from_numpy(p.labels)
    weights = [torch.nn.Parameter(torch.from_numpy(w)) for w in p.weights]
    biases = [torch.nn.Parameter(torch.from_numpy(b)) for b in p.biases]
    optimizer = torch.optim.SGD(weights + biases, lr=float(RATE))

    def backward() -> torch.Tensor:
        h = x
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            h = F.linear(h, w, b)
            if k < len(weights) - 1:
                h = F.relu(h)
        loss = F.cross_entropy(h, labels)
        optimizer.zero_grad()
        loss.backward()
        return loss

    def step() -> None:
        backward()
        optimizer.step()

    def result() -> list[np.ndarray]:
        return [backward().detach().numpy(), *[t.grad.numpy() for t in weights + biases]]

    return Program(step, result)


def exact(sizes: tuple[int, ...], batch: int, targets: list[Target]) -> Case:
    of = {
        "numpy": numpy_program,
        "products": products_program,
        "minigrad": minigrad_program,
        "torch": torch_program,
    }
    programs = {name: partial(make, sizes, batch) for name, make in of.items()}
    return Case(f"MLP {'-'.join(map(str, sizes))}, batch {batch}", programs, "numpy", targets, memory=True)


WIDE = (784, 2048, 2048, 10)


def sketched() -> Case:
    """The wide perceptron with sketches, against its own exact step."""
    make = partial(minigrad_program, WIDE, 256)
    programs = {
        "exact": make,
        "columns, Mask(0.1)": partial(make, vjps="mask", structured=True),
        "columns, DiagonalSketch(0.1)": partial(make, vjps="diagonal", structured=True),
        "samples at the logits, 0.3": partial(make, vjps="0.3", structured=True),
        "samples at the logits, 0.1": partial(make, vjps="0.1", structured=True),
    }
    targets = [Target(name, "exact", 0.5) for name in programs if "0.1" in name]
    return Case("training step of MLP 784-2048-2048-10, batch 256, sketched", programs, "exact", targets)


CASES = {
    "mlp": exact((784, 512, 512, 10), 128, [Target("minigrad", "numpy", 1.0), Target("minigrad", "torch", 1.0)]),
    "mlp-wide": exact(WIDE, 256, [Target("minigrad", "products", 1.1)]),
    "train-wide": sketched(),
}
