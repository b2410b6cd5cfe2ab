"""The share of a cotangent that was kept."""

from __future__ import annotations

import math

from minigrad.structure.base import Cotangent, Structured
from minigrad.structure.blockwise import Blockwise
from minigrad.structure.factors import Factors
from minigrad.structure.products import matrix_shape

__all__ = ["share"]


def share(g: Cotangent) -> float:
    """Kept columns, rows or entries over all of them; for `Factors` the rank over min(rows, columns); 1 for an array.

    Of what is stored in fewer bits it is the share of the bytes.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.structure import Columns
    >>> share(Columns.gather(np.ones((2, 4)), np.array([1]), np.ones(1))), share(np.ones(3))
    (0.25, 1.0)
    """
    if not isinstance(g, Structured):
        return 1.0
    g = g.uncoded()
    if isinstance(g, Factors):
        return g.rank / max(1, min(matrix_shape(g.shape)))
    if isinstance(g, Blockwise):
        return g.nbytes / max(1, math.prod(g.shape) * g.dtype.itemsize)
    return float(g.parts[0].size / max(1, math.prod(g.shape)))
