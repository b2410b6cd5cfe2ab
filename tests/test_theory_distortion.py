"""Distortions of a linear node: every closed form against the definition, outcome by outcome.

Masks are enumerated (at most 2^12 outcomes). So are the projections, with laws of few outcomes: each
distortion is a polynomial of degree 4 in Ω, so a finite law whose moments agree with the continuous one up to
degree 4 gives *exactly* the same mean (Gauss-Hermite nodes for the Gaussian, corners of an icosahedron for a
direction in space).
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigrad import theory

RNG = np.random.default_rng(7)
B, M, N = 3, 4, 2
G, W, X = RNG.normal(size=(B, M)), RNG.normal(size=(M, N)), RNG.normal(size=(B, N))


def parts(g, kind):
    """The atoms that sum to g, in sampling order, written out naively."""
    if kind == "element":
        return [g * (np.arange(g.size).reshape(g.shape) == a) for a in range(g.size)]
    if kind == "column":
        return [g * (np.arange(g.shape[1])[None, :] == j) for j in range(g.shape[1])]
    if kind == "row":
        return [g * (np.arange(g.shape[0])[:, None] == i) for i in range(g.shape[0])]
    u, s, vt = np.linalg.svd(g, full_matrices=False)
    return [s[k] * np.outer(u[:, k], vt[k]) for k in range(s.size)]


def poisson_outcomes(p):
    for kept in itertools.product([0, 1], repeat=len(p)):
        k = np.array(kept)
        yield np.prod(np.where(k == 1, p, 1 - p)), k


def systematic_outcomes(p):
    ends = np.cumsum(p)
    cuts = np.unique(np.concatenate([[0.0], ends % 1.0, [1.0]]))
    for left, right in itertools.pairwise(cuts):
        u = (left + right) / 2
        hits = np.arange(0, int(ends[-1]) + 2) + u
        kept = np.array([np.any((e - q <= hits) & (hits < e)) for e, q in zip(ends, p, strict=True)])
        yield right - left, kept.astype(int)


def moments(outcomes):
    """Distortions of G, ∂X and ∂W from (probability, Ĝ) pairs; refuses a biased or incomplete enumeration."""
    probability = mean = own = inp = wei = 0.0
    for q, estimate in outcomes:
        d = estimate - G
        probability, mean = probability + q, mean + q * estimate
        own += q * np.sum(d**2)
        inp += q * np.sum((d @ W) ** 2)
        wei += q * np.sum((d.T @ X) ** 2)
    np.testing.assert_allclose(probability, 1.0, rtol=1e-12)
    np.testing.assert_allclose(mean, G, atol=1e-12)
    return own, inp, wei


def mask_moments(kind, p, design):
    stack = np.array(parts(G, kind))
    p = np.broadcast_to(p, len(stack)) if np.ndim(p) == 0 else np.ravel(p)
    weights = poisson_outcomes(p) if design == "poisson" else systematic_outcomes(p)
    return moments((q, np.tensordot(kept / p, stack, 1)) for q, kept in weights)


def closed_forms(kind, **how):
    return (
        theory.cotangent_distortion(G, kind, **how),
        theory.input_distortion(G, W, kind, **how),
        theory.weight_distortion(G, X, kind, **how),
    )


SHAPES = {"element": (B, M), "column": (M,), "row": (B,), "lowrank": (min(B, M),)}


@pytest.mark.parametrize("design", ["poisson", "systematic"])
@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("p", [0.5, 0.3, "vector", "integer sum", "some ones"])
def test_masks_by_enumeration(kind, design, p):
    rng = np.random.default_rng(3)
    if p == "vector":
        p = rng.uniform(0.1, 0.9, size=SHAPES[kind])
    elif p == "integer sum":
        p = theory.optimal_probabilities(rng.uniform(0.5, 2.0, size=SHAPES[kind]), 2)
    elif p == "some ones":
        p = np.where(rng.random(SHAPES[kind]) < 0.4, 1.0, 0.35)
    expected = mask_moments(kind, p, design)
    np.testing.assert_allclose(closed_forms(kind, p=p, design=design), expected, rtol=1e-11, atol=1e-13)


def test_the_design_matters_where_the_notes_say_so():
    differs = {}
    for kind in SHAPES:
        a, b = closed_forms(kind, p=0.4), closed_forms(kind, p=0.4, design="systematic")
        differs[kind] = [not np.isclose(s, t, rtol=1e-9) for s, t in zip(a, b, strict=True)]
    assert differs == {
        "element": [False, True, True],
        "column": [False, True, False],
        "row": [False, False, True],
        "lowrank": [False, False, False],
    }


# --- projections


def flips(m, r):
    for signs in itertools.product([-1.0, 1.0], repeat=m * r):
        yield 0.5 ** (m * r), np.reshape(signs, (m, r)) / np.sqrt(r)


def buckets(m, r):
    for places in itertools.product(range(r), repeat=m):
        for signs in itertools.product([-1.0, 1.0], repeat=m):
            omega = np.zeros((m, r))
            omega[np.arange(m), places] = signs
            yield 1 / (2 * r) ** m, omega


def gauss_hermite(m, r):
    """Entries 0, ±√3 with probabilities 2/3, 1/6, 1/6: the moments of a standard normal up to degree 5."""
    nodes, weights = np.array([0.0, np.sqrt(3), -np.sqrt(3)]), np.array([2 / 3, 1 / 6, 1 / 6])
    for pick in itertools.product(range(3), repeat=m * r):
        k = np.array(pick)
        yield np.prod(weights[k]), nodes[k].reshape(m, r) / np.sqrt(r)


def directions(m):
    """Unit vectors whose moments up to degree 4 are those of a uniform direction (spherical designs)."""
    if m == 1:
        return np.ones((1, 1))
    if m == 2:
        angle = 2 * np.pi * np.arange(5) / 5
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0, s, t * golden) for s in (-1, 1) for t in (-1, 1)]
    corners = [np.roll(c, shift) for c in corners for shift in range(3)]
    return np.array(corners) / np.sqrt(1 + golden**2)


def frames(m, r):
    """√(m/r) × r orthonormal columns: a direction, or a basis of what is orthogonal to one."""
    points = directions(m)
    for v in points:
        rest = np.linalg.svd(v[None, :])[2][1:].T
        columns = {1: v[:, None], m - 1: rest, m: np.eye(m)}[r]
        yield 1 / len(points), np.sqrt(m / r) * columns


LAWS = {"rademacher": flips, "countsketch": buckets, "gaussian": gauss_hermite, "orthogonal": frames}
WIDTHS = [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2)]
CASES = [(k, m, r) for k in LAWS for m, r in WIDTHS]
CASES += [("countsketch", 3, 4), ("rademacher", 2, 5), ("orthogonal", 3, 3)]


def projection_moments(kind, g, w, x, r):
    mean = own = inp = wei = 0.0
    for q, omega in LAWS[kind](g.shape[1], r):
        d = g @ omega @ omega.T - g
        mean, own = mean + q * d, own + q * np.sum(d**2)
        inp, wei = inp + q * np.sum((d @ w) ** 2), wei + q * np.sum((d.T @ x) ** 2)
    np.testing.assert_allclose(mean, 0.0, atol=1e-12)
    return own, inp, wei


@pytest.mark.parametrize(("kind", "m", "r"), CASES)
def test_projections_by_enumeration(kind, m, r):
    rng = np.random.default_rng([m, r])
    g, w, x = rng.normal(size=(B, m)), rng.normal(size=(m, N)), rng.normal(size=(B, N))
    got = (
        theory.cotangent_distortion(g, kind, r=r),
        theory.input_distortion(g, w, kind, r=r),
        theory.weight_distortion(g, x, kind, r=r),
    )
    np.testing.assert_allclose(got, projection_moments(kind, g, w, x, r), rtol=1e-11, atol=1e-12)


def test_orthogonal_between_the_enumerable_widths():
    # m = 5, r = 2 has no small design: 40,000 draws, and |z| < 6 for each of three means. The draws are
    # bounded and their means near normal: a false alarm has probability about 6e-9 under reseeding. The
    # relative standard error is below 0.4 %, so an error of 5 % in any of them is caught for certain (12
    # standard errors, 6 spare).
    rng = np.random.default_rng(0)
    m, r, draws = 5, 2, 40_000
    g, w, x = rng.normal(size=(B, m)), rng.normal(size=(m, N)), rng.normal(size=(B, N))
    columns = np.linalg.qr(rng.normal(size=(draws, m, r)))[0]
    d = g @ (m / r * columns @ columns.transpose(0, 2, 1) - np.eye(m))
    samples = np.stack([np.sum(a**2, axis=(1, 2)) for a in (d, d @ w, d.transpose(0, 2, 1) @ x)])
    got = np.array(
        [
            theory.cotangent_distortion(g, "orthogonal", r=r),
            theory.input_distortion(g, w, "orthogonal", r=r),
            theory.weight_distortion(g, x, "orthogonal", r=r),
        ]
    )
    error = np.maximum(samples.std(axis=1) / np.sqrt(draws), 1e-9 * got)
    z = (samples.mean(axis=1) - got) / error
    assert np.all(np.abs(z) < 6)
    assert np.all(error < 0.004 * got)


def test_a_width_of_all_columns_makes_only_the_orthogonal_one_exact():
    assert theory.input_distortion(G, W, "orthogonal", r=M) == pytest.approx(0.0, abs=1e-12)
    for kind in ("gaussian", "rademacher", "countsketch"):
        assert theory.input_distortion(G, W, kind, r=M) > 0.1
        assert theory.cotangent_distortion(G, kind, r=2) > theory.cotangent_distortion(G, "column", p=2 / M)


# --- joint probabilities of systematic sampling


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_joint_probabilities_by_enumeration(p):
    p = np.array(p)
    expected = sum(q * np.outer(kept, kept) for q, kept in systematic_outcomes(p))
    joint = theory.systematic_joint_probabilities(p)
    np.testing.assert_allclose(joint, expected, atol=1e-13)
    np.testing.assert_array_equal(joint, joint.T)
    np.testing.assert_array_equal(np.diag(joint), p)


def test_joint_probabilities_of_a_fixed_size_design_sum_to_the_size():
    p = theory.optimal_probabilities(np.random.default_rng(1).lognormal(sigma=2, size=50), 8)
    joint = theory.systematic_joint_probabilities(p)
    np.testing.assert_allclose(joint.sum(axis=1), 8 * p, rtol=1e-9)  # E[1_j Σ_k 1_k] = 8 p_j
    assert theory.systematic_joint_probabilities([]).shape == (0, 0)


# --- optimality: what the probabilities were made for


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_low_rank_at_its_optimum_is_never_worse_than_columns(seed):
    g = np.random.default_rng(seed).normal(size=(B, M)) * np.random.default_rng(seed).lognormal(size=M)
    sigma = np.linalg.svd(g, compute_uv=False)
    columns = np.sum(g**2, axis=0)
    low = theory.cotangent_distortion(g, "lowrank", p=theory.optimal_probabilities(sigma**2, 2))
    kept = theory.cotangent_distortion(g, "column", p=theory.optimal_probabilities(columns, 2))
    np.testing.assert_allclose(low, theory.minimal_distortion(sigma**2, 2), rtol=1e-9)
    np.testing.assert_allclose(kept, theory.minimal_distortion(columns, 2), rtol=1e-9)
    assert low <= kept * (1 + 1e-9)
    assert kept <= theory.cotangent_distortion(g, "column", p=2 / M) * (1 + 1e-9)


# --- ends and errors


@pytest.mark.parametrize("kind", list(SHAPES))
@pytest.mark.parametrize("design", ["poisson", "systematic"])
def test_probability_one_is_exact(kind, design):
    np.testing.assert_allclose(closed_forms(kind, p=1.0, design=design), 0.0, atol=1e-12)


def test_zero_probability_only_where_nothing_is_lost():
    g = G.copy()
    g[:, 1] = 0.0
    p = [0.5, 0.0, 0.5, 0.5]
    theory.cotangent_distortion(g, "column", p=p)
    with pytest.raises(ValueError, match="column 1, which is not 0"):
        theory.cotangent_distortion(G, "column", p=p)
    w = W.copy()
    w[1] = 0.0  # then ∂X does not miss column 1, but ∂W does
    assert np.isfinite(theory.input_distortion(G, w, "column", p=p, design="systematic"))
    with pytest.raises(ValueError, match="biased"):
        theory.weight_distortion(G, X, "column", p=p)
    rank_one = np.outer([1.0, 2.0, 3.0], [1.0, 1.0, 0.0, 3.0])  # its other singular values are rounding
    assert theory.cotangent_distortion(rank_one, "lowrank", p=[1.0, 0.0, 0.0]) == 0.0


def test_leading_axes_are_rows_and_float32_is_computed_in_float64():
    g, x = RNG.normal(size=(2, 3, M)).astype(np.float32), RNG.normal(size=(2, 3, N)).astype(np.float32)
    flat_g, flat_x = g.reshape(6, M).astype(float), x.reshape(6, N).astype(float)
    for kind, design in itertools.product(SHAPES, ["poisson", "systematic"]):
        got = theory.weight_distortion(g, x, kind, p=0.3, design=design)
        assert got == theory.weight_distortion(flat_g, flat_x, kind, p=0.3, design=design)
    p = RNG.uniform(0.2, 1.0, size=g.shape)
    flat = theory.input_distortion(flat_g, W, "element", p=p.reshape(6, M))
    assert theory.input_distortion(g, W, "element", p=p) == flat


def test_ones_give_the_distortion_of_the_bias_gradient():
    expected = sum(q * np.sum(((k / 0.4 - 1) @ G) ** 2) for q, k in poisson_outcomes(np.full(B, 0.4)))
    np.testing.assert_allclose(theory.weight_distortion(G, np.ones((B, 1)), "row", p=0.4), expected)


@pytest.mark.parametrize(
    ("kind", "how", "message"),
    [
        ("columns", {"p": 0.5}, "unknown kind 'columns'"),
        ("column", {"p": 0.5, "design": "fixed"}, "unknown design 'fixed'"),
        ("column", {}, "takes probabilities p="),
        ("column", {"p": 0.5, "r": 2}, "takes probabilities p="),
        ("gaussian", {}, "takes a width r="),
        ("gaussian", {"r": 2, "p": 0.5}, "takes a width r="),
        ("gaussian", {"r": 0}, "r=0 must be a whole number"),
        ("gaussian", {"r": 1.5}, "r=1.5 must be a whole number"),
        ("orthogonal", {"r": 9}, "at most the 4 columns"),
        ("column", {"p": [0.5]}, r"one of shape \(4,\), not \(1,\)"),
        ("row", {"p": 1.5}, r"in \[0, 1\]"),
        ("row", {"p": np.nan}, r"in \[0, 1\]"),
        ("row", {"p": 0.0}, "row 0, which is not 0"),
    ],
)
def test_errors_say_what_is_wrong(kind, how, message):
    for call in (
        lambda: theory.cotangent_distortion(G, kind, **how),
        lambda: theory.input_distortion(G, W, kind, **how),
        lambda: theory.weight_distortion(G, X, kind, **how),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_errors_about_shapes():
    with pytest.raises(ValueError, match="4 columns and w 2 rows"):
        theory.input_distortion(G, W.T, "column", p=0.5)
    with pytest.raises(ValueError, match="3 rows and x 5"):
        theory.weight_distortion(G, np.ones((5, 2)), "column", p=0.5)
    with pytest.raises(ValueError, match="at least two axes"):
        theory.cotangent_distortion(G[0], "column", p=0.5)
    with pytest.raises(ValueError, match="must be a vector"):
        theory.systematic_joint_probabilities([[0.5]])
    with pytest.raises(ValueError, match="must be a vector"):
        theory.systematic_joint_probabilities([1.5])


# --- the enumeration is checked: a planted fault must be caught


def test_planted_faults_are_told_apart():
    expected = np.array(mask_moments("column", 0.3, "systematic"))
    without_cross_terms = np.array(closed_forms("column", p=0.3))
    assert abs(without_cross_terms[1] / expected[1] - 1) > 1e-3
    rademacher = projection_moments("rademacher", G[:, :2], W[:2], X, 1)
    assert abs(theory.input_distortion(G[:, :2], W[:2], "gaussian", r=1) / rademacher[1] - 1) > 1e-3
    with pytest.raises(AssertionError):  # not divided by p: biased
        stack = np.array(parts(G, "column"))
        moments((q, np.tensordot(k, stack, 1)) for q, k in poisson_outcomes(np.full(M, 0.3)))
