"""Backward products with a sketched operand, for the nodes of ``save=``: linear, matmul and conv2d.

Index conventions are those of `minigrad.ops.linear`, `matmul` and `conv`: ∂W = Gᵀ X̂, ∂B = Âᵀ G, ∂A = G B̂ᵀ, ∂K = P̂ᵀ G.
Each structure of X̂ turns the product into a smaller exact one, to which the exact rules apply whatever the structure
of G: kept rows of X̂ meet the same rows of G; kept columns, or a thin left factor, are a thinner X.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.cotangents import Columns, Cotangent, Entries, Factors, Rows, Structured, dense
from minigrad.ops.conv import conv2d, kernel_cotangent
from minigrad.ops.linear import linear, rows_of
from minigrad.ops.matmul import matmul, unfolded
from minigrad.ops.restrict import project, sample_block, take_columns, take_rows, take_samples
from minigrad.primitive import Operation
from minigrad.residuals import sketchable
from minigrad.typing import Array, Shape

__all__: list[str] = []

Saved = dict[str, Any]


def exact(operation: Operation, edge: int, g: Cotangent, saved: Saved) -> Cotangent:
    """The rule that an unsketched node would use."""
    rules = operation.primitive.rules
    return rules[type(g)][edge](g, saved) if type(g) in rules else rules[np.ndarray][edge](dense(g), saved)


def thin(values: Array, shape: Shape) -> Array:
    """A matrix of few columns with the leading axes of ``shape``."""
    return values.reshape(*shape[:-1], values.shape[-1])


def spread_columns(values: Array, indices: Array, columns: int) -> Array:
    """Columns in their places, in rows that are otherwise zero."""
    out = np.zeros((*values.shape[:-1], columns), values.dtype)
    out[..., indices] = values
    return out


def flipped(g: Cotangent) -> Cotangent:
    """The transpose of a matrix."""
    if isinstance(g, Rows):
        return Columns(g.values.T, g.indices, g.shape[::-1])
    if isinstance(g, Columns):
        return Rows(g.values.T, g.indices, g.shape[::-1])
    return dense(g).T


def _linear_w(g: Cotangent, saved: Saved) -> Cotangent:
    """∂W = Gᵀ X̂, shape (m, n)."""
    x = saved["x"]
    shape = (g.shape[-1], x.shape[-1])
    if isinstance(x, Rows):
        x = unfolded(x)
        return exact(linear, 1, take_rows(g, x.indices), {"x": x.values})
    if isinstance(x, Columns):
        few = exact(linear, 1, g, {"x": thin(x.values, x.shape)})
        if isinstance(few, Rows):
            return Rows(spread_columns(few.values, x.indices, shape[1]), few.indices, shape)
        return Columns(dense(few), x.indices, shape)
    if isinstance(x, Factors):
        few = exact(linear, 1, g, {"x": thin(x.left, x.shape)})
        if isinstance(few, Rows):
            return Rows(few.values @ x.right, few.indices, shape)
        return np.asarray(dense(few) @ x.right)
    if not isinstance(x, Entries):
        return exact(linear, 1, g, {"x": x.dense()})
    sparse = x.sparse()
    if isinstance(g, Columns):
        return Rows(np.asarray(sparse.T @ g.values).T, g.indices, shape)
    if isinstance(g, Rows):
        g = unfolded(g)
        return np.asarray(sparse[g.indices].T @ g.values).T
    if isinstance(g, Entries):
        return np.asarray((g.sparse().T @ sparse).toarray())
    if isinstance(g, Factors):
        return g.right.T @ np.asarray(sparse.T @ g.left).T
    return np.asarray(sparse.T @ rows_of(dense(g))).T


def _vectors(saved: Saved) -> bool:
    return any(len(shape) == 1 for shape in saved["shapes"])


def _own_samples(g: Cotangent, x: Structured, shapes: tuple[Shape, Shape]) -> bool:
    """Whether whole samples of X̂ were kept, and every sample has operands of its own."""
    whole = isinstance(x, Rows) and x.values.ndim == len(x.shape) > 2
    return whole and shapes[0][:-2] == shapes[1][:-2] == g.shape[:-2]


def _matmul_b(g: Cotangent, saved: Saved) -> Cotangent:
    """∂B = Âᵀ G, shape (…, n, m)."""
    a, (a_shape, shape) = saved["a"], saved["shapes"]
    if not _vectors(saved) and len(shape) == 2 and a_shape[:-1] == g.shape[:-1]:
        return flipped(_linear_w(g, {"x": a}))
    if not _vectors(saved) and isinstance(a, (Columns, Factors)):
        values = thin(a.values if isinstance(a, Columns) else a.left, a_shape)
        rank = values.shape[-1]
        few = exact(matmul, 1, g, {"a": values, "shapes": (values.shape, (*shape[:-2], rank, shape[-1]))})
        if isinstance(a, Columns):
            batches = np.arange(math.prod(shape[:-2]))[:, None] * shape[-2]
            return Rows(rows_of(dense(few)), (batches + a.indices).ravel(), shape)
        if isinstance(few, Columns):
            kept = a.right.T @ thin(few.values, few.shape)
            return Columns(rows_of(kept), few.indices, shape)
        return np.asarray(a.right.T @ dense(few))
    if not _vectors(saved) and _own_samples(g, a, saved["shapes"]):
        shapes = (a.values.shape, (len(a.indices), *shape[1:]))
        few = exact(matmul, 1, take_samples(g, a.indices), {"a": a.values, "shapes": shapes})
        return Rows(dense(few), a.indices, shape)
    return exact(matmul, 1, g, {**saved, "a": a.dense()})


def _matmul_a(g: Cotangent, saved: Saved) -> Cotangent:
    """∂A = G B̂ᵀ, shape (…, B, n)."""
    b, (shape, b_shape) = saved["b"], saved["shapes"]
    if _vectors(saved):
        return exact(matmul, 0, g, {**saved, "b": b.dense()})
    if isinstance(b, Columns):
        values = thin(b.values, b_shape)
        return exact(matmul, 0, take_columns(g, b.indices), {"b": values, "shapes": (shape, values.shape)})
    if isinstance(b, Factors):
        values = thin(b.left, b_shape)
        return exact(matmul, 0, project(g, b.right), {"b": values, "shapes": (shape, values.shape)})
    if _own_samples(g, b, saved["shapes"]):
        shapes = ((len(b.indices), *shape[1:]), b.values.shape)
        few = exact(matmul, 0, take_samples(g, b.indices), {"b": b.values, "shapes": shapes})
        return Rows(dense(few), b.indices, shape)
    if len(b_shape) > 2 or shape[:-1] != g.shape[:-1]:
        return exact(matmul, 0, g, {**saved, "b": b.dense()})
    if isinstance(b, Rows):
        few = exact(matmul, 0, g, {"b": b.values, "shapes": ((*shape[:-1], len(b.indices)), b.values.shape)})
        if isinstance(few, Rows):
            return Rows(spread_columns(few.values, b.indices, shape[-1]), few.indices, shape)
        return Columns(dense(few).reshape(math.prod(shape[:-1]), len(b.indices)), b.indices, shape)
    if isinstance(b, Entries):
        if isinstance(g, Rows):
            g = unfolded(g)
            return Rows(np.asarray(b.sparse() @ g.values.T).T, g.indices, shape)
        return np.asarray(b.sparse() @ rows_of(dense(g)).T).T.reshape(shape)
    return exact(matmul, 0, g, {**saved, "b": b.dense()})


def _conv_w(g: Cotangent, saved: Saved) -> Cotangent:
    """∂K = P̂ᵀ G, shape (h, w, C, m), with P̂ the windows of X̂."""
    x, windows, size = saved["x"], saved["windows"], saved["size"]
    places, channels = math.prod(size[:2]), size[2]
    if windows.single:
        matrix = flipped(_linear_w(g, {"x": x}))
        if isinstance(matrix, (Rows, Columns)):
            return type(matrix)(matrix.values, matrix.indices, size)
        return dense(matrix).reshape(size)
    if isinstance(x, (Columns, Factors)):
        values = thin(x.values if isinstance(x, Columns) else x.left, x.shape)
        few_size = (*size[:2], values.shape[-1], size[3])
        few = exact(conv2d, 1, g, {"x": values, "windows": windows, "size": few_size})
        if isinstance(x, Columns):
            rows = np.arange(places)[:, None] * channels + x.indices
            return Rows(rows_of(dense(few)), rows.ravel(), size)
        if isinstance(few, Columns):
            kept = x.right.T @ few.values.reshape(places, values.shape[-1], len(few.indices))
            return Columns(rows_of(kept), few.indices, size)
        return np.asarray(x.right.T @ dense(few))
    if isinstance(x, Rows) and x.values.ndim == 4:
        return exact(conv2d, 1, take_samples(g, x.indices), {**saved, "x": x.values})
    whole, out = dense(g), np.zeros((places * channels, size[3]), g.dtype)
    for samples in windows.sample_blocks(len(whole), places * channels * x.dtype.itemsize):
        # X̂ is made dense for a few samples at a time, so that the memory that was saved stays saved.
        out += kernel_cotangent(whole[samples], sample_block(x, samples), windows, size)
    return out.reshape(size)


sketchable(linear, x={"w": _linear_w})
sketchable(matmul, a={"b": _matmul_b}, b={"a": _matmul_a})
sketchable(conv2d, x={"w": _conv_w})
