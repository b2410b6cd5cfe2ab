"""NumPy's own functions on a tensor: they hand it back to minigrad, or say which function to use.

NumPy asks `Tensor.__array_ufunc__` (for `np.sin`, and for ``array + tensor``) and `Tensor.__array_function__` (for
`np.sum`, `np.concatenate` …) before it does anything with a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor, traced

__all__ = ["install"]

COMPARISONS = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)
UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.divide, "pow": np.power,
          "matmul": np.matmul}  # fmt: skip
# These look at the shape and the dtype alone.
VALUE_FREE = {"shape", "ndim", "size"}


def install(tensor: type[Tensor], names: set[str], binary: Mapping[str, Callable[..., Tensor]]) -> None:
    """Hang NumPy's two protocols on Tensor.

    Parameters
    ----------
    tensor : type
        The class.
    names : set of str
        The functions of minigrad.ops, for messages.
    binary : mapping
        The operations behind the operators, by the operator's name.
    """
    operations = {ufunc: binary[name] for name, ufunc in UFUNCS.items()}

    def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        if method == "__call__" and not settings:
            if ufunc in operations:  # `array + tensor` comes here
                return operations[ufunc](*inputs)
            if ufunc in COMPARISONS:
                return ufunc(*[x.data if isinstance(x, Tensor) else x for x in inputs])
        if settings.get("out") is not None:
            raise TypeError(
                f"np.{ufunc.__name__} would write a tensor into an array, and its gradient would be lost; write "
                "`a = a + t` instead of `a += t`, or use `.data` if the values alone are meant"
            )
        name = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
        raise TypeError(refusal(name, names))

    def array_function(self: Tensor, func: Any, types: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        name = func.__name__
        found = list(tensors((args, settings)))
        lost = any(traced(t) for t in found)
        direct = bool(args) and isinstance(args[0], Tensor) and name in names
        if name not in VALUE_FREE and (lost or direct):
            raise TypeError(refusal(name, names))
        return func(*plain(args), **plain(settings))

    for protocol, method in {"__array_ufunc__": array_ufunc, "__array_function__": array_function}.items():
        setattr(tensor, protocol, method)


def refusal(name: str, names: set[str]) -> str:
    """Advice on what to use instead of a NumPy function."""
    if name in names:
        instead = f"use minigrad.ops.{name}, or np.{name} of its `.data` if the values alone are meant"
    else:
        instead = (
            f"minigrad.ops has no {name}; use np.{name} of its `.data` if the values alone are meant, or write a "
            "primitive (minigrad.primitive)"
        )
    return f"np.{name} computes on arrays, and the gradient of a tensor would be lost; {instead}"


def tensors(value: Any) -> Iterable[Tensor]:
    """The tensors in nested arguments."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors(each)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def plain(value: Any) -> Any:
    """Nested arguments with arrays in place of tensors."""
    if isinstance(value, Tensor):
        return value.data
    if type(value) in (list, tuple):
        return type(value)([plain(each) for each in value])
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value
