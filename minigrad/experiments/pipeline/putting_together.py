"""Items that were read from a frame, as structures again.

Whatever is read is checked against itself: what is put together is a sound structure, or a `LayoutError`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.experiments.pipeline.items import (
    COLUMNS,
    DENSE,
    ENTRIES,
    FACTORS,
    FRAMES,
    HALF,
    NAMES,
    QUANTISED,
    ROWS,
    SLICES,
    Item,
    LayoutError,
)
from minigrad.structure import (
    Coded,
    Columns,
    Cotangent,
    Entries,
    Factors,
    Half,
    PowersOfTwo,
    Quantised,
    RowGroups,
    Rows,
    Slices,
    Structured,
    matrix_shape,
)
from minigrad.structure.packing import MOST_BITS, packed_width
from minigrad.structure.quantised import fold_of
from minigrad.typing import Array, Shape

__all__ = ["put_together"]


def put_together(item: Item) -> Cotangent:
    """The cotangent of an item.

    Raises
    ------
    LayoutError
        If its parts do not fit together; with what was expected of them.
    """
    if not 0 <= item.kind < len(NAMES):
        raise LayoutError(f"kind {item.kind}, where 0 ({NAMES[0]}) to {len(NAMES) - 1} ({NAMES[-1]}) are known")
    if item.dtype.kind != "f":
        raise LayoutError(f"values of dtype {item.dtype}, where floating-point numbers are expected")
    return PUT[item.kind](item)


def _counted(item: Item, numbers: int, arrays: int, items: int = 0) -> None:
    found = len(item.numbers), len(item.arrays), len(item.items)
    if found != (numbers, arrays, items):
        words = "{} numbers, {} arrays and {} items"
        _refuse(item, f"of {words.format(*found)}, where {words.format(numbers, arrays, items)} are expected")


def _refuse(item: Item, why: str) -> None:
    raise LayoutError(f"a {NAMES[item.kind]} cotangent of shape {item.shape} {why}")


def _shaped(item: Item, what: str, shape: Shape, expected: Shape) -> None:
    if tuple(shape) != tuple(expected):
        _refuse(item, f"with {what} of shape {tuple(shape)}, where {tuple(expected)} is expected")


def _typed(item: Item, what: str, array: Array, dtype: Any) -> None:
    if array.dtype != dtype:
        _refuse(item, f"with {what} of dtype {array.dtype}, where {np.dtype(dtype)} is expected")


def _indexed(item: Item, indices: Array, kept: int, units: int) -> None:
    """Raise unless these are so many increasing numbers of units."""
    _typed(item, "indices", indices, np.int64)
    _shaped(item, "indices", indices.shape, (kept,))
    if kept and (indices[0] < 0 or indices[-1] >= units or (np.diff(indices) <= 0).any()):
        _refuse(item, f"with indices that do not increase within 0 … {units - 1}")


def _dense(item: Item) -> Array:
    _counted(item, 0, 1)
    (values,) = item.arrays
    _typed(item, "values", values, item.dtype)
    _shaped(item, "values", values.shape, item.shape)
    return values


def _few(kind: int, item: Item, values: Any, indices: Array | None, axis: int, right: Any = None) -> Any:
    """One of the structures whose values may be coded: `values` and `right` are arrays, or what they are held in."""
    rows, columns = matrix_shape(item.shape)
    if kind == FACTORS:
        rank = values.shape[-1] if values.shape else 0
        _shaped(item, "the left factor", values.shape, (rows, rank))
        _shaped(item, "the right factor", right.shape, (rank, columns))
        return Factors(values, right, item.shape)
    assert indices is not None
    kept = len(indices) if indices.ndim == 1 else 0
    shape: Shape
    if kind == COLUMNS:
        units, shape = columns, (rows, kept)
    elif kind == ENTRIES:
        units, shape = math.prod(item.shape), (kept,)
    elif kind == ROWS and len(item.shape) < 2 and len(values.shape) == 2:  # the one row of a vector
        units, shape = rows, (kept, columns)
    elif kind == ROWS:
        trailing = len(values.shape) - 1  # how many axes a row has tells how many the indices run over
        if not 0 <= trailing < max(1, len(item.shape)):
            _refuse(item, f"with values of shape {values.shape}, where (kept, …) of the last axes is expected")
        lead = len(item.shape) - trailing
        units, shape = math.prod(item.shape[:lead]), (kept, *item.shape[lead:])
    else:
        if not -len(item.shape) <= axis <= -2:
            _refuse(item, f"along axis {axis}, where -{len(item.shape)} … -2 is expected")
        units = item.shape[axis]
        shape = tuple([kept if a - len(item.shape) == axis else n for a, n in enumerate(item.shape)])
    _shaped(item, "values", values.shape, shape)
    _indexed(item, indices, kept, units)
    indices = indices.astype(np.intp, copy=False)
    if kind == SLICES:
        return Slices(values, indices, item.shape, axis)
    return {COLUMNS: Columns, ENTRIES: Entries, ROWS: Rows}[kind](values, indices, item.shape)


def _of_arrays(item: Item) -> Structured:
    _counted(item, int(item.kind == SLICES), 2)
    first, second = item.arrays
    _typed(item, "values", first, item.dtype)
    if item.kind == FACTORS:
        _typed(item, "values", second, item.dtype)
        return _few(FACTORS, item, first, None, 0, second)
    return _few(item.kind, item, first, second, item.numbers[0] if item.numbers else 0)


def _of_codes(item: Item) -> Coded:
    kind, axis = item.numbers if len(item.numbers) == 2 else (-1, 0)
    if kind not in FRAMES:
        known = ", ".join(f"{k} ({NAMES[k]})" for k in FRAMES)
        _refuse(item, f"that says {kind} of what was kept, where one of {known} is expected")
    names = FRAMES[kind]
    _counted(item, 2, 0 if kind == FACTORS else 1, len(names))
    held = [put_together(each) for each in item.items]
    for each in item.items:
        if each.dtype != item.dtype:
            _refuse(item, f"that holds values of dtype {each.dtype}, where {item.dtype} is expected")
    values, right = held[0], held[-1]
    frame = _few(kind, item, values, item.arrays[0] if item.arrays else None, axis, right)
    for name in names:  # Coded asks the values for their dtype alone
        setattr(frame, name, np.empty(0, item.dtype))
    return Coded(frame, dict(zip(names, held, strict=True)))


def _of_grid(item: Item) -> Quantised:
    _counted(item, 6, 3)
    bits, r, c, keyed, key, first = item.numbers
    codes, step, low = item.arrays
    rows, columns = matrix_shape(item.shape)
    if not 1 <= bits <= MOST_BITS or r < 1 or c < 1 or keyed not in (0, 1) or key < 0 or first < 0:
        _refuse(
            item,
            f"of {bits} bits, tiles of {r}×{c}, key {key} ({keyed}) and first row {first}, where 1 … {MOST_BITS} bits, "
            "tiles of 1×1 at least, and a key and a row that are not negative are expected",
        )
    _typed(item, "codes", codes, np.uint8)
    fold = fold_of((rows, columns), (r, c))
    _shaped(item, "codes", codes.shape, (-(-rows // fold), packed_width(columns * fold, bits)))
    for name, scale in (("steps", step), ("lows", low)):
        _typed(item, name, scale, item.dtype)
        _shaped(item, name, scale.shape, (-(-rows // r), -(-columns // c)))
        if not np.isfinite(scale).all():
            _refuse(item, f"with {name} that are not finite, where finite numbers are expected")
    return Quantised(codes, step, low, bits, item.shape, (r, c), key if keyed else None, first)


def _of_half(item: Item) -> Half:
    _counted(item, 0, 1)
    _typed(item, "values", item.arrays[0], np.float16)
    _shaped(item, "values", item.arrays[0].shape, item.shape)
    return Half(item.arrays[0], item.dtype)


def _of_groups(item: Item) -> RowGroups:
    _counted(item, 0, len(item.arrays), len(item.arrays))
    rows, columns = matrix_shape(item.shape)
    seen = np.zeros(sum(len(indices) for indices in item.arrays if indices.ndim == 1), np.int64)
    if len(seen) != rows:
        _refuse(item, f"with {len(seen)} rows in its groups, where {rows} are expected")
    groups: list[tuple[Array, Any]] = []
    at = 0
    for indices, each in zip(item.arrays, item.items, strict=True):
        held: Any = put_together(each)
        _indexed(item, indices, len(indices), rows)
        _shaped(item, "a group", held.shape, (len(indices), columns))
        if each.dtype != item.dtype or each.kind not in (DENSE, QUANTISED, HALF):
            _refuse(item, f"with a {NAMES[each.kind]} group of dtype {each.dtype}, where {item.dtype} is expected")
        seen[at : at + len(indices)] = indices
        at += len(indices)
        groups.append((indices.astype(np.intp, copy=False), held))
    if not np.array_equal(np.sort(seen), np.arange(rows)):
        _refuse(item, "whose groups share rows, where each row is expected in one of them")
    return RowGroups(groups, item.shape, item.dtype)


def _of_powers(item: Item) -> PowersOfTwo:
    _counted(item, 1, 2)
    (top,), (codes, negative) = item.numbers, item.arrays
    rows, columns = matrix_shape(item.shape)
    for name, array, width in (("codes", codes, columns), ("signs", negative, -(-columns // 8))):
        _typed(item, name, array, np.uint8)
        _shaped(item, name, array.shape, (rows, width))
    most = np.finfo(item.dtype).maxexp - 1
    if not np.finfo(item.dtype).minexp - 64 <= top <= most:
        _refuse(item, f"whose largest power is 2^{top}, where 2^{most} at most is expected")
    return PowersOfTwo(codes, negative, top, item.shape, item.dtype)


PUT: tuple[Callable[[Item], Cotangent], ...] = (
    _dense, _of_arrays, _of_arrays, _of_arrays, _of_arrays, _of_arrays, _of_grid, _of_half, _of_groups, _of_codes,
    _of_powers,
)  # fmt: skip
