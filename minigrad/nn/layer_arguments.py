"""Arguments and inputs of layers, checked, and the words by which a layer names itself when these do not fit."""

from __future__ import annotations

from typing import Any

from minigrad.engine.context import current_layer
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.module import Module

__all__ = ["as_tensor", "check_module", "place", "short"]


def as_tensor(x: TensorLike) -> Tensor:
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
