"""linear: values, structured VJP rules against the dense rule, and operations counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from test_structure import every

import minigrad as mg
from minigrad import ops
from minigrad.structure import Columns, Entries, Factors, Kept, Rows, dense
from minigrad.structure import entries as entries_module

LEADS = [(), (1,), (5,), (2, 3), (2, 1, 3)]


def node_of(x, w, b=None):
    leaves = [None if a is None else mg.Tensor(a, requires_grad=True) for a in (x, w, b)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves)
    return tape.nodes[0], y.data


def empty(shape):
    """Draws that kept nothing."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    none = np.zeros(0, int)
    yield Columns(np.zeros((rows, 0)), none, shape)
    yield Rows(np.zeros((0, columns)), none, shape)
    if len(shape) > 1:
        yield Rows(np.zeros((0, *shape[1:])), none, shape)
    yield Entries(np.zeros(0), none, shape)
    yield Factors(np.zeros((rows, 0)), np.zeros((0, columns)), shape)


def agree(node, g):
    """Every rule for the structure of g gives what the dense rule gives for g.dense()."""
    of = node.primitive
    assert of.takes(type(g)) == g.multiplies  # the others spare no operation
    for edge, parent in enumerate(node.parents):
        if parent is not None:
            got, expected = of.pull(g, node.saved, edge), of.pull(g.dense(), node.saved, edge)
            assert got.shape == expected.shape == node.in_shapes[edge] and got.dtype == expected.dtype
            np.testing.assert_allclose(dense(got), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lead", LEADS)
def test_values(lead):
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((*lead, 4)), rng.standard_normal((3, 4)), rng.standard_normal(3)
    np.testing.assert_allclose(ops.linear(x, w).data, x @ w.T, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ops.linear(x, w, b).data, x @ w.T + b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_structured_rules_equal_the_dense_rule(lead, seed):
    rng = np.random.default_rng(seed)
    shape = (*lead, 6)
    node, _ = node_of(rng.standard_normal((*lead, 4)), rng.standard_normal((6, 4)), rng.standard_normal(6))
    for g, _ in every(shape, seed):
        if lead or not (isinstance(g, Rows) and g.values.ndim == 1):  # a sample of a vector is an entry, not a row
            agree(node, g)
    for g in empty(shape):
        agree(node, g)


def test_structured_rules_keep_float32():
    ones = np.ones((2, 3, 4), np.float32), np.ones((6, 4), np.float32), np.ones(6, np.float32)
    node, _ = node_of(*ones)
    for g, _ in every((2, 3, 6), dtype=np.float32):
        for edge in range(3):
            assert node.primitive.pull(g, node.saved, edge).dtype == np.float32


def test_only_the_work_that_is_left_leaves_sparse_gradients():
    node, _ = node_of(np.ones((5, 4)), np.ones((6, 4)))
    columns = Columns(np.ones((5, 2)), np.array([1, 4]), (5, 6))
    rows = Rows(np.ones((2, 6)), np.array([0, 3]), (5, 6))
    assert isinstance(node.primitive.pull(columns, node.saved, 1), Rows)
    assert isinstance(node.primitive.pull(rows, node.saved, 0), Rows)


def test_empty_batches_and_features():
    for x, w in [((0, 3), (2, 3)), ((4, 0), (2, 0)), ((4, 3), (0, 3))]:
        y, pullback = mg.vjp(ops.linear, np.ones(x), np.ones(w), np.ones(w[0]))
        assert y.shape == (x[0], w[0])
        assert [g.shape for g in pullback(np.ones(y.shape))] == [x, w, (w[0],)]


def test_flops_by_hand():
    """B = 5 rows, n = 4 input and m = 6 output features: each product is 2·5·4·6 = 240 operations."""
    node, _ = node_of(np.ones((5, 4)), np.ones((6, 4)), np.ones(6))
    bare, _ = node_of(np.ones((5, 4)), np.ones((6, 4)))
    of = node.primitive
    assert of.forward_flops(bare) == 240 and of.forward_flops(node) == 240 + 30
    exact, half = Kept(), Kept(Columns, 0.5)
    assert [of.backward_flops(node, k, exact) for k in range(3)] == [240, 240, 30]
    assert [of.backward_flops(node, k, half) for k in range(3)] == [120, 120, 15]
    assert of.backward_flops(node, 0, Kept(Rows, 0.2)) == 48
    # Rank 1 of at most 5: L (5×1) and R (1×6) each meet one operand with n = 4, 2·4·(5 + 6) operations.
    assert of.backward_flops(node, 1, Kept(Factors, 0.2)) == pytest.approx(88)


def test_entries_are_counted_as_the_products_that_are_taken():
    """Whole ones where these are small or many entries were kept: a sparse product would take longer."""
    large, small = [node_of(np.ones((rows, 256)), np.ones((64, 256)))[0] for rows in (128, 2)]
    product = 2 * 128 * 256 * 64
    of = large.primitive
    assert [of.backward_flops(large, k, Kept(Entries, 0.1)) for k in (0, 1)] == [product, product]
    assert of.backward_flops(large, 0, Kept(Entries, 0.05)) == pytest.approx(0.05 * product)
    assert of.backward_flops(small, 0, Kept(Entries, 0.01)) == 2 * 2 * 256 * 64


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_entries_give_the_same_by_sparse_and_by_whole_products(sparse, share, monkeypatch):
    monkeypatch.setattr(entries_module, "sparse_pays", lambda *_: sparse)
    rng = np.random.default_rng(0)
    node, _ = node_of(rng.standard_normal((9, 2, 4)), rng.standard_normal((6, 4)), rng.standard_normal(6))
    kept = np.flatnonzero(rng.random(108) < share)
    agree(node, Entries(rng.standard_normal(len(kept)), kept, (9, 2, 6)))


def test_flops_of_a_deeper_batch():
    node, _ = node_of(np.ones((2, 3, 4)), np.ones((6, 4)))
    assert node.primitive.forward_flops(node) == 2 * 6 * 4 * 6


@pytest.mark.parametrize(
    "shapes", [((4, 3), (2, 4)), ((4, 3), (3,)), ((), (2, 3)), ((4, 3), (2, 3), (3,)), ((4, 3), (2, 3), (2, 1))]
)
def test_shape_errors(shapes):
    with pytest.raises(ValueError, match=r"linear: .*must have shape.*\[shapes: x .*w "):
        ops.linear(*[np.ones(shape) for shape in shapes])


def test_operands_are_the_norms_that_scores_need():
    x, w = np.arange(10.0).reshape(5, 2), np.arange(6.0).reshape(3, 2)
    node, _ = node_of(x, w)
    rows, columns = (node.primitive.operands(node, side) for side in (0, 1))
    np.testing.assert_allclose(np.ravel(rows), (x**2).sum(axis=1))
    np.testing.assert_allclose(np.ravel(columns), (w**2).sum(axis=1))
    with mg.Tape() as tape:
        ops.linear(x, mg.Tensor(w, requires_grad=True))
    assert tape.nodes[0].primitive.operands(tape.nodes[0], 1) is None
