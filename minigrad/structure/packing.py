"""Codes of a few bits, packed into bytes by planes.

Index conventions: codes are B×m, row i and column j; a row of codes of p bits, p a divisor of 8, takes w = ⌈m·p/8⌉
bytes, and byte k of it holds columns k, k + w, k + 2w, …, the first in the lowest bits. So what one shift takes out of
a run of bytes is a run of columns: no byte is visited for each of its codes, as neighbours in a byte would have it.
Codes of 3, 5, 6 or 7 bits are stored as 2 + 1, 4 + 1, 4 + 2 or 4 + 2 + 1, each part in planes of its own.
"""

from __future__ import annotations

import numpy as np

from minigrad.typing import Array

__all__ = ["MOST_BITS", "pack", "packed_width", "unpack"]

MOST_BITS = 8

PARTS = {bits: tuple([part for part in (8, 4, 2, 1) if bits & part]) for bits in range(1, MOST_BITS + 1)}
"""By the number of bits of a code: how many go together, the lowest first."""


def packed_width(columns: int, bits: int) -> int:
    """Bytes of a row of codes.

    Examples
    --------
    >>> packed_width(10, 4), packed_width(10, 3), packed_width(0, 3)
    (5, 5, 0)
    """
    return sum(-(-columns * part // 8) for part in PARTS[bits])


def pack(codes: Array, bits: int) -> Array:
    """Codes, one a byte, as packed bytes.

    Parameters
    ----------
    codes : ndarray of uint8, shape (rows, columns)
        Each below 2 to the power of ``bits``.
    bits : int
        From 1 to 8.

    Returns
    -------
    ndarray of uint8, shape (rows, packed_width(columns, bits))

    Examples
    --------
    >>> pack(np.array([[1, 2, 3]], np.uint8), 4).tolist()  # bytes hold columns 0 and 2, and column 1
    [[49, 2]]
    """
    rows, columns = codes.shape
    if bits == MOST_BITS:
        return np.array(codes)
    out = np.empty((rows, packed_width(columns, bits)), np.uint8)
    at = shift = 0
    for part in PARTS[bits]:
        width = -(-columns * part // 8)
        plane = out[:, at : at + width]
        piece = codes if part == bits else (codes >> np.uint8(shift)) & np.uint8(2**part - 1)
        plane[...] = piece[:, :width]
        for k in range(1, 8 // part):
            some = piece[:, k * width : (k + 1) * width]
            plane[:, : some.shape[1]] |= some << np.uint8(k * part)
        at, shift = at + width, shift + part
    return out


def unpack(packed: Array, columns: int, bits: int, out: Array) -> Array:
    """The codes of packed bytes, as numbers in an array that is given.

    Parameters
    ----------
    packed : ndarray of uint8, shape (rows, packed_width(columns, bits))
    columns : int
    bits : int
        From 1 to 8.
    out : ndarray, shape (rows, columns)
        Of any dtype that holds the codes; it is returned.

    Examples
    --------
    >>> unpack(np.array([[49, 2]], np.uint8), 3, 4, np.empty((1, 3), np.float32)).tolist()
    [[1.0, 2.0, 3.0]]
    """
    parts = PARTS[bits]
    whole = out if len(parts) == 1 else np.zeros(out.shape, np.uint8)
    at = shift = 0
    for part in parts:
        width = -(-columns * part // 8)
        plane = packed[:, at : at + width]
        for k in range(8 // part):
            here = whole[:, k * width : (k + 1) * width]
            some = plane[:, : here.shape[1]]
            if k:
                some = some >> np.uint8(k * part)
            if (k + 1) * part < 8:
                some = some & np.uint8(2**part - 1)
            if len(parts) == 1:
                here[...] = some
            else:
                here |= some << np.uint8(shift)
        at, shift = at + width, shift + part
    if whole is not out:
        out[...] = whole
    return out
