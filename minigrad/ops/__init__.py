"""Operations: functions on tensors, which are also the operators and methods of `Tensor`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.ops import dispatch
from minigrad.ops.arithmetic import absolute, add, divide, multiply, negative, power, square, subtract
from minigrad.ops.conv import conv2d
from minigrad.ops.deviation import std, var
from minigrad.ops.einsum import einsum
from minigrad.ops.functions import cos, exp, gelu, log, log1p, sigmoid, silu, sin, softplus, sqrt, tanh
from minigrad.ops.indexing import getitem, take, take_along_axis
from minigrad.ops.joining import concatenate, split, stack
from minigrad.ops.linear import linear
from minigrad.ops.losses import cross_entropy, log_softmax, mse, softmax
from minigrad.ops.matmul import matmul
from minigrad.ops.normalization import batch_norm, layer_norm
from minigrad.ops.padding import pad
from minigrad.ops.piecewise import clip, maximum, minimum, relu, where
from minigrad.ops.pooling import avg_pool2d, max_pool2d
from minigrad.ops.random import dropout
from minigrad.ops.reductions import logsumexp, max, mean, min, norm, sum
from minigrad.ops.shapes import (
    astype,
    broadcast_to,
    expand_dims,
    moveaxis,
    reshape,
    squeeze,
    swapaxes,
    transpose,
)

__all__ = [
    "abs", "absolute", "add", "astype", "avg_pool2d", "batch_norm", "broadcast_to", "clip", "concatenate", "conv2d",
    "cos", "cross_entropy", "divide", "dropout", "einsum", "exp", "expand_dims", "gelu", "getitem", "layer_norm",
    "linear", "log", "log1p", "log_softmax", "logsumexp", "matmul", "max", "max_pool2d", "maximum", "mean", "min",
    "minimum", "moveaxis", "mse", "multiply", "neg", "negative", "norm", "pad", "power", "relu", "reshape",
    "sigmoid", "silu", "sin", "softmax", "softplus", "split", "sqrt", "square", "squeeze", "stack", "std",
    "subtract", "sum", "swapaxes", "take", "take_along_axis", "tanh", "transpose", "var", "where",
]  # fmt: skip

abs = absolute
neg = negative

# Methods of Tensor that are operations of the same name.
METHODS = [
    "abs", "astype", "broadcast_to", "clip", "cos", "exp", "expand_dims", "gelu", "log", "log1p",
    "log_softmax", "logsumexp", "matmul", "max", "mean", "min", "moveaxis", "norm", "relu", "sigmoid", "silu",
    "sin", "softmax", "softplus", "split", "sqrt", "square", "squeeze", "std", "sum", "swapaxes", "take",
    "tanh", "var",
]  # fmt: skip


def _spread_arguments(operation: Any) -> Any:
    """Let ``x.reshape(2, 3)`` mean ``x.reshape((2, 3))``, as in NumPy."""

    def method(self: Tensor, *args: Any, **settings: Any) -> Tensor:
        if len(args) > 1 or (args and isinstance(args[0], (int, np.integer))):
            args = (args,)
        out: Tensor = operation(self, *args, **settings)
        return out

    method.__doc__ = operation.__doc__
    return method


def _reflected(operation: Any) -> Any:
    return lambda self, other: operation(other, self)


def _comparison(name: str) -> Any:
    compare = getattr(np, name)

    def method(self: Tensor, other: Any) -> Any:
        return compare(self.data, other.data if isinstance(other, Tensor) else other)

    method.__doc__ = f"`numpy.{name}` of the values: an array of bool."
    return method


def _equality(compare: Any) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        return compare(self.data, other.data if isinstance(other, Tensor) else other)

    method.__doc__ = f"`{compare.__name__}` of the values: an array of bool. Nothing equals None or a text."
    return method


def _install() -> None:
    """Hang operators and methods on Tensor."""
    binary: dict[str, Any] = {
        "add": add,
        "sub": subtract,
        "mul": multiply,
        "truediv": divide,
        "pow": power,
        "matmul": matmul,
    }
    for name, operation in binary.items():
        setattr(Tensor, f"__{name}__", operation)
        setattr(Tensor, f"__r{name}__", _reflected(operation))
    comparisons = {
        "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"
    }  # fmt: skip
    for name, function in comparisons.items():
        setattr(Tensor, f"__{name}__", _comparison(function))
    for compare in (operator.eq, operator.ne):
        setattr(Tensor, f"__{compare.__name__}__", _equality(compare))
    dispatch.install(Tensor, set(__all__), binary)
    for name in METHODS:
        setattr(Tensor, name, globals()[name])
    for name, operation in {"reshape": reshape, "transpose": transpose}.items():
        setattr(Tensor, name, _spread_arguments(operation))
    for name, operation in {"__neg__": negative, "__abs__": absolute, "__getitem__": getitem}.items():
        setattr(Tensor, name, operation)
    Tensor.T = property(transpose, doc="The axes reversed.")  # type: ignore[attr-defined]


_install()
