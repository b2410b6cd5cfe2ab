"""Whole numbers: arguments that count something, and those of them that can be meant."""

from __future__ import annotations

import operator
from typing import Any

__all__ = ["MOST_BATCHES", "MOST_DRAWS", "MOST_EPOCHS", "MOST_SEEDS", "MOST_STEPS", "MOST_WORKERS", "count", "whole"]

MOST_BATCHES = 100_000
MOST_DRAWS = 1_000_000
MOST_EPOCHS = 1_000_000
MOST_SEEDS = 10_000
MOST_STEPS = 100_000_000
MOST_WORKERS = 1_000


def whole(name: str, value: Any, least: int = 1, most: int | None = None, of: str = "") -> int:
    """A whole number, if it is one.

    Parameters
    ----------
    name : str
        Of the argument, with that of the class or function where it would not be known.
    value : int
    least : int, default 1
    most : int, optional
        How many there are.
    of : str, optional
        What that number is, for the message.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> whole("Linear: in_features", 0)
    Traceback (most recent call last):
        ...
    ValueError: Linear: in_features=0 must be at least 1
    >>> whole("batch_size", 9, most=8, of="the number of samples")
    Traceback (most recent call last):
        ...
    ValueError: batch_size=9 must lie in 1 … 8, the number of samples
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} must be a whole number") from None
    if most is not None and not least <= number <= most:
        raise ValueError(f"{name}={_shown(number)} must lie in {least} … {most}, {of}")
    if number < least:
        raise ValueError(f"{name}={_shown(number)} must be at least {least}")
    return number


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
    number = whole(name, value, least)
    if number > most:
        raise ValueError(f"{name}={_shown(number)} must be at most {most:,} {what}; give a smaller number")
    return number


def _shown(number: int) -> str:
    """The number, and not all of its digits where they are many."""
    try:
        return str(number) if abs(number) < 10**15 else f"{float(number):.3g}"
    except OverflowError:
        return "inf" if number > 0 else "-inf"
