"""Estimators as text, by what they differ in: one line of a picture for those that differ in numbers alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

__all__ = ["families"]

NUMBER = re.compile(r"(?<![\w.])\d+(\.\d*)?(e-?\d+)?")
T = TypeVar("T")


def families(points: Mapping[str, T]) -> dict[str, list[tuple[str, T]]]:
    """Values by family of their texts: in each its numbers and the value, in their order.

    Parameters
    ----------
    points : mapping from str
        By an estimator as text.

    Examples
    --------
    >>> families({"rounding(8)": 1, "rounding(4)": 2, "mask(0.5, axis=row)": 3})
    {'rounding(·)': [('8', 1), ('4', 2)], 'mask(·, axis=row)': [('0.5', 3)]}
    """
    found: dict[str, list[tuple[str, T]]] = {}
    for text, value in points.items():
        numbers = ", ".join(each.group() for each in NUMBER.finditer(text))
        found.setdefault(NUMBER.sub("·", text), []).append((numbers, value))
    return found
