"""Every public name is explained in the form of numpydoc, and shown at work in an example that the tests run."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
from test_docs import NAMES

SHOWN_BY = {
    # What a function returns; its page shows it at work.
    "minigrad.inspect.Advice": "minigrad.inspect.advise",
    "minigrad.inspect.Allocation": "minigrad.inspect.allocate",
    "minigrad.inspect.Cost": "minigrad.inspect.cost",
    "minigrad.inspect.ExactMoments": "minigrad.inspect.exact_moments",
    "minigrad.inspect.GradientNoise": "minigrad.inspect.gradient_noise",
    "minigrad.inspect.NodeCost": "minigrad.inspect.cost",
    "minigrad.inspect.NodeSparsity": "minigrad.inspect.sparsity",
    "minigrad.inspect.Sparsity": "minigrad.inspect.sparsity",
    "minigrad.inspect.Unbiasedness": "minigrad.inspect.unbiasedness",
    "minigrad.inspect.Variance": "minigrad.inspect.variance",
    "minigrad.nn.Differences": "minigrad.nn.Module",
    "minigrad.nn.models.Size": "minigrad.nn.models.size",
    "minigrad.training.Epoch": "minigrad.training.fit",
    "minigrad.training.load_checkpoint": "minigrad.training.save_checkpoint",
    # What a subclass is made of; the page of one shows it.
    "minigrad.cotangents.Kept": "minigrad.Estimator",
    "minigrad.cotangents.Structured": "minigrad.cotangents.Columns",
    "minigrad.estimators.register": "minigrad.estimators.parse",
    "minigrad.nn.Sketchable": "minigrad.nn.Linear",
    "minigrad.optim.Optimizer": "minigrad.optim.SGD",
}

WITHOUT_EXAMPLE = {
    *SHOWN_BY,
    # They train for a minute or more; tests/test_experiments.py runs them.
    *(f"minigrad.experiments.{name}" for name in NAMES.public_names("minigrad.experiments")),
}


def objects() -> dict[str, Any]:
    """The public names of all packages, each object once, under the name it is documented by."""
    return {
        home: getattr(importlib.import_module(home.rpartition(".")[0]), home.rpartition(".")[2])
        for home in sorted(set(NAMES.homes().values()))
    }


def lacking(thing: Any) -> list[str]:
    """What a docstring lacks of the numpydoc form; empty if nothing."""
    text = inspect.getdoc(thing) or ""
    head = text.split("\n\n")[0].strip()
    found = []
    if not head:
        found.append("no summary")
    elif re.search(r"^-{4,}$", head, re.MULTILINE):
        found.append("a section stands where the summary should be")
    for title, rule in re.findall(r"^([A-Z][A-Za-z ]+)\n(-{3,})$", text, re.MULTILINE):
        if len(title) != len(rule):
            found.append(f"the underline of {title!r} does not have its length")
    if not re.search(r"^Examples\n--------\n(?:.*\n)*?\s*>>> ", text + "\n", re.MULTILINE):
        found.append("no section Examples with a doctest")
    return found


@pytest.mark.parametrize("name", sorted(set(NAMES.homes().values())))
def test_docstring(name: str) -> None:
    thing = objects()[name]
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return
    found = lacking(thing)
    # An exception is shown by what raises it.
    if name in WITHOUT_EXAMPLE or (inspect.isclass(thing) and issubclass(thing, BaseException)):
        found = [line for line in found if "Examples" not in line]
    assert not found, f"{name}: {', '.join(found)}"


def test_exceptions_to_the_rule_are_shown_elsewhere() -> None:
    assert set(NAMES.homes()) >= set(SHOWN_BY)
    found = objects()
    assert not [name for name in SHOWN_BY.values() if lacking(found[name])]


def test_a_poor_docstring_is_found() -> None:
    def nothing() -> None: ...

    def underline() -> None:
        """Do it.

        Examples
        -----
        >>> 1
        1
        """

    def no_example() -> None:
        """Do it."""

    assert "no summary" in lacking(nothing)
    assert any("underline" in line for line in lacking(underline))
    assert lacking(no_example) == ["no section Examples with a doctest"]
