"""Calls of the operations of linear algebra, for `gradient_table`: matrices far from singular ones and from ties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gradient_points import Case, points
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops

batches = hnp.array_shapes(min_dims=0, max_dims=2, max_side=2)
orders = st.integers(1, 3)


@st.composite
def coarse(draw: Any, shape: tuple[int, ...]) -> Any:
    """Points of few digits, to which float16 adds whole numbers exactly."""
    return np.round(draw(points(shape)) * 32) / 32


def _marked(x: Any, diagonal: list[int]) -> Any:
    """With whole numbers added to the diagonal, in the dtype of the matrices."""
    marks = np.zeros(x.shape[-2:], np.int8)
    np.fill_diagonal(marks, diagonal)
    return x + marks


def _shifted(x: Any, by: int = 7) -> Any:
    """Square matrices with a large diagonal, which have an inverse."""
    return _marked(x, [by])


def _positive(x: Any) -> Any:
    return _shifted(x @ ops.swapaxes(x, -1, -2), 1)


def _apart(x: Any) -> Any:
    """Symmetric matrices with distinct eigenvalues."""
    return _marked(x * 0.25 + ops.swapaxes(x, -1, -2) * 0.25, [0, 6, 14])


def _long(x: Any) -> Any:
    """Matrices with distinct singular values, none of them small, of the same shape."""
    return _marked(x * 0.5, [6, 13, 21])


def _together(*parts: Any) -> Any:
    """Several results as one."""
    return ops.concatenate([ops.reshape(part, (-1,)) for part in parts])


@st.composite
def squares(draw: Any, fn: Callable[..., Any]) -> Case:
    n = draw(orders)
    return fn, [draw(coarse((*draw(batches), n, n)))]


@st.composite
def rectangles(draw: Any, fn: Callable[..., Any]) -> Case:
    return fn, [draw(coarse((*draw(batches), draw(orders), draw(orders))))]


@st.composite
def systems(draw: Any, triangular: bool = False) -> Case:
    n = draw(orders)
    lead = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)).input_shapes
    right = draw(st.sampled_from([(n,), (*lead[1], n, draw(orders))]))
    settings: dict[str, Any] = {}
    if triangular:
        settings = {
            "trans": draw(st.sampled_from([0, 1, "N", "T"])),
            "lower": draw(st.booleans()),
            "unit_diagonal": draw(st.booleans()),
        }
    op = ops.solve_triangular if triangular else ops.solve
    return lambda a, b: op(_shifted(a), b, **settings), [draw(coarse((*lead[0], n, n))), draw(coarse(right))]


@st.composite
def powers(draw: Any) -> Case:
    n = draw(st.sampled_from([-3, -2, -1, 1, 2, 3, 4, 5]))  # for 0 it is a constant
    case: Case = draw(squares(lambda x: ops.matrix_power(_shifted(x * 0.125, 1), n)))
    return case


def _eigen(x: Any) -> Any:
    w, v = ops.eigh(_apart(x))
    return _together(w, v * v)  # what does not hang on signs


def _singular(x: Any) -> Any:
    u, s, vh = ops.svd(_long(x), full_matrices=False)
    return _together(u * u, s, vh * vh)


@st.composite
def fits(draw: Any) -> Case:
    m, n = draw(orders), draw(orders)
    right = draw(st.sampled_from([(m,), (m, draw(orders))]))

    def fit(a: Any, b: Any) -> Any:
        x, residuals, _, s = ops.lstsq(_marked(a, [6, 13, 21]), b)
        return _together(x, residuals, s)

    return fit, [draw(coarse((m, n))), draw(coarse(right))]


LINALG: dict[str, st.SearchStrategy[Case]] = {
    "cholesky": squares(lambda x: ops.cholesky(_positive(x))),
    "det": squares(lambda x: ops.det(_shifted(x))),
    "eigh": squares(_eigen),
    "eigvalsh": squares(lambda x: ops.eigvalsh(_apart(x))),
    "expm": squares(lambda x: ops.expm(x * 0.5)),
    "inv": squares(lambda x: ops.inv(_shifted(x))),
    "lstsq": fits(),
    "matrix_power": powers(),
    "pinv": rectangles(lambda x: ops.pinv(_long(x))),
    "qr": rectangles(lambda x: _together(*ops.qr(_long(x)))),
    "slogdet": squares(lambda x: ops.slogdet(_shifted(x)).logabsdet),
    "solve": systems(),
    "solve_triangular": systems(triangular=True),
    "svd": rectangles(_singular),
}
