"""The fewest bits that hold a distortion, where they make an array smaller."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from minigrad.structure.base import INDEX_BYTES
from minigrad.structure.packing import MOST_BITS, packed_width
from minigrad.theory import rounding_step
from minigrad.typing import Array

__all__ = ["fewest_bits"]


def fewest_bits(
    whole: Array, span: Array, distortion: float, dither: Literal["plain", "subtractive"], by_row: bool
) -> int | Array:
    """The number of bits of all entries, or of those of each row; 0 where they are to stay what they are.

    They stay where more than 8 bits would be needed, and where codes, the numbers of a grid and the index of a row take
    as many bytes as the row itself; all rows stay where together they would take as many as the array.

    Parameters
    ----------
    whole : ndarray, shape (rows, columns)
    span : ndarray
        The range of the entries of each tile, finite.
    distortion : float
        ω, ≥ 0: each step is one that guarantees E‖Ĝ − G‖² ≤ ω‖G‖² (`minigrad.theory.rounding_step`).
    dither : {"plain", "subtractive"}
    by_row : bool
        Whether tiles are rows, and each has bits of its own.

    Examples
    --------
    >>> rows = np.array([np.linspace(0, 1, 64), np.linspace(0, 8, 64)])
    >>> fewest_bits(rows, np.ptp(rows, axis=1, keepdims=True), 0.01, "plain", True).tolist()
    [2, 4]
    >>> fewest_bits(rows[:, :2], np.ptp(rows[:, :2], axis=1, keepdims=True), 0.01, "plain", True).tolist()
    [0, 0]
    """
    top = float(np.abs(whole).max())
    rms = top * math.sqrt(float(np.square(whole / top, dtype=np.float64).mean())) if top else 0.0
    step = rounding_step(distortion, rms, dither)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        wanted = np.ceil(np.log2(np.where(span == 0, 0, span.astype(np.float64) / step) + 1))
    bits = np.maximum(1, np.where(wanted <= MOST_BITS, wanted, MOST_BITS)).astype(int)
    rows, columns = whole.shape
    codes = np.array([packed_width(columns, some) for some in range(1, MOST_BITS + 1)])
    if by_row:
        bits, wanted = bits[:, 0], wanted[:, 0]
        stored, row = codes[bits - 1] + 2 * whole.itemsize, columns * whole.itemsize
        bits = np.where((wanted <= MOST_BITS) & (stored + INDEX_BYTES < row), bits, 0)
        total = int(np.where(bits, stored, row).sum()) + rows * INDEX_BYTES
        return bits if total < whole.nbytes else np.zeros_like(bits)
    most = int(bits.max())
    smaller = rows * int(codes[most - 1]) + 2 * span.size * whole.itemsize < whole.nbytes
    return most if smaller and bool((wanted <= MOST_BITS).all()) else 0
