"""NumPy's own functions on a tensor: they go to the operation that stands for them, or say what to use instead.

NumPy asks `Tensor.__array_ufunc__` (for `np.sin`, and for ``array + tensor``) and `Tensor.__array_function__` (for
`np.sum`, `np.concatenate` …) before it does anything with a tensor. A function is looked up as an object:

1. `counterparts.FUNCTIONS`: an operation stands for it;
2. `numpy_lists.ON_TENSORS`: NumPy wrote it in Python over such functions, and its body runs on the tensors;
3. `numpy_lists.PLAIN`: its result has no derivative, such as positions and truth values, and is NumPy's own;
4. any other is refused if a gradient would be lost, and else computed by NumPy.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from typing import Any

from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, traced
from minigrad.ops.counterparts import CALLS, REMEDIES, Counterpart, called, counterpart_of, title
from minigrad.ops.numpy_lists import IN_PLACE, ON_TENSORS, PLAIN, SHAPE_ALONE

__all__ = ["install"]


def install(tensor: type[Tensor], names: set[str]) -> None:
    """Hang NumPy's two protocols on Tensor.

    Parameters
    ----------
    tensor : type
        The class.
    names : set of str
        The functions of minigrad.ops, for messages.
    """

    def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        if method == "__call__" and not settings:
            try:
                primitive = CALLS[ufunc]
            except KeyError:
                pass
            else:
                return record(primitive, inputs)
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        out = settings.get("out")
        if function in PLAIN and not any(isinstance(each, Tensor) for each in out or ()):
            return function(*plain(inputs), **plain(settings))
        if out is not None:
            raise TypeError(f"{called(function)} {REMEDIES['out']}")
        if (counterpart := counterpart_of(function) or rare(function)) is not None:
            return counterpart(inputs, settings)
        raise TypeError(refusal(function, names))

    def array_function(self: Tensor, func: Any, types: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        if (counterpart := counterpart_of(func)) is not None:
            return counterpart(args, settings)
        if func in ON_TENSORS:
            return func._implementation(*args, **settings)
        if func in SHAPE_ALONE:  # what stands beside the first argument may be values, and NumPy asks for them
            args, settings = prototype(args, settings)
            return func(*args, **settings)
        if func not in PLAIN and any(traced(t) for t in tensors((args, settings))):
            raise TypeError(refusal(func, names))
        return func(*plain(args), **plain(settings))

    for protocol, method in {"__array_ufunc__": array_ufunc, "__array_function__": array_function}.items():
        setattr(tensor, protocol, method)


def rare(function: Any) -> Counterpart | None:
    """The operation that stands for one of SciPy's rarer functions, which are only then described."""
    if "scipy.special" not in sys.modules:
        return None
    importlib.import_module("minigrad.ops.scipy_special")
    return counterpart_of(function)


def refusal(function: Any, names: set[str]) -> str:
    """Advice on what to use instead of a NumPy function."""
    name, call = title(function), called(function)
    if function in IN_PLACE:
        return f"{call} {REMEDIES['in place']}"
    if name in names:
        instead = f"use minigrad.ops.{name}, or {call} of its `.data` if the values alone are meant"
    else:
        instead = (
            f"minigrad.ops has no {name}; use {call} of its `.data` if the values alone are meant, or write a "
            "primitive (minigrad.primitive)"
        )
    return f"{call} computes on arrays, and the gradient of a tensor would be lost; {instead}"


def tensors(value: Any) -> Iterable[Tensor]:
    """The tensors in nested arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors(each)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def prototype(args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with an array in place of the tensor that comes first."""
    if args:
        return (plain(args[0]), *args[1:]), settings
    first = next(iter(settings))
    return args, {**settings, first: plain(settings[first])}


def plain(value: Any) -> Any:
    """Nested arguments with arrays in place of tensors."""
    if isinstance(value, Tensor):
        return value.data
    if type(value) in (list, tuple):
        return type(value)([plain(each) for each in value])
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value
