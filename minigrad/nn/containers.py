"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

from minigrad import ops
from minigrad.context import current_layer
from minigrad.nn.module import Module
from minigrad.nn.shaping import tensor
from minigrad.tensor import Tensor

__all__ = ["Residual", "Sequential"]


class Sequential(Module):
    """One module after the other; their names are ``"0"``, ``"1"``, ….

    Parameters
    ----------
    *modules : Module
        The same module may stand in several places; it is then shared.

    Raises
    ------
    TypeError
        If something is not a module.

    Examples
    --------
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh())
    >>> model[0].out_features, len(model)
    (3, 2)
    """

    def __init__(self, *modules: Module):
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns the Sequential.

        Raises
        ------
        TypeError
            If it is not a module.
        """
        check_module(f"Sequential: number {len(self)}", module)
        setattr(self, str(len(self)), module)
        return self

    def forward(self, x: Any) -> Any:
        for module in self._modules.values():
            x = module(x)
        return x if self._modules else tensor(x)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(list(self._modules.values()))

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        """One module, or for a slice a Sequential that shares some."""
        modules = list(self._modules.values())
        return Sequential(*modules[index]) if isinstance(index, slice) else modules[index]


class Residual(Module):
    """``x + body(x)``. He et al. (2016), *Deep Residual Learning*, CVPR.

    Parameters
    ----------
    body : Module
        Its output must have the shape of its input.

    Raises
    ------
    ValueError
        When called, if it has not: broadcasting would hide a mistake.

    Examples
    --------
    >>> from minigrad import nn
    >>> nn.Residual(nn.ReLU())([-1.0, 2.0]).data.tolist()
    [-1.0, 4.0]
    """

    def __init__(self, body: Module):
        check_module("Residual: body", body)
        self.body = body

    def forward(self, x: Any) -> Tensor:
        x = tensor(x)
        out = self.body(x)
        if out.shape != x.shape:
            where = f" in layer {current_layer()!r}" if current_layer() else ""
            raise ValueError(
                f"Residual{where}: the body made shape {out.shape} of shape {x.shape}; it must keep the shape, for its "
                "output is added to its input"
            )
        return ops.add(x, out)


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
