"""Layers that hand a choice of VJP to their operation, and how the choice is made for a whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from minigrad.estimators import with_budget
from minigrad.nn.module import Module
from minigrad.node import VJP
from minigrad.primitive import Operation, check_vjp

__all__ = ["Sketchable", "Where", "set_budgets", "set_vjp"]

Where: TypeAlias = "type[Module] | tuple[type[Module], ...] | Callable[[str, Module], bool] | None"
"""Which layers: classes, or ``(path, module) -> bool``, or None for all."""


class Sketchable(Module):
    """A layer with the attribute ``vjp``, which its forward pass hands to one operation.

    Attributes
    ----------
    operation : Operation
        The operation that ``vjp`` is for (of the class).
    """

    operation: ClassVar[Operation]
    _vjp: VJP = None

    @property
    def vjp(self) -> VJP:
        """The estimator of the layer's operation, a mapping from its inputs to estimators, or None for exact.

        Raises
        ------
        TypeError
            On assignment of anything else.
        ValueError
            If a mapping names an input that the operation does not have.
        """
        return self._vjp

    @vjp.setter
    def vjp(self, value: VJP) -> None:
        primitive = self.operation.primitive
        check_vjp(primitive, value, len(primitive.inputs))
        # Not through Module.__setattr__, for it is no state. A copy, so that a later change is checked as well.
        self.__dict__["_vjp"] = dict(value) if isinstance(value, Mapping) else value

    def repr_vjp(self) -> str:
        """The choice of VJP as `repr_arguments` shows it; empty when exact."""
        return "" if self._vjp is None else f", vjp={self._vjp!r}"


def set_vjp(model: Module, vjp: VJP, where: Where = None) -> list[str]:
    """Choose the VJP of many layers at once.

    Parameters
    ----------
    model : Module
    vjp : Estimator, mapping or None
        What each chosen layer gets as its ``vjp``; None is exact. One estimator serves all, for every node draws
        independently of the others.
    where : type, tuple of types, or callable, optional
        Layers of these classes, or those for which ``where(path, module)`` is true; only layers that have a ``vjp``
        are asked. Default: all that have one.

    Returns
    -------
    list of str
        The paths of the layers that were changed.

    Raises
    ------
    ValueError
        If no layer was chosen.
    TypeError
        If ``where`` names a class that has no ``vjp``, or the layer does not take this ``vjp``. Then no layer has
        been changed.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import Mask
    >>> model = nn.mlp((64, 32, 32, 10), rng=0)
    >>> nn.set_vjp(model, Mask(0.1), where=lambda path, module: path != "0")
    ['2', '4']
    """
    able = {path: module for path, module in model.named_modules() if hasattr(module, "vjp")}
    wanted = _condition(where, able)
    chosen = {path: module for path, module in able.items() if wanted(path, module)}
    if not chosen:
        kinds = sorted({type(module).__name__ for module in able.values()})
        there = f"it has {len(able)} that could be ({', '.join(kinds)})" if able else "none of its layers has a vjp"
        raise ValueError(f"set_vjp: no layer of this {type(model).__name__} was chosen by where={where!r}; {there}")
    before = [module.vjp for module in chosen.values()]
    reached = ""
    try:
        for path, module in chosen.items():
            reached = path
            module.vjp = vjp
    except (TypeError, ValueError) as error:
        for module, old in zip(chosen.values(), before, strict=True):
            module.vjp = old
        raise type(error)(f"set_vjp, layer {reached!r}: {error}") from error
    return list(chosen)


def _condition(where: Any, able: Mapping[str, Module]) -> Callable[[str, Module], bool]:
    """What ``where`` says, as a function of path and module."""
    if where is None:
        return lambda path, module: True
    kinds = where if isinstance(where, tuple) else (where,)
    if all(isinstance(kind, type) for kind in kinds):
        for kind in kinds:
            if not hasattr(kind, "vjp") and not any(isinstance(module, kind) for module in able.values()):
                raise TypeError(
                    f"set_vjp: {kind.__name__} has no vjp to set: only layers whose operation can be sketched have "
                    "one, such as nn.Linear. Set `tape.nodes[k].vjp` to sketch any other operation"
                )
        return lambda path, module: isinstance(module, kinds)
    if callable(where):
        choose: Callable[[str, Module], bool] = where
        return choose
    raise TypeError(
        f"set_vjp: where= takes classes such as nn.Linear, or a function (path, module) -> bool, got {where!r}"
    )


def set_budgets(model: Module, budgets: Mapping[str, float]) -> None:
    """Change the budgets of layers, by path, and keep their kinds of estimator.

    Parameters
    ----------
    model : Module
    budgets : mapping from str to float
        Such as ``allocation.budgets`` of `minigrad.inspect.allocate`.

    Raises
    ------
    KeyError
        If there is no layer of a path.
    TypeError
        If a layer has no ``vjp``, or an estimator without a field ``budget``.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import Mask
    >>> model = nn.mlp((4, 8, 2), vjp=Mask(0.5), rng=0)
    >>> nn.set_budgets(model, {"0": 0.25})
    >>> model[0].vjp, model[2].vjp
    (Mask(0.25), Mask(0.5))
    """
    modules = dict(model.named_modules())
    changed = []
    for path, budget in budgets.items():
        if path not in modules:
            raise KeyError(f"set_budgets: there is no layer {path!r}; the layers are {', '.join(modules)}")
        module = modules[path]
        if not isinstance(module, Sketchable):
            raise TypeError(f"set_budgets: layer {path!r}, a {type(module).__name__}, has no vjp")
        changed.append((module, with_budget(module.vjp, budget)))
    for module, vjp in changed:
        module.vjp = vjp
