"""200 element-wise operations on 100 floats, forward and back: what one operation costs beside its arithmetic."""

from __future__ import annotations

import numpy as np

import minigrad as mg

from .program import Case, Program, Target

ROUNDS = 50
"""Four operations each: a product, a sum, a tanh and a difference."""


def inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(100, np.float32) for _ in range(3)]


def numpy_program(tiny: bool) -> Program:
    """The same by hand."""
    x, a, b = inputs()

    def result() -> list[np.ndarray]:
        y, kept = x, []
        for _ in range(ROUNDS):
            before = y
            t = np.tanh(before * a + b)
            kept.append((before, t))
            y = t - b
        loss = y.sum()
        g = np.ones_like(y)
        da, db = np.zeros_like(a), np.zeros_like(b)
        for before, t in reversed(kept):
            db -= g
            g = g * (1 - t * t)
            db += g
            da += g * before
            g = g * a
        return [loss, g, da, db]

    return Program(result, result)


def minigrad_program(tiny: bool) -> Program:
    leaves = [mg.Tensor(array, requires_grad=True) for array in inputs()]
    x, a, b = leaves

    def result() -> list[np.ndarray]:
        with mg.Tape() as tape:
            y = x
            for _ in range(ROUNDS):
                y = (y * a + b).tanh() - b
            loss = y.sum()
        return [loss.data, *tape.gradients(loss, leaves)]

    return Program(result, result)


def torch_program(tiny: bool) -> Program:
    import torch

    leaves = [torch.from_numpy(array).requires_grad_() for array in inputs()]
    x, a, b = leaves

    def result() -> list[np.ndarray]:
        y = x
        for _ in range(ROUNDS):
            y = (y * a + b).tanh() - b
        loss = y.sum()
        return [loss.detach().numpy(), *[g.numpy() for g in torch.autograd.grad(loss, leaves)]]

    return Program(result, result)


CASES = {
    "elementwise": Case(
        "200 element-wise operations on 100 floats (seconds for one operation, forward and back)",
        {"numpy": numpy_program, "minigrad": minigrad_program, "torch": torch_program},
        "numpy",
        [Target("minigrad", "torch", 1.0)],
        operations=4 * ROUNDS,
    )
}
