"""A training step of three convolutions: 1×1 to 64 channels, 3×3 to 64, 1×1 to 128; pooled, cross-entropy."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.estimators import Mask

from .program import Case, Program, Target

RATE = np.float32(1e-3)


class Problem:
    """Images (N, H, W, C), labels, kernels (h, w, in, out) and biases."""

    def __init__(self, tiny: bool):
        n, side, wide, out = (2, 4, 3, 5) if tiny else (32, 32, 64, 128)
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((n, side, side, 3), np.float32)
        self.labels = rng.integers(0, out, n)
        self.kernels = [
            rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[:3])))
            for shape in ((1, 1, 3, wide), (3, 3, wide, wide), (1, 1, wide, out))
        ]
        self.biases = [rng.standard_normal(k.shape[3], np.float32) * np.float32(0.1) for k in self.kernels]


def im2col(x: np.ndarray) -> np.ndarray:
    """The 3×3 windows of padded images as rows, (N·H·W, 9·C)."""
    n, h, w, c = x.shape
    padded = np.zeros((n, h + 2, w + 2, c), x.dtype)
    padded[:, 1:-1, 1:-1] = x
    return sliding_window_view(padded, (3, 3), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3).reshape(-1, 9 * c)


def rows(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, array.shape[-1])


def numpy_program(tiny: bool) -> Program:
    p = Problem(tiny)
    n, h, w, _ = p.x.shape
    (k1, k2, k3), (b1, b2, b3) = p.kernels, p.biases
    every = np.arange(n)

    def gradients() -> list[np.ndarray]:
        a1 = rows(p.x) @ rows(k1)
        a1 += b1
        np.maximum(a1, 0, out=a1)
        patches = im2col(a1.reshape(n, h, w, -1))
        a2 = patches @ rows(k2)
        a2 += b2
        np.maximum(a2, 0, out=a2)
        a3 = a2 @ rows(k3)
        a3 += b3
        np.maximum(a3, 0, out=a3)
        logits = a3.reshape(n, h * w, -1).mean(axis=1)
        logits -= logits.max(axis=1, keepdims=True)
        e = np.exp(logits)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - logits[every, p.labels]).mean()
        g = e / total
        g[every, p.labels] -= 1
        g /= np.float32(n * h * w)
        ones = np.ones(n * h * w, np.float32)
        g3 = rows((a3.reshape(n, h * w, -1) > 0) * g[:, None])
        dk3, db3 = a2.T @ g3, ones @ g3
        g2 = g3 @ rows(k3).T
        g2 *= a2 > 0
        dk2, db2 = patches.T @ g2, ones @ g2
        turned = np.ascontiguousarray(k2[::-1, ::-1].swapaxes(2, 3))
        g1 = im2col(g2.reshape(n, h, w, -1)) @ rows(turned)
        g1 *= a1 > 0
        dk1, db1 = rows(p.x).T @ g1, ones @ g1
        found = [loss, dk1, dk2, dk3, db1, db2, db3]
        return [found[0], *[d.reshape(k.shape) for d, k in zip(found[1:4], p.kernels, strict=True)], *found[4:]]

    def step() -> None:
        _, *found = gradients()
        for own, gradient in zip(p.kernels + p.biases, found, strict=True):
            own -= RATE * gradient

    return Program(step, gradients)


def products_program(tiny: bool) -> Program:
    """The matrix products alone: im2col has been done before."""
    p = Problem(tiny)
    pixels = rows(p.x)
    inputs = [pixels, *[np.ones((len(pixels), k[..., 0].size), np.float32) for k in p.kernels[1:]]]
    outputs = [np.ones((len(pixels), k.shape[3]), np.float32) for k in p.kernels]
    found = [np.empty_like(rows(k)) for k in p.kernels]
    windows = np.ones((len(pixels), 9 * outputs[1].shape[1]), np.float32)
    turned = np.ones((windows.shape[1], outputs[0].shape[1]), np.float32)
    back = [np.empty_like(outputs[0]), np.empty_like(outputs[1])]

    def step() -> None:
        for x, k, y in zip(inputs, p.kernels, outputs, strict=True):
            np.matmul(x, rows(k), out=y)
        for x, y, d in zip(inputs, outputs, found, strict=True):
            np.matmul(x.T, y, out=d)
        np.matmul(outputs[2], rows(p.kernels[2]).T, out=back[1])
        np.matmul(windows, turned, out=back[0])

    return Program(step)


def minigrad_program(tiny: bool, budget: float | None = None) -> Program:
    p = Problem(tiny)
    layers: list[nn.Module] = []
    for kernel, bias in zip(p.kernels, p.biases, strict=True):
        layer = nn.Conv2d(kernel.shape[2], kernel.shape[3], kernel.shape[0], padding=kernel.shape[0] // 2, rng=0)
        layer.weight.data, layer.bias.data = kernel, bias
        layers += [layer, nn.ReLU()]
    model = nn.Sequential(*layers, nn.GlobalAvgPool())
    parameters = [layer.weight for layer in layers[::2]] + [layer.bias for layer in layers[::2]]
    optimizer = optim.SGD(parameters, lr=float(RATE))
    calls = iter(range(10**9))

    def record() -> tuple[mg.Tape, mg.Tensor]:
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(p.x), p.labels)
        if budget is not None:
            tape.nodes[-2].vjp = Mask(budget, axis="sample")  # the logits
        return tape, loss

    def step() -> None:
        tape, loss = record()
        tape.backward(loss, rng=next(calls))
        optimizer.step()
        optimizer.zero_grad()

    def result() -> list[np.ndarray]:
        tape, loss = record()
        return [loss.data, *tape.gradients(loss, parameters)]

    return Program(step, result if budget is None else None)


def torch_program(tiny: bool) -> Program:
    import torch
    from torch.nn import functional as F

    p = Problem(tiny)
    x = torch.from_numpy(np.ascontiguousarray(p.x.transpose(0, 3, 1, 2)))
    labels = torch.from_numpy(p.labels)
    kernels = [torch.nn.Parameter(torch.from_numpy(k.transpose(3, 2, 0, 1).copy())) for k in p.kernels]
    biases = [torch.nn.Parameter(torch.from_numpy(b)) for b in p.biases]
    optimizer = torch.optim.SGD(kernels + biases, lr=float(RATE))

    def backward() -> torch.Tensor:
        h = x
        for k, b in zip(kernels, biases, strict=True):
            h = F.relu(F.conv2d(h, k, b, padding=k.shape[2] // 2))
        loss = F.cross_entropy(h.mean(dim=(2, 3)), labels)
        optimizer.zero_grad()
        loss.backward()
        return loss

    def step() -> None:
        backward()
        optimizer.step()

    def result() -> list[np.ndarray]:
        loss = backward().detach().numpy()
        return [loss, *[k.grad.numpy().transpose(2, 3, 1, 0) for k in kernels], *[b.grad.numpy() for b in biases]]

    return Program(step, result)


CASES = {
    "conv": Case(
        "convolutions on 3×32×32, batch 32: 1×1 to 64, 3×3 to 64, 1×1 to 128",
        {
            "numpy": numpy_program,
            "products": products_program,
            "minigrad": minigrad_program,
            "torch": torch_program,
        },
        "numpy",
        [Target("minigrad", "torch", 1.3)],
        memory=True,
    ),
    "train-conv": Case(
        "training step of the convolutions, samples kept at the logits",
        {"exact": minigrad_program, **{f"samples, {b}": partial(minigrad_program, budget=b) for b in (0.5, 0.25, 0.1)}},
        "exact",
        [Target("samples, 0.5", "exact", 1.1)],
    ),
}
