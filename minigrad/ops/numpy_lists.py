"""Functions of NumPy's for which no operation stands, and which tensors may be given all the same.

Each list is closed, and tests/test_ops_dispatch.py tries each entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["IN_PLACE", "ON_TENSORS", "PLAIN", "SHAPE_ALONE"]


def known(module: Any, names: str) -> set[Any]:
    """The functions of these names, those left out that the installed NumPy does not have."""
    return {getattr(module, name) for name in names.split() if hasattr(module, name)}


ON_TENSORS = known(np, "unstack") | known(np.linalg, "matmul")
"""NumPy wrote these in Python over indexing, methods and functions that operations stand for, and converts nothing on
the way: their bodies run on tensors as they are. A function that calls ``np.asarray`` on its input must not be here."""

IN_PLACE = known(np, "copyto fill_diagonal place put put_along_axis putmask") | {
    ufunc.at for ufunc in vars(np).values() if isinstance(ufunc, np.ufunc)
}
"""These write into their first argument."""

SHAPE_ALONE = known(
    np,
    "common_type empty_like full_like iscomplexobj isrealobj may_share_memory min_scalar_type ndim ones_like "
    "result_type shape shares_memory size zeros_like",
)
"""These read the shape and the dtype of their first argument, and no values."""

PLAIN = known(
    np,
    "allclose argmax argmin argpartition argsort argwhere array_equal array_equiv can_cast count_nonzero "
    "diag_indices_from digitize einsum_path flatnonzero isclose iscomplex isin isneginf isposinf isreal lexsort "
    "nanargmax nanargmin nonzero searchsorted tril_indices_from triu_indices_from",
) | known(
    np,
    "equal greater greater_equal isfinite isinf isnan less less_equal logical_and logical_not logical_or logical_xor "
    "not_equal signbit",
) | known(np, "all any array2string array_repr array_str") | known(np.linalg, "matrix_rank")  # fmt: skip
"""Positions, counts, truth values and texts have no derivative: the result is NumPy's own."""
