"""How many of something: a whole number that can be meant."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["MOST_BATCHES", "MOST_DRAWS", "MOST_EPOCHS", "MOST_SEEDS", "MOST_STEPS", "MOST_WORKERS", "count"]

MOST_BATCHES = 100_000
MOST_DRAWS = 1_000_000
MOST_EPOCHS = 1_000_000
MOST_SEEDS = 10_000
MOST_STEPS = 100_000_000
MOST_WORKERS = 1_000


def count(name: str, value: Any, most: int, what: str, least: int = 1) -> int:
    """A count, if it is one.

    Parameters
    ----------
    name : str
        Of the argument.
    value : int
    most : int
        A larger number is a slip of the pen: whatever is done so often would not come to an end.
    what : str
        What is counted, such as ``"epochs"``.
    least : int, default 1

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> count("seeds", 3, MOST_SEEDS, "seeds")
    3
    >>> count("seeds", 10**23, MOST_SEEDS, "seeds")
    Traceback (most recent call last):
        ...
    ValueError: seeds=1e+23 must be at most 10,000 seeds; give a smaller number
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} must be a whole number") from None
    shown = str(number) if abs(number) < 10**15 else f"{_as_float(number):.3g}"
    if number < least:
        raise ValueError(f"{name}={shown} must be at least {least}")
    if number > most:
        raise ValueError(f"{name}={shown} must be at most {most:,} {what}; give a smaller number")
    return number


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
