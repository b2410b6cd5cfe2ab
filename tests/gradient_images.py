"""Calls of the operations on images, and of normalisation, for `gradient_table`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from gradient_points import Case, points, values
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops


@st.composite
def conv2d(draw: Any) -> Case:
    h, w = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from([0, 1, (0, 2), (3, 1)]))
    top, left = padding if isinstance(padding, tuple) else (padding, padding)
    more = st.integers(0, 2)
    images = (draw(more), h + draw(more), w + draw(more), draw(st.integers(1, 2)))
    size = (h, w, images[3], draw(st.integers(1, 2)))
    if draw(st.booleans()):  # smaller than the kernel without the padding
        images = (images[0], max(1, images[1] - 2 * top), max(1, images[2] - 2 * left), images[3])
    settings = {"stride": draw(st.sampled_from([1, 2, (1, 3)])), "padding": padding}
    every = [images, size, size[3:]]
    return partial(ops.conv2d, **settings), [draw(points(shape)) for shape in every[: draw(st.integers(2, 3))]]


@st.composite
def pooling(draw: Any, op: Callable[..., Any]) -> Case:
    kernel = draw(st.sampled_from([1, 2, 3, (1, 2), (3, 2)]))
    h, w = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    settings = {
        "stride": draw(st.sampled_from([None, 1, 2, (1, 3)])),
        "padding": draw(st.sampled_from([0, (h // 2, w // 2), (h - 1, w - 1)])),
    }
    more = st.integers(0, 3)
    images = (draw(st.integers(0, 2)), h + draw(more), w + draw(more), draw(st.integers(1, 2)))
    return lambda x: op(x, kernel, **settings), [draw(points(images))]


@st.composite
def normalised(draw: Any, op: Callable[..., Any]) -> Case:
    lead = draw(hnp.array_shapes(min_dims=1 if op is ops.batch_norm else 0, max_dims=3, max_side=3))
    n = draw(st.integers(1, 4))
    settings: dict[str, Any] = {"eps": draw(st.sampled_from([1e-5, 0.1]))}
    if math.prod(lead) == 1 if op is ops.batch_norm else n == 1:
        settings["eps"] = 0.1  # of one value: a root of 0 would magnify rounding
    if op is ops.batch_norm and draw(st.booleans()):
        settings |= {"mean": values(1, (n,)), "var": values(2, (n,), 0.5, 2.0)}
    arrays = [draw(points((*lead, n))), *(draw(points((n,))) for _ in op.primitive.inputs[1:])]
    return lambda *inputs: op(*inputs, **settings), arrays
