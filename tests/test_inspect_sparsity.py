"""What is counted as kept: against what each design promises. False-alarm rate of each statistical test: 1e-7."""

from __future__ import annotations

import json

import numpy as np
import pytest
from estimator_cases import network, normal

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.structure import Columns

Z = 5.4
"""A normal variable is further out with probability 7e-8."""


def one_node(vjp, shape=(4, 10), seed=1):
    x = mg.Tensor(normal(seed, *shape), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.linear(x, normal(seed + 1, shape[-1], shape[-1]), vjp=vjp).square().sum()
    return tape, loss


def only(vjp, shape=(4, 10), draws=100, seed=1):
    tape, loss = one_node(vjp, shape, seed)
    (node,) = inspect.sparsity(tape, loss, draws=draws, rng=0).nodes
    assert sum(node.counts.values()) == draws
    return node


@pytest.mark.parametrize(
    ("axis", "unit", "of"),
    [("column", "columns", 10), ("row", "rows", 12), ("sample", "samples", 4), ("element", "entries", 120)],
)
def test_a_uniform_mask_is_binomial(axis, unit, of):
    node = only(Mask(0.3, axis), (4, 3, 10), draws=2000)
    assert (node.unit, node.of) == (unit, of)
    error = np.sqrt(of * 0.3 * 0.7 / 2000)
    assert abs(node.mean - 0.3 * of) < Z * error
    kept = np.repeat(list(node.counts), list(node.counts.values()))
    # The variance of a sample variance is about 2σ⁴/n (excess kurtosis of a binomial is below 0.5 here).
    assert kept.var() == pytest.approx(of * 0.21, rel=Z * np.sqrt(2.5 / 2000))
    assert node.fraction == pytest.approx(node.mean / of)


def test_a_diagonal_sketch_is_poisson_binomial():
    tape, loss = one_node(DiagonalSketch(0.4))
    (node,) = inspect.sparsity(tape, loss, draws=2000, rng=0).nodes
    g = 2 * (tape.leaves[0].data @ normal(2, 10, 10).T)
    p = DiagonalSketch(0.4).probabilities(g)
    assert abs(node.mean - p.sum()) < Z * np.sqrt((p * (1 - p)).sum() / 2000)
    kept = np.repeat(list(node.counts), list(node.counts.values()))
    assert kept.var() == pytest.approx((p * (1 - p)).sum(), rel=Z * np.sqrt(2.5 / 2000))


@pytest.mark.parametrize(
    "estimator", [Mask(0.5, design="systematic"), DiagonalSketch(0.5, design="systematic"), TopK(0.5)], ids=repr
)
def test_a_fixed_size_is_constant(estimator):
    node = only(estimator)
    assert node.counts == {5: 100} and node.mean == 5 and node.fraction == 0.5


def test_ranks():
    node = only(LowRankSketch(0.5, "systematic"), (4, 10))
    assert (node.unit, node.of, node.counts) == ("rank", 4, {2: 100})
    assert node.nbytes == 8 * 2 * (4 + 10)
    node = only(RandomProjection(0.6), (4, 10))  # wider than the rank can be
    assert (node.of, node.counts, node.fraction) == (4, {6: 100}, 1.5)
    tape, loss = one_node(RandomProjection(0.6))
    close(ax := inspect.sparsity(tape, loss, draws=3, rng=0).plot())
    assert ax.get_xlim()[1] > 1.5


def test_bytes_count_values_and_indices():
    assert only(Mask(0.5, design="systematic")).nbytes == 5 * (4 * 8 + 8)
    assert only(Mask(0.5, "element", "systematic")).nbytes == 20 * (8 + 8)


def test_one_line_for_each_edge():
    a, b = (mg.Tensor(normal(k, 4, 4), requires_grad=True) for k in (1, 2))
    with mg.Tape() as tape:
        loss = ops.matmul(a, b, vjp={"a": TopK(0.5), "b": Mask(0.25, "row", "systematic")}).square().sum()
    first, second = inspect.sparsity(tape, loss, draws=10, rng=0).nodes
    assert (first.name, first.unit, first.mean) == ("matmul (a)", "columns", 2)
    assert (second.name, second.unit, second.mean) == ("matmul (b)", "rows", 1)


def test_a_cotangent_that_is_handed_on_untouched_counts_as_all():
    node = only(Mask(1.0))
    assert (node.unit, node.of, node.mean, node.fraction) == ("dense", 40, 40, 1.0)

    class Sometimes(mg.Estimator):
        def sample(self, g, node, rng):
            return g if rng.random() < 0.5 else Mask(0.5, design="systematic").sample(g, node, rng)

    node = only(Sometimes())
    assert node.unit == "columns" and set(node.counts) == {5, 10}


def test_arrays_of_a_student_s_estimator():
    class Dropped(mg.Estimator):
        def sample(self, g, node, rng):
            out = g.copy()
            out[:, :3] = 0
            return out

    node = only(Dropped())
    assert (node.unit, node.of, node.counts) == ("dense", 40, {28: 100})

    class ZerosWhenEmpty(mg.Estimator):
        def sample(self, g, node, rng):
            kept = np.flatnonzero(rng.random(g.shape[-1]) < 0.1)
            return Columns(g[:, kept] / 0.1, kept, g.shape) if kept.size else np.zeros_like(g)

    node = only(ZerosWhenEmpty(), draws=500)
    assert node.unit == "columns" and 0 in node.counts
    assert abs(node.mean - 1) < Z * np.sqrt(10 * 0.09 / 500)


def test_nodes_come_from_the_loss_to_the_input_and_nothing_without_estimators():
    tape, loss, _ = network(Mask(0.5))
    report = inspect.sparsity(tape, loss, draws=3, rng=0)
    indices = [node.node for node in report.nodes]
    assert indices == sorted(indices, reverse=True) and len(indices) == 3
    assert report.to_dict() == inspect.sparsity(tape, loss, draws=3, rng=0).to_dict()
    json.dumps(report.to_dict())
    tape, loss, _ = network(None)
    report = inspect.sparsity(tape, loss, draws=3, rng=0)
    assert report.nodes == () and "what was kept" in str(report)
    close(report.plot())


def test_draws_and_cotangents_are_checked():
    tape, loss = one_node(Mask(0.5))
    with pytest.raises(ValueError, match="at least 1"):
        inspect.sparsity(tape, loss, draws=0)
    w = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(np.ones((4, 3)), w, vjp=TopK(0.5))
    (node,) = inspect.sparsity(tape, y, draws=2, rng=0, cotangent=np.ones((4, 2))).nodes
    assert node.counts == {1: 2}


def close(ax):
    import matplotlib.pyplot as plt

    plt.close(ax.figure)


def test_the_plot_shows_the_means():
    tape, loss, _ = network(Mask(0.5))
    report = inspect.sparsity(tape, loss, draws=20, rng=0)
    ax = report.plot()
    np.testing.assert_allclose([line.get_xdata()[0] for line in ax.get_lines()], [n.fraction for n in report.nodes])
    assert len(ax.get_yticklabels()) == 3
    close(ax)
