"""matmul: values, structured VJP rules against the dense rule, and operations counted by hand."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from test_ops_linear import agree, empty
from test_structure import every

import minigrad as mg
from minigrad import ops
from minigrad.structure import Columns, Entries, Factors, Kept, Rows, dense

batched_module = importlib.import_module("minigrad.structure.batched")
entries_module = importlib.import_module("minigrad.structure.entries")

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
    assert isinstance(node.primitive.pull(columns, node.saved, 1), Columns)
    assert isinstance(node.primitive.pull(rows, node.saved, 0), Rows)


def test_only_what_is_needed_is_saved():
    w = mg.Tensor(np.ones((4, 5)), requires_grad=True)
    for a in (np.ones((3, 4)), np.ones(4)):
        with mg.Tape() as tape:
            ops.matmul(a, w)
        assert set(tape.nodes[0].saved) == {"shapes", "a"}
    with mg.Tape() as tape:
        ops.matmul(w, np.ones(5))
    assert set(tape.nodes[0].saved) == {"shapes", "b"}


@pytest.mark.parametrize("visit", [-1.0, np.inf])
@pytest.mark.parametrize("shapes", [((3, 2, 4, 5), (3, 2, 5, 6)), ((4, 5), (3, 5, 6)), ((2, 1, 4, 5), (3, 5, 6))])
def test_batches_that_are_visited_and_products_that_are_taken_whole(shapes, visit, monkeypatch):
    """Kept rows and entries of many products: either way the cotangents of the dense rule."""
    monkeypatch.setattr(batched_module, "VISIT", visit)
    monkeypatch.setattr(entries_module, "SPARSE", 0.0 if visit > 0 else 1.0)
    rng = np.random.default_rng(0)
    node = node_of(*[rng.standard_normal(shape) for shape in shapes])
    rows = int(np.prod(node.shape[:-1]))
    for count in (0, 1, 7):
        at = np.sort(rng.choice(rows, count, replace=False))
        few = Rows(rng.standard_normal((count, node.shape[-1])), at, node.shape)
        entries = Entries(rng.standard_normal(count), at * node.shape[-1], node.shape)
        for g in (few, entries):
            for edge in (0, 1):
                found = node.primitive.pull(g, node.saved, edge)
                wanted = node.primitive.pull(g.dense(), node.saved, edge)
                np.testing.assert_allclose(dense(found), wanted, rtol=1e-12, atol=1e-12)


def test_flops_by_hand():
    """Two batches of 3×4 by 4×5: 2·2·3·4·5 = 240 operations forward, and for each of the two products back."""
    node = node_of(np.ones((2, 3, 4)), np.ones((2, 4, 5)))
    of = node.primitive
    assert of.forward_flops(node) == 240
    assert [of.backward_flops(node, k, Kept()) for k in (0, 1)] == [240, 240]
    whole = Kept(Rows, 0.2, samples=True)
    assert of.backward_flops(node, 0, Kept(Columns, 0.2)) == of.backward_flops(node, 1, whole) == 48
    # Products as small as these are taken whole; large ones are visited for their rows.
    assert [of.backward_flops(node, 1, Kept(kind, 0.01)) for kind in (Rows, Entries)] == [240, 240]
    large = node_of(np.ones((2, 128, 64)), np.ones((2, 64, 256)))
    assert large.primitive.backward_flops(large, 0, Kept(Rows, 0.25)) == 2 * 2 * 128 * 64 * 256 / 4
    assert large.primitive.backward_flops(large, 0, Kept(Entries, 0.01)) == pytest.approx(2 * 2 * 128 * 64 * 256 / 100)
    alone = node_of(np.ones((3, 4)), np.ones((4, 5)))
    assert [of.backward_flops(alone, 0, Kept(kind, 0.25)) for kind in (Rows, Entries)] == [30, 120]
    # Rank 1 of at most 5: L is thin in each batch (2·3 rows), R (1×5) meets the operand of each batch.
    assert of.backward_flops(node, 0, Kept(Factors, 0.2)) == pytest.approx(2 * 4 * (6 + 2 * 5))
    vector = node_of(np.ones((3, 4)), np.ones(4))
    assert of.forward_flops(vector) == 24 and of.backward_flops(vector, 1, Kept(Columns, 0.5)) == 24


@pytest.mark.parametrize("a, b", [((3, 4), (3, 4)), ((4,), (3,)), ((), (3,)), ((3, 4), ()), ((2, 3, 4), (3, 4, 5))])
def test_shape_errors(a, b):
    with pytest.raises(ValueError, match=r"matmul: .*\[shapes: a \(.*\), b \(.*\)\]"):
        ops.matmul(np.ones(a), np.ones(b))
