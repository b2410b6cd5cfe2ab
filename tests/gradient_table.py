"""For every operation: how to draw a call of it whose gradients can be checked.

Each entry of `TABLE` is a hypothesis strategy for ``(fn, arrays)``: a function of tensors, and a point away from
kinks. An operation that `minigrad.ops` exports and that is missing here fails `test_ops_gradients.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from gradient_elementwise import ELEMENTWISE, shapes, unary
from gradient_images import conv1d, conv2d, convolve, normalised, normalised_groups, pooling
from gradient_linalg import LINALG
from gradient_points import Case, points
from gradient_points import values as values
from gradient_reductions import REDUCTIONS
from gradient_shapes import SHAPES
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops

solid = hnp.array_shapes(min_dims=1, max_dims=3, max_side=3)  # at least one axis


@st.composite
def along(draw: Any, op: Callable[..., Any]) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return lambda x: op(x, axis=axis), [draw(points(shape))]


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
        mode = draw(st.sampled_from(["edge", "reflect", "symmetric", "wrap"]))
        fn = partial(ops.pad, pad_width=draw(st.sampled_from([width, (3, 5)])), mode=mode)
    if what == "pad" and draw(st.booleans()):
        fn = partial(ops.pad, pad_width=width, constant_values=0.5)
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
    ("ij,k->i", (2, 3), (2,)), ("i...i->...", (2, 3, 2)), ("ii,ij->", (2, 2), (2, 3)),
    ("iji,kk->j", (2, 3, 2), (2, 2)), ("...,...i->...i", (2, 1), (3, 2)), ("ab,cd->", (2, 3), (2, 2)),
    (",i->i", (), (3,)), ("ij,ij->i", (1, 3), (2, 3)), ("i,i,i->i", (2,), (2,), (2,)),
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
def loss_weights(draw: Any, shape: tuple[int, ...]) -> Any:
    """None, or weights for losses of a shape: of each, or of the first axes."""
    axes = draw(st.integers(-1, len(shape)))
    return draw(points(shape[:axes])) if axes > 0 else None


@st.composite
def cross_entropy(draw: Any) -> Case:
    lead = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    classes = draw(st.integers(1, 4))
    logits = draw(points((*lead, classes)))
    settings = {
        "label_smoothing": draw(st.sampled_from([0.0, 0.2])),
        "reduction": draw(st.sampled_from(["mean", "sum", "none"])),
        "weights": draw(loss_weights(tuple(lead))),
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
    weights = draw(loss_weights(shape))
    return lambda x, y: ops.mse(x, y, reduction=reduction, weights=weights), [draw(points(shape)), draw(points(shape))]


@st.composite
def binary_cross_entropy(draw: Any) -> Case:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    targets = draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.25, 1.0])))
    settings = {"reduction": draw(st.sampled_from(["mean", "sum", "none"])), "weights": draw(loss_weights(shape))}
    return lambda x: ops.binary_cross_entropy_with_logits(x, targets, **settings), [draw(points(shape))]


TABLE: dict[str, st.SearchStrategy[Case]] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    "astype": unary(lambda x: ops.astype(x, x.dtype)),
    "avg_pool2d": pooling(ops.avg_pool2d),
    "batch_norm": normalised(ops.batch_norm),
    "binary_cross_entropy_with_logits": binary_cross_entropy(),
    "broadcast_to": shaped("broadcast_to"),
    "concatenate": joined(ops.concatenate),
    "conv1d": conv1d(),
    "conv2d": conv2d(),
    "convolve": convolve(),
    "cross_entropy": cross_entropy(),
    "einsum": named_sum(),
    "expand_dims": shaped("expand_dims"),
    "getitem": indexed(),
    "group_norm": normalised_groups(),
    "layer_norm": normalised(ops.layer_norm),
    "rms_norm": normalised(ops.rms_norm),
    "linear": linear(),
    "log_softmax": along(ops.log_softmax),
    "matmul": product(),
    "max_pool2d": pooling(ops.max_pool2d),
    "moveaxis": shaped("moveaxis"),
    "mse": mse(),
    "pad": shaped("pad"),
    "reshape": shaped("reshape"),
    "softmax": along(ops.softmax),
    "split": split(),
    "squeeze": shaped("squeeze"),
    "stack": joined(ops.stack),
    "swapaxes": shaped("swapaxes"),
    "take": gathered(),
    "take_along_axis": gathered_along(),
    "transpose": shaped("transpose"),
    **SHAPES,
    **LINALG,
}

ALIASES = {
    "abs": "absolute", "degrees": "rad2deg", "mod": "remainder", "neg": "negative", "radians": "deg2rad",
}  # fmt: skip
