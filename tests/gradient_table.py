"""For every operation: how to draw a call of it whose gradients can be checked.

Each entry of `TABLE` is a hypothesis strategy for ``(fn, arrays)``: a function of tensors, and a point away from
kinks. An operation that `minigrad.ops` exports and that is missing here fails `test_ops_gradients.py`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from gradient_images import conv1d, conv2d, convolve, normalised, pooling
from gradient_linalg import LINALG
from gradient_points import Case, points
from gradient_points import values as values
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops

shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
solid = hnp.array_shapes(min_dims=1, max_dims=3, max_side=3)  # at least one axis


@st.composite
def unary(draw: Any, op: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> Case:
    return op, [draw(points(draw(shapes), low, high))]


@st.composite
def binary(draw: Any, op: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> Case:
    pair = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    return op, [draw(points(shape, low, high)) for shape in pair.input_shapes]


@st.composite
def power(draw: Any) -> Case:
    exponent = draw(st.sampled_from([2, 1, 3, 0, 0.5, -1, 2.5, [1.5, 2.0, -2.0]]))
    kind = draw(st.sampled_from(["fixed", "base", "both"]))
    if kind == "fixed":
        shape = (2, 3) if np.ndim(exponent) else draw(shapes)
        return lambda x: x**exponent, [draw(points(shape, 0.3, 2.0))]
    if kind == "base":
        return lambda y: 1.7**y, [draw(points(draw(shapes)))]
    _, arrays = draw(binary(ops.power, 0.3, 2.0))
    return ops.power, arrays


@st.composite
def reduction(draw: Any, op: Callable[..., Any], ddof: bool = False, low: float = -2.0) -> Case:
    shape = draw(shapes)
    axis = draw(axes(len(shape)))
    settings: dict[str, Any] = {"axis": axis, "keepdims": draw(st.booleans())}
    if ddof:
        count = math.prod(shape[a] for a in np.atleast_1d(range(len(shape)) if axis is None else axis))
        settings["ddof"] = draw(st.integers(0, 1)) if count > 1 else 0
        # The spread of a single value has no derivative to check: std is at its kink there.
        if count == 1:
            op = ops.var
    return lambda x: op(x, **settings), [draw(points(shape, low))]


@st.composite
def axes(draw: Any, ndim: int) -> Any:
    if ndim == 0 or draw(st.booleans()):
        return None
    if draw(st.booleans()):
        return draw(st.integers(-ndim, ndim - 1))
    return draw(hnp.valid_tuple_axes(ndim, min_size=1))


@st.composite
def along(draw: Any, op: Callable[..., Any]) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return lambda x: op(x, axis=axis), [draw(points(shape))]


@st.composite
def clip(draw: Any) -> Case:
    shape = draw(shapes)
    low, high = draw(st.sampled_from([(-0.7, 0.9), (None, 0.9), (-0.7, None), (None, None)]))
    if low is not None and shape and draw(st.booleans()):
        low = np.full(shape[-1:], low)
    return lambda x: ops.clip(x, low, high), [draw(points(shape))]


@st.composite
def where(draw: Any) -> Case:
    three = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)).input_shapes
    condition = draw(points(three[0])) > 0
    return lambda x, y: ops.where(condition, x, y), [draw(points(shape)) for shape in three[1:]]


@st.composite
def shaped(draw: Any, what: str) -> Case:
    shape = draw(solid)
    n = len(shape)
    axis = draw(st.integers(-n, n - 1))
    if what == "reshape":
        new = draw(st.sampled_from([(-1,), (-1, shape[-1]), (1, math.prod(shape)), shape[::-1]]))
        fn = partial(ops.reshape, shape=new)
    elif what == "transpose":
        order = draw(st.none() | st.permutations(range(n)).map(lambda p: tuple(a - n if a % 2 else a for a in p)))
        fn = partial(ops.transpose, axes=order)
    elif what == "swapaxes":
        other = draw(st.integers(-n, n - 1))
        fn = partial(ops.swapaxes, axis1=axis, axis2=other)
    elif what == "moveaxis":
        source = draw(st.permutations(range(n)))[: draw(st.integers(1, n))]
        target = draw(st.permutations(range(n)))[: len(source)]
        fn = partial(ops.moveaxis, source=source, destination=target)
    elif what == "expand_dims":
        new_axis = draw(st.sampled_from([0, -1, (0, 2)]))
        fn = partial(ops.expand_dims, axis=new_axis)
    elif what == "squeeze":
        shape = (1, *shape[:-1], 1)
        where_one = draw(st.sampled_from([None, 0, -1, (0, -1)]))
        fn = partial(ops.squeeze, axis=where_one)
    elif what == "broadcast_to":
        small = tuple(draw(st.sampled_from([1, k])) for k in shape)[draw(st.integers(0, n)) :]
        target_shape, shape = shape, small
        fn = partial(ops.broadcast_to, shape=target_shape)
    else:
        width = draw(st.sampled_from([1, (1, 2), [(k % 2, k) for k in range(n)]]))
        fn = partial(ops.pad, width=width, value=0.5)
    return fn, [draw(points(shape))]


@st.composite
def joined(draw: Any, op: Callable[..., Any]) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    count = draw(st.integers(1, 3))
    parts = [list(shape) for _ in range(count)]
    if op is ops.concatenate:
        for part in parts:
            part[axis] = draw(st.integers(0, 3))
    return lambda *xs: op(xs, axis=axis), [draw(points(tuple(part))) for part in parts]


@st.composite
def split(draw: Any) -> Case:
    shape = (2, 6, 2)
    axis = draw(st.integers(-3, 2))
    sections = draw(st.sampled_from([1, 2])) if draw(st.booleans()) else sorted(draw(st.lists(st.integers(0, 2))))
    # Pieces of different use, one of them unused, put together again in another order.
    return (
        lambda x: ops.concatenate([piece * (k + 1) for k, piece in enumerate(x.split(sections, axis))][::-1], axis),
        [draw(points(shape))],
    )


@st.composite
def indexed(draw: Any) -> Case:
    rows = np.array([[0, 2], [2, 2]])
    index = draw(
        st.sampled_from(
            [
                0, -1, slice(None, None, -2), (slice(1, 3), 2), (Ellipsis, 1), (None, slice(2), Ellipsis), rows,
                [0, 0, 1], (slice(None), [1, 1, 3]), (rows, 1), (0, slice(None), [1, 0, 1]), ([0, 2, 0], [1, 3, 1]),
                (rows[:, :1], np.array([0, 0])), np.array([True, False, True]), (np.eye(3, 4) > 0), (1, 2, 1),
                np.array([], int), (slice(0, 0),), (np.array([-1, 2]),),
            ]
        )
    )  # fmt: skip
    return lambda x: x[index], [draw(points((3, 4, 2)))]


@st.composite
def gathered(draw: Any) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n = shape[axis]
    indices = draw(
        hnp.arrays(np.int64, hnp.array_shapes(min_dims=0, max_dims=2, max_side=3), elements=st.integers(-n, n - 1))
    )
    return lambda x: ops.take(x, indices, axis=axis), [draw(points(shape))]


@st.composite
def gathered_along(draw: Any) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n, chosen = shape[axis], list(shape)
    chosen[axis] = draw(st.integers(1, 4))
    indices = draw(hnp.arrays(np.int64, tuple(chosen), elements=st.integers(-n, n - 1)))
    return lambda x: ops.take_along_axis(x, indices, axis), [draw(points(shape))]


@st.composite
def product(draw: Any) -> Case:
    pair = draw(hnp.mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=2, max_side=3)).input_shapes
    return ops.matmul, [draw(points(shape)) for shape in pair]


SUMS = [
    ("ij,jk->ik", (2, 3), (3, 2)), ("ij,kj", (2, 3), (4, 3)), ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii->i", (3, 3)), ("ii", (3, 3)), ("i,i", (3,), (3,)),
    ("i,j->ij", (2,), (3,)), ("...i,...i->...", (2, 3), (3,)), ("...ij,jk->...ik", (2, 1, 2, 3), (3, 2)),
    ("...ij,...jk", (2, 1, 2, 2), (3, 2, 2)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 3)), ("iij,j->i", (2, 2, 3), (3,)),
    ("ij,k->i", (2, 3), (2,)), (",i->i", (), (3,)), ("ij,ij->i", (1, 3), (2, 3)), ("i,i,i->i", (2,), (2,), (2,)),
]  # fmt: skip


@st.composite
def named_sum(draw: Any) -> Case:
    subscripts, *operands = draw(st.sampled_from(SUMS))
    return lambda *xs: ops.einsum(subscripts, *xs), [draw(points(shape)) for shape in operands]


@st.composite
def linear(draw: Any) -> Case:
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    n, m = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    every = [(*lead, n), (m, n), (m,)]
    return ops.linear, [draw(points(shape)) for shape in every[: draw(st.integers(2, 3))]]


@st.composite
def cross_entropy(draw: Any) -> Case:
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    classes = draw(st.integers(1, 4))
    logits = draw(points((*lead, classes)))
    settings = {
        "label_smoothing": draw(st.sampled_from([0.0, 0.2])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
    }
    if draw(st.booleans()):
        targets = draw(hnp.arrays(np.int64, lead, elements=st.integers(0, classes - 1)))
    else:
        targets = np.exp(draw(points((*lead, classes))))
        targets /= targets.sum(axis=-1, keepdims=True)
    return lambda x: ops.cross_entropy(x, targets, **settings), [logits]


@st.composite
def mse(draw: Any) -> Case:
    shape, reduction = draw(shapes), draw(st.sampled_from(["mean", "sum", "none"]))
    return lambda x, y: ops.mse(x, y, reduction=reduction), [draw(points(shape)), draw(points(shape))]


@st.composite
def dropout(draw: Any) -> Case:
    rate, seed = draw(st.sampled_from([0.0, 0.3, 0.9])), draw(st.integers(0, 99))
    return lambda x: ops.dropout(x, rate, rng=seed), [draw(points(draw(shapes)))]


TABLE: dict[str, st.SearchStrategy[Case]] = {
    "absolute": unary(operator.abs),
    "add": binary(operator.add),
    "astype": unary(lambda x: ops.astype(x, x.dtype)),
    "avg_pool2d": pooling(ops.avg_pool2d),
    "batch_norm": normalised(ops.batch_norm),
    "broadcast_to": shaped("broadcast_to"),
    "ceil": unary(ops.ceil, 0.1, 0.9),
    "clip": clip(),
    "concatenate": joined(ops.concatenate),
    "conv1d": conv1d(),
    "conv2d": conv2d(),
    "convolve": convolve(),
    "cos": unary(ops.cos),
    "cross_entropy": cross_entropy(),
    "divide": binary(operator.truediv, 0.3),
    "dropout": dropout(),
    "einsum": named_sum(),
    "exp": unary(ops.exp),
    "expand_dims": shaped("expand_dims"),
    "floor": unary(ops.floor, 0.1, 0.9),
    "gelu": unary(ops.gelu),
    "getitem": indexed(),
    "layer_norm": normalised(ops.layer_norm),
    "rms_norm": normalised(ops.rms_norm),
    "linear": linear(),
    "log": unary(ops.log, 0.2),
    "log1p": unary(ops.log1p, -0.8),
    "log_softmax": along(ops.log_softmax),
    "logaddexp": binary(ops.logaddexp),
    "logsumexp": reduction(ops.logsumexp),
    "matmul": product(),
    "max": reduction(ops.max),
    "max_pool2d": pooling(ops.max_pool2d),
    "maximum": binary(ops.maximum),
    "mean": reduction(ops.mean),
    "min": reduction(ops.min),
    "minimum": binary(ops.minimum),
    "moveaxis": shaped("moveaxis"),
    "mse": mse(),
    "multiply": binary(operator.mul),
    "negative": unary(operator.neg),
    "norm": reduction(ops.norm),
    "pad": shaped("pad"),
    "power": power(),
    "relu": unary(ops.relu),
    "reshape": shaped("reshape"),
    "round": unary(ops.round, 0.55, 0.95),
    "sigmoid": unary(ops.sigmoid),
    "silu": unary(ops.silu),
    "sin": unary(ops.sin),
    "softmax": along(ops.softmax),
    "softplus": unary(ops.softplus),
    "split": split(),
    "sqrt": unary(ops.sqrt, 0.2),
    "square": unary(ops.square),
    "squeeze": shaped("squeeze"),
    "stack": joined(ops.stack),
    "std": reduction(ops.std, ddof=True),
    "subtract": binary(operator.sub),
    "sum": reduction(ops.sum),
    "swapaxes": shaped("swapaxes"),
    "take": gathered(),
    "take_along_axis": gathered_along(),
    "tanh": unary(ops.tanh),
    "transpose": shaped("transpose"),
    "trunc": unary(ops.trunc, 0.1, 0.9),
    "var": reduction(ops.var, ddof=True),
    "where": where(),
    **LINALG,
}

ALIASES = {"abs": "absolute", "neg": "negative"}
