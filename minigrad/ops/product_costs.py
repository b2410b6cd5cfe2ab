"""Costs of sketched products, in operations."""

from __future__ import annotations

from minigrad.structure import Factors, Kept

__all__ = ["product_flops"]


def product_flops(rows: int, inner: int, columns: int, kept: Kept) -> float:
    """Operations of one of the two backward products, 2·rows·inner·columns when exact (THEORY.md §2)."""
    if kept.structure is Factors:
        rank = kept.fraction * min(rows, columns)
        return 2.0 * rank * inner * (rows + columns)
    return 2.0 * rows * inner * columns * min(kept.fraction, 1.0)
