"""Tensor: an array that operations can record, and a place for its gradient.

The arithmetic operators and the NumPy-like methods (``x + y``, ``x.sum(axis=0)``, ``x.tanh()`` …) are the
functions of `minigrad.ops`; that package hangs them on this class when it is imported, and
`minigrad.engine.tensor_methods` declares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigrad.arrays import plain
from minigrad.engine.context import CONTEXT, Recorder, TapeError, not_recorded
from minigrad.engine.readers import reader
from minigrad.engine.tensor_methods import Methods
from minigrad.naming import missing
from minigrad.typing import Array, Seed, Shape, SortKind

__all__ = ["Tensor", "TensorLike", "traced"]


class Tensor(Methods["Tensor"]):
    """An array with a gradient.

    Parameters
    ----------
    data : array_like
        The values. An array is used as it is, without a copy.
    requires_grad : bool, default False
        Whether gradients with respect to this tensor are wanted: it is then a *leaf*.
    dtype : dtype, optional
        Converts ``data``; without it the dtype of ``data`` stays.
    name : str, optional
        A name for messages and pictures.

    Attributes
    ----------
    data : ndarray
        The values. Leave them alone between recording and the backward pass: a tape notices another array put in
        the place of a leaf's, but not a change within the array, such as ``w.data *= 5``.
    grad : ndarray or None
        The sum of the gradients of every ``backward`` since it was last set to None.
    tape : Tape or None
        The tape on which an operation recorded this tensor; None for leaves and constants.
    node : int or None
        Where on that tape; None for leaves and constants.
    version : int
        Counts changes of ``data`` in place by optimisers, so that a stale tape is noticed.
    stands : dict or None
        Where several tapes are concerned: by tape, where it stands there, or None where it is a leaf of it; see
        `minigrad.engine.nesting`.

    Raises
    ------
    TypeError
        If ``requires_grad`` is asked of integers, booleans or other values that have no derivative.

    Examples
    --------
    >>> import minigrad as mg
    >>> w = mg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.Tape():
    ...     loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad.tolist()
    [2.0, 4.0]
    """

    __slots__ = ("__weakref__", "data", "grad", "name", "node", "requires_grad", "stands", "tape", "version")

    data: Array
    grad: Array | None
    tape: Recorder | None
    node: int | None
    version: int
    stands: dict[Recorder, Any] | None

    def __init__(
        self, data: ArrayLike, requires_grad: bool = False, *, dtype: DTypeLike | None = None, name: str | None = None
    ):
        if isinstance(data, Tensor):
            raise TypeError("this is a Tensor already; use it as it is, or pass its `.data` for a new leaf")
        self.data = plain(data, "the data of a Tensor", dtype)
        if self.data.dtype.kind not in "fiub":
            raise TypeError(
                f"a Tensor holds real numbers, but this data has dtype {self.data.dtype}; "
                "convert it to float32 or float64 first"
            )
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(
                f"requires_grad needs floating-point values, but this data has dtype {self.data.dtype} (integers have "
                "no derivative); pass dtype=np.float32 or dtype=np.float64"
            )
        self.requires_grad = requires_grad
        self.grad = None
        self.tape = None
        self.node = None
        self.name = name
        self.version = 0
        self.stands = None

    @property
    def shape(self) -> Shape:
        """The shape of the values."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of values."""
        return self.data.size

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        values = np.array2string(self.data, threshold=20, precision=4, separator=", ", prefix="Tensor(")
        role = ", requires_grad=True" if self.requires_grad else ""
        if self.tape is not None and self.node is not None:
            role = f", node={self.node} {self.tape.nodes[self.node].name}"
        name = f", name={self.name!r}" if self.name else ""
        return f"Tensor({values}, dtype={self.dtype}{role}{name})"

    def numpy(self) -> Array:
        """The values, as the array that is stored (not a copy)."""
        return self.data

    def item(self, *index: int) -> float:
        """The single value, or that at an index, as a Python number.

        Raises
        ------
        ValueError
            If there is more than one value, and no index.
        """
        if index:
            return float(self.data.item(*index))
        if self.data.size != 1:
            raise ValueError(f"item() needs a single value, but this tensor has shape {self.shape}")
        return float(self.data.reshape(()))

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers.

        Raises
        ------
        TypeError
            If a gradient by this tensor is under way, which would be lost.
        """
        keep_on_tape(self, "x.tolist()", "list")
        return self.data.tolist()

    def argmax(self, axis: int | None = None, *, keepdims: bool = False) -> Array:
        """Where the largest value stands, as in `numpy.argmax`: integers, which have no derivative."""
        return np.asarray(np.argmax(self.data, axis, keepdims=keepdims))

    def argmin(self, axis: int | None = None, *, keepdims: bool = False) -> Array:
        """Where the smallest value stands, as in `numpy.argmin`: integers, which have no derivative."""
        return np.asarray(np.argmin(self.data, axis, keepdims=keepdims))

    def argsort(self, axis: int | None = -1, kind: SortKind | None = None) -> Array:
        """The indices that sort the values, as in `numpy.argsort`: integers, which have no derivative."""
        return np.argsort(self.data, axis, kind)

    def nonzero(self) -> tuple[Array, ...]:
        """The indices of the values that are not 0, an array for each axis, as in `numpy.nonzero`."""
        return np.nonzero(self.data)

    def detach(self) -> Tensor:
        """The same values as a constant: nothing flows back through it."""
        return Tensor(self.data)

    def __float__(self) -> float:
        keep_on_tape(self, "float(x)", "number")
        return self.item()

    def __int__(self) -> int:
        keep_on_tape(self, "int(x)", "number")
        self.item()
        return int(self.data.item())

    def __round__(self, ndigits: int | None = None) -> int | float:
        keep_on_tape(self, "round(x)", "number")
        self.item()
        return round(self.data.item(), ndigits)

    def __format__(self, spec: str) -> str:
        if not spec:
            return str(self)
        if self.data.size != 1:
            raise TypeError(
                f"the format {spec!r} is for a single value, but this tensor has shape {self.shape}; format its "
                "entries, or reduce it first"
            )
        return format(self.data.item(), spec)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.data.ndim:
            raise TypeError("a tensor without axes cannot be iterated over; its one value is .item()")
        return (self[k] for k in range(len(self.data)))

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        if self.tape is not None:
            raise TypeError(
                "a recorded tensor is part of its tape, and tapes are neither saved nor copied: keep its `.data`, or "
                "`.detach()` it"
            )
        return None, {name: getattr(self, name) for name in Tensor.__slots__ if name not in ("__weakref__", "stands")}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            setattr(self, name, value)
        self.stands = None

    def __bool__(self) -> bool:
        return bool(self.data)

    if not TYPE_CHECKING:  # a checker that saw them would take any name, and ``array @ tensor`` for an array

        def __getattr__(self, name: str) -> NoReturn:
            # NumPy and notebooks look for private names at each call.
            raise AttributeError(name) if name.startswith("_") else missing("Tensor", name, dir(Tensor))

        def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
            if traced(self):
                keep_on_tape(self, reader(), "array")
            return np.array(self.data, dtype=dtype, copy=True) if copy else np.asarray(self.data, dtype=dtype)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise TypeError(
            "a tensor cannot be changed in place: what the tape saved would no longer be what was computed. "
            "Build a new one (ops.where, ops.concatenate, ops.pad), or change `.data` outside of a tape"
        )

    def backward(self, cotangent: TensorLike | None = None, rng: Seed = None) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf below it.

        The same as ``tape.backward(self, cotangent, rng=rng)`` on the tape that recorded it.

        Parameters
        ----------
        cotangent : array_like, optional
            Needed where this tensor is not a single number; of its shape.
        rng : Generator, int or None
            Drives the draws of randomised VJPs.

        Raises
        ------
        TapeError
            If no tape recorded this tensor.
        """
        if self.tape is None:
            raise TapeError(f"backward: {not_recorded(self)}")
        self.tape.backward(self, cotangent, rng=rng)


TensorLike: TypeAlias = "Tensor | ArrayLike"
"""An input of an operation: a tensor, an array, nested lists or a number."""


def traced(x: Tensor) -> bool:
    """True if a gradient by this tensor is, or may be, under way: it is recorded, or a leaf while a tape records."""
    return x.requires_grad and (x.tape is not None or bool(CONTEXT.tapes))


def keep_on_tape(x: Tensor, who: str, kind: str) -> None:
    """Raise if a plain number or array made of a tensor would lose a gradient without a word."""
    if traced(x):
        instead = {
            "number": "`x.item()` or `x.data` if the value alone is meant, minigrad.ops for functions of it",
            "list": "`x.data.tolist()` if the values alone are meant, `list(x)` for a list of tensors",
            "array": "`x.data` if the values alone are meant, or the function of minigrad.ops of the same name",
        }[kind]
        raise TypeError(
            f"{who} would turn this tensor into a plain {kind} and its gradient would be lost; write {instead}; and "
            "make an array of tensors with minigrad.ops.stack([x, y]), or with np.block for lists of lists"
        )
