"""Distortions: enumeration, the formulas of the theory, optimal probabilities, and the floor under them."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import AXES, DESIGNS, TARGETS, closed, every, exact, finite, moments, normal, passes
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import ops, theory
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.structure import dense

B, M, N = 3, 4, 2
G, X, W = normal(1, B, M), normal(2, B, N), normal(3, M, N)
THEORY = {"column": "column", "row": "row", "sample": "row", "element": "element"}


def linear_node(vjp=None, x=X, w=W):
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(w, requires_grad=True)]
    with mg.Tape() as tape:
        y = ops.linear(*leaves, vjp=vjp)
    return tape, y, leaves, tape.nodes[0]


@pytest.mark.parametrize(
    "estimator", [e for e in finite(0.4) if "element" not in repr(e)] + [Mask(0.4, "element")], ids=repr
)
def test_own_distortion_is_that_of_the_enumeration(estimator):
    node = linear_node(estimator)[-1]
    _, mean, variance = moments(estimator.outcomes(G, node))
    np.testing.assert_allclose(mean, G, rtol=0, atol=1e-12)
    assert estimator.distortion(G, node) == pytest.approx(variance, rel=1e-11)


@pytest.mark.parametrize("budget", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("design", DESIGNS)
def test_own_distortion_is_that_of_the_theory(axis, design, budget):
    node = linear_node()[-1]
    for estimator in [Mask(budget, axis, design), *[DiagonalSketch(budget, axis, t, design) for t in TARGETS]]:
        p = estimator.probabilities(G, node)
        p = p.reshape(G.shape) if axis == "element" else p
        wanted = theory.cotangent_distortion(G, THEORY[axis], p=p, design=design)
        assert estimator.distortion(G, node) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("design", DESIGNS)
def test_variances_of_a_linear_node_are_those_of_the_theory(axis, design):
    """By enumeration, for ∂X and ∂W; entries of a smaller G, to keep the outcomes few."""
    g, x, w = (G[:2, :3], X[:2], W[:3]) if axis == "element" else (G, X, W)
    for estimator in (Mask(0.4, axis, design), DiagonalSketch(0.4, axis, "both", design)):
        tape, y, (leaf_x, leaf_w), node = linear_node(estimator, x, w)
        p = estimator.probabilities(g, node)
        p = p.reshape(g.shape) if axis == "element" else p
        _, _, of_x = moments(passes(tape, y, [leaf_x], g))
        _, _, of_w = moments(passes(tape, y, [leaf_w], g))
        assert of_x == pytest.approx(theory.input_distortion(g, w, THEORY[axis], p=p, design=design), rel=1e-10)
        assert of_w == pytest.approx(theory.weight_distortion(g, x, THEORY[axis], p=p, design=design), rel=1e-10)


@pytest.mark.parametrize("design", DESIGNS)
def test_variances_under_a_low_rank_sketch_are_those_of_the_theory(design):
    estimator = LowRankSketch(0.5, design)
    tape, y, (leaf_x, leaf_w), _ = linear_node(estimator)
    sigma = np.linalg.svd(G, compute_uv=False)
    p = theory.optimal_probabilities(sigma**2, 1.5)
    assert estimator.distortion(G) == pytest.approx(theory.cotangent_distortion(G, "lowrank", p=p), rel=1e-10)
    _, _, of_x = moments(passes(tape, y, [leaf_x], G))
    _, _, of_w = moments(passes(tape, y, [leaf_w], G))
    # Directions are sampled in another order, so the closed form holds for independent keeps, and here for both
    # designs only in the cotangent itself, where directions are orthogonal.
    if design == "poisson":
        assert of_x == pytest.approx(theory.input_distortion(G, W, "lowrank", p=p), rel=1e-9)
        assert of_w == pytest.approx(theory.weight_distortion(G, X, "lowrank", p=p), rel=1e-9)
    _, _, own = moments(estimator.outcomes(G))
    assert own == pytest.approx(estimator.distortion(G), rel=1e-10)


@pytest.mark.parametrize("kind", ["rademacher", "countsketch"])
@pytest.mark.parametrize("budget", [0.25, 0.5])
def test_variances_under_a_projection_are_those_of_the_theory(kind, budget):
    estimator, r = RandomProjection(budget, kind), round(budget * M)
    tape, y, (leaf_x, leaf_w), _ = linear_node(estimator)
    assert estimator.distortion(G) == pytest.approx(theory.cotangent_distortion(G, kind, r=r), rel=1e-12)
    _, _, of_x = moments(passes(tape, y, [leaf_x], G))
    _, _, of_w = moments(passes(tape, y, [leaf_w], G))
    assert of_x == pytest.approx(theory.input_distortion(G, W, kind, r=r), rel=1e-10)
    assert of_w == pytest.approx(theory.weight_distortion(G, X, kind, r=r), rel=1e-10)


def test_the_distortion_of_top_k_is_what_it_leaves_out():
    for axis in AXES:
        ((_, kept),) = TopK(0.4, axis).outcomes(G)
        assert TopK(0.4, axis).distortion(G) == pytest.approx(float(np.sum((dense(kept) - G) ** 2)), rel=1e-12)


# Optimality. Where no unit rests on the floor at 0.1·budget the
# closed form of Theory §3 is the minimum; where the floor binds, it is the minimum between the bounds.


def with_weights(estimator_axis, target, node_x, node_w):
    """What the probabilities should be made for: one weight for each unit, written out."""
    by_entry = G**2
    rows, columns = np.sum(node_x**2, axis=1)[:, None], np.sum(node_w**2, axis=1)[None, :]
    along = {"column": 0, "row": 1, "sample": 1, "element": None}[estimator_axis]

    def total(weights):
        return weights.ravel() if along is None else weights.sum(axis=along)

    to_input = total(by_entry * columns) if estimator_axis in ("column", "element") else total(by_entry)
    to_weight = total(by_entry * rows) if estimator_axis != "column" else total(by_entry)
    if target == "both":
        return to_input / to_input.sum() + to_weight / to_weight.sum()
    return {"cotangent": total(by_entry), "input": to_input, "weight": to_weight}[target]


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("budget", [0.15, 0.5, 0.75])
def test_probabilities_solve_the_stated_problem(axis, target, budget):
    node = linear_node()[-1]
    weights = with_weights(axis, target, X, W)
    p = DiagonalSketch(budget, axis, target).probabilities(G, node)
    wanted = theory.optimal_probabilities(weights, budget * weights.size, lower=0.1 * budget)
    np.testing.assert_allclose(p, wanted, rtol=1e-12)
    assert p.sum() == pytest.approx(budget * weights.size, rel=1e-12)


@pytest.mark.parametrize("axis", ["column", "row", "element"])
def test_the_diagonal_sketch_reaches_the_closed_form(axis):
    g = np.where(np.abs(G) < 0.1, 0.1, G)
    squares = {"column": np.sum(g**2, axis=0), "row": np.sum(g**2, axis=1), "element": np.ravel(g**2)}[axis]
    estimator = DiagonalSketch(0.5, axis)
    total, p = 0.5 * squares.size, estimator.probabilities(g)
    assert p.min() > 0.05  # the floor does not bind
    assert estimator.distortion(g) == pytest.approx(theory.minimal_distortion(squares, total), rel=1e-12)
    tail = p < 1
    s, t = np.sqrt(squares[tail]).sum(), np.count_nonzero(~tail)
    assert estimator.distortion(g) == pytest.approx(s**2 / (total - t) - squares[tail].sum(), rel=1e-12)


def test_the_targets_are_optimal_for_what_they_name():
    """∂X by enumeration is at the closed form for "input", and no other target comes below it; ∂W for rows likewise."""

    def variances(axis, target, which):
        tape, y, leaves, node = linear_node(DiagonalSketch(0.5, axis, target))
        assert node.vjp.probabilities(G, node).min() > 0.05
        return moments(passes(tape, y, [leaves[which]], G))[2]

    least = theory.minimal_distortion(with_weights("column", "input", X, W), 2)
    assert variances("column", "input", 0) == pytest.approx(least, rel=1e-10)
    assert all(variances("column", target, 0) >= least * (1 - 1e-12) for target in TARGETS)
    least = theory.minimal_distortion(with_weights("row", "weight", X, W), 1.5)
    assert variances("row", "weight", 1) == pytest.approx(least, rel=1e-10)
    assert all(variances("row", target, 1) >= least * (1 - 1e-12) for target in TARGETS)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 5), st.sampled_from([0.2, 0.5, 0.8]))
def test_the_low_rank_sketch_reaches_the_closed_form_and_no_other_comes_below(seed, rows, columns, budget):
    g = normal(seed, rows, columns) * np.exp(normal(seed + 1, columns))
    sigma = np.linalg.svd(g, compute_uv=False)
    total = budget * sigma.size
    least = LowRankSketch(budget).distortion(g)
    p = theory.optimal_probabilities(sigma**2, total)
    tail = p < 1
    if tail.any():
        s, t = sigma[tail].sum(), np.count_nonzero(~tail)
        assert least == pytest.approx(s**2 / (total - t) - np.sum(sigma[tail] ** 2), rel=1e-7, abs=1e-9)
    # A diagonal sketch of the shorter side has the same expected rank, so it cannot do better.
    axis = "column" if columns <= rows else "row"
    for other in (Mask(budget, axis), DiagonalSketch(budget, axis)):
        assert other.distortion(g) >= least * (1 - 1e-7)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.sampled_from(["column", "row", "element"]), st.sampled_from([0.2, 0.5, 0.8]))
def test_no_other_probabilities_of_the_same_sum_do_better(seed, axis, budget):
    rng = np.random.default_rng(seed)
    g = rng.normal(size=(3, 4))
    sketch = DiagonalSketch(budget, axis)
    p = sketch.probabilities(g)
    q = np.clip(p * np.exp(0.5 * rng.normal(size=p.size)), 0.1 * budget, 1)
    for _ in range(200):  # back to the same sum, between the same bounds
        q = np.clip(q * p.sum() / q.sum(), 0.1 * budget, 1)
    if abs(q.sum() - p.sum()) < 1e-9:
        q = q.reshape(g.shape) if axis == "element" else q
        assert theory.cotangent_distortion(g, axis, p=q) >= sketch.distortion(g) * (1 - 1e-9)


# The floor: p_j ≥ 0.1·budget wherever G_j ≠ 0, whatever the scores say.


@pytest.mark.parametrize("design", DESIGNS)
def test_a_dead_weight_row_does_not_bias_the_weight_gradient(design):
    """W_j = 0 makes the score for ∂X 0, while (∂W)_j is not 0 (the trap of Theory §3)."""
    w = W.copy()
    w[1] = 0
    tape, y, leaves, node = linear_node(DiagonalSketch(0.5, target="input", design=design), w=w)
    p = node.vjp.probabilities(G, node)
    assert p[1] == pytest.approx(0.05, rel=1e-12)
    assert p.sum() == pytest.approx(2.0, rel=1e-12)  # the rest of the same total
    _, mean, _ = moments(passes(tape, y, leaves, G))
    np.testing.assert_allclose(mean, exact(tape, y, leaves, G), rtol=0, atol=1e-12)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_floor_holds_where_squares_vanish(axis, target):
    """An entry of 1e-200 beside one of 1: its square is 0 in float64, and it must still be seen."""
    g = np.zeros((4, 4))
    g[0, 0], g[1, 1], g[2, 2] = 1.0, 1e-200, 1e-5  # the last row and column are dead
    node = linear_node(x=normal(4, 4, N))[-1]
    sketch = DiagonalSketch(0.2, axis, target)
    p = sketch.probabilities(g, node)
    units = (g != 0).any(axis=0) if axis == "column" else (g != 0).any(axis=1) if axis != "element" else g.ravel() != 0
    assert (p[units] >= 0.02 * (1 - 1e-12)).all()
    assert (p[~units] == 0).all()
    _, mean, _ = moments(sketch.outcomes(g, node))
    np.testing.assert_allclose(mean, g, rtol=1e-12, atol=0)  # to its own size, not to that of the largest entry


def test_the_floor_holds_in_float32():
    g = np.zeros((2, 3), np.float32)
    g[0] = 1.0, 1e-30, 1e-44
    for axis in ("column", "element"):
        p = DiagonalSketch(0.5, axis).probabilities(g)[:3]
        assert (p >= 0.05 * (1 - 1e-12)).all()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.integers(0, 10**6), st.sampled_from(AXES), st.sampled_from(TARGETS), st.sampled_from([0.05, 0.3, 0.7, 0.99]),
    st.sampled_from([0.0, 3.0, 60.0]),
)  # fmt: skip
def test_probabilities_are_probabilities(seed, axis, target, budget, spread):
    rng = np.random.default_rng(seed)

    def wild(*shape):
        return rng.normal(size=shape) * 10.0 ** (spread * rng.uniform(-1, 1, size=shape)) * rng.integers(2, size=shape)

    node = linear_node(x=wild(3, 2), w=wild(5, 2))[-1]
    g = wild(3, 5)
    p = DiagonalSketch(budget, axis, target).probabilities(g, node)
    alive = g.any(axis=0) if axis == "column" else g.any(axis=1) if axis != "element" else g.ravel() != 0
    assert ((p >= 0) & (p <= 1)).all()
    assert (p[alive] >= 0.1 * budget * (1 - 1e-9)).all()
    assert (p[~alive] == 0).all()
    assert p.sum() <= budget * p.size * (1 + 1e-9)


@pytest.mark.parametrize("axis", AXES)
def test_dead_units_are_never_kept_and_the_budget_goes_to_the_others(axis):
    g = np.zeros((4, 4))
    g[:2, :2] = normal(6, 2, 2)
    sketch = DiagonalSketch(0.25, axis)
    alive = 4 if axis == "element" else 2
    p = sketch.probabilities(g)
    assert np.count_nonzero(p) == alive
    assert p.sum() == pytest.approx(min(alive, 0.25 * p.size), rel=1e-12)
    for _, cotangent in sketch.outcomes(g):
        assert all(index in np.flatnonzero(p) for index in cotangent.indices)


@pytest.mark.parametrize("estimator", every(0.3), ids=repr)
def test_a_cotangent_of_zeros_stays_zero(estimator):
    g = np.zeros((3, 4), np.float32)
    node = linear_node()[-1]
    assert not dense(estimator.sample(g, node, np.random.default_rng(0))).any()
    if estimator in closed(0.3):
        assert estimator.distortion(g, node) == 0.0


@pytest.mark.parametrize("target", ["input", "both", "weight"])
def test_where_all_scores_vanish_those_of_the_cotangent_serve(target):
    """W = 0 at the start of training is common: the whole budget must still be spent."""
    node = linear_node(x=np.zeros((B, N)), w=np.zeros((M, N)))[-1]
    for axis in AXES:
        p = DiagonalSketch(0.5, axis, target).probabilities(G, node)
        np.testing.assert_allclose(p, DiagonalSketch(0.5, axis).probabilities(G), rtol=1e-12)


def test_operands_that_were_not_saved_do_not_count():
    """Where ∂X is not wanted W is not saved, and "input" means the cotangent."""
    w = mg.Tensor(W, requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(X, w)
    for axis in AXES:
        p = DiagonalSketch(0.5, axis, "input").probabilities(G, tape.nodes[0])
        np.testing.assert_array_equal(p, DiagonalSketch(0.5, axis).probabilities(G))


def test_scores_of_a_matmul_with_batches_that_broadcast():
    """‖b_j‖² and ‖a_i‖² are those of the batch, or of the one operand that serves all batches."""
    for shape_a, shape_b in [
        ((2, 3, 2), (2, 2, 4)),
        ((3, 2), (2, 2, 4)),
        ((2, 3, 2), (2, 4)),
        ((2, 1, 3, 2), (1, 2, 2, 4)),
    ]:
        a, b = mg.Tensor(normal(1, *shape_a), requires_grad=True), mg.Tensor(normal(2, *shape_b), requires_grad=True)
        with mg.Tape() as tape:
            y = ops.matmul(a, b)
        g, node = normal(3, *y.shape), tape.nodes[0]
        rows = np.broadcast_to(np.sum(a.data**2, axis=-1)[..., None], g.shape)
        columns = np.broadcast_to(np.sum(b.data**2, axis=-2)[..., None, :], g.shape)
        m = g.shape[-1]
        expected = {
            ("column", "input"): (g**2 * columns).reshape(-1, m).sum(axis=0),
            ("column", "weight"): (g**2).reshape(-1, m).sum(axis=0),
            ("row", "weight"): (g**2 * rows).sum(axis=-1).ravel(),
            ("row", "input"): (g**2).sum(axis=-1).ravel(),
            ("sample", "weight"): (g**2 * rows).reshape(g.shape[0], -1).sum(axis=1),
            ("element", "input"): (g**2 * columns).ravel(),
            ("element", "weight"): (g**2 * rows).ravel(),
        }
        for (axis, target), wanted in expected.items():
            scores = DiagonalSketch(0.5, axis, target).scores(g, node)
            np.testing.assert_allclose(scores / scores.sum(), wanted / wanted.sum(), rtol=1e-12)
