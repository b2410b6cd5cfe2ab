"""Steps on small arrays, where the work of the library itself is what one waits for; and how long an import takes."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .peers import LIBRARIES, Loss, program
from .perceptron import Sketches, minigrad_program, numpy_program, written_once
from .program import Case, Program, Target

RATE = 1e-3


def case(
    title: str, hand: Callable[[bool], Program], problem: Callable[[bool], tuple[Loss, list[np.ndarray]]],
    rate: float | None, targets: list[Target], more: dict[str, Callable[[bool], Program]] | None = None,
) -> Case:  # fmt: skip
    """A loss by hand and in every library."""

    def made(library: str, tiny: bool) -> Program:
        loss, arrays = problem(tiny)
        return program(library, loss, arrays, rate)

    programs = {"numpy": hand, **{library: partial(made, library) for library in LIBRARIES}, **(more or {})}
    return Case(title, programs, "numpy", targets)


def square(tiny: bool) -> tuple[Loss, list[np.ndarray]]:
    return lambda xp, x: (x * x).sum(), [np.array([0.5, -1.0, 2.0])]


def square_by_hand(tiny: bool) -> Program:
    x = np.array([0.5, -1.0, 2.0])

    def result() -> list[np.ndarray]:
        return [(x * x).sum(), 2.0 * x]

    return Program(result, result)


def links(tiny: bool) -> int:
    return 4 if tiny else 100


def chain(tiny: bool) -> tuple[Loss, list[np.ndarray]]:
    def loss(xp: Any, x: Any) -> Any:
        for _ in range(links(tiny)):
            x = xp.tanh(x * 1.01)
        return x.sum()

    return loss, [np.array([0.5, -1.0, 2.0])]


def chain_by_hand(tiny: bool) -> Program:
    x = np.array([0.5, -1.0, 2.0])

    def result() -> list[np.ndarray]:
        y, kept = x, []
        for _ in range(links(tiny)):
            y = np.tanh(y * 1.01)
            kept.append(y)
        value, g = y.sum(), np.ones(3)
        for y in reversed(kept):
            g = g * (1 - y * y) * 1.01
        return [value, g]

    return Program(result, result)


def patients(tiny: bool) -> tuple[np.ndarray, np.ndarray]:
    """Features, and signs in place of labels."""
    rng = np.random.default_rng(0)
    shape = (7, 3) if tiny else (569, 30)
    return rng.standard_normal(shape), np.where(rng.random(shape[0]) > 0.5, 1.0, -1.0)


def logistic(tiny: bool) -> tuple[Loss, list[np.ndarray]]:
    x, signs = patients(tiny)

    def loss(xp: Any, w: Any, b: Any) -> Any:
        return xp.softplus((xp.const(x) @ w + b) * xp.const(signs)).mean()

    return loss, [np.full(x.shape[1], 0.1), np.array(0.2)]


def logistic_by_hand(tiny: bool) -> Program:
    x, signs = patients(tiny)
    w, b = np.full(x.shape[1], 0.1), np.array(0.2)

    def result() -> list[np.ndarray]:
        z = (x @ w + b) * signs
        value = np.logaddexp(0, z).mean()
        g = signs / (1 + np.exp(-z))
        g /= len(z)
        return [value, g @ x, g.sum()]

    def step() -> None:
        _, dw, db = result()
        np.subtract(w, RATE * dw, out=w)
        np.subtract(b, RATE * db, out=b)

    return Program(step, result)


SIZES, BATCH = (64, 64, 10), 64


def digits_sketched(tiny: bool) -> Program:
    from minigrad.estimators import DiagonalSketch

    return minigrad_program(SIZES, BATCH, tiny, Sketches(columns=DiagonalSketch(0.1)))


def imported(package: str, tiny: bool) -> Program:
    """A Python that imports one package and ends.

    It finds compiled files, as every import but the first does, and starts where no folder stands in for a package.
    """
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env["PYTHONPYCACHEPREFIX"] = folder.name
    command = [sys.executable, "-c", f"import {package}"]

    def step() -> None:
        subprocess.run(command, env=env, cwd=folder.name, check=True)

    step()
    return Program(step)


SKETCHED = "minigrad with DiagonalSketch(0.1)"
CASES = {
    "small-square": case(
        "(x·x).sum() of 3 numbers, forward and backward", square_by_hand, square, None,
        [Target("minigrad", "torch", 0.78), Target("minigrad", "autograd", 0.4)],
    ),
    "small-chain": case(
        "a chain of 200 operations on 3 numbers, forward and backward", chain_by_hand, chain, None,
        [Target("minigrad", "numpy", 4.0), Target("minigrad", "torch", 0.58)],
    ),
    "small-logistic": case(
        "a training step of logistic regression, 569 × 30, float64", logistic_by_hand, logistic, RATE,
        [Target("minigrad", "torch", 0.86), Target("minigrad", "autograd", 0.4)],
    ),
    "small-digits": case(
        "a training step of MLP 64-64-10, batch 64", partial(numpy_program, SIZES, BATCH),
        partial(written_once, SIZES, BATCH), RATE,
        [Target("minigrad", "torch", 0.49), Target("minigrad", "autograd", 0.27), Target(SKETCHED, "torch", 0.87)],
        {SKETCHED: digits_sketched},
    ),
    "import": Case(
        "python -c 'import …'",
        {package: partial(imported, package) for package in ("numpy", *LIBRARIES)},
        "numpy",
        [Target("minigrad", "numpy", 1.37)],
        apart=False,
    ),
}  # fmt: skip
