"""The six properties that must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import (
    LINEAR,
    MATMUL,
    answers,
    assert_unbiased,
    bilinear,
    every,
    exact,
    finite,
    moments,
    network,
    normal,
    passes,
    unbiased,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops, theory
from minigrad.engine.wanted import arrived
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask
from minigrad.structure import Columns, Entries, Factors, Rows, dense

NODES = (*LINEAR, *MATMUL)


# 1. Budget 1 gives bit-for-bit the gradients of `Exact`.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", every(1), ids=repr)
def test_budget_one_is_exact_to_the_bit(estimator, dtype):
    for name in NODES:
        edges = ("x", "w", "b") if name in LINEAR else ("a", "b")
        for vjp in (estimator, dict.fromkeys(edges, estimator)):
            tape, y, leaves, g = bilinear(name, vjp, dtype)
            got = tape.gradients(y, leaves, g, rng=1)
            for other in (None, Exact()):
                wanted = bilinear(name, other, dtype)
                for a, b in zip(got, wanted[0].gradients(wanted[1], wanted[2], g, rng=2), strict=True):
                    assert a.tobytes() == b.tobytes()
                    assert a.dtype == b.dtype
    tape, loss, leaves = network(estimator, rows=5, widths=(3, 6, 4, 2), dtype=dtype)
    got = tape.gradients(loss, leaves, rng=1)
    tape, loss, leaves = network(Exact(), rows=5, widths=(3, 6, 4, 2), dtype=dtype)
    assert [a.tobytes() for a in got] == [b.tobytes() for b in tape.gradients(loss, leaves, rng=2)]


@pytest.mark.parametrize("estimator", every(1), ids=repr)
def test_budget_one_hands_the_cotangent_on(estimator):
    g = normal(1, 3, 4)
    assert estimator.sample(g, None, np.random.default_rng(0)) is g
    ((probability, only),) = estimator.outcomes(g)
    assert probability == 1.0
    assert only is g
    assert estimator.distortion(g) == 0.0


# 2. Every estimator that says `.unbiased` is. Case by case in test_estimators_enumeration.py, and for continuous laws
# in test_estimators_sampling.py (false alarm < 1e-6); here over random shapes and numbers.


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from(finite(0.3) + finite(0.6)), st.integers(1, 3), st.integers(1, 3))
def test_every_unbiased_estimator_is_unbiased(seed, estimator, rows, columns):
    assert estimator.unbiased
    x = mg.Tensor(normal(seed, rows, 2), requires_grad=True)
    w = mg.Tensor(normal(seed + 1, columns, 2), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=estimator)
    assert_unbiased(tape, y, [x, w], normal(seed + 2, rows, columns))


def test_those_that_are_biased_say_so():
    for estimator in every(0.4):
        if not estimator.unbiased:
            _, mean, _ = moments(estimator.outcomes(normal(1, 3, 4)))
            assert np.abs(mean - normal(1, 3, 4)).max() > 0.1


# 3. A structured VJP rule equals the dense rule applied to `.dense()` of the same draw, to rounding.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", every(0.4), ids=repr)
def test_structured_rules_equal_dense_rules(estimator, dtype):
    for name in NODES:
        tape, _, _, g = bilinear(name, None, dtype)
        node = tape.nodes[0]
        for seed in range(6):
            drawn = estimator.sample(g, node, np.random.default_rng(seed))
            assert_rules_agree(node, drawn)


def assert_rules_agree(node, drawn):
    atol = 2e-5 if drawn.dtype == np.float32 else 1e-12
    for edge, shape in enumerate(node.in_shapes):
        thin = node.primitive.pull(drawn, node.saved, edge)
        full = node.primitive.pull(dense(drawn), node.saved, edge)
        assert thin.shape == full.shape == shape
        assert thin.dtype == full.dtype == drawn.dtype
        where = f"{node.label}, input {edge} of shape {shape}, {drawn!r}"
        np.testing.assert_allclose(dense(thin), full, rtol=0, atol=atol * max(1, np.abs(full).max()), err_msg=where)


@pytest.mark.parametrize("name", NODES)
def test_structured_rules_equal_dense_rules_with_nothing_and_with_all_kept(name):
    tape, y, _, g = bilinear(name, None)
    shape, node = y.shape, tape.nodes[0]
    m = shape[-1]
    matrix = g.reshape(-1, m)
    for kept in ([], [0], list(range(m))):
        assert_rules_agree(node, Columns(matrix[:, kept], np.array(kept, int), shape))
    for kept in ([], [0], list(range(len(matrix)))):
        assert_rules_agree(node, Rows(matrix[kept], np.array(kept, int), shape))
    if g.ndim > 1:
        for kept in ([], [shape[0] - 1], list(range(shape[0]))):
            assert_rules_agree(node, Rows(g[kept], np.array(kept, int), shape))
    for kept in ([], [g.size - 1], list(range(g.size))):
        assert_rules_agree(node, Entries(g.ravel()[kept], np.array(kept, int), shape))
    for rank in (0, 1, 5):
        assert_rules_agree(node, Factors(normal(1, len(matrix), rank), normal(2, rank, m), shape))


def test_a_wrong_structured_rule_is_caught():
    @mg.primitive(x=lambda g, saved: 2 * g)
    def double(x):
        return 2 * x, {}

    double.primitive.structured(Columns, x=lambda g, saved: Columns(2.001 * g.values, g.indices, g.shape))
    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        double(x)
    with pytest.raises(AssertionError, match="double, input 0"):
        assert_rules_agree(tape.nodes[0], Columns(np.ones((2, 1)), np.array([1]), (2, 3)))


# 4. Measured variances equal the closed forms. Case by case in test_estimators_distortion.py; here over random numbers.


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from(finite(0.3) + finite(0.6)), st.integers(1, 3), st.integers(1, 3))
def test_enumerated_variances_equal_closed_forms(seed, estimator, rows, columns):
    x = mg.Tensor(normal(seed, rows, 2), requires_grad=True)
    w = mg.Tensor(normal(seed + 1, columns, 2), requires_grad=True)
    g = normal(seed + 2, rows, columns)
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=estimator)
    _, _, own = moments(estimator.outcomes(g, tape.nodes[0]))
    assert estimator.distortion(g, tape.nodes[0]) == pytest.approx(own, rel=1e-9, abs=1e-12)
    if isinstance(estimator, (Mask, DiagonalSketch)):
        kind = {"sample": "row"}.get(estimator.axis, estimator.axis)
        p = estimator.probabilities(g, tape.nodes[0])
        p = p.reshape(g.shape) if kind == "element" else p
        _, _, of_x = moments(passes(tape, y, [x], g))
        _, _, of_w = moments(passes(tape, y, [w], g))
        design = estimator.design
        assert of_x == pytest.approx(theory.input_distortion(g, w.data, kind, p=p, design=design), rel=1e-8, abs=1e-10)
        assert of_w == pytest.approx(theory.weight_distortion(g, x.data, kind, p=p, design=design), rel=1e-8, abs=1e-10)


# 5. Contributions by node add up to the total variance (docs/theory/depth.rst).


def martingale(tape, loss, leaves):
    """Exactly, by enumeration: {node: E‖H_k − H_{k−1}‖²}, and E‖ĝ − g‖².

    H_k is the gradient when what has been drawn so far stands and every node still to come is exact.
    """

    def finish(sweep):
        rest = sweep.copy()
        rest.random = frozenset()
        assert rest.advance() is None
        return np.concatenate([dense(arrived(rest, leaf, tape)).ravel() for leaf in leaves])

    parts: dict[int, float] = {}
    total = 0.0
    start = tape.sweep(loss)
    wanted = finish(start)
    todo = [(start, 1.0, wanted)]
    while todo:
        sweep, probability, before = todo.pop()
        stop = sweep.advance()
        if stop is None:
            total += probability * np.sum((before - wanted) ** 2)
            continue
        node, g = stop
        for chance, cotangents in answers(node, g):
            branch = sweep.copy()
            branch.apply(node, cotangents)
            after = finish(branch)
            step = probability * chance * float(np.sum((after - before) ** 2))
            parts[node.index] = parts.get(node.index, 0.0) + step
            todo.append((branch, probability * chance, after))
    return parts, total


@pytest.mark.parametrize(
    "vjp",
    [
        Mask(0.5), Mask(0.4, "row"), Mask(0.4, "sample", "systematic"), DiagonalSketch(0.5, target="both"),
        DiagonalSketch(0.5, "element", "input", "systematic"), LowRankSketch(0.5),
        {"x": Mask(0.5), "w": DiagonalSketch(0.5, "row")},
    ],
    ids=repr,
)  # fmt: skip
def test_contributions_by_node_add_up(vjp):
    tape, loss, leaves = network(vjp, rows=2, widths=(2, 3, 2, 2))
    parts, total = martingale(tape, loss, leaves)
    _, mean, variance = moments(passes(tape, loss, leaves))
    np.testing.assert_allclose(mean, exact(tape, loss, leaves), rtol=0, atol=1e-11)
    assert len(parts) == 3
    assert total == pytest.approx(variance, rel=1e-10)
    assert sum(parts.values()) == pytest.approx(total, rel=1e-10)
    assert sum(part > 1e-6 * total for part in parts.values()) >= 2  # not one node alone


def test_contributions_of_a_biased_estimator_do_not_add_up():
    """The increments are orthogonal only because each has mean 0."""

    class Unscaled(Mask):
        def _gather(self, g, p, kept):
            return super()._gather(g, np.ones_like(p), kept)

    parts, total = martingale(*network(Unscaled(0.5), rows=2, widths=(2, 3, 2, 2)))
    assert abs(sum(parts.values()) / total - 1) > 1e-3


# 6. Same seed, same bits.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", unbiased(0.4), ids=repr)
def test_same_seed_same_bits(estimator, dtype):
    def run(seed):
        tape, loss, leaves = network(estimator, rows=5, widths=(3, 6, 4, 3), dtype=dtype)
        first = b"".join(g.tobytes() for g in tape.gradients(loss, leaves, rng=seed))
        again = b"".join(g.tobytes() for g in tape.gradients(loss, leaves, rng=seed))
        tape.backward(loss, rng=seed)
        assert first == again == b"".join(leaf.grad.tobytes() for leaf in leaves)
        return first

    assert run(5) == run(5)
    assert len({run(seed) for seed in range(8)}) > 1  # and other seeds do give other draws


def test_a_generator_as_seed_moves_on_and_can_be_replayed():
    tape, loss, leaves = network(Mask(0.4), rows=5, widths=(3, 6, 4, 3))

    def run(rng):
        return [b"".join(g.tobytes() for g in tape.gradients(loss, leaves, rng=rng)) for _ in range(4)]

    first = run(np.random.default_rng(3))
    assert first == run(np.random.default_rng(3))
    assert len(set(first)) > 1
