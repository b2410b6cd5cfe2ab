"""Arguments of optimisers, schedules and clipping: parameters and numbers, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from minigrad.engine.tensor import Tensor

__all__ = ["Parameters", "fraction", "named", "not_negative"]

Parameters: TypeAlias = "Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Any"
"""The parameters of an optimiser: a Module, tensors, or pairs of name and tensor."""


def named(parameters: Parameters, owner: str) -> list[tuple[str, Tensor]]:
    """Pairs of name and tensor from whatever names parameters; raise if they cannot be optimised."""
    if hasattr(parameters, "named_parameters"):
        pairs: list[Any] = [(name, t) for name, t in parameters.named_parameters() if t.requires_grad]
    elif isinstance(parameters, (Tensor, np.ndarray)):
        raise TypeError(f"{owner}: takes a Module or a list of tensors; write [w] for a single one")
    else:
        pairs = [item if isinstance(item, tuple) else (None, item) for item in parameters]
    if not pairs:
        raise ValueError(
            f"{owner}: there are no parameters to optimise; was model.parameters() used up, or all frozen?"
        )
    seen: dict[int, str] = {}
    found: list[tuple[str, Tensor]] = []
    taken: set[str] = set()
    for k, (given, tensor) in enumerate(pairs):
        label = given or getattr(tensor, "name", None) or str(k)
        name = label if label not in taken else f"{label}#{k}"
        taken.add(name)
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{owner}: parameter {name} is a {type(tensor).__name__}, not a Tensor")
        if tensor.tape is not None:
            raise ValueError(
                f"{owner}: parameter {name} is the result of an operation on a tape; optimise the leaves it was made of"
            )
        if not tensor.requires_grad:
            raise ValueError(f"{owner}: parameter {name} requires no gradient; make it with requires_grad=True")
        if not tensor.data.flags.writeable:
            raise ValueError(
                f"{owner}: the array of parameter {name} cannot be written to; pass a copy of it to Tensor"
            )
        if id(tensor) in seen:
            raise ValueError(f"{owner}: parameter {seen[id(tensor)]} is given twice, and would be changed twice a step")
        seen[id(tensor)] = name
        found.append((name, tensor))
    return found


def not_negative(what: str, value: Any) -> float:
    """The value as a float; raise unless it is a finite number of at least 0.

    A Python float, for a NumPy scalar of dtype float64 would promote a float32 parameter.
    """
    number = _number(what, value)
    if not 0 <= number < math.inf:
        raise ValueError(f"{what}={number:g} must be a finite number of at least 0")
    return number


def fraction(what: str, value: Any) -> float:
    """The value as a float; raise unless it lies in [0, 1)."""
    number = _number(what, value)
    if not 0 <= number < 1:
        raise ValueError(f"{what}={number:g} must lie in [0, 1)")
    return number


def _number(what: str, value: Any) -> float:
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        raise TypeError(f"{what}={value!r} must be a number")
    return float(value)
