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
    dilation = draw(st.sampled_from([1, 1, 2, (1, 3)]))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    top, left = padding if isinstance(padding, tuple) else (padding, padding)
    down, across = dilation if isinstance(dilation, tuple) else (dilation, dilation)
    more, few = st.integers(0, 2), st.integers(1, 2)
    height, width = (h - 1) * down + 1 + draw(more), (w - 1) * across + 1 + draw(more)
    inner = draw(few)
    if draw(st.booleans()):  # smaller than the kernel without the padding
        height, width = max(1, height - 2 * top), max(1, width - 2 * left)
    size = (h, w, inner, groups * draw(few))
    settings = {"stride": draw(st.sampled_from([1, 2, (1, 3)])), "padding": padding}
    settings |= {"dilation": dilation, "groups": groups}
    every = [(draw(more), height, width, inner * groups), size, size[3:]]
    return partial(ops.conv2d, **settings), [draw(points(shape)) for shape in every[: draw(st.integers(2, 3))]]


@st.composite
def conv1d(draw: Any) -> Case:
    length, dilation, groups = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    few = st.integers(1, 2)
    size = (length, draw(few), groups * draw(few))
    places = (length - 1) * dilation + 1 + draw(st.integers(0, 3))
    every = [(draw(st.integers(0, 2)), places, size[1] * groups), size, size[2:]]
    settings = {"stride": draw(few), "padding": draw(st.integers(0, 2)), "dilation": dilation, "groups": groups}
    return partial(ops.conv1d, **settings), [draw(points(shape)) for shape in every[: draw(st.integers(2, 3))]]


@st.composite
def convolve(draw: Any) -> Case:
    lengths = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    mode = draw(st.sampled_from(["full", "same", "valid"]))
    return lambda a, v: ops.convolve(a, v, mode), [draw(points((n,))) for n in lengths]


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
def normalised_groups(draw: Any) -> Case:
    """Groups of channels of each sample, over pixels; a group of one value has no variance, so eps is large there."""
    lead = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3))
    groups, size = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    eps = 0.1 if math.prod(lead[1:]) * size == 1 else draw(st.sampled_from([1e-5, 0.1]))
    arrays = [draw(points((*lead, groups * size))), *(draw(points((groups * size,))) for _ in range(2))]
    return lambda *inputs: ops.group_norm(*inputs, groups=groups, eps=eps), arrays


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
