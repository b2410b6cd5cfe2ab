"""The linear map Y = X Wᵀ + b, with a cheaper VJP rule for each structure of the cotangent.

Index conventions (THEORY.md §2): X is B×n, W is m×n, G = ∂loss/∂Y is B×m; i runs over the B rows (all leading
axes, flattened), j over the m columns (output features).  Exact: ∂X = G W,  ∂W = Gᵀ X,  ∂b = Gᵀ 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.cotangents import Columns, Entries, Factors, Kept, Rows, matrix_shape
from minigrad.node import Node
from minigrad.primitive import primitive
from minigrad.residuals import row_squares
from minigrad.squares import squared_norms
from minigrad.typing import Array, Shape

__all__ = ["linear"]

Saved = dict[str, Any]


def rows_of(array: Array) -> Array:
    """An array as a matrix: all axes but the last are rows."""
    return array.reshape(matrix_shape(array.shape))


def folded(matrix: Array, lead: Shape) -> Array:
    """A matrix with its rows along leading axes; where there is one such axis the matrix itself, not a view of it."""
    return matrix if len(lead) == 1 else matrix.reshape(*lead, matrix.shape[1])


def column_sums(matrix: Array) -> Array:
    """Σ_i G_i: a product with ones, which is faster than a sum over rows and no less accurate."""
    with np.errstate(invalid="ignore"):  # was once raised by BLAS for finite numbers
        return np.ones(len(matrix), matrix.dtype) @ matrix


def _x(g: Array, saved: Saved) -> Array:
    return folded(rows_of(g) @ saved["w"], g.shape[:-1])


def _w(g: Array, saved: Saved) -> Array:
    return rows_of(g).T @ rows_of(saved["x"])


@primitive(x=_x, w=_w, b=lambda g, saved: column_sums(rows_of(g)))
def linear(x: Array, w: Array, b: Array | None = None, needs: tuple[bool, ...] = (True, True)) -> tuple[Array, Saved]:
    """``x @ w.T + b``: a linear layer.

    Parameters
    ----------
    x : Tensor or array_like, shape (..., n)
        All axes but the last are rows.
    w : Tensor or array_like, shape (m, n)
        One row for each output feature.
    b : Tensor or array_like, shape (m,), optional

    Returns
    -------
    Tensor, shape (..., m)

    Raises
    ------
    ValueError
        If the shapes do not match.

    Notes
    -----
    ``save=`` takes an estimator for x: ∂w = Gᵀ x̂ with an unbiased x̂, the only part of x that the tape keeps, such as
    ``Mask(0.1, axis="row")``. It is drawn in the forward pass, from the tape (THEORY.md §1).

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.linear([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]], [0.5, 0.0]).data.tolist()
    [[11.5, 17.0]]
    """
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[1]:
        raise ValueError("x must have shape (..., n) and w shape (m, n), with the same number n of input features")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"b must have shape ({w.shape[0]},), one number for each output feature")
    out = folded(rows_of(x) @ w.T, x.shape[:-1])
    if b is not None:
        if np.result_type(out, b) == out.dtype:
            out += b
        else:
            out = out + b
    saved: Saved = {}
    if needs[1]:
        saved["x"] = x
    if needs[0]:
        saved["w"] = w
    return out, saved


# Columns: both products shrink by r/m, and ∂W has only r rows that are not zero.


def _x_columns(g: Columns, saved: Saved) -> Array:
    return folded(g.values @ np.take(saved["w"], g.indices, axis=0), g.shape[:-1])


def _w_columns(g: Columns, saved: Saved) -> Rows:
    x = rows_of(saved["x"])
    return Rows(g.values.T @ x, g.indices, (g.shape[-1], x.shape[1]))


def _b_columns(g: Columns, saved: Saved) -> Array:
    out = np.zeros(g.shape[-1], g.dtype)
    out[g.indices] = column_sums(g.values)
    return out


# Rows: both products shrink by r/B, and ∂X has only r rows that are not zero.


def _x_rows(g: Rows, saved: Saved) -> Rows:
    w = saved["w"]
    return Rows(folded(rows_of(g.values) @ w, g.values.shape[:-1]), g.indices, (*g.shape[:-1], w.shape[1]))


def _w_rows(g: Rows, saved: Saved) -> Array:
    return rows_of(g.values).T @ rows_of(g.take(saved["x"]))


# Entries: sparse products.


def _x_entries(g: Entries, saved: Saved) -> Array:
    return folded(np.asarray(g.sparse() @ saved["w"]), g.shape[:-1])


def _w_entries(g: Entries, saved: Saved) -> Array:
    return np.asarray(g.sparse().T @ rows_of(saved["x"]))


def _b_entries(g: Entries, saved: Saved) -> Array:
    sums = np.bincount(g.indices % g.shape[-1], weights=g.values, minlength=g.shape[-1])
    return sums.astype(g.dtype, copy=False)


# Factors: G = L R, multiplied from the thin side.


def _x_factors(g: Factors, saved: Saved) -> Array:
    return folded(g.left @ (g.right @ saved["w"]), g.shape[:-1])


def _w_factors(g: Factors, saved: Saved) -> Array:
    return g.right.T @ (g.left.T @ rows_of(saved["x"]))


linear.primitive.structured(Columns, x=_x_columns, w=_w_columns, b=_b_columns)
linear.primitive.structured(Rows, x=_x_rows, w=_w_rows, b=lambda g, saved: column_sums(rows_of(g.values)))
linear.primitive.structured(Entries, x=_x_entries, w=_w_entries, b=_b_entries)
linear.primitive.structured(Factors, x=_x_factors, w=_w_factors, b=lambda g, saved: column_sums(g.left) @ g.right)


def product_flops(rows: int, inner: int, columns: int, kept: Kept) -> float:
    """Operations of one of the two backward products, 2·rows·inner·columns when exact (THEORY.md §2)."""
    if kept.structure is Factors:
        rank = kept.fraction * min(rows, columns)
        return 2.0 * rank * inner * (rows + columns)
    return 2.0 * rows * inner * columns * min(kept.fraction, 1.0)


def _forward_flops(node: Node) -> float:
    rows, columns = matrix_shape(node.shape)
    inner = (node.in_shapes[0] or (1,))[-1]
    return 2.0 * rows * inner * columns + (rows * columns if node.in_shapes[2] is not None else 0)


def _backward_flops(node: Node, edge: int, kept: Kept) -> float:
    rows, columns = matrix_shape(node.shape)
    if edge == 2:
        return float(rows * columns) * min(kept.fraction, 1.0)
    return product_flops(rows, (node.in_shapes[0] or (1,))[-1], columns, kept)


def _operands(node: Node) -> tuple[Array | None, Array | None]:
    x, w = node.saved.get("x"), node.saved.get("w")
    return None if x is None else row_squares(x)[..., None], None if w is None else squared_norms(w, -1)


linear.primitive.forward_flops = _forward_flops
linear.primitive.backward_flops = _backward_flops
linear.primitive.operands = _operands
