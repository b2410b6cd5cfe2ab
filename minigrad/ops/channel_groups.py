"""Groups of channels: blocks of the columns of a matrix of any structure, and their results side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.structure import Cotangent, Factors, Rows, dense, take_columns

__all__ = ["blocks", "side_by_side"]


def blocks(g: Cotangent, groups: int) -> list[Any]:
    """The channels of each group; factors that are no thinner than a group are made dense.

    Examples
    --------
    >>> [block.tolist() for block in blocks(np.array([[1.0, 2.0, 3.0, 4.0]]), 2)]
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    width = g.shape[-1] // groups
    if isinstance(g, np.ndarray):
        return [g[..., k * width : (k + 1) * width] for k in range(groups)]
    if isinstance(g, Factors) and g.rank >= width:
        return blocks(g.dense(), groups)
    return [take_columns(g, np.arange(k * width, (k + 1) * width)) for k in range(groups)]


def side_by_side(parts: Sequence[Cotangent]) -> Cotangent:
    """The channels of all groups; kept rows and samples, which are the same ones in each, stay what they are.

    Examples
    --------
    >>> side_by_side([np.array([[1.0]]), np.array([[2.0]])]).tolist()
    [[1.0, 2.0]]
    """
    first = parts[0]
    if isinstance(first, Rows):
        kept = [part for part in parts if isinstance(part, Rows)]
        if len(kept) == len(parts):
            values = np.concatenate([part.values for part in kept], axis=-1)
            return Rows(values, first.indices, (*first.shape[:-1], values.shape[-1]))
    return np.concatenate([dense(part) for part in parts], axis=-1)
