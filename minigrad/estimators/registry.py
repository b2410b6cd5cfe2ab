"""The names of estimators, checks of their arguments, and how they are written."""

from __future__ import annotations

import ast
import dataclasses
import math
import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.naming import check_line, unknown

__all__ = ["Named", "describe", "names", "parse", "register"]

_CLASSES: dict[str, type[Named]] = {}
_LINES: dict[str, str] = {}
Class = TypeVar("Class", bound="type[Named]")
LONGEST = 1000
"""No estimator takes so many characters to write."""


class Named(Estimator):
    """An estimator with arguments as dataclass fields; it is written as ``repr`` shows it."""

    def __repr__(self) -> str:
        parts = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                parts.append(repr(value))
            elif value != field.default:
                parts.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"


def register(name: str, line: str) -> Callable[[Class], Class]:
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
        If the line is no text, as in ``register("coin", Coin)``; or if what is decorated is not a dataclass that
        inherits from Estimator.

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
    check_line(f"@estimators.register({name!r}, ", line)

    def decorate(cls: Class) -> Class:
        if not (isinstance(cls, type) and issubclass(cls, Estimator) and dataclasses.is_dataclass(cls)):
            raise TypeError(
                f"estimators.register({name!r}, …): {cls!r} is not a dataclass that inherits from minigrad.Estimator; "
                "its fields are the arguments that the text names"
            )
        _CLASSES[name] = cls
        _LINES[name] = line
        return cls

    return decorate


def names() -> tuple[str, ...]:
    """The short names of the estimators.

    Examples
    --------
    >>> from minigrad import estimators
    >>> estimators.names()
    ('diagonal', 'exact', 'lowrank', 'mask', 'projection', 'rangefinder', 'replacement', 'topk', 'winner')
    """
    return tuple(sorted(_CLASSES))


def describe() -> dict[str, str]:
    """For each short name, how it is called and a line on what it does.

    Examples
    --------
    >>> from minigrad import estimators
    >>> estimators.describe()["lowrank"]
    'lowrank(budget, design=poisson): some singular directions, with the best probabilities'
    """
    lines = {}
    for name, cls in sorted(_CLASSES.items()):
        fields = dataclasses.fields(cls)  # type: ignore[arg-type]
        written = ", ".join(f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default}" for f in fields)
        lines[name] = f"{name}({written}): {_LINES[name]}" if written else f"{name}: {_LINES[name]}"
    return lines


def parse(text: str, budget: float | None = None) -> Estimator:
    """Make an estimator from text such as ``"diagonal(0.1, target=both)"``.

    Parameters
    ----------
    text : str
        A short name (`names`) or the name of a class, and its arguments in brackets, by position or by name;
        quotes may be left out. What ``repr`` of an estimator shows is understood.
    budget : float, optional
        Used where the text gives none, so that ``"mask"`` alone means something.

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
    >>> estimators.parse(repr(estimators.LowRankSketch(0.5)))
    LowRankSketch(0.5)
    """
    name, args, kwargs = _read(text)
    cls = _find(name, text)
    fields = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    if len(args) > len(fields):
        raise ValueError(
            f"estimator text {_shown(text)}: {name} takes at most {len(fields)} arguments ({', '.join(fields)})"
        )
    given = dict(zip(fields, args, strict=False))
    for key, value in kwargs.items():
        if key not in fields:
            raise ValueError(f"estimator text {_shown(text)}: " + unknown(f"argument of {name}", key, fields))
        if key in given:
            raise ValueError(f"estimator text {_shown(text)}: {key} is given twice")
        given[key] = value
    if "budget" in fields and "budget" not in given:
        if budget is None:
            raise ValueError(f"estimator text {_shown(text)}: say which budget, as in {name}(0.1)")
        given["budget"] = budget
    try:
        return cls(**given)
    except (TypeError, ValueError, ArithmeticError) as error:  # such as a word for a number, or one out of range
        raise ValueError(f"estimator text {_shown(text)}: {error}") from error


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
        f"estimator text {_shown(text)} is not of the form name(budget, option=value), such as mask(0.1, axis=row)"
    )


def _shown(text: Any) -> str:
    """The text in a message, cut where it is long."""
    shown = repr(text)
    return shown if len(shown) <= LONGEST else f"{shown[:40]}… ({len(shown)} characters)"


def _value(node: ast.expr) -> Any:
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)


def _find(name: str, text: str) -> type[Named]:
    wanted = name.lower().replace("_", "")
    known = {**_CLASSES, **{cls.__name__.lower(): cls for cls in _CLASSES.values()}}
    if wanted in known:
        return known[wanted]
    raise ValueError(f"estimator text {_shown(text)}: " + unknown("estimator", name, list(_CLASSES)))


def check_choice(owner: Any, what: str, value: Any, known: Iterable[str]) -> None:
    """Raise ValueError if an option of an estimator is none of those known."""
    known = list(known)
    if value not in known:
        raise ValueError(f"{type(owner).__name__}: {unknown(what, value, known)}")


def check_budget(owner: Any, budget: Any) -> None:
    """Raise if a budget is not a number in (0, 1]."""
    if isinstance(budget, (bool, np.bool_)) or (
        not isinstance(budget, (int, float)) and not hasattr(budget, "__float__")
    ):
        raise TypeError(f"{type(owner).__name__}: the budget must be a number in (0, 1], got {budget!r}")
    try:
        value = float(budget)
    except OverflowError:  # a whole number beyond all floats
        value = math.inf if budget > 0 else -math.inf
    if not 0 < value <= 1 or math.isnan(value):
        raise ValueError(
            f"{type(owner).__name__}: budget={value:g} is outside (0, 1]. It is the expected fraction that is kept: "
            "0.1 keeps a tenth, 1 is exact"
        )
    object.__setattr__(owner, "budget", value)
