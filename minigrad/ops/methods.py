"""Operators and methods of `Tensor`: operations are hung on it, as `minigrad.engine.tensor_methods` declares them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minigrad.engine.estimator import VJP
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops import dispatch
from minigrad.ops.arithmetic import add, divide, multiply, negative, positive, remainder, subtract
from minigrad.ops.indexing import getitem, take
from minigrad.ops.matmul import matmul
from minigrad.ops.piecewise import absolute
from minigrad.ops.powers import power
from minigrad.ops.shapes import reshape, transpose
from minigrad.ops.steps import floor_divide
from minigrad.typing import Array, Layout, Mode, Shape

__all__ = ["METHODS", "install"]

METHODS = (
    "abs", "astype", "broadcast_to", "clip", "copy", "cos", "cumprod", "cumsum", "diagonal", "dot", "exp",
    "expand_dims", "gelu", "log", "log1p", "log_softmax", "logsumexp", "matmul", "max", "mean", "min", "moveaxis",
    "norm", "prod", "ravel", "relu", "repeat", "round", "sigmoid", "silu", "sin", "softmax", "softplus", "split",
    "sqrt", "square", "squeeze", "std", "sum", "swapaxes", "tanh", "trace", "var",
)  # fmt: skip
"""Methods of Tensor that are operations of the same name."""

BINARY: dict[str, Callable[..., Tensor]] = {
    "add": add, "sub": subtract, "mul": multiply, "truediv": divide, "floordiv": floor_divide, "mod": remainder,
    "pow": power, "matmul": matmul,
}  # fmt: skip


def install(operations: Mapping[str, Callable[..., Any]]) -> None:
    """Hang operators and methods on Tensor.

    Parameters
    ----------
    operations : mapping
        The functions of `minigrad.ops`, by name.
    """
    methods: dict[str, Any] = {
        "reshape": spread_reshape,
        "flatten": operations["ravel"],
        "take": flat_take,
        "transpose": spread_transpose,
        "T": property(transpose, doc="The axes reversed."),
        "__neg__": negative,
        "__pos__": positive,
        "__abs__": absolute,
        "__getitem__": getitem,
    }
    for name, operation in BINARY.items():
        methods |= {f"__{name}__": operation, f"__r{name}__": _reflected(operation)}
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        methods[f"__{compare.__name__}__"] = _comparison(compare)
    for name in METHODS:
        methods[name] = operations[name]
    for name, method in methods.items():
        setattr(Tensor, name, method)
    dispatch.install(Tensor, set(operations))


def spread_reshape(x: Tensor, *shape: int | Shape, order: Layout = "C", vjp: VJP = None) -> Tensor:
    """The same values, in the same order, in another shape; ``x.reshape(2, 3)`` or ``x.reshape((2, 3))``."""
    return reshape(x, _one(shape), order, vjp=vjp)


def flat_take(
    x: Tensor, indices: ArrayLike, axis: int | None = None, *, mode: Mode = "raise", vjp: VJP = None
) -> Tensor:
    """Slices along one axis, by their indices; by default from the flattened tensor, as arrays do it."""
    return take(x, indices, axis, mode=mode, vjp=vjp)


def spread_transpose(x: Tensor, *axes: int | Sequence[int] | None, vjp: VJP = None) -> Tensor:
    """The axes in another order, by default reversed; ``x.transpose(1, 0)`` or ``x.transpose((1, 0))``."""
    return transpose(x, _one(axes) if axes else None, vjp=vjp)


def _one(args: tuple[Any, ...]) -> Any:
    """Let ``x.reshape(2, 3)`` mean ``x.reshape((2, 3))``, as in NumPy."""
    return args[0] if len(args) == 1 and not isinstance(args[0], (int, np.integer)) else args


def _reflected(operation: Callable[..., Tensor]) -> Callable[[Tensor, ArrayLike], Tensor]:
    return lambda self, other: operation(other, self)


def _comparison(compare: Callable[[Any, Any], Any]) -> Callable[[Tensor, TensorLike], Array]:
    def method(self: Tensor, other: TensorLike) -> Array:
        out: Array = compare(self.data, other.data if isinstance(other, Tensor) else other)
        return out

    method.__doc__ = f"`{compare.__name__}` of the values: an array of bool."
    return method
