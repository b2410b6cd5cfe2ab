"""matmul: values, structured VJP rules against the dense rule, and operations counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from test_cotangents import every
from test_ops_linear import agree, empty

import minigrad as mg
from minigrad import ops
from minigrad.cotangents import Columns, Factors, Kept, Rows

SHAPES = [
    ((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((3, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 3, 4), (1, 4, 5)),
    ((1, 3, 4), (2, 4, 5)), ((6, 1, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (1, 3, 4, 5)), ((1, 3, 4), (4, 5)),
    ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (2, 4, 5)), ((2, 3, 4), (4,)), ((1, 1), (1, 1)),
]  # fmt: skip


def node_of(a, b):
    leaves = [mg.Tensor(array, requires_grad=True) for array in (a, b)]
    with mg.Tape() as tape:
        ops.matmul(*leaves)
    return tape.nodes[0]


@pytest.mark.parametrize("a, b", [*SHAPES, ((4,), (4,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0, 2, 3), (3, 1))])
def test_values_and_shapes(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    out, pullback = mg.vjp(ops.matmul, x, y)
    np.testing.assert_allclose(out, x @ y, rtol=1e-13, atol=1e-15)
    assert [g.shape for g in pullback(np.ones(out.shape))] == [a, b]


@pytest.mark.parametrize("a, b", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_structured_rules_equal_the_dense_rule(a, b, seed):
    rng = np.random.default_rng(seed)
    node = node_of(rng.standard_normal(a), rng.standard_normal(b))
    for g, _ in every(node.shape, seed):
        agree(node, g)
    for g in empty(node.shape):
        agree(node, g)


def test_sparse_gradients():
    node = node_of(np.ones((3, 4)), np.ones((4, 5)))
    columns = Columns(np.ones((3, 2)), np.array([1, 4]), (3, 5))
    rows = Rows(np.ones((1, 5)), np.array([2]), (3, 5))
    assert isinstance(node.primitive.rules[Columns][1](columns, node.saved), Columns)
    assert isinstance(node.primitive.rules[Rows][0](rows, node.saved), Rows)


def test_only_what_is_needed_is_saved():
    w = mg.Tensor(np.ones((4, 5)), requires_grad=True)
    for a in (np.ones((3, 4)), np.ones(4)):
        with mg.Tape() as tape:
            ops.matmul(a, w)
        assert set(tape.nodes[0].saved) == {"shapes", "a"}
    with mg.Tape() as tape:
        ops.matmul(w, np.ones(5))
    assert set(tape.nodes[0].saved) == {"shapes", "b"}


def test_flops_by_hand():
    """Two batches of 3×4 by 4×5: 2·2·3·4·5 = 240 operations forward, and for each of the two products back."""
    node = node_of(np.ones((2, 3, 4)), np.ones((2, 4, 5)))
    of = node.primitive
    assert of.forward_flops(node) == 240
    assert [of.backward_flops(node, k, Kept()) for k in (0, 1)] == [240, 240]
    assert of.backward_flops(node, 0, Kept(Columns, 0.2)) == of.backward_flops(node, 1, Kept(Rows, 0.2)) == 48
    # Rank 1 of at most 5: L is thin in each batch (2·3 rows), R (1×5) meets the operand of each batch.
    assert of.backward_flops(node, 0, Kept(Factors, 0.2)) == pytest.approx(2 * 4 * (6 + 2 * 5))
    vector = node_of(np.ones((3, 4)), np.ones(4))
    assert of.forward_flops(vector) == 24 and of.backward_flops(vector, 1, Kept(Columns, 0.5)) == 24


@pytest.mark.parametrize("a, b", [((3, 4), (3, 4)), ((4,), (3,)), ((), (3,)), ((3, 4), ()), ((2, 3, 4), (3, 4, 5))])
def test_shape_errors(a, b):
    with pytest.raises(ValueError, match=r"matmul: .*\[shapes: a \(.*\), b \(.*\)\]"):
        ops.matmul(np.ones(a), np.ones(b))
