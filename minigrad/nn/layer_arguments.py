"""What layers check of their arguments and inputs, and how they name themselves when these do not fit."""

from __future__ import annotations

import operator
from typing import Any

from minigrad.engine.context import current_layer
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.module import Module

__all__ = ["check_module", "place", "positive", "short", "tensor"]


def tensor(x: TensorLike) -> Tensor:
    """The value as a Tensor; an array becomes a constant."""
    return x if isinstance(x, Tensor) else Tensor(x)


def place(layer: Module) -> str:
    """The class of a layer and where it stands in the model that is being computed, for messages.

    Examples
    --------
    >>> from minigrad import nn
    >>> place(nn.ReLU())
    'ReLU'
    """
    path = current_layer()
    return type(layer).__name__ + (f" in layer {path!r}" if path else "")


def positive(what: str, value: Any) -> int:
    """The value as an int; raise unless it is a positive whole number.

    Examples
    --------
    >>> positive("Linear: in_features", 0)
    Traceback (most recent call last):
        ...
    ValueError: Linear: in_features=0 must be a whole number of at least 1
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}={value!r} must be a whole number of at least 1") from None
    if number < 1:
        raise ValueError(f"{what}={number} must be a whole number of at least 1")
    return number


def short(both: tuple[int, int]) -> str:
    """One number where both are the same.

    Examples
    --------
    >>> short((2, 2)), short((2, 1))
    ('2', '(2, 1)')
    """
    return str(both[0]) if both[0] == both[1] else str(both)


def check_module(what: str, value: Any) -> None:
    """Raise TypeError with a hint if a value is not a module."""
    if isinstance(value, Module):
        return
    if isinstance(value, type) and issubclass(value, Module):
        hint = f"this is the class; make one of it, as in {value.__name__}()"
    elif isinstance(value, (list, tuple)):
        hint = "pass the modules one by one, as in nn.Sequential(*modules)"
    elif callable(value):
        hint = "a plain function is no module; activations are nn.ReLU(), nn.Tanh(), …, or subclass nn.Module"
    else:
        hint = "see minigrad.nn, or subclass nn.Module"
    raise TypeError(f"{what} is {value!r}, not a module; {hint}")
