"""Members: the parameters, buffers and modules that a module holds under names, and the walk over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from minigrad.arrays import plain
from minigrad.engine.tensor import Tensor
from minigrad.nn.paths import structure_changed
from minigrad.typing import Array

__all__ = ["Members"]

Self = TypeVar("Self", bound="Members[Any]")
M = TypeVar("M", bound="Members[Any]")


class Members(Generic[M]):
    """What is assigned to the attributes of a `minigrad.nn.Module`; M is the type of the modules among it."""

    not_fingerprinted: ClassVar[tuple[str, ...]] = ("_parameters", "_modules", "_buffers")  # they are attributes, too
    _reserved: ClassVar[frozenset[str]] = frozenset()
    _parameters: dict[str, Tensor]
    _modules: dict[str, M]
    _buffers: dict[str, Array]

    def __new__(cls: type[Self], *args: Any, **settings: Any) -> Self:
        # Here rather than in __init__, so that a subclass need not call super().__init__().
        self = super().__new__(cls)
        for registry in ("_parameters", "_modules", "_buffers"):
            object.__setattr__(self, registry, {})
        return self

    # Registration

    def _assign(self, name: str, value: Any) -> None:
        """Set an attribute, and register what is to be found again."""
        if name in self._reserved:
            raise AttributeError(
                f"{type(self).__name__}.{name}: {name} is a method of every module; give the attribute another name"
            )
        if name in self._buffers:
            value = self._checked_buffer(name, value)
            self._buffers[name] = value
        elif isinstance(value, Members):
            self._parameters.pop(name, None)
            self._modules[name] = cast(M, value)  # one that is replaced keeps its place
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
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:  # a checker that knew of it would let every misspelt attribute be assigned

        def __setattr__(self, name: str, value: Any) -> None:
            self._assign(name, value)

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
            if isinstance(item, Members):
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
        >>> from minigrad import nn
        >>> module = nn.Module()
        >>> module.buffer("mean", np.zeros(2))
        >>> module.mean = 0.5 * module.mean + 1
        >>> module.state_dict()
        {'mean': array([1., 1.])}
        """
        if hasattr(self, name) and name not in self._buffers:
            raise ValueError(f"{type(self).__name__} has an attribute {name!r} already; choose another name")
        array = np.array(plain(values, f"{type(self).__name__}.{name}"))
        self._buffers[name] = array
        object.__setattr__(self, name, array)

    def _checked_buffer(self, name: str, value: Any) -> Array:
        array, old = plain(value, f"{type(self).__name__}.{name}"), self._buffers[name]
        if array.shape != old.shape or array.dtype != old.dtype:
            raise ValueError(
                f"{type(self).__name__}.{name}: the buffer has shape {old.shape} and dtype {old.dtype}, but was "
                f"assigned shape {array.shape} and dtype {array.dtype}; delete it and call buffer() anew to change them"
            )
        return array

    # Walking

    def named_children(self) -> Iterator[tuple[str, M]]:
        """The modules directly below: pairs of name and module, in the order of registration."""
        yield from self._modules.items()

    def named_modules(self) -> Iterator[tuple[str, M]]:
        """The module itself (path ``""``) and all below it, each once: pairs of path and module, parents first."""
        seen: set[int] = set()
        todo: list[tuple[str, M]] = [("", cast(M, self))]
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
