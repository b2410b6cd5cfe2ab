"""Calls of the operations that arrange, join, cut, choose and contract, for `gradient_table`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gradient_points import Case, points
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import ops

Call = tuple[Callable[..., Any], list[tuple[int, ...]]]
"""A function of tensors, and the shapes of its inputs."""


@st.composite
def calls(draw: Any, *of: Call) -> Case:
    fn, shapes = draw(st.sampled_from(of))
    return fn, [draw(points(shape)) for shape in shapes]


def unary(op: Callable[..., Any], *of: tuple[Any, ...]) -> st.SearchStrategy[Case]:
    """Calls of one input: its shape, and the other arguments, by position or as a dict at the end."""

    def bound(args: tuple[Any, ...]) -> Callable[..., Any]:
        named = args[-1] if args and isinstance(args[-1], dict) else {}
        plain = args[:-1] if named else args
        return lambda x: op(x, *plain, **named)

    return calls(*[(bound(args), [shape]) for shape, *args in of])


def several(op: Callable[..., Any], *of: Sequence[tuple[int, ...]], **settings: Any) -> st.SearchStrategy[Case]:
    """Calls of a function of a list of inputs: their shapes."""
    return calls(*[(lambda *xs: op(xs, **settings), list(shapes)) for shapes in of])


def binary(op: Callable[..., Any], *of: tuple[Any, ...]) -> st.SearchStrategy[Case]:
    """Calls of two inputs: their shapes, and perhaps a dict of other arguments."""
    return calls(*[(lambda a, b, named=dict(*more): op(a, b, **named), [x, y]) for x, y, *more in of])


def cut(op: Callable[..., Any], *of: tuple[Any, ...]) -> st.SearchStrategy[Case]:
    """Pieces of different use, put together again in another order: shape, arguments, the axis that is cut."""

    def joined(args: tuple[Any, ...], axis: int) -> Callable[..., Any]:
        return lambda x: ops.concatenate([piece * (k + 1) for k, piece in enumerate(op(x, *args))][::-1], axis)

    return calls(*[(joined(args, axis), [shape]) for shape, *args, axis in of])


def pooled(op: Callable[..., Any]) -> Callable[..., Any]:
    """All of several results, flattened."""
    return lambda *xs: ops.concatenate([x * (k + 1) for k, x in enumerate(op(*xs))], axis=None)


@st.composite
def repeated(draw: Any) -> Case:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=3))
    axis = draw(st.integers(-len(shape), len(shape) - 1)) if shape and draw(st.booleans()) else None
    n = math.prod(shape) if axis is None else shape[axis]
    repeats = draw(st.integers(0, 3) | st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return lambda x: ops.repeat(x, repeats, axis), [draw(points(shape))]


@st.composite
def rolled(draw: Any) -> Case:
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1) | hnp.valid_tuple_axes(len(shape), min_size=1))
    shift = draw(st.integers(-7, 7))
    if isinstance(axis, tuple) and draw(st.booleans()):
        shift = [shift, -1, 2][: len(axis)]
    return lambda x: ops.roll(x, shift, axis), [draw(points(shape))]


@st.composite
def contracted(draw: Any) -> Case:
    axes, a, b = draw(
        st.sampled_from(
            [
                (2, (2, 3, 2), (3, 2)), (1, (3,), (3, 2)), (0, (2,), (3,)), (0, (), (2, 2)),
                (([0], [1]), (2, 3), (2, 2)),
                (([1, 2], [1, 0]), (2, 3, 2), (2, 3, 4)), ((-1, 0), (2, 3), (3, 2)), (([], []), (2,), (1, 2)),
                (([-1, 0], [0, -1]), (2, 3, 4), (4, 3, 2)), (2, (2, 2), (2, 2)), (1, (2, 0), (0, 3)),
            ]
        )
    )  # fmt: skip
    return lambda x, y: ops.tensordot(x, y, axes), [draw(points(a)), draw(points(b))]


CHOSEN = np.array([[0, 1], [1, 0]])
VECTORS = [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 2, 3), (2, 3)), ((0,), (0,))]
MASK = np.array([True, False, True])

SHAPES: dict[str, st.SearchStrategy[Case]] = {
    "append": binary(
        ops.append, ((2, 3), (2,)), ((), ()), ((2, 3), (1, 3), {"axis": 0}), ((2, 1), (2, 0), {"axis": -1})
    ),
    "array_split": cut(ops.array_split, ((7,), 3, 0), ((2, 5), 3, 1, 1), ((5, 2), [1, 3], 0, 0), ((2,), 4, 0)),
    "atleast_1d": calls((ops.atleast_1d, [()]), (ops.atleast_1d, [(2, 3)]), (pooled(ops.atleast_1d), [(), (2,)])),
    "atleast_2d": calls((ops.atleast_2d, [()]), (ops.atleast_2d, [(3,)]), (pooled(ops.atleast_2d), [(2,), (2, 1, 2)])),
    "atleast_3d": calls(
        (ops.atleast_3d, [()]), (ops.atleast_3d, [(3,)]), (ops.atleast_3d, [(2, 3)]),
        (pooled(ops.atleast_3d), [(2, 2), (2, 1, 2, 2)]),
    ),
    "broadcast_arrays": calls(
        (pooled(ops.broadcast_arrays), [(3,), (2, 1)]), (pooled(ops.broadcast_arrays), [(2, 1, 2), (), (3, 1)])
    ),
    "choose": calls(
        (lambda *xs: ops.choose(CHOSEN, xs), [(2, 2), (2, 2)]), (lambda *xs: ops.choose(CHOSEN, xs), [(2,), ()]),
        (lambda *xs: ops.choose(CHOSEN * 5 - 1, xs, mode="wrap"), [(2, 1, 1), (2, 2), ()]),
        (lambda *xs: ops.choose(1, xs, mode="clip"), [(3,)]), (lambda *xs: ops.choose(CHOSEN, xs), [(3, 2, 2), (2,)]),
    ),
    "column_stack": several(ops.column_stack, [(3,), (3,)], [(3,), (3, 2)], [(2, 0), (2,), (2, 1)]),
    "compress": calls(
        (lambda x: ops.compress(MASK, x), [(2, 3)]), (lambda x: ops.compress(MASK, x, axis=1), [(2, 3)]),
        (lambda x: ops.compress([False, True], x, axis=-2), [(3, 2)]),
    ),
    "copy": unary(ops.copy, ((),), ((2, 3),)),
    "cross": binary(
        ops.cross, ((3,), (3,)), ((2, 3), (3,)), ((2, 1, 3), (4, 3)), ((3, 2), (3, 2), {"axis": 0}),
        ((3, 2), (2, 3), {"axisa": 0, "axisc": 0}),
    ),
    "delete": unary(
        ops.delete, ((4,), 1), ((2, 3), -1), ((2, 3), slice(1), 1), ((3, 2), [0, -1, 0], 0), ((3, 2), MASK, -2),
        ((3,), []),
    ),
    "diag": unary(ops.diag, ((3,),), ((2,), 1), ((2,), -2), ((3, 3),), ((2, 3), 1), ((3, 2), -1), ((2, 2), 2)),
    "diagflat": unary(ops.diagflat, ((),), ((2, 2), 1), ((3,), -1)),
    "diagonal": unary(
        ops.diagonal, ((3, 3),), ((2, 3), 1), ((3, 2, 2), -1, 0, 1), ((2, 3, 4), 1, -1, 0), ((2, 3, 2), 0, 2, 1),
        ((2, 2), 5),
    ),
    "dot": binary(
        ops.dot, *VECTORS[:3], VECTORS[-1], ((), (2, 2)), ((2,), ()), ((2, 3), (3, 2)), ((2, 3), (2, 3, 2)),
        ((3,), (3, 2)), ((2, 2, 3), (3, 2)), ((2, 2, 3), (3,)),
    ),
    "dsplit": cut(ops.dsplit, ((2, 1, 4), 2, 2), ((1, 2, 3), [1], 2)),
    "dstack": several(ops.dstack, [(), ()], [(2,), (2,)], [(2, 2), (2, 2, 3)], [(2, 1, 1)]),
    "flip": unary(ops.flip, ((),), ((2, 3),), ((2, 3), 0), ((2, 3, 2), (0, -1)), ((2, 3), -1)),
    "fliplr": unary(ops.fliplr, ((2, 3),), ((2, 3, 2),)),
    "flipud": unary(ops.flipud, ((3,),), ((2, 3),)),
    "hsplit": cut(ops.hsplit, ((4,), 2, 0), ((2, 4), 2, 1), ((2, 3, 2), [1, 2], 1)),
    "hstack": several(ops.hstack, [(), ()], [(2,), (3,)], [(2, 1), (2, 2)], [(2, 1, 2), (2, 0, 2)]),
    "inner": binary(ops.inner, *VECTORS, ((), (2,)), ((2, 3), (4, 3))),
    "insert": calls(
        (lambda x, v: ops.insert(x, 1, v), [(3,), ()]), (lambda x, v: ops.insert(x, -1, v), [(2, 2), (2,)]),
        (lambda x, v: ops.insert(x, 1, v, axis=0), [(2, 3), (3,)]),
        (lambda x, v: ops.insert(x, 1, v, axis=1), [(2, 3), (2,)]),
        (lambda x, v: ops.insert(x, [1], v, axis=1), [(2, 3), (2, 2)]),
        (lambda x, v: ops.insert(x, [0, 2, 0], v, axis=-1), [(2, 3), (2, 3)]),
        (lambda x, v: ops.insert(x, slice(0, 2), v), [(3,), (2,)]),
    ),
    "kron": binary(ops.kron, ((2,), (3,)), ((2, 2), (1, 3)), ((), (2,)), ((2, 1, 2), (3, 2)), ((2,), (2, 2))),
    "outer": binary(ops.outer, ((2,), (3,)), ((2, 2), (3,)), ((), (2, 1)), ((0,), (2,))),
    "ravel": unary(ops.ravel, ((),), ((2, 3),), ((2, 3, 2), "F"), ((0, 2),)),
    "repeat": repeated(),
    "roll": rolled(),
    "rollaxis": unary(ops.rollaxis, ((2, 3, 4), 2), ((2, 3, 4), 0, 3), ((2, 3), -1, 1), ((2, 3, 4), 1, -1)),
    "rot90": unary(ops.rot90, *[((2, 3), k) for k in range(-1, 5)], ((2, 3, 2), 1, (2, 0)), ((2, 3, 2), 3, (-1, 1))),
    "select": calls(
        (lambda *xs: ops.select([MASK, ~MASK], xs), [(3,), (2, 3)]),
        (lambda *xs: ops.select([MASK, MASK[::-1]], xs[:2], xs[2]), [(3,), (), (2, 1)]),
        (lambda *xs: ops.select([[True, False]], xs, -1), [(2,)]),
    ),
    "tensordot": contracted(),
    "tile": unary(ops.tile, ((2,), 3), ((2, 3), (2, 1)), ((2,), (2, 2)), ((), 2), ((2, 3), 2), ((1, 2), (2, 0, 3))),
    "trace": unary(ops.trace, ((3, 3),), ((2, 3), 1), ((2, 3, 2), -1, 2, 0), ((2, 2), 3)),
    "tril": unary(ops.tril, ((3, 3),), ((2, 3), 1), ((2, 3, 2), -1), ((3,),)),
    "triu": unary(ops.triu, ((3, 3),), ((2, 3), 1), ((2, 3, 2), -1), ((3,),)),
    "vdot": binary(ops.vdot, ((3,), (3,)), ((2, 3), (3, 2)), ((), ()), ((2, 2), (4,))),
    "vsplit": cut(ops.vsplit, ((4, 1), 2, 0), ((3, 2, 2), [1], 0)),
    "vstack": several(ops.vstack, [(), ()], [(2,), (2,)], [(2,), (3, 2)], [(1, 2, 2), (2, 2, 2)]),
}  # fmt: skip
