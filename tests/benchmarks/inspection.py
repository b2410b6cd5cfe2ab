"""What a report on a thousand draws costs, against a thousand backward passes with the same draws, on one tape."""

from __future__ import annotations

from functools import partial

from minigrad import inspect
from minigrad.estimators import DiagonalSketch, Mask
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import InspectionTarget
from minigrad.streams import draw_key

from .perceptron import Problem, Sketches, model_of, record
from .program import Case, Program, Target

DRAWS = 1000
PASSES = "backward passes"
SWEEPS = "sweeps of the variance"
"""Each draw takes one random sweep, and an exact one from every random node but the first on."""
DIRECTIONS = "variance, 32 directions"
"""Each draw takes one random sweep, and the products with 32 tangents that are made once."""


def inspected(what: str, sizes: tuple[int, ...], batch: int, sketches: Sketches, draws: int, tiny: bool) -> Program:
    p = Problem(sizes, batch, tiny)
    tape, loss = record(model_of(p, sketches)[0], p)
    target, draws = InspectionTarget(tape, loss), 100 if tiny else draws
    keys = [draw_key(0, number) for number in range(draws)]
    exact = target.exact_gradient()

    def passes() -> None:
        for key in keys:
            tape.gradients(loss, target.tensors, rng=key)

    def sweeps() -> None:
        for key in keys:
            for _ in increments(target, key, exact):
                pass

    steps = {
        PASSES: passes,
        "unbiasedness": lambda: inspect.unbiasedness(tape, loss, draws=draws, rng=0),
        SWEEPS: sweeps,
        "variance": lambda: inspect.variance(tape, loss, draws=draws, rng=0),
        DIRECTIONS: lambda: inspect.variance(tape, loss, draws=draws, directions=32, rng=0),
    }
    return Program(steps[what])


def case(sizes: tuple[int, ...], batch: int, what: str, sketches: Sketches, draws: int = DRAWS) -> Case:
    names = (PASSES, "unbiasedness", SWEEPS, "variance", DIRECTIONS)
    programs = {name: partial(inspected, name, sizes, batch, sketches, draws) for name in names}
    targets = [
        Target("unbiasedness", PASSES, 1.1),
        Target("variance", PASSES, 1.1),
        Target("variance", SWEEPS, 1.1),
        Target(DIRECTIONS, PASSES, 2.0),
    ]
    shape = "-".join(map(str, sizes))
    title = f"reports on {draws:,} draws, MLP {shape}, batch {batch}, {what} (seconds for one draw)"
    return Case(title, programs, PASSES, targets, apart=False, operations=draws)


LARGE, SMALL = ((784, 256, 256, 10), 64), ((64, 128, 128, 10), 64)
COLUMNS = ("columns in every layer, Mask(0.1)", Sketches(Mask(0.1), Mask(0.1)))
DEEP = (128,) * 17 + (10,), 64
SAMPLES = ("samples at the logits, 0.1", Sketches(logits=DiagonalSketch(0.1, axis="sample")))
CASES = {
    "inspect-columns": case(*LARGE, *COLUMNS),
    "inspect-samples": case(*LARGE, *SAMPLES),
    "inspect-small-columns": case(*SMALL, *COLUMNS),
    "inspect-small-samples": case(*SMALL, *SAMPLES),
    "inspect-deep-columns": case(*DEEP, "columns in every layer, Mask(0.5)", Sketches(Mask(0.5), Mask(0.5)), 100),
}
