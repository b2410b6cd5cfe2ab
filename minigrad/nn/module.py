"""Module: parameters, buffers and other modules under names, and a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigrad.arrays import plain
from minigrad.engine.context import CONTEXT
from minigrad.engine.tensor import Tensor
from minigrad.nn.dtypes import notice
from minigrad.nn.paths import ACTIVE, paths_below, structure_changed
from minigrad.nn.state import Differences, load_state
from minigrad.nn.tree import tree
from minigrad.typing import Array

__all__ = ["Module"]

Self = TypeVar("Self", bound="Module")


class Module:
    """Base of all layers and models. Write ``forward``, and assign what it needs to attributes.

    Assigning a Tensor with ``requires_grad=True`` registers a *parameter*, assigning a Module registers a *child*,
    and `buffer` registers an array that is state but not trained. Their names make paths: the bias of the third
    module of ``model.body`` is ``"body.2.bias"``.

    A module or a tensor may be registered in several places, and is then shared: it is listed once, under the path
    at which it is met first, and counted, saved and trained once.

    Call a module as a function, not through ``forward``: the call is what gives nodes and error messages the path of
    the layer.

    Attributes
    ----------
    training : bool
        Whether the module behaves as in training (Dropout draws); set by `train` and `eval`. True at first.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self, features):
    ...         self.gain = mg.Tensor(np.ones(features, np.float32), requires_grad=True)
    ...     def forward(self, x):
    ...         return x * self.gain
    >>> model = nn.Sequential(nn.Linear(3, 2, rng=0), Scale(2))
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '1.gain']
    >>> with mg.Tape() as tape:
    ...     y = model(np.ones((4, 3), np.float32))
    >>> [node.label for node in tape.nodes]
    ['0/linear', '1/multiply']
    """

    training: bool = True
    not_fingerprinted: ClassVar[tuple[str, ...]] = ("_parameters", "_modules", "_buffers")  # they are attributes, too
    _parameters: dict[str, Tensor]
    _modules: dict[str, Module]
    _buffers: dict[str, Array]

    def __new__(cls, *args: Any, **settings: Any) -> Module:
        # Here rather than in __init__, so that a subclass need not call super().__init__().
        self = super().__new__(cls)
        for registry in ("_parameters", "_modules", "_buffers"):
            object.__setattr__(self, registry, {})
        return self

    def forward(self, *args: Any, **settings: Any) -> Any:
        """Compute the output; write it in a subclass.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no forward pass. Write `def forward(self, x)` that returns a Tensor"
        )

    def __call__(self, *args: Any, **settings: Any) -> Any:
        """Compute `forward` under the path of this module."""
        path = ACTIVE.paths.get(id(self))
        if path is None:
            return self._as_root(args, settings)
        layers = CONTEXT.layers
        layers.append(path)
        try:
            out = self.forward(*args, **settings)
        finally:
            layers.pop()
        if self._parameters and type(out) is Tensor:
            dtype = out.data.dtype
            for parameter in self._parameters.values():
                if parameter.data.dtype is not dtype:
                    notice(path or type(self).__name__, args, self._parameters, out)
                    break
        return out

    def _as_root(self, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """The call of a module that is no part of the model that is being computed, if there is one."""
        outer = ACTIVE.paths
        ACTIVE.paths = paths_below(self, CONTEXT.layers[-1])
        try:
            return self(*args, **settings)
        finally:
            ACTIVE.paths = outer

    # Registration

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _METHODS:
            raise AttributeError(
                f"{type(self).__name__}.{name}: {name} is a method of every module; give the attribute another name"
            )
        if name in self._buffers:
            value = self._checked_buffer(name, value)
            self._buffers[name] = value
        elif isinstance(value, Module):
            self._parameters.pop(name, None)
            self._modules[name] = value  # one that is replaced keeps its place
            structure_changed()
        elif isinstance(value, Tensor) and value.tape is None and (value.requires_grad or name in self._parameters):
            if self._modules.pop(name, None) is not None:
                structure_changed()
            self._parameters[name] = value
            if value.name is None:
                value.name = name
        else:
            if isinstance(value, (list, tuple, dict)):
                self._refuse_hidden(name, value)
            self._forget(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._forget(name)
        self._buffers.pop(name, None)
        super().__delattr__(name)

    def _forget(self, name: str) -> None:
        self._parameters.pop(name, None)
        if self._modules.pop(name, None) is not None:
            structure_changed()

    def _refuse_hidden(self, name: str, value: Any) -> None:
        """Raise for modules and parameters in a list: they would be neither trained nor saved."""
        where = f"{type(self).__name__}.{name}: %s in a {type(value).__name__} are not found by parameters(). "
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, Module):
                hint = "Use nn.Sequential(*modules); it has a length and can be indexed and looped over"
                raise TypeError(where % "modules" + hint)
            if isinstance(item, Tensor) and item.requires_grad and item.tape is None:
                raise TypeError(where % "parameters" + "Assign each to an attribute of its own")

    def buffer(self, name: str, values: ArrayLike) -> None:
        """Register an array that is part of the state but is not trained, such as running statistics.

        It is then the attribute ``name``; assign a new array of its shape and dtype to change it.

        Parameters
        ----------
        name : str
        values : array_like
            Copied.

        Examples
        --------
        >>> module = Module()
        >>> module.buffer("mean", np.zeros(2))
        >>> module.mean = 0.5 * module.mean + 1
        >>> module.state_dict()
        {'mean': array([1., 1.])}
        """
        if hasattr(self, name) and name not in self._buffers:
            raise ValueError(f"{type(self).__name__} has an attribute {name!r} already; choose another name")
        array = np.array(plain(values, f"{type(self).__name__}.{name}"))
        self._buffers[name] = array
        super().__setattr__(name, array)

    def _checked_buffer(self, name: str, value: Any) -> Array:
        array, old = plain(value, f"{type(self).__name__}.{name}"), self._buffers[name]
        if array.shape != old.shape or array.dtype != old.dtype:
            raise ValueError(
                f"{type(self).__name__}.{name}: the buffer has shape {old.shape} and dtype {old.dtype}, but was "
                f"assigned shape {array.shape} and dtype {array.dtype}; delete it and call buffer() anew to change them"
            )
        return array

    # Walking

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """The module itself (path ``""``) and all below it, each once: pairs of path and module, parents first."""
        seen: set[int] = set()
        todo: list[tuple[str, Module]] = [("", self)]
        while todo:
            path, module = todo.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            below = [(f"{path}.{name}" if path else name, child) for name, child in module._modules.items()]
            todo.extend(reversed(below))

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """All parameters, each once: pairs of path and tensor. The tensors take the paths as their names."""
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, tensor in module._parameters.items():
                if id(tensor) in seen:
                    continue
                seen.add(id(tensor))
                full = f"{path}.{name}" if path else name
                # A part of a model knows only the end of the path, and must not cut it down to that.
                if tensor.name is None or full.endswith(f".{tensor.name}"):
                    tensor.name = full
                yield full, tensor

    def parameters(self) -> list[Tensor]:
        """All parameters, each once, in the order of `named_parameters`."""
        return [tensor for _, tensor in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """All buffers: pairs of path and array."""
        for path, module in self.named_modules():
            for name, array in module._buffers.items():
                yield f"{path}.{name}" if path else name, array

    # Modes

    def train(self: Self, mode: bool = True) -> Self:
        """Let this module and all below it behave as in training; returns the module."""
        for _, module in self.named_modules():
            module.training = bool(mode)
        return self

    def eval(self: Self) -> Self:
        """Let this module and all below it behave as in use, without random draws; returns the module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set ``.grad`` of all parameters to None."""
        for tensor in self.parameters():
            tensor.grad = None

    def astype(self: Self, dtype: DTypeLike) -> Self:
        """Change the dtype of all parameters and floating buffers, here and now; returns the module.

        Gradients are dropped. Make optimisers afterwards: their state has the dtype of the parameters.

        Raises
        ------
        TypeError
            If the dtype is not floating.

        Examples
        --------
        >>> from minigrad import nn
        >>> nn.Linear(2, 2, rng=0).astype(np.float64).weight.dtype
        dtype('float64')
        """
        target = np.dtype(dtype)
        if target.kind != "f":
            raise TypeError(f"astype: parameters must be floating-point, so dtype {target} cannot hold them")
        for tensor in self.parameters():
            tensor.data = tensor.data.astype(target)
            tensor.grad = None
            tensor.version += 1
        for _, module in self.named_modules():
            for name, array in list(module._buffers.items()):
                if array.dtype.kind == "f":
                    module.buffer(name, array.astype(target))
        return self

    # State

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters and buffers, by path."""
        state = {path: tensor.data.copy() for path, tensor in self.named_parameters()}
        state.update((path, array.copy()) for path, array in self.named_buffers())
        return state

    def load_state_dict(self, state: Mapping[str, ArrayLike], strict: bool = True) -> Differences:
        """Copy the values that `state_dict` gave into the parameters and buffers, in place.

        Parameters
        ----------
        state : mapping from str to array_like
        strict : bool, default True
            Whether missing and extra paths are errors; without it they are skipped.

        Returns
        -------
        Differences
            The paths that were ``missing`` from the state, and the ``extra`` ones that no parameter has.

        Raises
        ------
        ValueError
            If paths are missing or extra (with ``strict``), or a shape or dtype differs. All that is wrong is in the
            message, and nothing has been changed.

        Examples
        --------
        >>> from minigrad import nn
        >>> layer = nn.Linear(2, 1, rng=0)
        >>> layer.load_state_dict({"weight": np.ones((1, 2), np.float32)}, strict=False)
        Differences(missing=['bias'], extra=[])
        """
        return load_state(self, state, strict)

    # Display

    def repr_arguments(self) -> str:
        """The arguments that the module was made with, for ``repr``; a subclass says which."""
        return ""

    def __repr__(self) -> str:
        return tree(self)


# An attribute of one of these names would hide the method. A forward pass may be replaced.
_METHODS = frozenset(name for name in vars(Module) if not name.startswith("_")) - {"forward", "training"}
