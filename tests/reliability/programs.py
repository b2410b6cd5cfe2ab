"""Random programs, differentiated and checked: ``python tests/reliability/programs.py [--programs N] [--seed S]``.

A program is written once, in NumPy's functions, on two matrices of 3 × 4 numbers. On plain arrays NumPy computes its
value, and differences of two values its slope; on tensors minigrad does. Where the package autograd is installed, which
differentiates NumPy by other code, its gradients are compared as well.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import minigrad as mg

SHAPE = (3, 4)
UNARY: list[Callable[[Any, Any], Any]] = [
    lambda xp, x: xp.tanh(x),
    lambda xp, x: xp.sin(x),
    lambda xp, x: xp.exp(-x * x),
    lambda xp, x: xp.log(1 + x * x),
    lambda xp, x: xp.sqrt(1 + x * x),
    lambda xp, x: -x,
    lambda xp, x: xp.cumsum(x, axis=1) / 2,
    lambda xp, x: x - xp.mean(x, axis=0, keepdims=True),
    lambda xp, x: xp.reshape(xp.transpose(x), SHAPE),
    lambda xp, x: xp.concatenate([x[1:], x[:1]], axis=0),
    lambda xp, x: x[:, np.array([0, 0, 2, 3])],
    lambda xp, x: xp.broadcast_to(xp.sum(x, axis=0, keepdims=True) / 3, SHAPE),
    lambda xp, x: xp.exp(x - xp.max(x)) / xp.sum(xp.exp(x - xp.max(x))),
]
BINARY: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, x, y: x + y,
    lambda xp, x, y: x - y,
    lambda xp, x, y: x * y,
    lambda xp, x, y: x / (1 + y * y),
    lambda xp, x, y: xp.matmul(x, xp.matmul(xp.transpose(y), y)) / 4,
    lambda xp, x, y: xp.maximum(x, y),
    lambda xp, x, y: xp.where(x.shape[0] > np.arange(4), x, y),
    lambda xp, x, y: xp.einsum("ij,kj->ik", x, y) @ y / 4,
    lambda xp, x, y: x[:1] * y[:, :1],
]


def program(rng: np.random.Generator) -> Callable[..., Any]:
    """A function of a module of functions and two matrices, of 4 to 12 operations on whatever came before."""
    steps = []
    for k in range(int(rng.integers(4, 13))):
        table = BINARY if rng.random() < 0.5 else UNARY
        steps.append((table[rng.integers(len(table))], rng.integers(k + 2, size=2)))
    weights = rng.normal(size=SHAPE)

    def function(xp: Any, a: Any, b: Any) -> Any:
        found = [a, b]
        for step, (i, j) in steps:
            found.append(step(xp, found[i]) if step in UNARY else step(xp, found[i], found[j]))
        return xp.sum(weights * (found[-1] + found[-2] + found[-3]))

    return function


def worst(count: int, seed: int = 0, peer: ModuleType | None = None) -> dict[str, float]:
    """The greatest relative error of so many programs, by what they were compared with."""
    found: dict[str, float] = {}

    def compare(name: str, got: Any, wanted: Any) -> None:
        error = np.abs(np.asarray(got) - wanted).max() / max(1.0, np.abs(wanted).max())
        found[name] = max(found.get(name, 0.0), float(error))

    for number in range(count):
        rng = np.random.default_rng([seed, number])
        function = program(rng)
        at, along = rng.normal(size=(2, 2, *SHAPE))

        def value(a: Any, b: Any, function: Any = function) -> Any:
            return function(np, a, b)

        result, gradients = mg.value_and_grad(value, argnums=(0, 1))(*at)
        compare("values of NumPy", result, value(*at))
        ahead, behind = (value(*(at + step * along)) for step in (1e-5, -1e-5))
        slope = sum((g * d).sum() for g, d in zip(gradients, along, strict=True))
        compare("finite differences", slope, (ahead - behind) / 2e-5)
        compare("forward mode", mg.jvp(value, tuple(at), tuple(along))[1], slope)
        if peer is not None:
            compare("autograd", gradients, peer.grad(lambda x, f=function: f(peer.numpy, x[0], x[1]))(at))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    options = parser.parse_args()
    try:
        autograd = importlib.import_module("autograd")
        importlib.import_module("autograd.numpy")
    except ImportError:
        autograd = None
    for name, error in worst(options.programs, options.seed, autograd).items():
        print(f"{options.programs} programs against {name}: relative error at most {error:.1e}")
