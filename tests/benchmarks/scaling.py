"""Training steps of a multilayer perceptron at many sizes: how seconds grow with batch, width, depth and budget.

The input and every hidden layer have the same width; depth is the number of hidden layers; ten classes. Sketches keep a
fixed number of units (systematic sampling), so that a minimum is not that of a draw that happened to keep few.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from minigrad import inspect
from minigrad.estimators import DiagonalSketch, Mask

from .perceptron import EXACT, Problem, Sketches, minigrad_program, model_of, record
from .program import Case, Program

METHODS = ("exact", "Mask, columns", "DiagonalSketch, columns", "samples at the logits")
BUDGET = 0.1


def sketches(method: str, budget: float) -> Sketches:
    if method == "exact":
        return EXACT
    if method == "Mask, columns":
        return Sketches(columns=Mask(budget, design="systematic"))
    if method == "DiagonalSketch, columns":
        return Sketches(columns=DiagonalSketch(budget, design="systematic"))
    return Sketches(logits=DiagonalSketch(budget, axis="sample", design="systematic"))


@dataclass(frozen=True)
class Setting:
    """One training step."""

    method: str
    batch: int
    width: int
    depth: int
    budget: float

    @property
    def sizes(self) -> tuple[int, ...]:
        return (*[self.width] * (self.depth + 1), 10)

    def program(self, tiny: bool = False) -> Program:
        chosen = sketches(self.method, self.budget)
        structured = chosen is not EXACT
        # At this rate the parameters hardly move: in a deep network the noise of sketches would blow them up.
        return Program(minigrad_program(self.sizes, self.batch, tiny, chosen, structured, rate=1e-12).step)

    def operations(self) -> float:
        """Floating-point operations of the forward and the backward pass, as `minigrad.inspect.cost` expects them."""
        p = Problem(self.sizes, self.batch, False)
        report = inspect.cost(record(model_of(p, sketches(self.method, self.budget))[0], p)[0])
        return report.forward + report.backward


@dataclass(frozen=True)
class Series:
    """What is varied, and the exponent that the operations have in the limit.

    Parameters
    ----------
    name : str
        "batch", "width", "depth" or "budget".
    unit : str
    values : tuple of float
    limit : float
        The exponent for large values; for the budget that of the sketched part, above a constant.
    base : dict
        The other sizes.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    limit: float
    base: dict[str, float]

    @property
    def methods(self) -> tuple[str, ...]:
        return METHODS[1:] if self.name == "budget" else METHODS

    def setting(self, method: str, value: float) -> Setting:
        sizes = {**self.base, "budget": BUDGET, self.name: value}
        return Setting(method, int(sizes["batch"]), int(sizes["width"]), int(sizes["depth"]), sizes["budget"])

    def points(self) -> Iterator[tuple[str, float, str]]:
        """Method, value, and the name of the program."""
        for method in self.methods:
            for value in self.values:
                yield method, value, f"{method}, {value:g}"

    def case(self) -> Case:
        programs = {name: partial(_program, self, method, value) for method, value, name in self.points()}
        sizes = ", ".join(f"{name} {size:g}" for name, size in self.base.items() if name != self.name)
        return Case(f"training step by {self.name}; {sizes}", programs, next(iter(programs)), apart=False)


def _program(series: Series, method: str, value: float, tiny: bool) -> Program:
    return series.setting(method, value).program(tiny)


def series(tiny: bool = False) -> list[Series]:
    """What is measured; ``tiny`` for tests."""
    base: dict[str, float] = {"batch": 4, "width": 8, "depth": 2} if tiny else {"batch": 256, "width": 512, "depth": 4}
    values: dict[str, tuple[float, ...]] = {
        "batch": (64, 128, 256, 512, 1024, 2048),
        "width": (128, 256, 384, 512, 768, 1024, 1536),
        "depth": (1, 2, 4, 8, 16),
        "budget": (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75),
    }
    if tiny:
        values = {"batch": (2, 4, 8), "width": (4, 8, 16), "depth": (1, 2, 3), "budget": (0.25, 0.5, 0.75)}
    units = {"batch": "samples", "width": "units a layer", "depth": "hidden layers", "budget": "fraction kept"}
    limits = {"batch": 1.0, "width": 2.0, "depth": 1.0, "budget": 1.0}
    return [Series(name, units[name], values[name], limits[name], base) for name in values]


CASES = {f"growth-{one.name}{'-tiny' if tiny else ''}": one.case() for tiny in (False, True) for one in series(tiny)}
