"""Costs of sketched products, in operations."""

from __future__ import annotations

from minigrad.structure import Entries, Factors, Kept
from minigrad.structure.entries import sparse_pays

__all__ = ["product_flops"]


def product_flops(rows: int, inner: int, columns: int, kept: Kept, groups: int = 1) -> float:
    """Operations of one of the two backward products, 2·rows·inner·columns when exact (Theory §2).

    With groups of columns, each with ``inner`` values of its own for a row, factors meet every group's operand: they
    are made dense where their rank is not below the columns of a group. So are entries where a sparse product does not
    pay.
    """
    if kept.structure is Entries and not sparse_pays(kept.fraction * rows * columns, rows * columns, inner):
        kept = Kept()
    if kept.structure is Factors:
        rank = kept.fraction * min(rows, columns)
        if groups > 1 and rank >= columns / groups:
            return 2.0 * rows * columns * (rank + inner)
        return 2.0 * rank * inner * (rows * groups + columns)
    return 2.0 * rows * inner * columns * min(kept.fraction, 1.0)
