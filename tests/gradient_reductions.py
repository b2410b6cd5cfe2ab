"""Calls of reductions, norms, cumulative and order statistics, and finite differences, for `gradient_table`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from gradient_points import Case, points, values
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops

shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
solid = hnp.array_shapes(min_dims=1, max_dims=3, max_side=3)  # at least one axis


@st.composite
def axes(draw: Any, ndim: int) -> Any:
    if ndim == 0 or draw(st.booleans()):
        return None
    if draw(st.booleans()):
        return draw(st.integers(-ndim, ndim - 1))
    return draw(hnp.valid_tuple_axes(ndim, min_size=1))


def count(shape: tuple[int, ...], axis: Any) -> int:
    return math.prod(shape[a] for a in np.atleast_1d(range(len(shape)) if axis is None else axis))


@st.composite
def reduction(draw: Any, op: Callable[..., Any], ddof: bool = False, low: float = -2.0) -> Case:
    shape = draw(shapes)
    axis = draw(axes(len(shape)))
    settings: dict[str, Any] = {"axis": axis, "keepdims": draw(st.booleans())}
    if ddof:
        several = count(shape, axis) > 1
        settings["ddof"] = draw(st.integers(0, 1)) if several else 0
        # The spread of a single value has no derivative to check: std is at its kink there.
        if not several:
            op = ops.var
    return lambda x: op(x, **settings), [draw(points(shape, low))]


@st.composite
def vector_norm(draw: Any) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    settings = {
        "ord": draw(st.sampled_from([1, 2, 3, 1.5, 0.5, -1, -2.5, 0, np.inf, -np.inf])),
        "axis": axis,
        "keepdims": draw(st.booleans()),
    }
    return lambda x: ops.norm(x, **settings), [draw(points(shape))]


@st.composite
def matrix_norm(draw: Any) -> Case:
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, max_side=3))
    axis = tuple(draw(st.permutations(range(-len(shape), 0)))[:2])
    if len(shape) == 2 and draw(st.booleans()):
        axis = None
    settings = {
        "ord": draw(st.sampled_from(["fro", 1, -1, np.inf, -np.inf])), "axis": axis, "keepdims": draw(st.booleans())
    }  # fmt: skip
    return lambda x: ops.norm(x, **settings), [draw(points(shape))]


@st.composite
def product(draw: Any, op: Callable[..., Any]) -> Case:
    """With zeros: none, one and several among the factors."""
    fn, (x,) = draw(reduction(op))
    return fn, [draw(with_zeros(x))]


@st.composite
def with_zeros(draw: Any, x: np.ndarray) -> np.ndarray:
    x = x.copy()
    for place in draw(st.lists(st.integers(0, max(x.size - 1, 0)), max_size=3)):
        x.reshape(-1)[place] = 0
    return x


@st.composite
def cumulative(draw: Any, op: Callable[..., Any], zeros: bool = False) -> Case:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=5))
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    x = draw(points(shape))
    return lambda x: op(x, axis=axis), [draw(with_zeros(x)) if zeros else x]


def holed(x: Any, hole: np.ndarray) -> Any:
    """With NaN at some places, so that the point itself is one that can be moved; whole numbers have none."""
    return x if (x == np.rint(x.data)).all() else x + hole.astype(x.dtype)


@st.composite
def beside_nan(draw: Any, op: Callable[..., Any]) -> Case:
    shape = draw(shapes)
    settings = {"axis": draw(axes(len(shape))), "keepdims": draw(st.booleans())}
    hole = np.where(values(draw(st.integers(0, 10**6)), shape) > 1, np.nan, 0.0)
    hole = np.where(np.isnan(hole).all(axis=settings["axis"], keepdims=True), 0.0, hole)
    return lambda x: op(holed(x, hole), **settings), [draw(points(shape))]


@st.composite
def spread_beside_nan(draw: Any, op: Callable[..., Any]) -> Case:
    n, ddof = draw(st.integers(2, 5)), draw(st.integers(0, 1))
    hole = np.array([[np.nan] + [0.0] * n, [0.0] * n + [np.nan]])
    return lambda x: op(holed(x, hole), axis=1, ddof=ddof), [draw(points((2, n + 1)))]


@st.composite
def along(draw: Any, op: Callable[..., Any], **more: Any) -> Case:
    shape = draw(solid)
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    return lambda x: op(x, axis=axis, **more), [draw(points(shape))]


@st.composite
def partition(draw: Any) -> Case:
    shape = draw(solid)
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1))
    n = math.prod(shape) if axis is None else shape[axis]
    kth = draw(st.integers(0, n - 1) | st.lists(st.integers(0, n - 1), min_size=1, max_size=2))
    # Where the other values stand is not said, and differs with the dtype.
    return lambda x: ops.take(ops.partition(x, kth, axis=axis), kth, axis=axis or 0), [draw(points(shape))]


@st.composite
def quantile(draw: Any, op: Callable[..., Any], scale: float) -> Case:
    fn, (x,) = draw(reduction(lambda x, **settings: settings))
    settings = fn(x)
    q = draw(st.sampled_from([0.0, 0.3, 0.5, 1.0, [0.1, 0.8], [[0.25], [0.9]], []]))
    method = draw(st.sampled_from(["linear", "lower", "higher", "nearest", "midpoint", "median_unbiased", "hazen"]))
    return lambda x: op(x, np.multiply(q, scale), method=method, **settings), [x]


@st.composite
def average(draw: Any) -> Case:
    shape = draw(solid)
    axis = draw(axes(len(shape)))
    settings = {"axis": axis, "keepdims": draw(st.booleans())}
    if draw(st.booleans()):
        return lambda x: ops.average(x, **settings), [draw(points(shape))]
    if axis is not None and draw(st.booleans()):
        weights = tuple(shape[a] for a in np.atleast_1d(axis))
    else:
        weights = shape
    return lambda x, w: ops.average(x, weights=w, **settings), [draw(points(shape)), draw(points(weights, 0.3, 2.0))]


@st.composite
def covariance(draw: Any, op: Callable[..., Any]) -> Case:
    n, rows, more = draw(st.integers(3, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
    settings: dict[str, Any] = {"rowvar": draw(st.booleans())}
    shape = (n,) if rows == 1 and draw(st.booleans()) else (rows, n) if settings["rowvar"] else (n, rows)
    every = [shape]
    if more:
        every.append((n,) if more == 1 else (more, n) if settings["rowvar"] else (n, more))
    if op is ops.cov:
        settings |= draw(
            st.sampled_from([{}, {"bias": True}, {"ddof": 0}, {"fweights": np.arange(1, n + 1)},
                             {"aweights": np.linspace(0.5, 1, n)},
                             {"aweights": np.linspace(0.5, 1, n), "fweights": np.full(n, 2), "ddof": 0}])
        )  # fmt: skip
    return lambda *xs: op(*xs, **settings), [draw(points(each)) for each in every]


@st.composite
def diff(draw: Any) -> Case:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n = draw(st.integers(1, 2))
    arrays, names = [draw(points(shape))], draw(st.sampled_from([(), ("prepend",), ("append",), ("prepend", "append")]))
    for _ in names:
        end = list(shape)
        end[axis] = draw(st.integers(1, 2))
        arrays.append(draw(points(draw(st.sampled_from([(), tuple(end)])))))
    return lambda x, *ends: ops.diff(x, n, axis, **dict(zip(names, ends, strict=True))), arrays


@st.composite
def ediff1d(draw: Any) -> Case:
    arrays = [draw(points(draw(solid)))]
    names = draw(st.sampled_from([(), ("to_end",), ("to_begin",), ("to_end", "to_begin")]))
    arrays += [draw(points(draw(st.sampled_from([(), (2,)])))) for _ in names]
    return lambda x, *ends: ops.ediff1d(x, **dict(zip(names, ends, strict=True))), arrays


@st.composite
def trapezoid(draw: Any) -> Case:
    shape = draw(solid)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    places = draw(st.sampled_from([None, shape, (shape[axis],)]))
    if places is None:
        return lambda y: ops.trapezoid(y, dx=0.5, axis=axis), [draw(points(shape))]
    return lambda y, x: ops.trapezoid(y, x, axis=axis), [draw(points(shape)), draw(points(places))]


@st.composite
def gradient(draw: Any) -> Case:
    order = draw(st.sampled_from([1, 2]))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=order + 1, max_side=5))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    places = np.cumsum(np.linspace(0.5, 1.0, shape[axis]))
    spacing = draw(st.sampled_from([(), (0.5,), (places,)]))
    if draw(st.booleans()):
        return lambda f: ops.stack([ops.gradient(f, 2.0, axis=k, edge_order=order) for k in range(f.ndim)]), [
            draw(points(shape))
        ]
    return lambda f: ops.gradient(f, *spacing, axis=axis, edge_order=order), [draw(points(shape))]


REDUCTIONS: dict[str, st.SearchStrategy[Case]] = {
    "average": average(),
    "corrcoef": covariance(ops.corrcoef),
    "cov": covariance(ops.cov),
    "cumprod": cumulative(ops.cumprod, zeros=True),
    "cumsum": cumulative(ops.cumsum),
    "diff": diff(),
    "ediff1d": ediff1d(),
    "gradient": gradient(),
    "logsumexp": reduction(ops.logsumexp),
    "max": reduction(ops.max),
    "mean": reduction(ops.mean),
    "median": reduction(ops.median),
    "min": reduction(ops.min),
    "nanmax": beside_nan(ops.nanmax),
    "nanmean": beside_nan(ops.nanmean),
    "nanmin": beside_nan(ops.nanmin),
    "nanprod": beside_nan(ops.nanprod),
    "nanstd": spread_beside_nan(ops.nanstd),
    "nansum": beside_nan(ops.nansum),
    "nanvar": spread_beside_nan(ops.nanvar),
    "norm": reduction(ops.norm) | vector_norm() | matrix_norm(),
    "partition": partition(),
    "percentile": quantile(ops.percentile, 100),
    "prod": product(ops.prod),
    "ptp": reduction(ops.ptp),
    "quantile": quantile(ops.quantile, 1),
    "sort": along(ops.sort),
    "std": reduction(ops.std, ddof=True),
    "sum": reduction(ops.sum),
    "trapezoid": trapezoid(),
    "var": reduction(ops.var, ddof=True),
}
