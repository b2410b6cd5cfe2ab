"""Data and parameters of different dtypes: said once, for nothing is wrong but the speed."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.engine.tensor import Tensor
from minigrad.typing import Array

__all__ = ["DtypeWarning", "dtype_of", "fed", "notice"]

PACKAGE = str(Path(__file__).parents[1])


class DtypeWarning(UserWarning):
    """Data of a wider dtype than the parameters make a model compute in theirs. It is said once in a process.

    Examples
    --------
    >>> import warnings
    >>> from minigrad import nn
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     y = nn.Linear(3, 2)(np.ones((4, 3)))                    # of float64, as NumPy makes arrays
    >>> y.dtype, [w.category.__name__ for w in caught] in ([], ["DtypeWarning"])
    (dtype('float64'), True)
    """

    said = False


def notice(layer: str, inputs: Iterable[Any], parameters: Mapping[str, Tensor], out: Tensor) -> None:
    """Warn, once, if an input of a layer made its output wider than its parameters."""
    if DtypeWarning.said or out.dtype.kind != "f":
        return
    found = [getattr(x, "dtype", None) for x in inputs]
    dtype = out.dtype
    narrower = [tensor.dtype for tensor in parameters.values() if np.promote_types(tensor.dtype, dtype) != tensor.dtype]
    if not narrower or dtype not in found:
        return
    DtypeWarning.said = True
    of = narrower[0]
    warnings.warn(
        f"layer {layer!r}: data of dtype {dtype} meet parameters of dtype {of}, so this and all that follows is "
        f"computed in {dtype}: slower, and on twice the memory. Give it x.astype(np.{of}), or make the model with "
        f"dtype=np.{dtype} if that precision is wanted. (fit and evaluate convert by themselves; this is said once.)",
        DtypeWarning,
        stacklevel=_outside(),
    )


def _outside() -> int:
    """The distance up the stack to the first line that is not minigrad's, as ``stacklevel`` counts from `notice`."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    return level


def dtype_of(parameters: Iterable[Tensor]) -> np.dtype[Any] | None:
    """The dtype in which a model computes: that of its parameters; None where it has none.

    Examples
    --------
    >>> from minigrad import nn
    >>> dtype_of(nn.Linear(3, 2).parameters())
    dtype('float32')
    """
    found = {tensor.data.dtype for tensor in parameters}
    return np.result_type(*found) if found else None


def fed(data: Array, dtype: np.dtype[Any] | None) -> Array:
    """A batch as a model takes it: floating data in the model's dtype, all else (labels, tokens, bytes) as it is.

    Examples
    --------
    >>> fed(np.ones(2), np.dtype(np.float32)).dtype, fed(np.arange(2), np.dtype(np.float32)).dtype.kind
    (dtype('float32'), 'i')
    """
    if dtype is None or data.dtype.kind != "f":
        return data
    return data.astype(dtype, copy=False)
