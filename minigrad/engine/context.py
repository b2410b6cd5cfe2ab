"""The state of this thread: which tape is recording, and which layer is being computed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from weakref import WeakValueDictionary

import numpy as np

__all__ = ["CONTEXT", "Recorder", "TapeError", "current_layer", "current_tape", "inside_layer", "not_recorded"]


class TapeError(RuntimeError):
    """A tape was asked for what it cannot give: a backward pass, or a derivative through another tape.

    Examples
    --------
    >>> import minigrad as mg
    >>> loss = mg.Tensor([1.0], requires_grad=True).sum()          # outside of a tape
    >>> try:
    ...     loss.backward()
    ... except mg.TapeError as error:
    ...     print(str(error)[:39])
    backward: this tensor was not recorded.
    """

    __module__ = "minigrad"  # the name by which it is known, in tracebacks too


class Recorder(Protocol):
    """A `minigrad.Tape` as far as tensors, and what records them, know it."""

    nodes: list[Any]
    lent: WeakValueDictionary[int, Any] | None
    pulled: bool
    within: int
    derived: bool
    drawn: dict[int, list[Any]]
    """By the identity of an array, its residual sketches that may be shared: a weak reference, what drew it, it."""

    @property
    def key(self) -> int: ...

    @property
    def rng(self) -> np.random.Generator: ...

    @property
    def leaves(self) -> list[Any]: ...

    def read(self, parents: Any) -> None: ...

    def backward(self, loss: Any, cotangent: Any = None, rng: Any = None) -> None: ...


class _Context(threading.local):
    def __init__(self) -> None:
        self.tapes: list[Recorder] = []
        self.layers: list[str] = [""]
        self.saving = True  # whether `save=` is heeded


CONTEXT = _Context()


def current_tape() -> Recorder | None:
    """The innermost tape that is recording, or None.

    Examples
    --------
    >>> import minigrad as mg
    >>> current_tape() is None
    True
    >>> with mg.Tape() as tape:
    ...     current_tape() is tape
    True
    """
    tapes = CONTEXT.tapes
    return tapes[-1] if tapes else None


def current_layer() -> str:
    """The path of the layer that is being computed, such as ``"body.3"``; empty outside of any.

    Examples
    --------
    >>> with inside_layer("body"), inside_layer("3"):
    ...     current_layer()
    'body.3'
    """
    return CONTEXT.layers[-1]


@contextmanager
def inside_layer(name: str) -> Iterator[None]:
    """Let nodes and error messages bear the name of a layer, below the layers that are already entered."""
    layers = CONTEXT.layers
    outer = layers[-1]
    layers.append(f"{outer}.{name}" if outer and name else outer or name)
    try:
        yield
    finally:
        layers.pop()


def not_recorded(y: Any) -> str:
    """Why there is no backward pass from a tensor that no tape recorded."""
    if y.requires_grad:
        return (
            "this tensor was not recorded: it is a leaf, made by hand with requires_grad=True. Go back from what was "
            "computed from it inside `with minigrad.Tape():`"
        )
    return (
        "this tensor was not recorded. Compute it inside `with minigrad.Tape():` (not after the block had ended) from "
        "at least one tensor with requires_grad=True"
    )
