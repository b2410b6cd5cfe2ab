"""Matrix products C = A B, batched.

Index conventions: A is (…, B, n), B is (…, n, m), G = ∂loss/∂C is (…, B, m); leading axes are batches and broadcast.
∂A = G Bᵀ contracts the columns of G, ∂B = Aᵀ G contracts its rows, for G of every structure and for sketches Â, B̂: kept
columns shrink the work of ∂A and leave a column-sparse ∂B; kept rows the other way round (Theory §2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.engine.define import define, operation
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.node import Node
from minigrad.engine.primitive import Saved
from minigrad.engine.record import record
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.ops.counterparts import stands_for
from minigrad.ops.product_costs import product_flops
from minigrad.structure import (
    Cotangent,
    Entries,
    Factors,
    Kept,
    Rows,
    Structured,
    contract,
    contract_batches,
    dense,
    multiply,
    multiply_batches,
    row_squares,
    squared_norms,
    sum_to,
    swap,
    transpose,
)
from minigrad.structure.batched import visits_pay
from minigrad.structure.entries import SPARSE
from minigrad.typing import Array, Shape

__all__ = ["matmul"]


def _a(g: Cotangent, saved: Saved) -> Any:
    b, (shape, b_shape) = saved["b"], saved["shapes"]
    if len(b_shape) == 1:  # (…, B) with (n,)
        return sum_to(dense(g)[..., None] * dense(b), shape)
    if len(shape) == 1:  # (…, m) with (…, n, m)
        return sum_to((dense(b) @ dense(g)[..., None])[..., 0], shape)
    if _one_b(saved, g):
        return multiply(g, transpose(b if len(b_shape) == 2 else b.reshape(b_shape[-2:])))
    return sum_to(multiply_batches(g, b), shape)


def _b(g: Cotangent, saved: Saved) -> Any:
    a, (a_shape, shape) = saved["a"], saved["shapes"]
    if len(a_shape) == 1:
        whole, a = dense(g), dense(a)
        return sum_to(a[:, None] * whole[..., None, :] if len(shape) > 1 else a * whole, shape)
    if len(shape) == 1:
        return sum_to((swap(dense(a)) @ dense(g)[..., None])[..., 0], shape)
    if _one_b(saved, g):
        out = contract(a, g)
        return out if len(shape) == 2 else dense(out).reshape(shape)
    return sum_to(contract_batches(a, g), shape)


def _one_b(saved: Saved, g: Cotangent) -> bool:
    """True if one matrix B serves every batch, so that all batches are rows of one product."""
    a_shape, b_shape = saved["shapes"]
    one = len(b_shape) == 2 or (math.prod(b_shape[:-2]) == 1 and not isinstance(saved.get("b"), Structured))
    return one and a_shape[:-1] == g.shape[:-1]


@define(kind="bilinear", residuals=("a", "b"), a=_a, b=_b)
def _matmul(a: Array, b: Array, needs: tuple[bool, bool] = (True, True)) -> tuple[Array, Saved]:
    if not a.ndim or not b.ndim:
        raise ValueError("a scalar has no matrix product; use *")
    if a.shape[-1] != b.shape[0 if b.ndim == 1 else -2]:
        raise ValueError("the last axis of a must be as long as the last axis but one of b")
    out = np.asarray(a @ b)
    saved: Saved = {"shapes": (a.shape, b.shape)}
    if needs[0]:
        saved["b"] = b
    if needs[1]:
        saved["a"] = a
    return out, saved


@stands_for(np.matmul)
@operation(_matmul)
def matmul(a: TensorLike, b: TensorLike, *, vjp: VJP = None, save: Save = None) -> Tensor:
    """The matrix product ``a @ b``, with batches and vectors as in `numpy.matmul`.

    Parameters
    ----------
    a : Tensor or array_like, shape (..., B, n) or (n,)
    b : Tensor or array_like, shape (..., n, m) or (n,)
        Leading axes are batches and broadcast.

    Raises
    ------
    ValueError
        If the shapes do not match, or one of the inputs is a scalar.

    Notes
    -----
    ``save=`` takes estimators for a, b or both, ``{"a": Mask(0.1, axis="row")}``; each draws by itself, in the forward
    pass, and the tape keeps an unbiased part of that operand only (Theory §1). One estimator stands for both.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).data.tolist()
    [[11.0]]
    """
    return record(_matmul, (a, b), vjp=vjp, save=save)


def _vectors(saved: Saved) -> bool:
    return any(len(shape) == 1 for shape in saved["shapes"])


def _forward_flops(node: Node) -> float:
    a = node.in_shapes[0] or (1,)
    return 2.0 * math.prod(node.shape) * a[-1]


def _spares(a: Shape, shape: Shape, kept: Kept) -> bool:
    """True if the rules leave out what was not kept of many products, and do not take them whole."""
    if kept.structure is Rows:
        return kept.samples or visits_pay(shape[-2], a[-1], shape[-1], kept.fraction)
    return kept.structure is not Entries or kept.fraction <= SPARSE


def _backward_flops(node: Node, edge: int, kept: Kept) -> float:
    a, b = node.in_shapes
    assert a is not None and b is not None
    if len(a) == 1 or len(b) == 1:
        return 2.0 * math.prod(node.shape) * a[-1]
    if math.prod(node.shape[:-2]) > 1 and not _spares(a, node.shape, kept):
        kept = Kept()
    if kept.structure is not Factors:
        return product_flops(math.prod(node.shape[:-1]), a[-1], node.shape[-1], kept)
    rank = kept.fraction * min(math.prod(node.shape[:-1]), node.shape[-1])
    batches, rows = math.prod(node.shape[:-2]), math.prod(node.shape[:-1])
    # L stays thin per batch; R meets every batch's operand once.
    return 2.0 * rank * a[-1] * (rows + batches * node.shape[-1])


def _operands(node: Node, side: int) -> Array | None:
    operand = node.saved.get("b" if side else "a")
    if operand is None or _vectors(node.saved):
        return None
    return squared_norms(dense(operand), -2)[..., None, :] if side else row_squares(operand)[..., None]


_matmul.forward_flops = _forward_flops
_matmul.backward_flops = _backward_flops
_matmul.operands = _operands
