"""The IDX format, in which MNIST and its relatives are published."""

from __future__ import annotations

import math

import numpy as np

from minigrad.datasets.errors import DataError
from minigrad.typing import Array

__all__ = ["parse_idx"]


def parse_idx(content: bytes, name: str = "the content") -> Array:
    """An array from the bytes of an IDX file of unsigned bytes.

    An IDX file begins with two zero bytes, a byte for the type (8: unsigned bytes, the only one that
    image data sets use) and a byte for the number of axes; then the length of each axis as a big-endian
    32-bit integer, then the values in C order.

    Parameters
    ----------
    content : bytes
        The whole file, decompressed.
    name : str
        What to call it in messages.

    Returns
    -------
    ndarray of uint8
        Read-only: a view of the bytes.

    Raises
    ------
    DataError
        When the header is not that of an IDX file of unsigned bytes, or promises another number of
        values than there are.

    Examples
    --------
    >>> header = bytes([0, 0, 8, 2]) + (2).to_bytes(4, "big") + (3).to_bytes(4, "big")
    >>> parse_idx(header + bytes([1, 2, 3, 4, 5, 6]))
    array([[1, 2, 3], [4, 5, 6]], dtype=uint8)
    """
    remedy = "Delete it and load the data set again, or replace it with the official file."
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        beginning = content[:4].hex(" ") or "nothing"
        raise DataError(
            f"{name} is not an IDX file of unsigned bytes: it begins with {beginning}, "
            f"expected 00 00 08 and the number of axes. {remedy}"
        )
    start = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    found = len(content) - start
    if found < 0 or found != math.prod(shape):
        raise DataError(
            f"{name}: its IDX header promises {math.prod(shape):,} values, shape {shape}, but "
            f"{max(found, 0):,} follow. {remedy}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
