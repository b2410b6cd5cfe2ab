"""Layers that hand a choice of VJP to their operation, and how the choice is made for a whole model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

from minigrad.engine.define import primitive_of
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.node import check_vjp
from minigrad.engine.residuals import check_save
from minigrad.engine.tensor import Tensor
from minigrad.estimators import with_budget
from minigrad.nn.module import Module

__all__ = ["Saving", "Sketchable", "Where", "chosen_layers", "set_budgets", "set_save", "set_vjp"]

Where: TypeAlias = "type[Module] | tuple[type[Module], ...] | Callable[[str, Module], bool] | None"
"""A choice of layers: classes, or ``(path, module) -> bool``, or None for all."""


class Sketchable(Module):
    """A layer with the attribute ``vjp``, which its forward pass hands to one operation.

    Attributes
    ----------
    operation : callable
        The operation that ``vjp`` is for (of the class).

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import Mask
    >>> layer = nn.Linear(3, 2, vjp=Mask(0.5), rng=0)
    >>> isinstance(layer, nn.Sketchable), layer.vjp
    (True, Mask(0.5))
    >>> layer.vjp = "mask"
    Traceback (most recent call last):
        ...
    TypeError: ...
    """

    operation: ClassVar[Callable[..., Tensor]]
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
        primitive = primitive_of(type(self).operation)
        check_vjp(primitive, value, len(primitive.inputs))
        # Not through Module.__setattr__, for it is no state. A copy, so that a later change is checked as well.
        self.__dict__["_vjp"] = dict(value) if isinstance(value, Mapping) else value

    def repr_vjp(self) -> str:
        """The choice of VJP as `repr_arguments` shows it; empty when exact."""
        return "" if self._vjp is None else f", vjp={self._vjp!r}"


class Saving(Module):
    """A layer with the attribute ``save``, which its forward pass hands to its operation: what is kept on the tape.

    Of layers with weights that is their input, of activations their slope, of normalisations the normalised values.

    Attributes
    ----------
    operation : callable
        The operation that ``save`` is for (of the class).

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import Mask
    >>> layer = nn.Linear(3, 2, rng=0, save=Mask(0.5, axis="row"))
    >>> isinstance(layer, nn.Saving), layer.save
    (True, Mask(0.5, axis='row'))
    """

    operation: ClassVar[Callable[..., Tensor]]
    _save: Save = None

    @property
    def save(self) -> Save:
        """The estimator that sketches what the layer's operation saves, a mapping by saved input, or None for all.

        Raises
        ------
        TypeError
            On assignment of anything else.
        ValueError
            If a mapping names something that may not be sketched.
        """
        return self._save

    @save.setter
    def save(self, value: Save) -> None:
        if value is not None:
            check_save(primitive_of(type(self).operation), value)
        self.__dict__["_save"] = dict(value) if isinstance(value, Mapping) else value

    def repr_save(self) -> str:
        """The choice of residuals as `repr_arguments` shows it; empty when exact."""
        return "" if self._save is None else f", save={self._save!r}"


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
    return _assign(model, "vjp", vjp, where)


def set_save(model: Module, save: Save, where: Where = None) -> list[str]:
    """Choose for many layers at once what they keep of what they save for the way back.

    The output of the layer stays as it was; the gradients that read what it saved become random, with the same mean
    (Theory §1), and the tape smaller: that of the weight, which reads the input; that of the input of an activation,
    which reads its slope; those of queries, keys and values; normalised values and the weights of attention, of which
    two sketches are kept. A ReLU keeps bits. Masks are for layers with weights: where entries are left out of a slope,
    the gradient of all below is as noisy. Rounding is for all, ``where=nn.Saving``.

    Parameters
    ----------
    model : Module
    save : Estimator, mapping or None
        What each chosen layer gets as its ``save``; None keeps all. One estimator serves all, for every node draws
        independently of the others, but for those that save one array for weights that are leaves.
    where : type, tuple of types, or callable, optional
        As for `set_vjp`; only layers that have a ``save`` are asked. Default: those with a weight, whose sketch makes
        the gradient of that weight random and no other. ``where=nn.Saving`` means activations, normalisations and
        attention, too.

    Returns
    -------
    list of str
        The paths of the layers that were changed.

    Raises
    ------
    ValueError
        If no layer was chosen.
    TypeError
        If ``where`` names a class that has no ``save``, or the layer does not take this one. Then no layer has been
        changed.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import Mask
    >>> model = nn.mlp((64, 32, 10), rng=0)
    >>> nn.set_save(model, Mask(0.1, axis="row"))
    ['0', '2']
    >>> model[0].save
    Mask(0.1, axis='row')
    """

    def with_a_weight(path: str, module: Module) -> bool:
        return hasattr(module, "weight")

    return _assign(model, "save", save, with_a_weight if where is None and save is not None else where)


def _assign(model: Module, what: str, value: Any, where: Any) -> list[str]:
    """Set one attribute of the chosen layers; if one of them refuses, of none."""
    chosen = chosen_layers(model, what, where)
    before = [getattr(module, what) for module in chosen.values()]
    reached = ""
    try:
        for path, module in chosen.items():
            reached = path
            setattr(module, what, value)
    except (TypeError, ValueError) as error:
        for module, old in zip(chosen.values(), before, strict=True):
            setattr(module, what, old)
        raise type(error)(f"set_{what}, layer {reached!r}: {error}") from error
    return list(chosen)


def chosen_layers(model: Module, what: str, where: Where = None) -> dict[str, Any]:
    """The layers of a model that have the attribute ``what`` and are chosen by ``where``, by path; at least one.

    Examples
    --------
    >>> from minigrad import nn
    >>> list(chosen_layers(nn.mlp((4, 8, 2), rng=0), "vjp", nn.Linear))
    ['0', '2']
    """
    able = {path: module for path, module in model.named_modules() if hasattr(module, what)}
    wanted = _condition(what, where, able)
    chosen: dict[str, Any] = {path: module for path, module in able.items() if wanted(path, module)}
    if not chosen:
        kinds, name = sorted({type(module).__name__ for module in able.values()}), getattr(where, "__name__", where)
        there = f"it has {len(able)} that could be ({', '.join(kinds)})" if able else f"none of its layers has a {what}"
        raise ValueError(f"set_{what}: no layer of this {type(model).__name__} was chosen by where={name}; {there}")
    return chosen


NOTHING_TO_SET = {
    "vjp": "only layers whose operation can be sketched have one, such as nn.Linear. Set `tape.nodes[k].vjp` to sketch "
    "any other operation",
    "save": "only layers have one whose VJP is linear or quadratic in what they save, such as nn.Linear, nn.Conv2d, "
    "nn.GELU and nn.LayerNorm; nn.ReLU keeps a bit an entry as it is",
}


def _condition(what: str, where: Any, able: Mapping[str, Module]) -> Callable[[str, Module], bool]:
    """The argument ``where`` as a function of path and module."""
    if where is None:
        return lambda path, module: True
    kinds = where if isinstance(where, tuple) else (where,)
    if all(isinstance(kind, type) for kind in kinds):
        for kind in kinds:
            if not hasattr(kind, what) and not any(isinstance(module, kind) for module in able.values()):
                raise TypeError(f"set_{what}: {kind.__name__} has no {what} to set: {NOTHING_TO_SET[what]}")
        return lambda path, module: isinstance(module, kinds)
    if callable(where):
        choose: Callable[[str, Module], bool] = where
        return choose
    raise TypeError(
        f"set_{what}: where= takes classes such as nn.Linear, or a function (path, module) -> bool, got {where!r}"
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
