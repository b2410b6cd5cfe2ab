"""Things known by a name: one set of rules for estimators, models and data sets, and for those of plugins."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

from minigrad.naming import unknown

__all__ = ["Registry"]

T = TypeVar("T")
S = TypeVar("S")


class _Entry(NamedTuple):
    thing: Any
    line: str


class Registry(Generic[T]):
    """The things of one kind by name; a decorator adds one, and so does a plugin.

    Capitals, hyphens and underscores make no difference where a name is looked up.

    An installed package is a plugin if it has an entry point in the registry's group. The entry point has the name of
    the thing, and points to the module (or into the module) that registers it under this name. Plugins are loaded when
    a name is looked up for the first time, not before.

    Parameters
    ----------
    kind : str
        What one thing is called in messages.
    group : str
        The group of entry points.
    call : str
        How ``register`` is written, for messages.
    check : callable, optional
        ``check(name, thing)`` raises if the thing is of another kind.
    by_class : bool, default False
        Whether a thing is also found by its own ``__name__``, as a class is that ``repr`` names.

    Examples
    --------
    >>> spices = Registry("spice", "kitchen.spices", "spices.register")
    >>> @spices.register("pepper", "hot")
    ... def pepper(): ...
    >>> spices.names(), spices.find("Pepper") is pepper, spices.describe()
    (('pepper',), True, {'pepper': 'hot'})
    >>> spices.find("peper")
    Traceback (most recent call last):
        ...
    ValueError: unknown spice 'peper'; did you mean 'pepper'? Known: pepper
    """

    def __init__(
        self,
        kind: str,
        group: str,
        call: str,
        check: Callable[[str, Any], None] | None = None,
        by_class: bool = False,
    ):
        self.kind, self.group, self.call = kind, group, call
        self._check, self._by_class = check, by_class
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.RLock()  # a Dask worker looks names up in several threads
        self._loaded = self._loading = False

    def register(self, name: str, line: str | None = None) -> Callable[[S], S]:
        """Make what is decorated known by a name.

        A definition that is run anew, as the cell of a notebook is, takes the place of the one before.

        Parameters
        ----------
        name : str
            A Python identifier.
        line : str
            What it is, in one line.

        Returns
        -------
        callable
            A decorator; it returns what it is given.

        Raises
        ------
        TypeError
            If the name or the line is missing or no text, or what is decorated is of another kind.
        ValueError
            If the name is no identifier, or something else has it.
        """
        if not isinstance(name, str) or not isinstance(line, str):
            got = line if isinstance(name, str) else name
            raise TypeError(
                f"{self.call} is a decorator and takes a name and one line of text on what it registers, got "
                f"{'no line' if got is None else f'a {type(got).__name__}'}, so nothing was registered. Write "
                f'@{self.call}("a_name", "what it is, in one line") above the definition, or call the result with it'
            )
        if not name.isidentifier():
            raise ValueError(
                f"{self.call}: {name!r} is no name; write letters, digits and underscores, such as 'my_own'"
            )

        def decorate(thing: S) -> S:
            if self._check is not None:
                self._check(name, thing)
            for spelling in self._spellings(name, thing):
                taken = self._known().get(spelling)
                if taken is None:
                    continue
                other = self._entries[taken].thing
                if taken != name or other is thing or _place(other) != _place(thing):
                    raise ValueError(
                        f"{self.call}({name!r}, …): {self._article} called {taken!r} is registered already, "
                        f"{_place(other)}; choose another name, for it and for what you define"
                    )
            self._entries[name] = _Entry(thing, line)
            return thing

        return decorate

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        self._load()
        return tuple(sorted(self._entries))

    def describe(self) -> dict[str, str]:
        """The line on each thing, by name."""
        return {name: self._entries[name].line for name in self.names()}

    def canonical(self, name: str) -> str:
        """A name as it was registered, whatever its spelling.

        Raises
        ------
        TypeError
            If the name is no text.
        ValueError
            If nothing has this name; the message gives the nearest.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of {self._article} is a str, not {type(name).__name__}")
        self._load()
        found = self._known().get(_folded(name))
        if found is None:
            raise ValueError(unknown(self.kind, name, self.names()))
        return found

    def find(self, name: str) -> T:
        """What has a name; raises as `canonical`."""
        thing: T = self._entries[self.canonical(name)].thing
        return thing

    @contextmanager
    def temporary(self) -> Iterator[None]:
        """Forget, at the end of the block, what was registered in it."""
        self._load()
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before

    @property
    def _article(self) -> str:
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"

    def _spellings(self, name: str, thing: Any) -> list[str]:
        return [_folded(name), *([_folded(thing.__name__)] if self._by_class else [])]

    def _known(self) -> dict[str, str]:
        """Each spelling under which something is found, and its name."""
        return {
            spelling: name for name, entry in self._entries.items() for spelling in self._spellings(name, entry.thing)
        }

    def _load(self) -> None:
        """Load the plugins, once. One that is broken is left out, with a warning, and stops nobody's work."""
        if self._loaded:
            return
        with self._lock:
            if self._loading:  # by a plugin that looks a name up while it is loaded
                return
            self._loading = True
            from importlib.metadata import entry_points  # takes a while, and only lists need it

            for point in entry_points(group=self.group):
                try:
                    point.load()
                    if _folded(point.name) not in self._known():
                        raise LookupError(
                            f"it registers no {self.kind} of this name with @{self.call}({point.name!r}, …)"
                        )
                except Exception as error:
                    package = point.dist.name if point.dist is not None else "unknown"
                    warnings.warn(
                        f"the {self.kind} {point.name!r} of the installed package {package!r} is left out (entry point "
                        f"{point.value}): {type(error).__name__}: {error}",
                        stacklevel=4,
                    )
            self._loaded = True


def _folded(name: str) -> str:
    return name.strip().lower().replace("-", "").replace("_", "")


def _place(thing: Any) -> str:
    """The place where something is defined."""
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', repr(thing))}"
