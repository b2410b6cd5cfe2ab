"""Module: parameters, buffers and other modules under names, and a forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigrad.engine.context import CONTEXT
from minigrad.engine.tensor import Tensor
from minigrad.nn.dtypes import notice
from minigrad.nn.members import Members
from minigrad.nn.paths import ACTIVE, paths_below
from minigrad.nn.state import IncompatibleKeys, load_state
from minigrad.nn.tree import tree
from minigrad.typing import Array

__all__ = ["Module", "Window"]

Self = TypeVar("Self", bound="Module")

Window: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""A kernel (height, width), and the stride (down, across) with which it moves over an image."""


class Module(Members["Module"]):
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
    per_pixel : bool
        Of the class: whether it works on each pixel by itself, so that it widens no receptive field. False unless said.

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
    per_pixel: ClassVar[bool] = False

    def forward(self, *args: Any, **settings: Any) -> Tensor:
        """What the module computes; write it in a subclass.

        Raises
        ------
        NotImplementedError
            If the subclass has none.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no forward pass. Write `def forward(self, x)` that returns a Tensor"
        )

    def __call__(self, *args: Any, **settings: Any) -> Tensor:
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

    def _as_root(self, args: tuple[Any, ...], settings: dict[str, Any]) -> Tensor:
        """The call of a module that is no part of the model that is being computed, if there is one."""
        outer = ACTIVE.paths
        ACTIVE.paths = paths_below(self, CONTEXT.layers[-1])
        try:
            return self(*args, **settings)
        finally:
            ACTIVE.paths = outer

    def windows(self) -> Iterable[Window]:
        """The windows through which it looks at an image, in order, for `minigrad.nn.receptive_field`.

        None where ``per_pixel`` is True. A layer that looks further, or is made of others, says so in a method of its
        own.

        Returns
        -------
        iterable of ((height, width), (down, across))
            Kernels and strides. A stride of 0 means that a single output is left, as of a mean over all pixels.

        Raises
        ------
        TypeError
            If the layer does not say how far it looks.

        Examples
        --------
        >>> from minigrad import nn
        >>> list(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), nn.MaxPool2d(2)).windows())
        [((3, 3), (1, 1)), ((2, 2), (2, 2))]
        """
        if self.per_pixel:
            return ()
        raise TypeError(
            f"receptive_field: how far does {type(self).__name__} look? Set per_pixel = True in its class if it works "
            "on each pixel by itself; or give it a method windows() that returns pairs of (height, width) and (stride, "
            "stride); or ask for the part of the model before it"
        )

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

    def load_state_dict(self, state: Mapping[str, ArrayLike], strict: bool = True) -> IncompatibleKeys:
        """Copy the values that `state_dict` gave into the parameters and buffers, in place.

        Parameters
        ----------
        state : mapping from str to array_like
        strict : bool, default True
            Whether missing and extra paths are errors; without it they are skipped.

        Returns
        -------
        IncompatibleKeys
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
        IncompatibleKeys(missing=['bias'], extra=[])
        """
        parameters, buffers = dict(self.named_parameters()), dict(self.named_buffers())
        return load_state(type(self).__name__, parameters, buffers, state, strict)

    # Display

    def repr_arguments(self) -> str:
        """The arguments that the module was made with, for ``repr``; a subclass says which."""
        return ""

    def __repr__(self) -> str:
        return tree(self)


# An attribute of one of these names would hide the method. A forward pass may be replaced.
Module._reserved = frozenset(name for name in dir(Module) if not name.startswith("_")) - {"forward", "training"}
