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


def inspected(what: str, sizes: tuple[int, ...], batch: int, sketches: Sketches, tiny: bool) -> Program:
    p = Problem(sizes, batch, tiny)
    tape, loss = record(model_of(p, sketches)[0], p)
    target, draws = InspectionTarget(tape, loss), 100 if tiny else DRAWS
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
    }
    return Program(steps[what])


def case(sizes: tuple[int, ...], batch: int, what: str, sketches: Sketches) -> Case:
    programs = {
        name: partial(inspected, name, sizes, batch, sketches) for name in (PASSES, "unbiasedness", SWEEPS, "variance")
    }
    targets = [
        Target("unbiasedness", PASSES, 1.1),
        Target("variance", PASSES, 1.1),
        Target("variance", SWEEPS, 1.1),
    ]
    shape = "-".join(map(str, sizes))
    title = f"reports on {DRAWS:,} draws, MLP {shape}, batch {batch}, {what} (seconds for one draw)"
    return Case(title, programs, PASSES, targets, apart=False, operations=DRAWS)


LARGE, SMALL = ((784, 256, 256, 10), 64), ((64, 128, 128, 10), 64)
COLUMNS = ("columns in every layer, Mask(0.1)", Sketches(Mask(0.1), Mask(0.1)))
SAMPLES = ("samples at the logits, 0.1", Sketches(logits=DiagonalSketch(0.1, axis="sample")))
CASES = {
    "inspect-columns": case(*LARGE, *COLUMNS),
    "inspect-samples": case(*LARGE, *SAMPLES),
    "inspect-small-columns": case(*SMALL, *COLUMNS),
    "inspect-small-samples": case(*SMALL, *SAMPLES),
}
