"""The names of estimators, and how they are read from text."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from minigrad.engine.estimator import Estimator
from minigrad.naming import unknown
from minigrad.registry import Registry

__all__ = ["ESTIMATORS", "describe", "names", "parse", "register", "shown_text"]

Class = TypeVar("Class", bound="type[Estimator]")
LONGEST = 1000
"""No estimator takes so many characters to write."""


def _check(name: str, cls: Any) -> None:
    if not (isinstance(cls, type) and issubclass(cls, Estimator) and dataclasses.is_dataclass(cls)):
        raise TypeError(
            f"estimators.register({name!r}, …): {cls!r} is not a dataclass that inherits from minigrad.Estimator; "
            "write @dataclass(frozen=True) between this line and the class. Its fields are what a text may name"
        )


ESTIMATORS: Registry[type[Estimator]] = Registry(
    "estimator", "minigrad.estimators", "estimators.register", _check, by_class=True
)
"""All of them, by their short names and by those of their classes."""


def register(name: str, line: str | None = None) -> Callable[[Class], Class]:
    """Make a class of estimators known to `parse` and to the command line by a short name.

    Parameters
    ----------
    name : str
        Such as ``"mask"``.
    line : str
        What it does, in one line.

    Returns
    -------
    callable
        A decorator; it returns the class unchanged.

    Raises
    ------
    TypeError
        If the line is missing or no text, as in ``register("coin", Coin)``; or if what is decorated is not a dataclass
        that inherits from Estimator.
    ValueError
        If another estimator has the name, or its class has that of the class: text could not tell them apart.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from minigrad.estimators import parse, register
    >>> @register("coin", "everything, enlarged, or nothing")
    ... @dataclass(frozen=True)
    ... class Coin(Estimator):
    ...     budget: float
    ...     def sample(self, g, node, rng):
    ...         return g / self.budget if rng.random() < self.budget else 0 * g
    >>> parse("coin(0.25)")
    Coin(budget=0.25)
    """
    return ESTIMATORS.register(name, line)


def names() -> tuple[str, ...]:
    """The short names of the estimators, sorted.

    Examples
    --------
    >>> from minigrad import estimators
    >>> estimators.names()
    ('diagonal', 'exact', ...)
    """
    return ESTIMATORS.names()


def describe() -> dict[str, str]:
    """For each short name, how it is called and a line on what it does.

    Examples
    --------
    >>> from minigrad import estimators
    >>> estimators.describe()["lowrank"]
    'lowrank(budget or distortion=…, design=poisson): some singular directions, with the best probabilities'
    """
    lines = {}
    for name, line in ESTIMATORS.describe().items():
        arguments = _arguments(ESTIMATORS.find(name))
        amount = next(iter(arguments), "")  # a budget, or bits
        other = " or distortion=…" if "distortion" in arguments else ""
        written = [
            key + other * (key == amount)
            if key == "budget" or argument.default is argument.empty or (other and key == amount)
            else f"{key}={argument.default}"
            for key, argument in arguments.items()
            if key != "distortion"
        ]
        lines[name] = f"{name}({', '.join(written)}): {line}" if written else f"{name}: {line}"
    return lines


def _arguments(cls: type[Estimator]) -> dict[str, inspect.Parameter]:
    """The arguments of a class of estimators, by name."""
    return dict(inspect.signature(cls).parameters)


def parse(text: str, budget: float | None = None) -> Estimator:
    """Make an estimator from text such as ``"diagonal(0.1, target=both)"``.

    Parameters
    ----------
    text : str
        A short name (`names`) or the name of a class, and its arguments in brackets, by position or by name;
        quotes may be left out. What ``repr`` of an estimator shows is understood.
    budget : float, optional
        Used where the text gives neither it nor a distortion, so that ``"mask"`` alone means something.

    Returns
    -------
    Estimator

    Raises
    ------
    ValueError
        If the text is not of this form, or a name, an argument or a value is unknown or of the wrong type; the message
        gives the nearest that is known. Whatever the text, nothing else is raised.

    Examples
    --------
    >>> from minigrad import estimators
    >>> estimators.parse("diagonal(0.1, target=both)")
    DiagonalSketch(0.1, target='both')
    >>> estimators.parse("mask(axis=row)", budget=0.25)
    Mask(0.25, axis='row')
    >>> estimators.parse("diagonal(distortion=0.1, axis=row)")
    DiagonalSketch(distortion=0.1, axis='row')
    >>> estimators.parse(repr(estimators.LowRankSketch(0.5)))
    LowRankSketch(0.5)
    """
    name, args, kwargs = _read(text)
    try:
        cls = ESTIMATORS.find(name)
    except ValueError as error:
        raise ValueError(f"estimator text {shown_text(text)}: {error}") from None
    arguments = _arguments(cls)
    places = [key for key, argument in arguments.items() if argument.kind is not argument.KEYWORD_ONLY]
    if len(args) > len(places):
        raise ValueError(
            f"estimator text {shown_text(text)}: {name} takes at most {len(places)} arguments ({', '.join(places)})"
        )
    given = dict(zip(places, args, strict=False))
    for key, value in kwargs.items():
        if key not in arguments:
            raise ValueError(
                f"estimator text {shown_text(text)}: " + unknown(f"argument of {name}", key, list(arguments))
            )
        if key in given:
            raise ValueError(f"estimator text {shown_text(text)}: {key} is given twice")
        given[key] = value
    if "budget" in arguments and "budget" not in given and "distortion" not in given:
        if budget is None:
            other = f", or which distortion, as in {name}(distortion=0.1)" if "distortion" in arguments else ""
            raise ValueError(f"estimator text {shown_text(text)}: say which budget, as in {name}(0.1){other}")
        given["budget"] = budget
    # Estimators within it are text as well, and say themselves what is wrong with them.
    given = {key: parse(ast.unparse(v), budget) if isinstance(v, ast.Call) else v for key, v in given.items()}
    try:
        return cls(**given)
    except (TypeError, ValueError, ArithmeticError) as error:  # such as a word for a number, or one out of range
        raise ValueError(f"estimator text {shown_text(text)}: {error}") from error


def _read(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """The name, the positional and the named arguments of ``name(…)``."""
    comma = re.search(r"[(=]\s*0\s*,\s*(\d+)\s*[,)]", text) if isinstance(text, str) else None
    if comma:
        raise ValueError(
            f"estimator text {text!r}: numbers are written with a decimal point, 0.{comma[1]}; a comma parts arguments"
        )
    try:
        if len(text) > LONGEST:
            raise ValueError("it would take Python's parser too long, or too deep")
        with warnings.catch_warnings():
            warnings.simplefilter("error", SyntaxWarning)  # what Python would mend, such as "\\d"
            warnings.simplefilter("error", DeprecationWarning)
            tree = ast.parse(text.strip(), mode="eval").body
        if isinstance(tree, ast.Name):
            return tree.id, [], {}
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
            named = {keyword.arg: _value(keyword.value) for keyword in tree.keywords if keyword.arg is not None}
            if len(named) == len(tree.keywords):
                return tree.func.id, [_value(node) for node in tree.args], named
    except (SyntaxError, ValueError, AttributeError, TypeError, RecursionError, MemoryError):
        pass
    raise ValueError(
        f"estimator text {shown_text(text)} is not of the form name(budget, option=value), such as mask(0.1, axis=row)"
    )


def shown_text(text: Any) -> str:
    """A text as messages show it: cut where it is longer than that of any estimator.

    Examples
    --------
    >>> shown_text("mask(0.1)"), shown_text("9" * 2000)
    ("'mask(0.1)'", "'999999999999999999999999999999999999999… (2002 characters)")
    """
    shown = repr(text)
    return shown if len(shown) <= LONGEST else f"{shown[:40]}… ({len(shown)} characters)"


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):  # an estimator within another
        return node
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
