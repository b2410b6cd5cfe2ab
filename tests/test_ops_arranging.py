"""Families that arrange, join, cut, choose and contract: values as in NumPy with its own arguments, dtypes, errors.

Gradients: test_ops_gradients.py, by tests/gradient_shapes.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import ops

X = np.arange(24.0).reshape(2, 3, 4)
M = np.arange(6.0).reshape(2, 3) + 1
V = np.array([1.0, -2.0, 3.0])
COPIES = ("edge", "reflect", "symmetric", "wrap")

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *[("roll", (X, shift, axis), {}) for shift in (0, 1, -5, 30) for axis in (None, 0, -1)],
    ("roll", (X, (1, 2), (0, 2)), {}), ("roll", (X, 1, (0, 1)), {}), ("roll", (X, (1, 1), (1, 1)), {}),
    *[("rot90", (X, k, axes), {}) for k in range(-5, 6) for axes in ((0, 1), (1, 0), (-1, 0))],
    *[("rollaxis", (X, axis, start), {}) for axis in range(-3, 3) for start in range(-3, 4)],
    *[("flip", (X, axis), {}) for axis in (None, 0, -2, (0, 2))], ("fliplr", (X,), {}), ("flipud", (V,), {}),
    *[("repeat", (M, repeats, axis), {}) for repeats in (0, 1, 2) for axis in (None, 0, -1)],
    ("repeat", (M, [2]), {"axis": 1}), ("repeat", (M, [2, 0]), {"axis": 0}), ("repeat", (M, [1, 0, 2, 3, 0, 1]), {}),
    ("repeat", (2.0, 3), {}), ("repeat", (M, np.array(2)), {"axis": 0}),
    *[("tile", (M, reps), {}) for reps in (0, 2, (2,), (1, 2), (3, 1, 2), (2, 0), ())], ("tile", (1.5, (2, 2)), {}),
    *[("ravel", (X, order), {}) for order in ("C", "F")],
    *[("reshape", (X, shape, order), {}) for shape in (-1, (4, 6), (3, -1, 2)) for order in ("C", "F")],
    *[(f"atleast_{n}d", (x,), {}) for n in (1, 2, 3) for x in (2.0, V, M, X, X[None])],
    ("copy", (X,), {}),
    *[(name, ([x, x],), {}) for name in ("vstack", "hstack", "dstack", "column_stack") for x in (V, M)],
    *[(name, ([2.0, 3.0],), {}) for name in ("vstack", "hstack", "dstack")], ("vstack", (X,), {}), ("hstack", (X,), {}),
    ("append", (M, V), {}), ("append", (M, V[None]), {"axis": 0}), ("append", (M, [[7.0], [8.0]], 1), {}),
    *[("tril", (x, k), {}) for x in (V, M, X) for k in (-2, 0, 1, 9)],
    *[("triu", (x, k), {}) for x in (V, M, X) for k in (-2, 0, 1, 9)],
    *[("diag", (x, k), {}) for x in (V, M) for k in (-2, -1, 0, 1, 3)],
    ("diagflat", (M, -1), {}), ("diagflat", (2.0,), {}),
    *[(f, (X, k, a, b), {}) for f in ("diagonal", "trace") for k in (-1, 0, 3) for a, b in ((0, 1), (2, 0), (-1, -2))],
    *[("delete", (M, obj, axis), {}) for obj in (0, -1, [0, 1], slice(None, None, 2), []) for axis in (None, 0, -1)],
    ("delete", (V, np.array([True, False, True])), {}), ("delete", (V, [0, 0, 2]), {}),
    *[("insert", (M, at, 9.0, k), {}) for at in (0, -1, 2, [0, 1], [1, 1, 0], slice(0, 2), [2]) for k in (None, 0)],
    ("insert", (M, 1, V, 0), {}), ("insert", (M, 1, [7.0, 8.0], 1), {}), ("insert", (M, [1], [[7.0], [8.0]], 1), {}),
    ("insert", (M, 1, [V, V], 0), {}), ("insert", (M, [0, -1], V, 0), {}), ("insert", (V, 1, [5.0, 6.0]), {}),
    ("insert", (V, [1], [5.0, 6.0]), {}), ("insert", (V, [0, 2, 2], [5.0, 6.0, 7.0]), {}), ("insert", ([], 0, V), {}),
    ("insert", (V, [], []), {}),
    ("select", ([V > 1, V < 0], [V, 10 * V]), {}), ("select", ([V > 1, V > 0], [2.0, M], -1.0), {}),
    ("choose", ([[0, 1, 0], [1, 1, 0]], [M, -M]), {}), ("choose", ([0, 1, 2], [V, M, 5.0]), {}),
    ("choose", ([5, -1, 1], [V, -V]), {"mode": "wrap"}), ("choose", ([5, -1, 1], [V, -V]), {"mode": "clip"}),
    ("compress", ([False, True], M, 0), {}), ("compress", ([0, 1, 0, 2], M), {}), ("compress", ([True], X, -1), {}),
    *[("dot", (a, b), {}) for a, b in ((V, V), (M, V), (M, M.T), (X, X[0].T), (V, X), (2.0, M), (M, 2.0))],
    *[("inner", (a, b), {}) for a, b in ((V, V), (M, V), (X, X), (2.0, M))],
    *[("outer", (a, b), {}) for a, b in ((V, V), (M, V), (2.0, M))], ("vdot", (M, M.T), {}), ("vdot", (2.0, [3.0]), {}),
    *[("kron", (a, b), {}) for a, b in ((V, V), (M, V), (V, M), (X, M), (2.0, M))],
    *[("tensordot", (X, X, axes), {}) for axes in (3, 0, ([0, 2], [0, 2]), ([2, -3], (2, 0)), (1, 1), ([], []))],
    ("tensordot", (X, np.ones((4, 2)), 1), {}), ("tensordot", (X, np.ones((4, 3))), {"axes": ((-1, 1), (0, 1))}),
    *[("cross", (M, b), {}) for b in (V, M)], ("cross", (M.T, V), {"axisa": 0}), ("cross", (M.T, M.T), {"axis": 0}),
    ("cross", (M, M), {"axisc": 0}),
    *[("pad", (M, width, mode), {}) for width in (1, ((0, 2), (5, 1))) for mode in COPIES],
    ("pad", (M, 1), {"constant_values": ((1, 2), (3, 4))}),
    ("pad", (M, ((1, 0), (0, 2)), "constant"), {"constant_values": 7}),
    *[("take", (X, [0, 5, -2], None), {"mode": mode}) for mode in ("raise", "wrap", "clip")],
    ("take", (X, 23, None), {}),
    *[("take", (X, [[9, -9]], axis), {"mode": mode}) for mode in ("wrap", "clip") for axis in (None, 0, -1)],
]  # fmt: skip
# The name of an argument that NumPy calls otherwise is given by position.


@pytest.mark.parametrize("name, args, settings", CALLS)
def test_values_are_those_of_numpy(name, args, settings):
    got, expected = getattr(ops, name)(*args, **settings), getattr(np, name)(*args, **settings)
    assert (got.shape, got.dtype) == (expected.shape, np.asarray(expected).dtype)
    np.testing.assert_allclose(got.data, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "name, args",
    [("array_split", (X, 2, 1)), ("array_split", (V, 5)), ("array_split", (X, [1, 3], -1)), ("array_split", (X, 4, 2)),
     ("hsplit", (X, 3)), ("hsplit", (V, [1])), ("vsplit", (X, 2)), ("dsplit", (X, [1, 2])), ("split", (X, 4, -1)),
     ("broadcast_arrays", (V, M, 2.0)), ("broadcast_arrays", (X, M[:, :, None])), ("atleast_1d", (2.0, V)),
     ("atleast_2d", (2.0, V, X)), ("atleast_3d", (M, V))],
)  # fmt: skip
def test_several_results_are_those_of_numpy(name, args):
    got, expected = getattr(ops, name)(*args), getattr(np, name)(*args)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one.data, other, strict=True)


@pytest.mark.parametrize(
    "call",
    [lambda x: ops.append(x, 1.0), lambda x: ops.vstack([x, [1.0, 2.0]]), lambda x: ops.column_stack([[1.0, 2.0], x]),
     lambda x: ops.hstack([x, 1.0]), lambda x: ops.dot([1.0, 2.0], x), lambda x: ops.outer(x, [1.0]),
     lambda x: ops.kron(2.0, x), lambda x: ops.tensordot(x, [1.0, 2.0], 1), lambda x: ops.inner(2.0, x),
     lambda x: ops.vdot([1, 2], x), lambda x: ops.insert(x, 0, 1.0), lambda x: ops.select([[True, False]], [2.0], x),
     lambda x: ops.choose([0, 1], [x, 3.0]), lambda x: ops.tril(x)],
)  # fmt: skip
def test_numbers_and_lists_take_the_dtype_of_the_arrays(call):
    """Also where a function is several operations in a row, the first of which sees the number alone."""
    assert call(np.ones(2, np.float32)).dtype == call(mg.Tensor(np.ones(2, np.float32))).dtype == np.float32
    assert call(mg.Tensor(np.ones(2, np.float16), requires_grad=True)).dtype == np.float16


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.reshape(X, -1, order="K"), "reshape: order='K' would ask how the values lie in memory"),
        (lambda: ops.fliplr(V), r"fliplr: reverses axis 1, but the shape is \(3,\)"),
        (lambda: ops.flipud(2.0), "flipud: a single value has no rows"),
        (lambda: ops.flip(V, 1), "flip: .*out of bounds"),
        (lambda: ops.roll(V, 1, 1), "roll: .*out of bounds"),
        (lambda: ops.rot90(M, axes=(0, 0)), r"rot90: axes=\(0, 0\) are not two different axes"),
        (lambda: ops.rot90(M, axes=(0, -2)), "rot90: .*not two different axes"),
        (lambda: ops.rot90(M, axes=(0, 2)), "rot90: .*with 2 axes"),
        (lambda: ops.rot90(2.0), "rot90: .*with 0 axes"),
        (lambda: ops.rollaxis(M, 2), "rollaxis: axis=2, start=0 are out of bounds for 2 axes"),
        (lambda: ops.rollaxis(M, 0, 3), "rollaxis: axis=0, start=3"),
        (lambda: ops.repeat(V, [1, 2]), r"repeat: repeats of shape \(2,\) are neither one .* nor one for each of 3"),
        (lambda: ops.repeat(V, -1), "repeat: repeats=-1 must be integers that are not negative"),
        (lambda: ops.repeat(V, 1.5), "repeat: repeats=1.5 must be integers"),
        (lambda: ops.repeat(V, 2, axis=1), "repeat: axis 1 is out of bounds"),
        (lambda: ops.tile(V, -1), "tile: reps=-1 must not be negative"),
        (lambda: ops.broadcast_arrays(V, X), r"broadcast_arrays: the shapes \(3,\), \(2, 3, 4\) do not broadcast"),
        (lambda: ops.vstack([]), "vstack: there is nothing to join"),
        (lambda: ops.vstack([V, X[0]]), r"concatenate: .*arrays\[0\] \(1, 3\), arrays\[1\] \(3, 4\)"),
        (lambda: ops.hsplit(2.0, 1), r"hsplit: needs at least 1 axis, but the shape is \(\)"),
        (lambda: ops.vsplit(V, 1), r"vsplit: needs at least 2 axes, but the shape is \(3,\)"),
        (lambda: ops.dsplit(M, 1), "dsplit: needs at least 3 axes"),
        (lambda: ops.array_split(V, 0), "array_split: axis 0 of length 3 cannot be cut into 0 pieces"),
        (lambda: ops.diag(X), r"diag: takes a vector or a matrix, got shape \(2, 3, 4\); use diagonal"),
        (lambda: ops.diagonal(V), "diagonal: .*diag requires"),
        (lambda: ops.diagonal(M, axis1=0, axis2=0), "diagonal: .*the same"),
        (lambda: ops.trace(M, axis1=0, axis2=2), "diagonal: .*out of bounds"),
        (lambda: ops.tril(1.0), "tril: a single value has no triangle"),
        (lambda: ops.insert(M, 0, V[:2], axis=0), r"broadcast_to: .*\(1, 2\)"),
        (lambda: ops.delete(M, 0, axis=2), r"delete: axis 2 is out of bounds for an array of shape \(2, 3\)"),
        (lambda: ops.select([], []), "select: there are 0 conditions and 0 choices"),
        (lambda: ops.select([V > 0], [V, V]), "select: there are 1 conditions and 2 choices"),
        (lambda: ops.choose([2], [V, V]), "choose: the numbers must lie from 0 to 1"),
        (lambda: ops.choose([0.5], [V]), "indices must be integers"),
        (lambda: ops.compress([[True]], M), r"compress: the condition has shape \(1, 1\)"),
        (lambda: ops.dot(M, V[:2]), r"matmul: .*\(2, 3\).*\(2,\)"),
        (lambda: ops.dot(X, M), r"dot: the axes \[2\] of a \(2, 3, 4\) and \[0\] of b \(2, 3\) .*differ in length"),
        (lambda: ops.inner(M, X), "inner: the axes .*differ in length"),
        (lambda: ops.vdot(M, V), "vdot: .*6 and 3 values"),
        (lambda: ops.tensordot(M, M, 3), r"tensordot: axes=3 is not a number of axes that both have.*\(2, 3\)"),
        (lambda: ops.tensordot(M, M, -1), "tensordot: axes=-1 is not a number of axes"),
        (lambda: ops.tensordot(M, M, ([0, 1], [0])), "tensordot: .*2 axes of a, but 1 of b"),
        (lambda: ops.tensordot(M, M, ([0, 0], [0, 1])), "tensordot: .*name an axis twice"),
        (lambda: ops.tensordot(M, M, ([2], [0])), "tensordot: .*out of bounds"),
        (lambda: ops.tensordot(M, M, ([0], [1])), "tensordot: .*differ in length"),
        (lambda: ops.cross(V[:2], V), r"cross: vectors have three components, but axis -1 of a \(2,\) has length 2"),
        (lambda: ops.cross(V, V, axis=1), "cross: axis 1 is out of bounds for a"),
        (lambda: ops.pad(M, 1, "mean"), "pad: mode='mean' is none of 'constant', 'edge'.*ops.concatenate"),
        (lambda: ops.pad(np.ones((0, 2)), 1, "edge"), "pad: .*empty axis"),
        (lambda: ops.take(V, [0], mode="around"), "take: mode='around' is none of"),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ops.insert(V, 4, 0.0), IndexError, "insert: index 4 is out of bounds for axis 0 of length 3"),
        (lambda: ops.delete(V, 3), IndexError, "out of bounds"),
        (lambda: ops.take(np.ones(0), [0], mode="wrap"), IndexError, "length 0 holds nothing"),
        (lambda: ops.select([V], [V]), TypeError, r"condlist\[0\] holds float64; write a comparison"),
        (lambda: ops.split(V, 3, axis=None), TypeError, "split: axis=None must be an int; flatten"),
        (lambda: ops.insert(V, 0, 1.0, axis=(0,)), TypeError, r"insert: axis=\(0,\) must be an int"),
    ],
)
def test_errors_of_other_kinds(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_several_copies_of_a_frame_add_up():
    """A frame wider than the array copies each value more than once."""
    for mode in COPIES:
        count = mg.grad(lambda x, mode=mode: ops.pad(x, (7, 4), mode).sum())(V)
        np.testing.assert_array_equal(count, np.bincount(np.pad(np.arange(3), (7, 4), mode=mode)))


def test_what_is_copied_or_arranged_is_not_the_memory_of_the_caller():
    x = np.ones(3)
    copied = ops.copy(mg.Tensor(x))
    x[:] = 7
    assert copied.data.tolist() == [1, 1, 1]


def test_randomised_vjps_reach_the_joining():
    """``vjp=`` of a composition goes to the operation that joins, with its names."""
    from minigrad.estimators import Mask

    a, b = mg.Tensor(M, requires_grad=True), mg.Tensor(V, requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.vstack([a, b], vjp={"arrays[0]": Mask(0.5, axis="row")}).sum()
    drawn = [tape.gradients(loss, [a, b], rng=k) for k in range(20)]
    assert {tuple(row) for g, _ in drawn for row in g.tolist()} == {(0.0, 0.0, 0.0), (2.0, 2.0, 2.0)}
    assert all((g == 1).all() for _, g in drawn)
