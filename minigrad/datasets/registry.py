"""The data sets by name. Adding one is one function under ``@register``."""

from __future__ import annotations

from collections.abc import Callable

from minigrad.datasets.dataset import Dataset
from minigrad.naming import check_line, unknown

__all__ = ["canonical", "describe", "load", "loader", "names", "register"]

Loader = Callable[[], Dataset]

_LOADERS: dict[str, tuple[Loader, str]] = {}


def register(line: str) -> Callable[[Loader], Loader]:
    """Make a function that returns a `Dataset` known by its own name.

    Parameters
    ----------
    line : str
        One line that says what the data are, for lists.

    Returns
    -------
    callable
        A decorator; it returns the function unchanged.

    Raises
    ------
    TypeError
        When the line is no text, as in ``@register`` without brackets.
    ValueError
        When the name is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad import datasets
    >>> @datasets.register("two points on a line")
    ... def points():
    ...     x, y = np.array([[-1.0], [1.0]], np.float32), np.array([0, 1])
    ...     return datasets.Dataset("points", x, y, x, y, ("left", "right"))
    >>> datasets.load("points").classes
    ('left', 'right')
    """
    check_line("@datasets.register(", line)

    def decorate(loader: Loader) -> Loader:
        name = loader.__name__.lower()
        if name in _LOADERS:
            raise ValueError(f"a data set called {name!r} is registered already; rename your function")
        _LOADERS[name] = (loader, line)
        return loader

    return decorate


def names() -> tuple[str, ...]:
    """The names that `load` knows.

    Examples
    --------
    >>> names()
    ('digits', 'cifar10', 'cifar10_subset', 'fashion_mnist', 'mnist')
    """
    return tuple(_LOADERS)


def describe() -> dict[str, str]:
    """One line about each data set, by name.

    Examples
    --------
    >>> describe()["digits"]
    '1,797 handwritten digits, 8×8 grey, bundled'
    """
    return {name: line for name, (_, line) in _LOADERS.items()}


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
    ValueError: unknown data set 'fashion-minst'; did you mean 'fashion_mnist'? Known: digits, ...
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
    return _LOADERS[canonical(name)][0]


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
    if not isinstance(name, str):
        raise TypeError(f"the name of a data set is a str, not {type(name).__name__}")
    key = name.strip().lower().replace("-", "_")
    if key not in _LOADERS:
        raise ValueError(unknown("data set", name, _LOADERS))
    return key
