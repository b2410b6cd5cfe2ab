"""Coded: what was kept of a matrix, its values stored in another way: a few columns in a few bits, say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.structure.base import Cotangent, Structured
from minigrad.structure.products import dense
from minigrad.typing import Array, Shape

__all__ = ["Coded", "values_of"]


def values_of(frame: Structured) -> Iterator[tuple[str, Array]]:
    """The arrays of a structure that hold its values, and no indices, by name.

    Examples
    --------
    >>> from minigrad.structure import Columns
    >>> [name for name, _ in values_of(Columns(np.ones((4, 1)), np.array([2]), (4, 3)))]
    ['values']
    """
    names = [name for kind in type(frame).__mro__ for name in getattr(kind, "__slots__", ())]
    for name in [*names, *getattr(frame, "__dict__", ())]:
        part = getattr(frame, name, None)
        if isinstance(part, np.ndarray) and part.dtype.kind == "f":
            yield name, part


class Coded(Structured):
    """A structure whose values are stored by others; it is written out as that structure where it is multiplied.

    Parameters
    ----------
    frame : Structured
        What was kept, such as `Columns`; of its values no more than the shape is used.
    held : mapping of str to Structured
        The values, by the names that they have there.

    Examples
    --------
    >>> from minigrad.estimators import Mask, StochasticRounding, Then
    >>> kept = Then(Mask(0.5), StochasticRounding(4)).sample(np.ones((4, 6)), None, 0)
    >>> type(kept).__name__, type(kept.uncoded()).__name__
    ('Coded', 'Columns')
    """

    __slots__ = ("_dtype", "frame", "held")

    def __init__(self, frame: Structured, held: Mapping[str, Cotangent]):
        self.frame, self.held, self.shape = copy(frame), dict(held), frame.shape
        self._dtype = np.result_type(*[part.dtype for part in held.values()]) if held else frame.dtype
        for name in held:  # the values themselves are let go
            setattr(self.frame, name, None)

    def uncoded(self) -> Structured:
        """The structure with its values as arrays."""
        whole = copy(self.frame)
        for name, part in self.held.items():
            setattr(whole, name, dense(part))
        return whole

    @property
    def parts(self) -> tuple[Array, ...]:
        found: list[Array] = []
        for part in self.held.values():
            found += part.parts if isinstance(part, Structured) else [part]
        names = [name for kind in type(self.frame).__mro__ for name in getattr(kind, "__slots__", ())]
        kept = [getattr(self.frame, name, None) for name in names]
        return tuple(found + [part for part in kept if isinstance(part, np.ndarray)])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    def dense(self) -> Array:
        return self.uncoded().dense()

    def astype(self, dtype: DTypeLike) -> Structured:
        return self.uncoded().astype(dtype)

    def reshaped(self, lead: Shape) -> Any:
        return self.uncoded().reshaped(lead)


def _through(name: str) -> Callable[..., Any]:
    def method(self: Coded, *arguments: Any) -> Any:
        return getattr(self.uncoded(), name)(*arguments)

    method.__name__, method.__doc__ = name, getattr(Structured, name).__doc__
    return method


for _name in (
    "transposed", "scaled", "plus", "column_sums", "row_squares", "sum_to", "take_rows", "take_columns",
    "take_samples", "multiply", "multiply_into", "contract", "contract_into", "narrow", "multiply_batches",
    "multiply_batches_into", "contract_batches", "contract_batches_into",
):  # fmt: skip
    setattr(Coded, _name, _through(_name))
