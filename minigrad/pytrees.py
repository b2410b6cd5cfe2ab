"""Pytrees: dicts, lists and tuples of arrays, and what is nested of them, as arguments and values of functions.

The rule, which is stated here and nowhere else:

- A dict is a container, and so is a namedtuple, whatever they hold.
- A list or another tuple that holds numbers only, or lists of numbers only, is one array, as NumPy would read it. With
  anything else in it (an array, a tensor, a dict, None), or with nothing in it, it is a container.
- None is a container of nothing. Whatever else stands in a container is a leaf.

The walk is by place: an array or a container that stands in two places is two leaves, or two containers.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

__all__ = ["Tree", "flatten"]


CONTAINERS = (dict, list, tuple)
"""Types of containers, with what is derived from them."""

DEEPEST = 32
"""Axes that an array can have in every NumPy (64 since 2.0): a list that is nested deeper is none."""


@dataclass(frozen=True, eq=False)
class Branch:
    """A container without what it holds."""

    like: Any
    """A container to be copied for its type, and for what else a subclass keeps (a default, an attribute)."""
    keys: list[Any] | None
    """Of a dict."""
    steps: list[str]
    """The path from the container to each of its parts, as in ``['w']``, ``[1]``, ``.bias``."""
    parts: list[Branch | None]
    """The containers that stand there; None for a leaf."""


NOTHING = Branch(None, None, [], [])
"""The container None."""


class Tree:
    """The leaves of a container, and its structure; `flatten` makes it.

    Attributes
    ----------
    leaves : list
        In the order of the container: that of its keys for a dict.
    paths : list of str
        Where each leaf stands, for messages: ``argument 0['w'][1]``.
    """

    __slots__ = ("leaves", "paths", "root")

    def __init__(self, root: Branch | None, leaves: list[Any], paths: list[str]):
        self.root = root
        self.leaves = leaves
        self.paths = paths

    @property
    def is_leaf(self) -> bool:
        """True if there is no container at all: the value is its own leaf."""
        return self.root is None

    def rebuild(self, leaves: Iterable[Any]) -> Any:
        """Other leaves in the same structure: containers of the same types with the same keys in the same order.

        Examples
        --------
        >>> tree = flatten({"w": np.ones(2), "b": None, "sizes": (np.ones(1), 2.0)}, "argument 0")
        >>> tree.rebuild("xyz")
        {'w': 'x', 'b': None, 'sizes': ('y', 'z')}
        """
        return next(iter(leaves)) if self.root is None else _built(self.root, iter(leaves))

    def match(self, other: Any, what: str, like: str) -> list[Any]:
        """The parts of another container that stand where the leaves of this one do.

        Lists and tuples stand for one another, and the keys of dicts may come in another order.

        Parameters
        ----------
        other : object
        what, like : str
            What it is, and what this tree is, for messages: ``"the cotangent"``, ``"the value"``.

        Returns
        -------
        list
            In the order of ``leaves``.

        Raises
        ------
        TypeError, ValueError
            If ``other`` has another structure: with the place where it differs.

        Examples
        --------
        >>> tree = flatten({"w": np.ones(2), "b": (np.ones(1), 2.0)}, "the value")
        >>> tree.match({"b": [3, 4], "w": [1, 2]}, "the cotangent", "the value")
        [[1, 2], 3, 4]
        >>> tree.match({"w": [1, 2], "b": [3]}, "the cotangent", "the value")
        Traceback (most recent call last):
            ...
        ValueError: the cotangent['b'][1] is missing: the cotangent must have the structure of the value
        """
        found: list[Any] = []
        _match(self.root, other, what, f"{what} must have the structure of {like}", found)
        return found


def flatten(value: Any, what: str, *, numbers: bool = True) -> Tree:
    """The leaves of a value, where they stand, and how to put others in their places.

    Parameters
    ----------
    value : object
        A container, or a leaf by itself.
    what : str
        What it is, for messages: the beginning of every path.
    numbers : bool, default True
        Whether a list of numbers is one array: the leaf is that array then. Otherwise each number is a leaf.

    Returns
    -------
    Tree

    Raises
    ------
    ValueError
        If a list of lists of numbers is ragged, or a container holds itself.

    Examples
    --------
    >>> tree = flatten([(np.ones(2), 3.0), {"scale": [1.0, 2.0]}], "argument 0")
    >>> tree.leaves
    [array([1., 1.]), 3.0, array([1., 2.])]
    >>> tree.paths
    ['argument 0[0][0]', 'argument 0[0][1]', "argument 0[1]['scale']"]
    """
    if value is not None and not isinstance(value, CONTAINERS):  # most calls: no walk
        return Tree(None, [value], [what])
    leaves: list[Any] = []
    paths: list[str] = []
    inside: list[int] = []

    def walk(value: Any, path: str) -> Branch | None:
        if value is None:
            return NOTHING
        if not isinstance(value, CONTAINERS):
            leaves.append(value)
            paths.append(path)
            return None
        if numbers and is_array(value):
            leaves.append(_array(value, path))
            paths.append(path)
            return None
        if id(value) in inside:
            raise ValueError(f"{path} is a {type(value).__name__} that holds itself, so it has no end")
        inside.append(id(value))
        keys, steps, parts = _parts(value)
        branch = Branch(
            copy.copy(value) if type(value) not in (dict, list) else type(value)(),
            keys,
            steps,
            [walk(part, path + step) for part, step in zip(parts, steps, strict=True)],
        )
        inside.pop()
        return branch

    root = walk(value, what)
    return Tree(root, leaves, paths)


def is_array(value: Any, depth: int = 0) -> bool:
    """True if a list or tuple holds numbers, or lists of numbers, and nothing else."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and depth < DEEPEST
        and not is_named(value)
        and all(isinstance(part, (float, int, Number, np.bool_)) or is_array(part, depth + 1) for part in value)
    )


def is_named(value: Any) -> bool:
    """True for a namedtuple."""
    return isinstance(value, tuple) and hasattr(value, "_fields") and hasattr(value, "_make")


def _array(value: Any, path: str) -> Any:
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{path} is a {type(value).__name__} of numbers, which is read as one array, but its parts differ in "
            "length. Where each is an array of its own, say so: [np.array(part), ...]"
        ) from None


def _parts(value: Any) -> tuple[list[Any] | None, list[str], list[Any]]:
    """The keys of a container, the step of a path to each of its parts, and the parts."""
    if isinstance(value, dict):
        return list(value), [f"[{key!r}]" for key in value], list(value.values())
    if is_named(value):
        return None, [f".{field}" for field in value._fields], list(value)
    return None, [f"[{k}]" for k in range(len(value))], list(value)


def _built(branch: Branch | None, leaves: Iterator[Any]) -> Any:
    if branch is None:
        return next(leaves)
    if branch is NOTHING:
        return None
    parts = [_built(part, leaves) for part in branch.parts]
    kind = type(branch.like)
    if branch.keys is not None:
        new = copy.copy(branch.like)
        for key, part in zip(branch.keys, parts, strict=True):
            new[key] = part
        return new
    if issubclass(kind, list):
        new = copy.copy(branch.like)
        new[:] = parts
        return new
    return kind._make(parts) if is_named(branch.like) else kind(parts)


def _match(branch: Branch | None, value: Any, path: str, rule: str, found: list[Any]) -> None:
    if branch is None:
        if value is None or (isinstance(value, CONTAINERS) and not is_array(value)):
            raise TypeError(f"{path} is {_kind(value)}, and an array belongs there: {rule}")
        found.append(value)
    elif branch is NOTHING:
        if value is not None:
            raise TypeError(f"{path} is {_kind(value)}, and None belongs there: {rule}")
    elif branch.keys is not None:
        if not isinstance(value, dict):
            raise TypeError(f"{path} is {_kind(value)}, and a dict belongs there: {rule}")
        _same_steps(
            path,
            rule,
            [f"[{key!r}]" for key in branch.keys if key not in value],
            [f"[{key!r}]" for key in value if key not in branch.keys],
        )
        for key, step, part in zip(branch.keys, branch.steps, branch.parts, strict=True):
            _match(part, value[key], path + step, rule, found)
    else:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{path} is {_kind(value)}, and a {type(branch.like).__name__} belongs there: {rule}")
        more = [f"[{k}]" for k in range(len(branch.steps), len(value))]
        _same_steps(path, rule, branch.steps[len(value) :], more)
        for step, part, each in zip(branch.steps, branch.parts, value, strict=True):
            _match(part, each, path + step, rule, found)


def _same_steps(path: str, rule: str, missing: list[str], more: list[str]) -> None:
    """Raise if parts are missing, or there are others."""
    if missing:
        raise ValueError(f"{path}{missing[0]} is missing: {rule}")
    if more:
        raise ValueError(f"{path}{more[0]} is one too many: {rule}")


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    return f"{'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"
