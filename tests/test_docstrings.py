"""Every public name is explained in the form of numpydoc, and shown at work in an example that the tests run."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import types
from pathlib import Path
from typing import Any

import pytest
from test_docs import NAMES, ROOT

DOWNLOADED = {
    f"minigrad.datasets.{name}" for name in ("cifar10", "cifar10_subset", "fashion_mnist", "fashion_mnist_one", "mnist")
}
"""What needs files from elsewhere: the example is shown, and not run."""


def objects() -> dict[str, Any]:
    """The public names of all packages, each object once, under the name it is documented by."""
    return {
        home: getattr(importlib.import_module(home.rpartition(".")[0]), home.rpartition(".")[2])
        for home in sorted(set(NAMES.homes().values()))
    }


# What docutils leaves alone, and what it would take for the name of a substitution.
LITERAL = re.compile(r"``[\s\S]*?``|^\s*>>> (?:.*\n)+?\s*\n|:math:`[^`]*`|\.\. math::(?:.*\n)+?\s*\n", re.MULTILINE)
BARS = re.compile(r"(?<![\w|])\|\w(?:[^|\n]*\w)?\|")


def lacking(thing: Any) -> list[str]:
    """What a docstring lacks of the numpydoc form; empty if nothing."""
    text = inspect.getdoc(thing) or ""
    head = text.split("\n\n")[0].strip()
    found = []
    if not head:
        found.append("no summary")
    elif re.search(r"^-{4,}$", head, re.MULTILINE):
        found.append("a section stands where the summary should be")
    for bars in BARS.findall(LITERAL.sub("", text + "\n\n")):
        found.append(f"{bars} is a substitution in reStructuredText: write ``{bars}``")
    for title, rule in re.findall(r"^([A-Z][A-Za-z ]+)\n(-{3,})$", text, re.MULTILINE):
        if len(title) != len(rule):
            found.append(f"the underline of {title!r} does not have its length")
    if not re.search(r"^Examples\n--------\n(?:.*\n)*?\s*>>> ", text + "\n", re.MULTILINE):
        found.append("no section Examples with a doctest")
    return found


def examples(thing: Any) -> list[doctest.Example]:
    """The examples of a public name that doctest finds where it is defined, and runs."""
    module = importlib.import_module(thing.__module__)
    name = f"{thing.__module__}.{thing.__qualname__}"
    found = [test for test in doctest.DocTestFinder().find(module) if test.name == name]
    skipped = doctest.OPTIONFLAGS_BY_NAME["SKIP"]
    return [example for test in found for example in test.examples if not example.options.get(skipped)]


@pytest.mark.parametrize("name", sorted(set(NAMES.homes().values())))
def test_docstring(name: str) -> None:
    thing = objects()[name]
    if not (inspect.isclass(thing) or inspect.isroutine(thing)) or isinstance(thing, types.GenericAlias):
        return  # Python 3.10 takes Callable[[int], float] for a class
    found = lacking(thing)
    assert not found, f"{name}: {', '.join(found)}"
    assert name in DOWNLOADED or examples(thing), f"{name}: its example is not run"


QUESTION = re.compile(r"(What|Whether|Which|How) ")


def questions(text: str) -> list[str]:
    """Strings that stand by themselves in a source text and begin like a question: they do not say what a thing is."""
    statements = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Expr))
    values = (node.value.value for node in statements if isinstance(node.value, ast.Constant))
    return [value.split("\n")[0] for value in values if isinstance(value, str) and QUESTION.match(value)]


@pytest.mark.parametrize("path", sorted((ROOT / "minigrad").rglob("*.py")), ids=lambda path: path.stem)
def test_a_summary_says_what_a_thing_is_or_does(path: Path) -> None:
    assert questions(path.read_text(encoding="utf-8")) == []


def test_a_summary_that_is_a_question_is_found() -> None:
    planted = (
        '"""What f is."""\nA = 1\n"""How many."""\ndef f():\n    """Whether so.\n\n    More."""\n    "Which it is."\n'
    )
    assert questions(planted) == ["What f is.", "How many.", "Whether so.", "Which it is."]
    sound = '"""Whatever f is."""\ndef f():\n    """The thing.\n\n    What it is."""\n    return "What "\n'
    assert questions(sound) == []


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

    def bars() -> None:
        """Do ``|x|``, and |y|.

        Examples
        --------
        >>> 1 | 2 | 4
        7
        """

    assert "no summary" in lacking(nothing)
    assert any("underline" in line for line in lacking(underline))
    assert lacking(no_example) == ["no section Examples with a doctest"]
    assert lacking(bars) == ["|y| is a substitution in reStructuredText: write ``|y|``"]


def test_an_example_that_is_not_run_is_found() -> None:
    assert not examples(importlib.import_module("minigrad.datasets").mnist)
    assert examples(importlib.import_module("minigrad").Tensor)
