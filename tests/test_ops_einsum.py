"""Sums over named axes: values as in NumPy. Gradients: test_ops_gradients.py."""

from __future__ import annotations

import numpy as np
import pytest
from gradient_table import SUMS, values

import minigrad as mg
from minigrad import ops
from minigrad.testing import assert_gradients_close


@pytest.mark.parametrize("subscripts, shapes", [(s, shapes) for s, *shapes in SUMS])
def test_values(subscripts, shapes):
    arrays = [values(k, shape) for k, shape in enumerate(shapes)]
    np.testing.assert_allclose(
        ops.einsum(subscripts, *arrays).data, np.einsum(subscripts, *arrays), rtol=1e-12, atol=1e-14
    )


def test_flops_count_every_product_once():
    a, b = (mg.Tensor(np.ones(shape), requires_grad=True) for shape in [(2, 3), (3, 5)])
    with mg.Tape() as tape:
        ops.einsum("ij,jk->ik", a, b)
    assert tape.nodes[0].primitive.forward_flops(tape.nodes[0]) == 2 * 2 * 3 * 5


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: ops.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((4, 2))),
            ValueError,
            r"einsum: .*\(2, 3\).*\(4, 2\)",
        ),
        (lambda: ops.einsum("ij,jk->ik", np.ones((2, 3))), ValueError, "for 2 operands, but 1 were given"),
        (lambda: ops.einsum("ij->i", np.ones(3)), ValueError, "do not fit an operand with 1 axes"),
        (lambda: ops.einsum("i->i", np.ones((3, 3))), ValueError, "do not fit an operand with 2 axes"),
        (lambda: ops.einsum(np.ones(3), "i->i"), TypeError, "subscripts come first"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "subscripts, shapes",
    [("ij,ij->j", [(1, 3), (4, 3)]), ("ij,ij->j", [(4, 3), (1, 3)]), ("ii,ii->", [(1, 1), (3, 3)]),
     ("i,i", [(1,), (3,)]), ("ij,jk->ik", [(2, 1), (4, 3)]), ("ij,ij,ij->", [(1, 3), (4, 1), (1, 1)]),
     ("...i,...i->...", [(1, 3), (4, 3)]), ("ij,ij->ij", [(1, 3), (4, 1)])],
)  # fmt: skip
def test_axes_of_length_1_are_repeated(subscripts, shapes):
    arrays = [values(k, shape) for k, shape in enumerate(shapes)]
    np.testing.assert_allclose(ops.einsum(subscripts, *arrays).data, np.einsum(subscripts, *arrays), rtol=1e-12)
    assert_gradients_close(lambda *tensors: ops.einsum(subscripts, *tensors), *arrays)


def test_an_ellipsis_must_be_in_the_output():
    with pytest.raises(ValueError, match=r"einsum: .*leave out the axes of '\.\.\.'"):
        ops.einsum("...i->i", np.ones((2, 3)))
    assert ops.einsum("...i->i", np.ones(3)).shape == (3,)


LISTS = [
    ((2, 3), [0, 1], (3, 2), [1, 2], [0, 2]), ((2, 3), [0, 1], (3, 2), [1, 2]), ((2, 3), [1, 0]), ((3, 3), [5, 5]),
    ((2, 3), [..., 0], (3,), [0]), ((2, 2, 3), [..., 0, 1], (3, 2), [1, 2], [..., 0, 2]), ((2, 3), [30, 4]),
    ((2, 3), [0, 1], []), ((2,), [0], (3,), [1], (2,), [2], [2, 0]),
]  # fmt: skip


@pytest.mark.parametrize("call", LISTS)
def test_lists_of_axes(call):
    arrays = [values(k, call[2 * k]) for k in range(len(call) // 2)]

    def given(*operands):
        rest = list(call)
        rest[0 : 2 * len(operands) : 2] = operands
        return rest

    expected = np.einsum(*given(*arrays))
    np.testing.assert_allclose(ops.einsum(*given(*arrays)).data, expected, rtol=1e-12)
    assert_gradients_close(lambda *tensors: ops.einsum(*given(*tensors)), *arrays)


@pytest.mark.parametrize("optimize", [False, True, "greedy", "optimal", ["einsum_path", (1, 2), (0, 1)]])
def test_the_order_of_the_products_changes_nothing(optimize):
    arrays = [values(k, shape) for k, shape in enumerate([(2, 3), (3, 4), (4, 2)])]
    np.testing.assert_allclose(
        ops.einsum("ij,jk,kl", *arrays, optimize=optimize).data, np.einsum("ij,jk,kl", *arrays), rtol=1e-12
    )


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda x: ops.einsum(x), TypeError, "subscripts come first, as a string, or after each operand"),
        (lambda x: ops.einsum(x, x), ValueError, "is no axis: they are numbers from 0 to 51"),
        (lambda x: ops.einsum(x, [0, 52]), ValueError, "52 is no axis"),
        (lambda x: ops.einsum(x, [0, -1]), ValueError, "-1 is no axis"),
        (lambda x: ops.einsum(x, [0]), ValueError, "do not fit an operand with 2 axes"),
        (lambda x: ops.einsum(x, mg.Tensor([0, 1])), TypeError, "where a list of axes should"),
    ],
)
def test_errors_of_lists(call, error, message):
    with pytest.raises(error, match=message):
        call(np.ones((2, 2)))
