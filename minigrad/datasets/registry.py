"""The data sets by name. Adding one is one function under ``@register``."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from minigrad.datasets.dataset import Dataset

__all__ = ["describe", "load", "names", "register"]

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
    ValueError
        When the name is taken.

    Examples
    --------
    >>> @register("two crescents in the plane")     # doctest: +SKIP
    ... def moons():
    ...     return Dataset("moons", ...)
    """

    def decorate(loader: Loader) -> Loader:
        name = _key(loader.__name__)
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
    ('digits', 'fashion_mnist', 'mnist')
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
    ValueError: no data set is called 'fashion-minst'; did you mean 'fashion_mnist'? Known: digits, ...
    """
    if not isinstance(name, str):
        raise TypeError(f"the name of a data set is a str, not {type(name).__name__}")
    key = _key(name)
    if key not in _LOADERS:
        near = difflib.get_close_matches(key, _LOADERS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"no data set is called {name!r}{hint} Known: {', '.join(_LOADERS)}")
    loader, _ = _LOADERS[key]
    return loader()


def _key(name: str) -> str:
    return name.strip().lower().replace("-", "_")
