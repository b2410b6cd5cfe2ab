"""Calls of the operations that work element by element, for `gradient_table`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from gradient_points import Case, points
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops

shapes = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)


@st.composite
def unary(draw: Any, op: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> Case:
    return op, [draw(points(draw(shapes), low, high))]


@st.composite
def binary(draw: Any, op: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> Case:
    pair = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    return op, [draw(points(shape, low, high)) for shape in pair.input_shapes]


def apart(op: Callable[..., Any]) -> st.SearchStrategy[Case]:
    """Two inputs of which no entries that meet are nearly equal: there is a kink."""
    return binary(op).filter(lambda case: bool((np.abs(np.subtract(*case[1])) > 0.01).all()))


@st.composite
def power(draw: Any, op: Callable[..., Any] = operator.pow) -> Case:
    exponent = draw(st.sampled_from([2, 1, 3, 0, 0.5, -1, 2.5, [1.5, 2.0, -2.0]]))
    kind = draw(st.sampled_from(["fixed", "base", "both"]))
    if kind == "fixed":
        shape = (2, 3) if np.ndim(exponent) else draw(shapes)
        return lambda x: op(x, exponent), [draw(points(shape, 0.3, 2.0))]
    if kind == "base":
        return lambda y: op(1.7, y), [draw(points(draw(shapes)))]
    return draw(binary(op, 0.3, 2.0))


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
def dropout(draw: Any) -> Case:
    rate, seed = draw(st.sampled_from([0.0, 0.3, 0.9])), draw(st.integers(0, 99))
    return lambda x: ops.dropout(x, rate, rng=seed), [draw(points(draw(shapes)))]


@st.composite
def between_steps(draw: Any, op: Callable[..., Any]) -> Case:
    """Points of which no whole or half number is near, on both sides of 0."""
    shape = draw(shapes)
    whole = draw(hnp.arrays(np.int64, shape, elements=st.integers(-3, 2)))
    half = 0.5 * draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 1)))
    return op, [np.asarray(whole + half + draw(points(shape, 0.1, 0.4)))]


@st.composite
def quotient(draw: Any, op: Callable[..., Any]) -> Case:
    """``x / y`` with no whole number near: above it by a fraction of one divisor, or smaller than any divisor."""
    left, right = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    if draw(st.booleans()):
        return op, [draw(points(left, 0.1, 0.9)), draw(points(right, 1.1, 2.0))]
    y = draw(st.sampled_from([-1.5, 0.75, 2.0]))
    whole = draw(hnp.arrays(np.int64, left, elements=st.integers(-3, 2)))
    return op, [np.asarray((whole + draw(points(left, 0.2, 0.8))) * y), np.full(right, y)]


ELEMENTWISE: dict[str, st.SearchStrategy[Case]] = {
    "absolute": unary(operator.abs),
    "add": binary(operator.add),
    "arccos": unary(ops.arccos, -0.9, 0.9),
    "arccosh": unary(ops.arccosh, 1.1, 4.0),
    "arcsin": unary(ops.arcsin, -0.9, 0.9),
    "arcsinh": unary(ops.arcsinh),
    "arctan": unary(ops.arctan),
    "arctan2": binary(ops.arctan2),
    "arctanh": unary(ops.arctanh, -0.9, 0.9),
    "beta": binary(ops.beta, 0.3, 3.0),
    "betaln": binary(ops.betaln, 0.3, 3.0),
    "cbrt": unary(ops.cbrt, 0.2) | unary(ops.cbrt, -2.0, -0.2),
    "ceil": between_steps(ops.ceil),
    "clip": clip(),
    "cos": unary(ops.cos),
    "cosh": unary(ops.cosh),
    "deg2rad": unary(ops.deg2rad, -90.0, 90.0),
    "digamma": unary(ops.digamma, 0.3, 4.0) | unary(ops.digamma, -0.8, -0.2),
    "divide": binary(operator.truediv, 0.3),
    "dropout": dropout(),
    "erf": unary(ops.erf),
    "erfc": unary(ops.erfc),
    "erfcinv": unary(ops.erfcinv, 0.1, 1.9),
    "erfinv": unary(ops.erfinv, -0.9, 0.9),
    "exp": unary(ops.exp),
    "exp2": unary(ops.exp2),
    "expm1": unary(ops.expm1),
    "fabs": unary(ops.fabs),
    "float_power": power(ops.float_power),
    "floor": between_steps(ops.floor),
    "floor_divide": quotient(operator.floordiv),
    "fmax": apart(ops.fmax),
    "fmin": apart(ops.fmin),
    "gamma": unary(ops.gamma, 0.3, 4.0) | unary(ops.gamma, -0.8, -0.2),
    "gammaln": unary(ops.gammaln, 0.3, 4.0) | unary(ops.gammaln, -0.8, -0.2),
    "gelu": unary(ops.gelu),
    "hypot": binary(ops.hypot),
    "log": unary(ops.log, 0.2),
    "log10": unary(ops.log10, 0.2),
    "log1p": unary(ops.log1p, -0.8),
    "log2": unary(ops.log2, 0.2),
    "log_ndtr": unary(ops.log_ndtr) | unary(ops.log_ndtr, -40.0, -10.0),
    "logaddexp": binary(ops.logaddexp),
    "logaddexp2": binary(ops.logaddexp2),
    "logit": unary(ops.logit, 0.1, 0.9),
    "maximum": apart(ops.maximum),
    "minimum": apart(ops.minimum),
    "multigammaln": unary(partial(ops.multigammaln, d=1), 0.3, 4.0) | unary(partial(ops.multigammaln, d=3), 1.3, 4.0),
    "multiply": binary(operator.mul),
    "nan_to_num": unary(ops.nan_to_num),
    "ndtr": unary(ops.ndtr),
    "ndtri": unary(ops.ndtri, 0.1, 0.9),
    "negative": unary(operator.neg),
    "polygamma": unary(partial(ops.polygamma, 0), 0.3, 4.0) | unary(partial(ops.polygamma, 2), 0.5, 4.0),
    "positive": unary(operator.pos),
    "power": power(),
    "rad2deg": unary(ops.rad2deg),
    "reciprocal": unary(ops.reciprocal, 0.3) | unary(ops.reciprocal, -2.0, -0.3),
    "relu": unary(ops.relu),
    "remainder": quotient(operator.mod),
    "rint": between_steps(ops.rint),
    "round": between_steps(ops.round) | unary(partial(ops.round, decimals=-1), -4.0, 4.0),
    "sigmoid": unary(ops.sigmoid),
    "sign": unary(ops.sign),
    "silu": unary(ops.silu),
    "sin": unary(ops.sin),
    "sinc": unary(ops.sinc) | unary(ops.sinc, -0.01, 0.01),
    "sinh": unary(ops.sinh),
    "softplus": unary(ops.softplus),
    "sqrt": unary(ops.sqrt, 0.2),
    "square": unary(ops.square),
    "subtract": binary(operator.sub),
    "tan": unary(ops.tan, -1.2, 1.2),
    "tanh": unary(ops.tanh),
    "trunc": between_steps(ops.trunc),
    "where": where(),
    "xlog1py": binary(ops.xlog1py, -0.8),
    "xlogy": binary(ops.xlogy, 0.2),
}
