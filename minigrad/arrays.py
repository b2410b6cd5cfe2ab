"""Plain arrays: what every input becomes, and the dtype in which an operation computes.

The rule, which is stated here and nowhere else:

- Subclasses of ndarray become plain arrays; a masked array with masked entries and a sparse matrix are refused.
- Where some input of an operation is floating, integers, bool, numbers and lists take its dtype. Where none is, they
  become float64. Operations that only move values or are a single function of NumPy's (``as_is=True``) leave integers
  among themselves alone.
- float16 is a dtype to store, not one to add up in: an operation computes in float32 and rounds its result, and
  cotangents of float16 values travel in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigrad.typing import Array

__all__ = ["DOUBLE", "HALF", "SINGLE", "plain", "prepare", "restore", "wide"]

HALF, SINGLE, DOUBLE = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)


def plain(value: Any, what: str, dtype: DTypeLike | None = None) -> Array:
    """Anything that NumPy can read as a plain array, without a copy where it is one.

    Parameters
    ----------
    value : array_like
        A subclass of ndarray gives up its own arithmetic; the byte order becomes that of the machine.
    what : str
        What it is, for messages.
    dtype : dtype, optional
        Converts it.

    Returns
    -------
    ndarray

    Raises
    ------
    TypeError
        If it is a masked array with masked entries, or a sparse matrix.

    Examples
    --------
    >>> type(plain(np.ma.array([1.0, 2.0]), "x")).__name__
    'ndarray'
    >>> plain(np.ma.array([1.0, 2.0], mask=[True, False]), "x")
    Traceback (most recent call last):
        ...
    TypeError: x is a masked array with 1 of 2 entries masked, and minigrad knows no masks. ...
    """
    if type(value) is not np.ndarray:
        check(value, what)
    return native(np.asarray(value, dtype=dtype))


def native(array: Array) -> Array:
    """The array in the byte order of the machine."""
    return array.astype(array.dtype.type) if not array.dtype.isnative and array.dtype.kind in "fiu" else array


def check(value: Any, what: str) -> None:
    """Raise if the values of something, or of a part of it, would not survive as a plain array."""
    if isinstance(value, (list, tuple)):
        for part in value:
            if not isinstance(part, (float, int)):
                check(part, what)
    elif isinstance(value, np.ma.MaskedArray):
        masked = int(np.ma.getmaskarray(value).sum())
        if masked:
            raise TypeError(
                f"{what} is a masked array with {masked} of {value.size} entries masked, and minigrad knows no masks. "
                "Say what stands there with .filled(value), or leave these samples out"
            )
    elif hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(f"{what} is a sparse matrix ({type(value).__name__}); pass .toarray()")


def wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype to add up in: float16 ends at 65504, and its steps are 1 from 2048 on.

    Examples
    --------
    >>> wide(np.dtype(np.float16)), wide(np.dtype(np.float64))
    (dtype('float32'), dtype('float64'))
    """
    return SINGLE if dtype == HALF else dtype


def prepare(arrays: list[Array | None], weak: list[int] | None, as_is: bool, odd: bool = True) -> bool:
    """Give the inputs of an operation the dtype in which it computes, in place.

    Parameters
    ----------
    arrays : list of ndarray or None
    weak : list of int, optional
        Which of them were numbers or lists. Otherwise one NumPy scalar of dtype float64 would promote a whole float32
        network.
    as_is : bool
        Whether integers among themselves, and float16, are left to NumPy.
    odd : bool, default True
        Whether some input that is not weak may be neither float32 nor float64.

    Returns
    -------
    bool
        Whether the result is to be rounded to float16.

    Examples
    --------
    >>> arrays = [np.array([255], np.uint8), np.ones(1, np.float32)]
    >>> prepare(arrays, None, as_is=True), arrays[0]
    (False, array([255.], dtype=float32))
    """
    if odd:
        arrays[:] = [None if array is None else native(array) for array in arrays]
    target = common(arrays, weak or (), as_is)
    narrow = not as_is and target == HALF
    if narrow:
        target = SINGLE
    if weak:
        for k in weak:
            arrays[k] = np.asarray(arrays[k], target)
    if odd:
        for k, array in enumerate(arrays):
            # Wide floats that meet are left to NumPy: it converts them where it needs to.
            if array is not None and (array.dtype.kind != "f" or array.dtype == HALF):
                arrays[k] = array.astype(target, copy=False)
    return narrow


def common(arrays: Sequence[Array | None], weak: Sequence[int], as_is: bool) -> np.dtype[Any]:
    """The dtype of the floating inputs; that of numbers and lists counts where there are no others."""
    strong: np.dtype[Any] | None = None
    loose: np.dtype[Any] | None = None
    for k, array in enumerate(arrays):
        if array is None or (dtype := array.dtype).kind != "f":
            continue
        if k not in weak:
            strong = dtype if strong is None or strong is dtype else np.result_type(strong, dtype)
        elif strong is None:
            loose = dtype if loose is None else np.result_type(loose, dtype)
    if strong is not None:
        return strong
    if loose is not None:
        return loose
    return np.result_type(*[array.dtype for array in arrays if array is not None]) if as_is else DOUBLE


def restore(saved: dict[str, Any], given: list[Array | None], arrays: list[Array | None]) -> dict[str, Any]:
    """Put back the inputs that a float16 operation saved, as they were given: no float32 copy stays on the tape."""
    back = {id(array): old for array, old in zip(arrays, given, strict=True) if array is not None}
    return {name: back.get(id(value), value) for name, value in saved.items()}
