"""The description in a frame: an item as numbers of fixed length, and back."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.experiments.pipeline.items import DEEPEST, Item, LayoutError
from minigrad.typing import Array, Shape

__all__ = ["Reader", "arrays_of", "described", "wire_dtype"]

ITEM = struct.Struct("<BBBBHH")
ARRAY = struct.Struct("<BBxx")

DTYPES = ("<f2", "<f4", "<f8", "|u1", "<i8")
"""By their numbers in a frame."""

MOST_AXES = 32


def wire_dtype(array: Array) -> str:
    """The dtype of an array as a frame has it."""
    kind = array.dtype.kind
    dtype = "<i8" if kind == "i" else ("|" if array.dtype.itemsize == 1 else "<") + f"{kind}{array.dtype.itemsize}"
    if dtype not in DTYPES:
        raise TypeError(f"encode: values of dtype {array.dtype} have no place in a frame; make them float32 first")
    return dtype


def described(item: Item) -> Iterator[bytes]:
    """The description of an item, and those of what it holds, one after the other."""
    code = DTYPES.index(wire_dtype(np.empty(0, item.dtype)))
    counts = len(item.shape), len(item.numbers), len(item.arrays), len(item.items)
    yield ITEM.pack(item.kind, code, *counts)
    yield struct.pack(f"<{len(item.shape)}Q{len(item.numbers)}q", *item.shape, *item.numbers)
    for array in item.arrays:
        yield ARRAY.pack(DTYPES.index(wire_dtype(array)), array.ndim)
        yield struct.pack(f"<{array.ndim}Q", *array.shape)
    for each in item.items:
        yield from described(each)


def arrays_of(item: Item) -> Iterator[Array]:
    """The arrays of an item and of what it holds, in their order in the payload."""
    yield from item.arrays
    for each in item.items:
        yield from arrays_of(each)


class Reader:
    """Reads a description, and the arrays that it announces from the payload."""

    def __init__(self, description: memoryview, payload: memoryview):
        self.description, self.payload = description, payload
        self.at = self.used = 0

    def take(self, what: str, form: str) -> tuple[Any, ...]:
        """Some numbers of the description."""
        size = struct.calcsize(form)
        if self.at + size > len(self.description):
            raise LayoutError(
                f"a description of {len(self.description)} bytes ends amid {what}, which takes {self.at + size}"
            )
        found = struct.unpack_from(form, self.description, self.at)
        self.at += size
        return found

    def item(self, depth: int) -> Item:
        """The next item, with all that it holds."""
        kind, code, axes, numbers, arrays, items = self.take("an item", ITEM.format)
        if depth > DEEPEST:
            raise LayoutError(f"items stand {depth} deep in one another, where {DEEPEST} is the most")
        dtype, shape = self.dtype(code), self.lengths(axes)
        whole = self.take("its numbers", f"<{numbers}q")
        parts = [self.array() for _ in range(arrays)]
        # What is held is described, and stands in the payload, after the arrays of what holds it.
        return Item(kind, dtype, shape, whole, tuple(parts), tuple([self.item(depth + 1) for _ in range(items)]))

    def dtype(self, code: int) -> np.dtype[Any]:
        """The dtype of a number."""
        if code >= len(DTYPES):
            raise LayoutError(f"dtype number {code}, where 0 … {len(DTYPES) - 1} are known")
        return np.dtype(DTYPES[code]).newbyteorder("=")

    def lengths(self, axes: int) -> Shape:
        """The next shape."""
        if axes > MOST_AXES:
            raise LayoutError(f"{axes} axes, where {MOST_AXES} is the most")
        shape = self.take("a shape", f"<{axes}Q")
        if math.prod([max(1, n) for n in shape]) >= 2**59:
            raise LayoutError(f"shape {shape}, where fewer than 2⁵⁹ entries are expected: no array has so many")
        return shape

    def array(self) -> Array:
        """The next array."""
        code, axes = self.take("an array", ARRAY.format)
        dtype, shape = self.dtype(code), self.lengths(axes)
        size = math.prod(shape) * dtype.itemsize
        if self.used + size > len(self.payload):
            raise LayoutError(
                f"a payload of {len(self.payload)} bytes, where {self.used + size} are expected for an array of shape "
                f"{shape} and dtype {dtype}"
            )
        part = self.payload[self.used : self.used + size]
        self.used += size
        found = np.frombuffer(part, np.dtype(DTYPES[code])).reshape(shape)
        return found.astype(dtype, copy=True)  # of its own, so that it may be written to, and is aligned

    def end(self) -> None:
        """Raise if something is left."""
        for name, used, there in (
            ("description", self.at, len(self.description)),
            ("payload", self.used, len(self.payload)),
        ):
            if used != there:
                raise LayoutError(f"a {name} of {there} bytes, where {used} are expected")
