"""Estimators whose arguments are the fields of a dataclass, and checks of these arguments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.engine.estimator import Estimator
from minigrad.naming import unknown

__all__ = ["Named", "Written", "check_budget", "check_choice"]


class Written:
    """Base of things whose arguments are dataclass fields; they are written as ``repr`` shows them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._arguments())})"

    def _arguments(self) -> list[str]:
        """The arguments as text, those at their defaults left out."""
        parts = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            if not field.init:
                continue
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING:
                parts.append(repr(value))
            elif value != field.default:
                parts.append(f"{field.name}={value!r}")
        return parts


class Named(Written, Estimator):
    """An estimator with arguments as dataclass fields; it is written as ``repr`` shows it."""


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
