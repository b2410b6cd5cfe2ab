"""The linear map Y = X Wᵀ + b.

Index conventions (Theory §2): X is B×n, W is m×n, G = ∂loss/∂Y is B×m; i runs over the B rows (all leading
axes, flattened), j over the m columns (output features).  ∂X = G W,  ∂W = Gᵀ X,  ∂b = Gᵀ 1, for G of every structure,
and for a sketch X̂ in place of X: `minigrad.structure` multiplies what was kept alone.
"""

from __future__ import annotations

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.node import Node
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.product_costs import product_flops
from minigrad.structure import (
    Kept,
    column_sums,
    contract,
    matrix,
    matrix_shape,
    multiply,
    reshape_rows,
    row_squares,
    squared_norms,
)
from minigrad.typing import Array

__all__ = ["linear"]


@define(
    kind="bilinear",
    residuals=("x",),
    tangents={"b": lambda t, saved: t},  # so that b is left out of those of x and w, and they are bilinear
    x=lambda g, saved: multiply(g, saved["w"]),
    w=lambda g, saved: contract(g, saved["x"]),
    b=lambda g, saved: column_sums(g),
)
def _linear(x: Array, w: Array, b: Array | None = None, needs: tuple[bool, ...] = (True, True)) -> tuple[Array, Saved]:
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[1]:
        raise ValueError("x must have shape (..., n) and w shape (m, n), with the same number n of input features")
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"b must have shape ({w.shape[0]},), one number for each output feature")
    out = reshape_rows(matrix(x) @ w.T, x.shape[:-1])
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


@operation(_linear)
def linear(x: TensorLike, w: TensorLike, b: TensorLike | None = None, *, vjp: VJP = None, save: Save = None) -> Tensor:
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
    ``Mask(0.1, axis="row")``. It is drawn in the forward pass, from the tape (Theory §1).

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.linear([[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]], [0.5, 0.0]).data.tolist()
    [[11.5, 17.0]]
    """
    return record(_linear, (x, w, b), vjp=vjp, save=save)


# What it costs, and what estimators weigh it by; `minigrad.engine.primitive.Primitive` says what these take.


def _forward_flops(node: Node) -> float:
    rows, columns = matrix_shape(node.shape)
    inner = (node.in_shapes[0] or (1,))[-1]
    return 2.0 * rows * inner * columns + (rows * columns if node.in_shapes[2] is not None else 0)


def _backward_flops(node: Node, edge: int, kept: Kept) -> float:
    rows, columns = matrix_shape(node.shape)
    if edge == 2:
        return float(rows * columns) * min(kept.fraction, 1.0)
    return product_flops(rows, (node.in_shapes[0] or (1,))[-1], columns, kept)


def _operands(node: Node, side: int) -> Array | None:
    operand = node.saved.get("w" if side else "x")
    if operand is None:
        return None
    return squared_norms(operand, -1) if side else row_squares(operand)[..., None]


_linear.forward_flops = _forward_flops
_linear.backward_flops = _backward_flops
_linear.operands = _operands
