"""The data sets by name. Adding one is one function under ``@register``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from minigrad.datasets.dataset import Dataset
from minigrad.registry import Registry

__all__ = ["DATASETS", "canonical", "describe", "load", "loader", "names", "register"]

Loader: TypeAlias = Callable[[], Dataset]

DATASETS: Registry[Loader] = Registry("data set", "minigrad.datasets", "datasets.register")
"""All of them."""


def register(name: str, line: str | None = None) -> Callable[[Loader], Loader]:
    """Make a function that returns a `Dataset` known to `load` and to the command line.

    Parameters
    ----------
    name : str
        Such as ``"digits"``.
    line : str
        What the data are, in one line.

    Returns
    -------
    callable
        A decorator; it returns the function unchanged.

    Raises
    ------
    TypeError
        When the name or the line is missing, as in ``@register`` without brackets.
    ValueError
        When another data set has the name.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import datasets
    >>> @datasets.register("points", "two points on a line")
    ... def points():
    ...     x, y = np.array([[-1.0], [1.0]], np.float32), np.array([0, 1])
    ...     return datasets.Dataset("points", x, y, x, y, ("left", "right"))
    >>> datasets.load("points").classes
    ('left', 'right')
    """
    return DATASETS.register(name, line)


def names() -> tuple[str, ...]:
    """The names that `load` knows, sorted.

    Examples
    --------
    >>> "digits" in names()
    True
    """
    return DATASETS.names()


def describe() -> dict[str, str]:
    """One line about each data set, by name.

    Examples
    --------
    >>> describe()["digits"]
    '1,797 handwritten digits, 8×8 grey, bundled'
    """
    return DATASETS.describe()


def load(name: str) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        One of `names`; capitals do not matter, and a hyphen is as good as an underscore.

    Raises
    ------
    ValueError
        When no data set has this name.
    DataError
        When its files cannot be found or fetched, or are damaged.

    Examples
    --------
    >>> load("digits")
    Dataset('digits': 1,442 for training, 355 for testing, input (8, 8, 1), 10 classes)
    >>> load("fashion-minst")
    Traceback (most recent call last):
        ...
    ValueError: unknown data set 'fashion-minst'; did you mean 'fashion_mnist'? Known: ...digits...
    """
    return loader(name)()


def loader(name: str) -> Loader:
    """The function that was registered under the name of a data set.

    Raises
    ------
    ValueError
        When no data set has this name.

    Examples
    --------
    >>> loader("digits").__name__
    'digits'
    """
    return DATASETS.find(name)


def canonical(name: str) -> str:
    """The name of a data set as `names` spells it.

    Raises
    ------
    ValueError
        When no data set has this name.

    Examples
    --------
    >>> canonical("Fashion-MNIST")
    'fashion_mnist'
    """
    return DATASETS.canonical(name)
