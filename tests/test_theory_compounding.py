"""How noise compounds: exact where theory says so, by enumeration of all outcomes; gradients and optima."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import inspect, ops, theory
from minigrad.estimators import Mask
from minigrad.theory import CompoundingNoise, DistortionCurve, cheapest_budgets, shared_budgets
from minigrad.theory.shared_budgets import _starts

BUDGETS = [(0.5, 0.5, 0.5), (0.25, 0.75, 0.5), (0.9, 0.2, 0.4), (1.0, 0.5, 0.3)]


def enumerated(axis, budgets, sizes=(3, 3, 2, 2), rows=2):
    """E‖ĝ − g‖² of a chain, exactly, from all outcomes. The layers in the order in which the sweep meets them."""
    weights = [normal(k, sizes[k + 1], sizes[k]) for k in range(len(sizes) - 1)]
    leaves = [mg.Tensor(w, requires_grad=True) for w in weights]
    x = normal(9, rows, sizes[0])
    vjps = [Mask(p, axis=axis) for p in reversed(budgets)]
    with mg.Tape() as tape:
        for leaf, vjp in zip(leaves, vjps, strict=True):
            x = ops.linear(x, leaf, vjp=vjp)
            x = x.tanh() if leaf is not leaves[-1] else x
        loss = x.square().sum()
    return inspect.exact_moments(tape, loss, leaves).total_variance


def alone(axis, layer, count, **options):
    """a_l: the variance with a budget of a half, so a distortion of 1, at one layer."""
    return enumerated(axis, [0.5 if k == layer else 1.0 for k in range(count)], **options)


@pytest.mark.parametrize("budgets", BUDGETS)
def test_row_masks_in_a_chain_exactly(budgets):
    """The squared norm of each row grows by 1/p at each layer, so b = 1, and the formula holds to rounding."""
    gains = [alone("row", k, 3) for k in range(3)]
    noise = CompoundingNoise(gains, np.tril(np.ones((3, 3)), -1))
    assert noise.variance(budgets) == pytest.approx(enumerated("row", budgets), rel=1e-10)


@pytest.mark.parametrize("axis", ["column", "row"])
def test_two_masks_exactly_with_a_measured_coefficient(axis):
    """V is multi-affine in the distortions: with two layers, three coefficients are all."""
    sizes = {"sizes": (3, 3, 2)}
    a = [alone(axis, k, 2, **sizes) for k in range(2)]
    b = (enumerated(axis, (0.5, 0.5), **sizes) - a[0]) / a[1] - 1
    noise = CompoundingNoise(a, [[0, 0], [b, 0]])
    assert abs(b - 1) > 0.01 or axis == "row"  # a column mask does not keep lengths
    for budgets in ((0.25, 0.5), (0.7, 0.2), (1.0, 0.3), (0.4, 1.0)):
        assert noise.variance(budgets) == pytest.approx(enumerated(axis, budgets, **sizes), rel=1e-10)


def test_the_variance_of_column_masks_is_multi_affine_in_the_distortions():
    """Eight coefficients, from eight corners, give all else exactly."""
    corners = list(itertools.product([1.0, 0.5], repeat=3))
    values = {corner: enumerated("column", corner) for corner in corners}
    for budgets in BUDGETS:
        delta = 1 / np.array(budgets) - 1
        weights = [np.prod([d if p < 1 else 1 - d for p, d in zip(corner, delta, strict=True)]) for corner in corners]
        found = sum(w * values[corner] for w, corner in zip(weights, corners, strict=True))
        assert found == pytest.approx(enumerated("column", budgets), rel=1e-9)


def random_noise(seed, n, curves=(), layers=()):
    rng = np.random.default_rng(seed)
    growth = np.tril(rng.uniform(0, 1.5, (n, n)), -1) * (rng.random((n, n)) < 0.7)
    return CompoundingNoise(np.exp(rng.normal(0, 1.5, n)), growth, curves, layers)


STEEP = DistortionCurve([0.8, 0.5, 0.3, 0.1, 0.05], [0.01, 0.4, 1.5, 8.0, 30.0])


@pytest.mark.parametrize("case", [
    (random_noise(0, 5), 5), (random_noise(1, 4, (STEEP,) * 4), 4), (random_noise(2, 6, (), (0, 1, 1, 0, 2, 2)), 3),
])  # fmt: skip
def test_the_gradient_against_differences(case):
    noise, layers = case
    rng = np.random.default_rng(7)
    for _ in range(5):
        u, step = np.log(rng.uniform(0.06, 0.95, layers)), 1e-6
        for k in range(layers):
            e = step * (np.arange(layers) == k)
            difference = (noise.variance(np.exp(u + e)) - noise.variance(np.exp(u - e))) / (2 * step)
            assert noise.gradient(np.exp(u))[k] == pytest.approx(difference, rel=1e-5, abs=1e-7)
    # At p = 1, where a node adds nothing, from one side.
    p = np.full(layers, 0.5)
    p[0] = 1.0
    below = p * np.exp(-1e-6 * (np.arange(layers) == 0))
    assert noise.gradient(p)[0] == pytest.approx((noise.variance(p) - noise.variance(below)) / 1e-6, rel=1e-4)


def test_curves():
    p = np.array([0.9, 0.5, 0.2, 0.1])
    mask = DistortionCurve(p, 1 / p - 1)
    for at in (0.95, 0.7, 0.3, 0.15, 0.01, 1.0):
        assert mask(at) == pytest.approx(1 / at - 1, rel=1e-12, abs=1e-15)
    for at, delta in zip(STEEP.budgets, STEEP.distortions, strict=True):
        assert STEEP(at) == pytest.approx(delta, rel=1e-9)
    grid = [STEEP(at) for at in np.linspace(0.01, 1, 300)]
    assert all(a >= b for a, b in itertools.pairwise(grid))
    assert DistortionCurve([0.5, 0.25], [2.0, 1.0])(0.25) == pytest.approx(2.0)  # an error of measurement is levelled
    for bad in (([0.5, 0.5], [1, 1]), ([1.0], [0]), ([0.5], [-1]), ([0.5], [np.inf]), ([0.5], [])):
        with pytest.raises(ValueError, match="DistortionCurve"):
            DistortionCurve(*bad)


@pytest.mark.parametrize("seed", range(12))
def test_the_elasticities_at_the_optimum(seed):
    """In proportion to c_l p_l where no bound is met, larger at 1 and smaller at the least; nothing near does better.

    At the ends of a measured curve its slope jumps, so elasticities there are between two numbers, and are left out.
    """
    rng = np.random.default_rng(seed)
    n = (3, 6, 20)[seed % 3]
    noise, c = random_noise(seed, n, (STEEP,) * n if seed % 4 == 1 else ()), np.exp(rng.normal(0, 1, n))
    for share in (0.1, 0.3, 0.7):
        p = shared_budgets(noise, share * c.sum(), c)
        assert c @ p == pytest.approx(share * c.sum(), rel=1e-9)
        assert (p >= 0.01).all() and (p <= 1).all()
        price = noise.elasticities(p) / (c * p)
        free = (p > 0.0101) & (p < 0.999)
        if seed % 4 == 1:
            free &= (abs(p / 0.8 - 1) > 0.01) & (abs(p / 0.05 - 1) > 0.01)
        level = price[free].mean() if free.any() else 0.0
        assert price[free] == pytest.approx(level, rel=2e-2 if seed % 4 == 1 else 1e-4)
        if free.any():
            assert (price[p >= 0.999] >= level * 0.98).all() and (price[p <= 0.0101] <= level * 1.02).all()
        value = noise.variance(p)
        for _ in range(40):
            other = np.clip(p * np.exp(rng.normal(0, 0.3, n)), 0.01, 1)
            other *= share * c.sum() / (c @ other)
            if (other <= 1).all() and (other >= 0.01).all():
                assert noise.variance(other) >= value * (1 - 1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_least_cost_is_the_inverse(seed):
    rng = np.random.default_rng(seed)
    noise, c = random_noise(seed, 6), np.exp(rng.normal(0, 1, 6))
    p = shared_budgets(noise, 0.3 * c.sum(), c)
    back = cheapest_budgets(noise, noise.variance(p), c)
    assert noise.variance(back) == pytest.approx(noise.variance(p), rel=1e-9)
    assert c @ back == pytest.approx(c @ p, rel=1e-6)


@pytest.mark.parametrize("variance", [1e-12, 1e-9, 1e-6, 1e-3, 1.0])
def test_budgets_where_a_measured_curve_is_flat(variance):
    """Where budgets add no noise there are no slopes to follow. Some versions of SciPy warned of their steps here."""
    curves = [
        DistortionCurve([0.9, 0.5, 0.38, 0.2, 0.1, 0.02], [0.0, 0.0, 0.17, 1.2, 3.4, 21.0]),
        DistortionCurve([0.9, 0.7, 0.5, 0.2, 0.1, 0.02], [0.0, 0.0, 0.03, 1.3, 3.6, 22.0]),
        DistortionCurve([0.9, 0.5, 0.2, 0.1, 0.02], [0.12, 1.0, 4.1, 9.2, 50.0]),
    ]
    growth = [[0, 0.83, 0.83], [0, 0, 0.83], [0, 0, 0]]
    noise = CompoundingNoise([0.27, 0.36, 0.47], growth, curves=curves, layers=[0, 1, 2])
    costs = np.array([132096.0, 132096.0, 41280.0])
    p = cheapest_budgets(noise, variance, costs)
    assert ((p >= 0.01) & (p <= 1)).all() and noise.variance(p) <= variance * (1 + 1e-6)
    assert costs @ p < costs.sum()  # nothing need be kept whole to add nothing


def test_without_compounding_it_is_water_filling():
    w, c = np.array([16.0, 4.0, 1.0]), np.array([1.0, 4.0, 2.0])
    noise = CompoundingNoise(w, np.zeros((3, 3)))
    for total in (0.7, 2.0, 5.0):
        p = shared_budgets(noise, total, c, lower=1e-6)
        assert p == pytest.approx(theory.optimal_probabilities(w, total, c), rel=1e-6)


def test_ends_and_mistakes():
    noise = CompoundingNoise([1.0, 2.0], [[0, 0], [1, 0]])
    assert shared_budgets(noise, 2.0).tolist() == shared_budgets(noise, 9.0).tolist() == [1.0, 1.0]
    assert shared_budgets(noise, 1e-9).tolist() == [0.01, 0.01]
    assert cheapest_budgets(noise, 0.0).tolist() == [1.0, 1.0]
    assert cheapest_budgets(noise, 1e9).tolist() == [0.01, 0.01]
    none = CompoundingNoise([0.0, 0.0], np.zeros((2, 2)))
    assert shared_budgets(none, 0.5) == pytest.approx([0.25, 0.25])
    assert cheapest_budgets(none, 1.0).tolist() == [0.01, 0.01]
    one = shared_budgets(CompoundingNoise([4.0, 0.0], np.zeros((2, 2))), 0.9)
    assert one == pytest.approx([0.89, 0.01], rel=1e-3)
    for make in (lambda: CompoundingNoise([1.0], [[0, 0]]), lambda: CompoundingNoise([-1.0], [[0]]),
                 lambda: CompoundingNoise([1.0], [[np.inf]]), lambda: CompoundingNoise([1.0], [[0]], (), [1]),
                 lambda: noise.variance([0.5]), lambda: noise.variance([0.5, 0.0]),
                 lambda: shared_budgets(noise, 0.0), lambda: shared_budgets(noise, 1.0, lower=0.0),
                 lambda: cheapest_budgets(noise, -1.0), lambda: shared_budgets(noise, 1.0, [1.0, 0.0])):  # fmt: skip
        with pytest.raises(ValueError):
            make()


@pytest.mark.parametrize("variance", [-1.0, float("inf"), float("nan")])
def test_a_variance_that_is_none_is_refused(variance):
    with pytest.raises(ValueError, match="must be ≥ 0 and finite"):
        cheapest_budgets(CompoundingNoise([1.0], [[0]]), variance)


def test_the_search_begins_at_equal_budgets_and_at_those_that_nothing_compounds(monkeypatch):
    monkeypatch.setattr(sys.modules["minigrad.theory.shared_budgets"], "ROUNDS", 0)
    noise = CompoundingNoise([1.0, 4.0, 16.0], [[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    equal, apart = _starts(noise, np.array([1.0, 1.0, 4.0]), lambda p: p, 0.5)
    assert equal.tolist() == [0.5, 0.5, 0.5] and apart.tolist() == [0.25, 0.5, 0.5]
