"""Matrix products C = A B, batched, with a cheaper VJP rule for each structure of the cotangent.

Index conventions: A is (…, B, n), B is (…, n, m), G = ∂loss/∂C is (…, B, m); leading axes are batches and broadcast.
Exact: ∂A = G Bᵀ contracts the columns of G, ∂B = Aᵀ G contracts its rows. Kept columns shrink the work of ∂A and
leave a column-sparse ∂B; kept rows the other way round (THEORY.md §2). Rules for vectors are dense only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.cotangents import Columns, Cotangent, Entries, Factors, Kept, Rows, dense
from minigrad.node import Node
from minigrad.ops.linear import product_flops, rows_of
from minigrad.primitive import primitive
from minigrad.residuals import row_squares
from minigrad.results import unbroadcast
from minigrad.squares import squared_norms
from minigrad.typing import Array, Shape

__all__ = ["matmul"]

Saved = dict[str, Any]


def t(array: Array) -> Array:
    """The last two axes exchanged."""
    return np.swapaxes(array, -1, -2)


def sum_to(g: Array, shape: Shape) -> Array:
    """Sum over the batch axes along which an operand was broadcast."""
    out = g if g.shape == shape else unbroadcast(g, shape)
    assert out is not None
    return out


def _a(g: Array, saved: Saved) -> Array:
    b, shape = saved["b"], saved["shapes"][0]
    if b.ndim == 1:  # (…, B) with (n,)
        return sum_to(g[..., None] * b, shape)
    if len(shape) == 1:  # (…, m) with (…, n, m)
        return sum_to((b @ g[..., None])[..., 0], shape)
    return sum_to(g @ t(b), shape)


def _b(g: Array, saved: Saved) -> Array:
    a, shape = saved["a"], saved["shapes"][1]
    if a.ndim == 1:
        return sum_to(a[:, None] * g[..., None, :] if len(shape) > 1 else a * g, shape)
    if len(shape) == 1:
        return sum_to((t(a) @ g[..., None])[..., 0], shape)
    if len(shape) == 2 and a.ndim > 2:
        return rows_of(a).T @ rows_of(g)
    return sum_to(t(a) @ g, shape)


@primitive(a=_a, b=_b)
def matmul(a: Array, b: Array, needs: tuple[bool, bool] = (True, True)) -> tuple[Array, Saved]:
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
    pass, and the tape keeps an unbiased part of that operand only (THEORY.md §1). One estimator stands for both.

    Examples
    --------
    >>> from minigrad import ops
    >>> ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).data.tolist()
    [[11.0]]
    """
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


def _vectors(saved: Saved) -> bool:
    return any(len(shape) == 1 for shape in saved["shapes"])


# Columns: the same columns in every batch, so the products stay whole and only get thinner.


def _thin(g: Columns) -> Array:
    return g.values.reshape(*g.shape[:-1], len(g.indices))


def _a_columns(g: Columns, saved: Saved) -> Array:
    if _vectors(saved):
        return _a(g.dense(), saved)
    return sum_to(_thin(g) @ t(np.take(saved["b"], g.indices, axis=-1)), saved["shapes"][0])


def _b_columns(g: Columns, saved: Saved) -> Cotangent:
    if _vectors(saved):
        return _b(g.dense(), saved)
    shape = saved["shapes"][1]
    values = sum_to(t(saved["a"]) @ _thin(g), (*shape[:-1], len(g.indices)))
    return Columns(values.reshape(math.prod(shape[:-1]), len(g.indices)), g.indices, shape)


# Factors: G = L R with one R for all batches.


def _a_factors(g: Factors, saved: Saved) -> Array:
    if _vectors(saved):
        return _a(g.dense(), saved)
    left = g.left.reshape(*g.shape[:-1], g.rank)
    return sum_to(left @ (g.right @ t(saved["b"])), saved["shapes"][0])


def _b_factors(g: Factors, saved: Saved) -> Array:
    if _vectors(saved):
        return _b(g.dense(), saved)
    left, shape = g.left.reshape(*g.shape[:-1], g.rank), saved["shapes"][1]
    return sum_to(t(saved["a"]) @ left, (*shape[:-1], g.rank)) @ g.right


# Rows differ from batch to batch, so batches are visited one by one; without batches there is one visit.


def _batches(saved: Saved, g: Rows) -> Iterator[tuple[slice, int, tuple[int, ...], tuple[int, ...]]]:
    """For each batch with something kept: which kept values, the first row, and where the operands of it are."""
    lead, per_batch = g.shape[:-2], g.shape[-2]
    starts = np.searchsorted(g.indices, np.arange(math.prod(lead) + 1) * per_batch)
    for k, batch in enumerate(np.ndindex(*lead)):
        if starts[k] < starts[k + 1]:
            at = [
                tuple(0 if n == 1 else i for i, n in zip(batch[len(lead) - len(shape) + 2 :], shape[:-2], strict=True))
                for shape in saved["shapes"]
            ]
            yield slice(starts[k], starts[k + 1]), k * per_batch, at[0], at[1]


def unfolded(g: Rows) -> Rows:
    """Kept samples as kept rows."""
    if g.values.ndim == 2:
        return g
    per_sample = math.prod(g.values.shape[1:-1])
    indices = (g.indices[:, None] * per_sample + np.arange(per_sample)).ravel()
    return Rows(rows_of(g.values), indices, g.shape)


VISIT = 3e5
"""Operations that a visit to one batch must spare to be worth its time, as measured; less, and all is left whole."""


def _visits_pay(a_shape: Shape, shape: Shape, fraction: float) -> bool:
    """Whether visiting batches for a fraction of their rows is faster than the product of all rows of all batches."""
    return 2.0 * shape[-2] * a_shape[-1] * shape[-1] * (1 - fraction) > VISIT


def _few(g: Rows, saved: Saved) -> bool:
    fraction = len(g.indices) * math.prod(g.trailing[:-1]) / max(math.prod(g.shape[:-1]), 1)
    return math.prod(g.shape[:-2]) == 1 or _visits_pay(saved["shapes"][0], g.shape, fraction)


def _own_samples(g: Rows, saved: Saved) -> bool:
    """Whether whole samples were kept, and every sample has operands of its own, as in attention."""
    whole = 2 < len(g.shape) == len(g.trailing) + 1
    return whole and all(shape[:-2] == g.shape[:-2] for shape in saved["shapes"])


def _a_rows(g: Rows, saved: Saved) -> Cotangent:
    if _vectors(saved):
        return _a(g.dense(), saved)
    b, shape = saved["b"], saved["shapes"][0]
    if math.prod(b.shape[:-2]) == 1 and shape[:-1] == g.shape[:-1]:
        return Rows(g.values @ b.reshape(b.shape[-2:]).T, g.indices, shape)
    if _own_samples(g, saved):
        return Rows(g.values @ t(np.take(b, g.indices, axis=0)), g.indices, shape)
    if not _few(g, saved):
        return _a(g.dense(), saved)
    out = np.zeros(shape, g.dtype)
    g = unfolded(g)
    for kept, first, at_a, at_b in _batches(saved, g):
        rows = out[at_a]
        rows[g.indices[kept] - first] += g.values[kept] @ b[at_b].T
    return out


def _b_rows(g: Rows, saved: Saved) -> Cotangent:
    if _vectors(saved):
        return _b(g.dense(), saved)
    a, shape = saved["a"], saved["shapes"][1]
    if math.prod(shape[:-2]) == 1 and a.shape[:-1] == g.shape[:-1]:
        return np.asarray(rows_of(g.take(a)).T @ rows_of(g.values)).reshape(shape)
    if _own_samples(g, saved):
        return Rows(t(np.take(a, g.indices, axis=0)) @ g.values, g.indices, shape)
    if not _few(g, saved):
        return _b(g.dense(), saved)
    out = np.zeros(shape, g.dtype)
    g = unfolded(g)
    for kept, first, at_a, at_b in _batches(saved, g):
        out[at_b] += a[at_a][g.indices[kept] - first].T @ g.values[kept]
    return out


# Entries: one sparse product, where every batch has operands of its own with G as a block-diagonal matrix.


SPARSE = 0.02
"""Where more entries of a batched product were kept than this fraction, the small products are faster left whole."""


def _sparse(g: Entries, saved: Saved) -> Any:
    """G as a sparse matrix that meets the operands of all batches at once; None where some are shared by several."""
    a_shape, b_shape = saved["shapes"]
    if _vectors(saved):
        return None
    if len(b_shape) == 2 and a_shape[:-1] == g.shape[:-1]:
        return g.sparse()
    if not a_shape[:-2] == b_shape[:-2] == g.shape[:-2] or len(g.indices) > SPARSE * math.prod(g.shape):
        return None
    batches, (rows, columns) = math.prod(g.shape[:-2]), g.shape[-2:]
    batch, within = np.divmod(g.indices, rows * columns)
    at = (batch * rows + within // columns) * (batches * columns) + batch * columns + within % columns
    return Entries(g.values, at, (batches * rows, batches * columns)).sparse()


def _a_entries(g: Entries, saved: Saved) -> Array:
    sparse = _sparse(g, saved)
    if sparse is None:
        return _a(g.dense(), saved)
    return np.asarray(sparse @ rows_of(t(saved["b"]))).reshape(saved["shapes"][0])


def _b_entries(g: Entries, saved: Saved) -> Array:
    sparse = _sparse(g, saved)
    if sparse is None:
        return _b(g.dense(), saved)
    shape = saved["shapes"][1]
    return t(np.asarray(sparse.T @ rows_of(saved["a"])).reshape(*shape[:-2], shape[-1], shape[-2]))


def _forward_flops(node: Node) -> float:
    a = node.in_shapes[0] or (1,)
    return 2.0 * math.prod(node.shape) * a[-1]


def _spares(a: Shape, shape: Shape, kept: Kept) -> bool:
    """Whether the rules leave out what was not kept of many products, or take them whole."""
    if kept.structure is Rows:
        return kept.samples or _visits_pay(a, shape, kept.fraction)
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


def _operands(node: Node) -> tuple[Array | None, Array | None]:
    a, b = node.saved.get("a"), node.saved.get("b")
    if _vectors(node.saved):
        return None, None
    rows = None if a is None else row_squares(a)[..., None]
    columns = None if b is None else squared_norms(dense(b), -2)[..., None, :]
    return rows, columns


matmul.primitive.structured(Columns, a=_a_columns, b=_b_columns)
matmul.primitive.structured(Rows, a=_a_rows, b=_b_rows)
matmul.primitive.structured(Entries, a=_a_entries, b=_b_entries)
matmul.primitive.structured(Factors, a=_a_factors, b=_b_factors)
matmul.primitive.forward_flops = _forward_flops
matmul.primitive.backward_flops = _backward_flops
matmul.primitive.operands = _operands
