"""The attributes of an object: all that it holds."""

from __future__ import annotations

import types
from typing import Any

__all__ = ["attributes", "shows_all"]


def attributes(value: Any) -> dict[str, Any] | None:
    """The attributes of an object, in its dictionary and its slots; None if it has neither."""
    names = [name for cls in type(value).__mro__ for name in _slots(cls)]
    held = {name: getattr(value, name) for name in names if hasattr(value, name)}
    if hasattr(value, "__dict__"):
        return {**held, **vars(value)}
    own = all(vars(cls).get("__slots__") is not None for cls in type(value).__mro__[:-1])
    return held if own else None


def shows_all(cls: type) -> bool:
    """True if the attributes or entries of an instance show all that it holds: not those of a class written in C."""
    if cls.__module__ in ("builtins", "abc", "collections") and cls not in _OPAQUE:
        return True
    return not any(isinstance(member, types.MethodDescriptorType) for member in vars(cls).values())


_OPAQUE = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType, zip, map, filter, enumerate, reversed)


def _slots(cls: type) -> list[str]:
    """The attributes that a class keeps in slots, as they are called from outside."""
    slots = vars(cls).get("__slots__", ())
    names = [slots] if isinstance(slots, str) else list(slots)
    private = f"_{cls.__name__.lstrip('_')}"
    return [
        f"{private}{name}" if name.startswith("__") and not name.endswith("__") else name
        for name in names
        if name not in ("__weakref__", "__dict__")
    ]
