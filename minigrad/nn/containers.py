"""Modules made of modules."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, overload

from minigrad import ops
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.layer_arguments import check_module, place, tensor
from minigrad.nn.module import Module, Window

__all__ = ["Residual", "Sequential"]


class Sequential(Module):
    """One module after the other; their names are ``"0"``, ``"1"``, …, and say in which order they run.

    ``model[1] = module`` replaces a module at its place, ``del model[1]`` and `insert` move those behind it, which then
    bear other names. A module under a name that is no number would have no place in the order, and is refused.

    Parameters
    ----------
    *modules : Module
        The same module may stand in several places; it is then shared.

    Raises
    ------
    TypeError
        If something is not a module.
    AttributeError
        If a module is assigned to an attribute that is neither one of these names nor the next, or if an attribute of
        one of these names is deleted.
    IndexError
        If there is no module at an index.

    Examples
    --------
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(2, 3, rng=0), nn.Tanh())
    >>> model[0].out_features, len(model)
    (3, 2)
    >>> model[1] = nn.ReLU()
    >>> model.insert(1, nn.Dropout(0.1))
    Sequential           9 parameters
      0: Linear(2, 3)    9
      1: Dropout(0.1)
      2: ReLU()
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
        setattr(self, str(len(self)), module)
        return self

    def insert(self, index: int, module: Module) -> Sequential:
        """Add a module in front of the one at an index, as in a list; returns the Sequential.

        Raises
        ------
        TypeError
            If it is not a module, or the index is no whole number.
        """
        check_module(f"Sequential: number {index}", module)
        modules = list(self)
        modules.insert(operator.index(index), module)
        self._become(modules)
        return self

    def forward(self, x: TensorLike) -> Tensor:
        out: Any = x if self._modules else tensor(x)
        for module in self._modules.values():
            out = module(out)
        return out

    def windows(self) -> Iterator[Window]:
        for module in self:
            yield from module.windows()

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

    def __setitem__(self, index: int, module: Module) -> None:
        """Replace one module; the others stay where they are."""
        place = operator.index(index) + (len(self) if index < 0 else 0)
        if not 0 <= place < len(self):
            raise IndexError(
                f"Sequential: there is no module {index} to replace among {len(self)}; append(module) adds one"
            )
        setattr(self, str(place), module)

    def __delitem__(self, index: int | slice) -> None:
        """Remove one module, or those of a slice; the ones behind move up."""
        modules = list(self)
        del modules[index]
        self._become(modules)

    def _become(self, modules: list[Module]) -> None:
        """Run these modules, in this order."""
        for name, module in self._modules.items():
            if not name.isdecimal() or int(name) >= len(modules) or modules[int(name)] is not module:
                for below, parameter in module.named_parameters():
                    if f".{parameter.name}".endswith(f".{name}.{below}"):
                        parameter.name = None  # it is named anew where it comes to stand
        for name in list(self._modules):
            super().__delattr__(name)
        for module in modules:
            self.append(module)

    def _assign(self, name: str, value: Any) -> None:
        if name in self._modules or name == str(len(self)):
            check_module(f"Sequential: number {name}", value)
        elif isinstance(value, Module) or name.isdecimal():
            raise AttributeError(
                f"Sequential.{name}: {name!r} says no place in the order in which its {len(self)} modules run. Use "
                "append(module), insert(index, module) or model[index] = module; for a forward pass of another kind "
                "subclass nn.Module"
            )
        super()._assign(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._modules:
            raise AttributeError(
                f"Sequential.{name}: without it the names would have a gap. Write `del model[{name}]`, which moves up "
                "the modules behind it"
            )
        super().__delattr__(name)


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

    def forward(self, x: TensorLike) -> Tensor:
        x = tensor(x)
        out = self.body(x)
        if out.shape != x.shape:
            raise ValueError(
                f"{place(self)}: the body made shape {out.shape} of shape {x.shape}; it must keep the shape, for its "
                "output is added to its input"
            )
        return ops.add(x, out)

    def windows(self) -> Iterable[Window]:
        return self.body.windows()
