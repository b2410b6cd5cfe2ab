"""Descriptions of values, functions and objects."""

from __future__ import annotations

import functools
import json
import logging
import math
import pathlib
import re
import sys
import types
from collections import deque
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.fingerprint.attributes import attributes, shows_all
from minigrad.fingerprint.code import cell_content, code_digest, globals_of
from minigrad.fingerprint.digest import digest
from minigrad.fingerprint.libraries import in_library, is_named, name_of, version
from minigrad.fingerprint.modules import with_modules
from minigrad.typing import Array

__all__ = ["FingerprintError", "describe", "describe_array"]

LONG = 4000
"""Letters above which a description inside another is replaced by its checksum."""

_REMEDY = (
    "Give the function or the object an attribute `fingerprint`, a text of yours that is another one whenever what it "
    'computes is, such as fingerprint = "v1"; or, if an attribute of an object is but state, name it in the '
    "class: not_fingerprinted = (name,)"
)
_DESCRIPTORS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType)
_HELD_BY_CLASSES = (types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType)


class FingerprintError(TypeError):
    """It cannot be told whether something computes the same in another process.

    Examples
    --------
    >>> import itertools
    >>> try:
    ...     describe(itertools.count(), "loss")
    ... except FingerprintError as error:
    ...     print(error)
    loss is of the type itertools.count, which shows nothing ...
    """


def describe(value: Any, where: str, known: Mapping[int, Any] | None = None) -> Any:
    """A value as JSON-ready data, equal for what computes the same.

    Parameters
    ----------
    value : object
    where : str
        What error messages call it.
    known : mapping from int to object, optional
        Descriptions of objects by identity, such as those of parameters, whose values are no part of it.

    Raises
    ------
    FingerprintError
        If something of it can neither be read nor has a ``fingerprint``.

    Examples
    --------
    >>> from minigrad import optim
    >>> describe(optim.Constant(0.5), "schedule")
    {'class': 'minigrad.optim.schedules.Constant', 'lr': 0.5}
    >>> describe(np.zeros(2), "x")["shape"]
    [2]
    """
    try:
        return _Describer(known or {}).any(value, where)
    except RecursionError:
        raise FingerprintError(f"{where} is nested too deeply to be described. {_REMEDY}") from None


def describe_array(array: Array) -> dict[str, Any]:
    """Dtype, shape and checksum of an array.

    Examples
    --------
    >>> describe_array(np.arange(3.0))["dtype"]
    '<f8'
    """
    if array.dtype.hasobject:
        content = digest(json.dumps(describe(array.tolist(), "an array of objects")).encode())
    else:
        # A part at a time, so that no second copy of the data is made where they do not lie in order.
        rows = max(1, (1 << 24) // max(1, array[:1].nbytes)) if array.ndim else 1
        parts = (array[k : k + rows] for k in range(0, len(array), rows)) if array.ndim else iter([array])
        content = digest(*(np.ascontiguousarray(part).reshape(-1).view(np.uint8) for part in parts))
    return {"dtype": array.dtype.str, "shape": list(array.shape), "content": content}


class _Describer:
    """One description: the objects that it is inside of, and those that are finished."""

    def __init__(self, known: Mapping[int, Any]):
        self.known = known
        self.inside: set[int] = set()
        self.done: dict[int, tuple[Any, Any]] = {}  # with the object, so that its id is not given anew

    def any(self, value: Any, where: str) -> Any:
        """Any value."""
        if id(value) in self.known:
            return self.known[id(value)]
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else repr(value)
        if type(value) in (complex, bytes, bytearray, range, slice, type(Ellipsis), type(NotImplemented)):
            return {"value": repr(value)}
        if id(value) in self.inside:
            return {"again": type(value).__qualname__}
        if id(value) in self.done:
            return self.done[id(value)][1]
        self.inside.add(id(value))
        try:
            found = self.compound(value, where)
        finally:
            self.inside.discard(id(value))
        self.done[id(value)] = value, found
        return found

    def part(self, value: Any, where: str) -> Any:
        """A value inside another: its checksum, if it is long."""
        found = self.any(value, where)
        text = json.dumps(found)
        if len(text) <= LONG:
            return found
        kinds = {kind: found[kind] for kind in ("class", "function") if isinstance(found, dict) and kind in found}
        return {**kinds, "content": digest(text.encode())}

    def parts(self, items: Mapping[Any, Any], where: str) -> dict[str, Any]:
        return {str(name): self.part(value, f"{where}.{name}") for name, value in items.items()}

    def compound(self, value: Any, where: str) -> Any:
        """A value that is made of others."""
        if isinstance(value, types.ModuleType):
            return self.module(value, where)
        own = None if isinstance(value, type) else getattr(value, "fingerprint", None)
        if own is not None:
            if not isinstance(own, str):
                raise FingerprintError(f"{where}.fingerprint must be a text, got {type(own).__name__}")
            return {"fingerprint": own}
        if isinstance(value, type):
            return self.type(value, where)
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType, types.MethodType, np.ufunc)):
            return self.function(value, where)
        if isinstance(value, _DESCRIPTORS) or type(value).__name__ == "cython_function_or_method":
            home = sys.modules.get(getattr(value, "__module__", None) or "builtins")
            return {"function": name_of(value), **({"module": self.module(home, where)} if home else {})}
        if isinstance(value, Tensor):
            return {**describe_array(value.data), "requires_grad": value.requires_grad}
        if type(value) in _PLAIN:
            return _PLAIN[type(value)](self, value, where)
        if isinstance(value, np.ndarray):
            return describe_array(np.asarray(value))
        if isinstance(value, np.generic):
            return describe_array(np.asarray(value)) | {"value": repr(value.item())}
        if isinstance(value, np.random.Generator):
            return {"class": name_of(type(value)), "state": self.part(dict(value.bit_generator.state), where)}
        if isinstance(value, np.random.RandomState):
            return {"class": name_of(type(value)), "state": self.part(value.get_state(legacy=False), where)}
        if isinstance(value, (np.dtype, pathlib.PurePath, re.Pattern, types.GenericAlias, types.UnionType)):
            return {"class": name_of(type(value)), "value": repr(value)}
        if isinstance(value, Enum):
            return {"class": name_of(type(value)), "value": value.name}
        if isinstance(value, logging.Logger):
            return {"class": "logging.Logger", "value": value.name}
        if isinstance(value, functools.partial):
            inside = {"of": value.func, "arguments": value.args, "keywords": value.keywords}
            return {"class": "functools.partial", **self.parts(inside, where)}
        if callable(wrapped := getattr(value, "__wrapped__", None)):  # a cache
            return self.any(wrapped, where)
        return self.object(value, where)

    def sequence(self, value: Any, where: str) -> Any:
        found = [self.any(item, f"{where}[{k}]") for k, item in enumerate(value)]
        return found if isinstance(value, (list, tuple)) else {"class": type(value).__name__, "items": found}

    def unordered(self, value: Any, where: str) -> Any:
        return {"set": sorted(json.dumps(self.any(item, f"{where}{{…}}")) for item in value)}

    def mapping(self, value: Any, where: str) -> Any:
        if all(isinstance(key, str) for key in value):
            return self.parts(value, where)
        return {"items": [[self.any(key, f"{where} key"), self.any(item, f"{where}[{key!r}]")]
                          for key, item in value.items()]}  # fmt: skip

    def module(self, value: types.ModuleType, where: str) -> Any:
        name = value.__name__
        if in_library(name):
            return {"name": name, **version(name)}
        file = getattr(value, "__file__", None)
        if file is None:
            return {"name": name}
        return {"name": name, "code": digest(Path(file).read_bytes())}

    def function(self, value: Any, where: str) -> Any:
        holder = getattr(value, "__self__", None)
        if holder is not None and not isinstance(holder, types.ModuleType):
            inside = {"of": self.part(holder, f"{where}.__self__")}
            if isinstance(value, types.MethodType):
                return {**self.any(value.__func__, where), **inside}
            return {"function": value.__qualname__, **inside}
        if not isinstance(value, types.FunctionType):
            return {"function": name_of(value)}
        home = value.__globals__.get("__name__")  # functools.wraps gives a wrapper the names of what it wraps
        if in_library(home) and is_named(value):
            return {"function": name_of(value), **version(value.__module__)}
        code = value.__code__
        found: dict[str, Any] = {"function": value.__qualname__, "code": code_digest(code, value.__doc__)}
        enclosed = {n: cell_content(c) for n, c in zip(code.co_freevars, value.__closure__ or (), strict=True)}
        own = {name: item for name, item in vars(value).items() if name != "__wrapped__"}
        used = {n: value.__globals__[n] for n in globals_of(code) if n in value.__globals__}
        if in_library(home):
            used = {}
        else:
            used = with_modules(used, code)
        inside = {
            "defaults": value.__defaults__, "keywords": value.__kwdefaults__, "closure": enclosed, "globals": used,
            "attributes": own,
        }  # fmt: skip
        for name, items in inside.items():
            if isinstance(items, dict) and items:
                found[name] = self.parts(items, f"{where}.{name}")
            elif items:
                found[name] = self.any(items, f"{where}.{name}")
        return found

    def type(self, value: type, where: str) -> Any:
        """A class: its name, and for one of the user's own a checksum of all that stands in it."""
        if in_library(value.__module__) and is_named(value):
            return {"class": name_of(value), **version(value.__module__)}
        members = {}
        for name, member in vars(value).items():
            code = isinstance(member, (types.FunctionType, staticmethod, classmethod, property))
            if isinstance(member, _HELD_BY_CLASSES) or (name.startswith("__") and name.endswith("__") and not code):
                continue
            if name in ("_abc_impl", "not_fingerprinted"):
                continue
            members[name] = self.member(member, f"{where}: {value.__qualname__}.{name}")
        bases = [self.type(base, where) for base in value.__bases__ if base is not object]
        text = json.dumps([members, bases], sort_keys=True)
        return {"class": value.__qualname__, "code": digest(text.encode())}

    def member(self, value: Any, where: str) -> Any:
        if isinstance(value, (staticmethod, classmethod)):
            return self.part(value.__func__, where)
        if isinstance(value, property):
            return [self.part(function, where) for function in (value.fget, value.fset, value.fdel)]
        if isinstance(value, functools.cached_property):
            return self.part(value.func, where)
        return self.part(value, where)

    def object(self, value: Any, where: str) -> Any:
        """An instance: its class and its attributes."""
        kind = type(value)
        held = attributes(value)
        if held is None or not all(map(shows_all, kind.__mro__)):
            raise FingerprintError(
                f"{where} is of the type {name_of(kind)}, which shows nothing by which it could be told from another. "
                + _REMEDY
            )
        hidden = {name for cls in kind.__mro__ for name in _names(vars(cls).get("not_fingerprinted", ()))}
        settings = {name: held[name] for name in sorted(held) if name not in hidden}
        items = {}
        if isinstance(value, (int, float, str, bytes)):  # a subclass of one
            items = {"value": repr(value)}
        elif isinstance(value, Mapping):
            items = {"items": self.part(dict(value), where)}
        elif isinstance(value, (Sequence, Set)):
            items = {"items": self.part(list(value) if isinstance(value, Sequence) else set(value), where)}
        return {**self.any(kind, where), **items, **self.parts(settings, where)}


_PLAIN: dict[Any, Any] = {
    list: _Describer.sequence, tuple: _Describer.sequence, deque: _Describer.sequence, dict: _Describer.mapping,
    types.MappingProxyType: _Describer.mapping, set: _Describer.unordered, frozenset: _Describer.unordered,
}  # fmt: skip


def _names(value: Any) -> tuple[str, ...]:
    """One name or several."""
    return (value,) if isinstance(value, str) else tuple(value)
