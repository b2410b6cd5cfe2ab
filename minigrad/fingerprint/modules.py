"""What code reads of modules of the user's own: values that may have been set after the module's file was read."""

from __future__ import annotations

import importlib
import importlib.util
import types
from collections.abc import Mapping
from typing import Any

from minigrad.fingerprint.code import attributes_of, imports_of
from minigrad.fingerprint.libraries import in_library, is_loaded, of_library

__all__ = ["with_modules"]


def with_modules(used: Mapping[str, Any], code: types.CodeType) -> dict[str, Any]:
    """The global values that code uses, with the modules that it imports and what it reads of the user's modules.

    Parameters
    ----------
    used : mapping of str to object
        The global values, by name.
    code : code

    Returns
    -------
    dict of str to object
        What is read of a module stands by itself, as ``"config.rate"``, and so does what is read of modules in it.

    Examples
    --------
    >>> module = types.ModuleType("settings_of_mine")
    >>> module.rate = 0.5
    >>> f = eval("lambda: settings.rate", {"settings": module})
    >>> sorted(with_modules({"settings": module}, f.__code__))
    ['settings', 'settings.rate']
    """
    found = dict(used)
    for name in imports_of(code):
        if (module := _imported(name)) is not None:
            found.setdefault(name, module)
    read, left, seen = attributes_of(code), list(found.items()), set()
    while left:
        name, module = left.pop()
        if isinstance(module, types.ModuleType) and id(module) not in seen and not in_library(module.__name__):
            seen.add(id(module))
            inside = {f"{name}.{each}": vars(module)[each] for each in read if each in vars(module)}
            found.update(inside)
            left.extend(inside.items())
    return found


def _imported(name: str) -> types.ModuleType | None:
    """A module of the user's own that code will import; None where it is a library's, or there is none."""
    try:
        if not is_loaded(name):
            spec = importlib.util.find_spec(name.partition(".")[0])  # not imported for that
            if spec is None or spec.origin is None or of_library(spec.origin):
                return None
        module = importlib.import_module(name)
    except Exception:  # what it raises it will raise when the code runs
        return None
    return None if in_library(name) else module
