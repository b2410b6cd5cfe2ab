"""A training step of one block of a vision transformer: normalised before attention and before the perceptron, GELU."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from scipy import special

import minigrad as mg
from minigrad import nn, ops, optim
from minigrad.estimators import Mask

from .program import KEPT, Case, Program, Target

RATE = np.float32(1e-3)
EPS = np.float32(1e-5)
LINEARS = ("attention.query", "attention.key", "attention.value", "attention.out", "mlp.0", "mlp.2")
NAMES = [f"norm{k}.{part}" for k in (1, 2) for part in ("gain", "bias")] + [
    f"{layer}.{part}" for layer in LINEARS for part in ("weight", "bias")
]


class Problem:
    """Tokens (N, T, width), targets of the same shape, and the parameters of a block by name."""

    def __init__(self, tiny: bool):
        n, t, width, self.heads = (2, 3, 8, 2) if tiny else (32, 65, 128, 4)
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((n, t, width), np.float32)
        self.target = rng.standard_normal((n, t, width), np.float32)
        self.block = nn.TransformerBlock(width, self.heads, rng=1)
        self.leaves = dict(self.block.named_parameters())
        self.parameters = {name: self.leaves[name].data for name in NAMES}


def norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    normal = x - x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt(np.einsum("ij,ij->i", normal, normal)[:, None] / np.float32(x.shape[-1]) + EPS)
    normal *= inverse
    out = normal * gain
    out += bias
    return out, normal, inverse


def norm_back(g: np.ndarray, normal: np.ndarray, inverse: np.ndarray, gain: np.ndarray):
    dgain, dbias = np.einsum("ij,ij->j", g, normal), g.sum(axis=0)
    g = g * gain
    along = np.einsum("ij,ij->i", g, normal)[:, None] / np.float32(g.shape[-1])
    g -= g.mean(axis=-1, keepdims=True)
    g -= normal * along
    g *= inverse
    return g, dgain, dbias


def numpy_program(tiny: bool) -> Program:
    """By hand: tokens of all samples are rows of one matrix wherever they do not mix."""
    problem = Problem(tiny)
    p, heads = problem.parameters, problem.heads
    n, t, width = problem.x.shape
    d = width // heads
    scale, root = np.float32(1 / math.sqrt(d)), np.float32(1 / math.sqrt(2 * math.pi))

    def split(z: np.ndarray) -> np.ndarray:
        return z.reshape(n, t, heads, d).transpose(0, 2, 1, 3)

    def join(z: np.ndarray) -> np.ndarray:
        return z.transpose(0, 2, 1, 3).reshape(n * t, width)

    def gradients() -> tuple[np.ndarray, dict[str, np.ndarray]]:
        found: dict[str, np.ndarray] = {}

        def linear(name: str, x: np.ndarray) -> np.ndarray:
            out = x @ p[f"{name}.weight"].T
            out += p[f"{name}.bias"]
            return out

        def back(name: str, g: np.ndarray, x: np.ndarray) -> np.ndarray:
            found[f"{name}.weight"], found[f"{name}.bias"] = g.T @ x, np.ones(len(g), g.dtype) @ g
            return g @ p[f"{name}.weight"]

        x = problem.x.reshape(n * t, width)
        one, normal1, inverse1 = norm(x, p["norm1.gain"], p["norm1.bias"])
        q = split(linear("attention.query", one) * scale)
        k, v = split(linear("attention.key", one)), split(linear("attention.value", one))
        a = q @ k.swapaxes(-1, -2)
        a -= a.max(axis=-1, keepdims=True)
        np.exp(a, out=a)
        a /= a.sum(axis=-1, keepdims=True)
        mixed = join(a @ v)
        middle = linear("attention.out", mixed)
        middle += x
        two, normal2, inverse2 = norm(middle, p["norm2.gain"], p["norm2.bias"])
        hidden = linear("mlp.0", two)
        cdf = special.ndtr(hidden)
        active = hidden * cdf
        out = linear("mlp.2", active)
        out += middle

        g = out - problem.target.reshape(n * t, width)
        loss = np.square(g).mean()
        g *= np.float32(2 / g.size)
        gh = back("mlp.2", g, active)
        gh *= cdf + hidden * (np.exp(np.float32(-0.5) * hidden * hidden) * root)
        gn = back("mlp.0", gh, two)
        gn, found["norm2.gain"], found["norm2.bias"] = norm_back(gn, normal2, inverse2, p["norm2.gain"])
        g = g + gn
        gm = split(back("attention.out", g, mixed))
        gv = a.swapaxes(-1, -2) @ gm
        ga = gm @ v.swapaxes(-1, -2)
        ga *= a
        ga -= a * ga.sum(axis=-1, keepdims=True)
        gq, gk = ga @ k, ga.swapaxes(-1, -2) @ q
        go = back("attention.query", join(gq) * scale, one)
        go += back("attention.key", join(gk), one)
        go += back("attention.value", join(gv), one)
        found["norm1.gain"], found["norm1.bias"] = norm_back(go, normal1, inverse1, p["norm1.gain"])[1:]
        return loss, found

    def step() -> None:
        _, found = gradients()
        for name, own in p.items():
            own -= RATE * found[name]

    def result() -> list[np.ndarray]:
        loss, found = gradients()
        return [loss, *[found[name] for name in NAMES]]

    return Program(step, result)


def products_program(tiny: bool) -> Program:
    """The matrix products alone, into memory that is there already."""
    problem = Problem(tiny)
    p, heads = problem.parameters, problem.heads
    n, t, width = problem.x.shape
    ones, empty = partial(np.ones, dtype=np.float32), partial(np.empty, dtype=np.float32)
    weights = [p[f"{name}.weight"] for name in LINEARS]
    sides = [(ones((n * t, w.shape[1])), ones((n * t, w.shape[0]))) for w in weights]
    outs = [(np.empty_like(x), np.empty_like(y), np.empty_like(w)) for (x, y), w in zip(sides, weights, strict=True)]
    q = ones((n, heads, t, width // heads))
    a, mixed, scores = ones((n, heads, t, t)), np.empty_like(q), empty((n, heads, t, t))

    def step() -> None:
        for (x, y), w, (dx, out, dw) in zip(sides, weights, outs, strict=True):
            np.matmul(x, w.T, out=out)
            np.matmul(y, w, out=dx)
            np.matmul(y.T, x, out=dw)
        for _ in range(2):  # Q Kᵀ and ∂A; A V, and three more of that shape
            np.matmul(q, q.swapaxes(-1, -2), out=scores)
        for _ in range(2):
            np.matmul(a, q, out=mixed)
            np.matmul(a.swapaxes(-1, -2), q, out=mixed)

    return Program(step)


def minigrad_program(tiny: bool, budget: float | None = None) -> Program:
    problem = Problem(tiny)
    block, parameters = problem.block, [problem.leaves[name] for name in NAMES]
    optimizer = optim.SGD(parameters, lr=float(RATE))
    calls = iter(range(10**9))

    def record() -> tuple[mg.Tape, mg.Tensor]:
        with mg.Tape() as tape:
            loss = ops.mse(block(problem.x), problem.target)
        if budget is not None:
            tape.nodes[-2].vjp = Mask(budget, axis="sample")  # the output of the block
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

    problem = Problem(tiny)
    p = {name: torch.nn.Parameter(torch.from_numpy(array)) for name, array in problem.parameters.items()}
    x, target, heads = torch.from_numpy(problem.x), torch.from_numpy(problem.target), problem.heads
    n, t, width = x.shape
    d = width // heads
    optimizer = torch.optim.SGD(p.values(), lr=float(RATE))

    def linear(name: str, z: torch.Tensor) -> torch.Tensor:
        return F.linear(z, p[f"{name}.weight"], p[f"{name}.bias"])

    def split(name: str, z: torch.Tensor) -> torch.Tensor:
        return linear(name, z).reshape(n, t, heads, d).transpose(1, 2)

    def backward() -> torch.Tensor:
        one = F.layer_norm(x, (width,), p["norm1.gain"], p["norm1.bias"])
        q, k, v = [split(f"attention.{name}", one) for name in ("query", "key", "value")]
        a = torch.softmax((q / math.sqrt(d)) @ k.transpose(-1, -2), dim=-1)
        middle = x + linear("attention.out", (a @ v).transpose(1, 2).reshape(n, t, width))
        two = F.layer_norm(middle, (width,), p["norm2.gain"], p["norm2.bias"])
        out = middle + linear("mlp.2", F.gelu(linear("mlp.0", two)))
        loss = F.mse_loss(out, target)
        optimizer.zero_grad()
        loss.backward()
        return loss

    def step() -> None:
        backward()
        optimizer.step()

    def result() -> list[np.ndarray]:
        return [backward().detach().numpy(), *[p[name].grad.numpy() for name in NAMES]]

    return Program(step, result)


CASES = {
    "vit": Case(
        "ViT block, batch 32, 65 tokens, width 128, 4 heads",
        {
            "numpy": numpy_program,
            "products": products_program,
            "minigrad": minigrad_program,
            "torch": torch_program,
        },
        "numpy",
        [Target(name, "torch", 1.2) for name in ("minigrad", "minigrad" + KEPT)],
        memory=True,
    ),
    "train-vit": Case(
        "training step of the ViT block, samples kept at its output",
        {"exact": minigrad_program, **{f"samples, {b}": partial(minigrad_program, budget=b) for b in (0.5, 0.25, 0.1)}},
        "exact",
        [Target("samples, 0.5", "exact", 1.1)],
    ),
}
