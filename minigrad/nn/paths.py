"""Paths: what a module is called inside the model that is being computed, such as ``"body.2"``.

A module does not know where it stands; the model that is called does. The first call into a model looks its
modules up once, and from then on each call of a module finds its path by identity. So a path is the same in
`Module.named_modules`, on the nodes of a tape and in error messages, and a module used in two models has the
right path in each.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

__all__ = ["ACTIVE", "paths_below", "structure_changed"]


class Model(Protocol):
    """What is asked for its paths: a `minigrad.nn.Module`."""

    def named_modules(self) -> Iterable[tuple[str, Any]]: ...

    def named_parameters(self) -> Iterable[tuple[str, Any]]: ...


class _Active(threading.local):
    def __init__(self) -> None:
        self.paths: dict[int, str] = {}


ACTIVE = _Active()
"""Paths of the modules of the model that is being computed in this thread, by identity."""

_changes = itertools.count(1)
_latest = 0
_known: WeakKeyDictionary[Model, tuple[int, str, dict[int, str]]] = WeakKeyDictionary()


def structure_changed(*_: Any) -> None:
    """Forget the paths that were looked up: somewhere a module was registered, replaced or removed."""
    global _latest
    _latest = next(_changes)


def paths_below(root: Model, base: str) -> dict[int, str]:
    """The paths of a model's modules by identity; ``base`` is the path of the model itself."""
    found = _known.get(root)
    if found is not None and found[:2] == (_latest, base):
        return found[2]
    paths = {id(module): f"{base}.{name}" if base and name else base or name for name, module in root.named_modules()}
    list(root.named_parameters())  # gives the parameters their names
    _known[root] = (_latest, base, paths)
    return paths
