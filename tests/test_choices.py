"""What a docstring lists as choices, as in ``axis : {"row", "column"}``, is a Literal type in the signature.

A checker then reports a misspelt choice before the program runs; what is raised at run time stays.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from typing import Any, Literal

import pytest
from test_docs import NAMES

from minigrad import estimators, ops
from minigrad.estimators import axes, designs, diagonal, projection
from minigrad.theory import distortion

LISTED = re.compile(r"^(\w+(?:, \w+)*) : (\{(?:\"[^\"]+\"(?:, )?)+\})", re.MULTILINE)


def listed(thing: Any) -> dict[str, set[str]]:
    """What the docstring of a function or class says the choices of an argument or attribute are."""
    found = {}
    for names, choices in LISTED.findall(inspect.getdoc(thing) or ""):
        found |= {name: set(re.findall(r'"([^"]+)"', choices)) for name in names.split(", ")}
    return found


def typed(thing: Any, name: str) -> set[str]:
    """The members of the Literal that an argument, or a field of a class, is annotated with."""
    classes = inspect.getmro(thing) if inspect.isclass(thing) else (thing,)
    for part in (*classes, getattr(thing, "__init__", None)):
        text = getattr(part, "__annotations__", {}).get(name)
        if text is not None:
            hint = eval(text, vars(importlib.import_module(part.__module__)))
            found = [part for part in (hint, *typing.get_args(hint)) if typing.get_origin(part) is Literal]  # or None
            return set(typing.get_args(found[0])) if found else set()
    return set()


def public() -> dict[str, Any]:
    return {
        home: getattr(importlib.import_module(home.rpartition(".")[0]), home.rpartition(".")[2])
        for home in sorted(set(NAMES.homes().values()))
    }


CASES = [
    (home, name)
    for home, thing in public().items()
    if inspect.isclass(thing) or isinstance(thing, types.FunctionType)
    for name in listed(thing)
]


@pytest.mark.parametrize("home, name", CASES)
def test_listed_choices_are_a_literal_type(home, name):
    thing = public()[home]
    assert typed(thing, name) == listed(thing)[name]


def test_the_cases_are_found():
    assert {("minigrad.estimators.Mask", "axis"), ("minigrad.ops.mse", "reduction")} <= set(CASES)

    def wrong(axis: Literal["row", "colum"] = "row", design: str = "poisson") -> None:
        """Take a choice.

        axis : {"row", "column"}
        design : {"poisson", "systematic"}, default "poisson"
        """

    assert listed(wrong) == {"axis": {"row", "column"}, "design": {"poisson", "systematic"}}
    assert typed(wrong, "axis") == {"row", "colum"} and typed(wrong, "design") == set()


def test_the_types_name_what_the_tables_hold():
    """The same words stand in a table that is looked up at run time, and in a type that checkers read."""
    assert typing.get_args(axes.AxisName) == tuple(axes.AXES)
    assert typing.get_args(designs.DesignName) == tuple(designs.DESIGNS)
    assert typing.get_args(diagonal.Target) == diagonal.TARGETS
    assert set(typing.get_args(projection.Projection)) == set(projection.KINDS)
    assert {name for part in typing.get_args(distortion.Kind) for name in typing.get_args(part)} == set(
        distortion._KINDS
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: estimators.Mask(0.5, axis="colum"),
        lambda: estimators.Mask(0.5, design="poison"),
        lambda: estimators.DiagonalSketch(0.5, target="weights"),
        lambda: estimators.RandomProjection(0.5, kind="gauss"),
        lambda: estimators.presets.rad(0.5, kind="feature"),
        lambda: ops.mse([1.0], [1.0], reduction="average"),
    ],
)
def test_a_wrong_choice_is_still_refused_at_run_time(call):
    with pytest.raises(ValueError):
        call()
