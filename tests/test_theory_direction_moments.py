"""Moments of gradients along random directions: closed forms against every outcome, without sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from direction_cases import ONE, D, law_of

from minigrad import theory
from minigrad.theory.direction_moments import DIRECTION_LAWS, fourth_moments

RNG = np.random.default_rng(3)
GRADIENT = RNG.normal(size=D)
HESSIAN = (lambda a: a + a.T)(RNG.normal(size=(D, D)))
DRAWN = RNG.normal(size=(D, D, D))
THIRD = sum(np.transpose(DRAWN, order) for order in itertools.permutations(range(3)))

CASES = [(law, 1, False) for law in DIRECTION_LAWS] + [(law, 2, False) for law in ("rademacher", "coordinate")]
CASES += [("sphere", 1, True), ("sphere", 2, True), ("coordinate", 1, True), ("coordinate", 2, True)]


def loss(third):
    def f(x):
        return GRADIENT @ x + x @ HESSIAN @ x / 2 + third * np.einsum("ijk,i,j,k", THIRD, x, x, x) / 6

    return f


def moments(outcomes, slope):
    """The mean and the variances of (1/k) Σ D(v) v."""
    mean, second = np.zeros(D), np.zeros(D)
    for probability, chosen in outcomes:
        estimate = sum(slope(v) * v for v in chosen) / len(chosen)
        mean, second = mean + probability * estimate, second + probability * estimate**2
    return mean, second - mean**2


def differences(f, sigma, one_sided):
    if one_sided:
        return lambda v: (f(sigma * v) - f(np.zeros(D))) / sigma
    return lambda v: (f(sigma * v) - f(-sigma * v)) / (2 * sigma)


@pytest.mark.parametrize("law", DIRECTION_LAWS)
def test_second_and_fourth_moments(law):
    outcomes = [(p, v) for p, (v,) in ONE[law]()]
    assert sum(p for p, _ in outcomes) == pytest.approx(1, abs=1e-12)
    assert sum(p * np.outer(v, v) for p, v in outcomes) == pytest.approx(np.eye(D), abs=1e-12)
    found = sum(p * np.einsum("i,j,k,l->ijkl", v, v, v, v) for p, v in outcomes)
    a, b = fourth_moments(law, D)
    eye = np.eye(D)
    pairs = sum(np.einsum(f"{s}->ijkl", eye, eye) for s in ("ij,kl", "ik,jl", "il,jk"))
    same = np.einsum("ij,jk,kl->ijkl", eye, eye, eye)
    assert found == pytest.approx(a * pairs + b * same, abs=1e-12)


@pytest.mark.parametrize(("law", "directions", "orthogonal"), CASES)
def test_variances_in_forward_mode(law, directions, orthogonal):
    mean, variances = moments(law_of(law, directions, orthogonal), lambda v: GRADIENT @ v)
    assert mean == pytest.approx(GRADIENT, abs=1e-12)
    assert theory.directional_variances(GRADIENT, law, directions, orthogonal) == pytest.approx(variances, abs=1e-12)
    whole = float(GRADIENT @ GRADIENT)
    factor = D / directions - 1 if orthogonal else (D + (1 if law == "gaussian" else -1)) / directions
    assert variances.sum() == pytest.approx(factor * whole, rel=1e-12)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize(("law", "directions", "orthogonal"), CASES)
def test_differences_of_a_quadratic_loss(law, directions, orthogonal, one_sided):
    sigma = 0.7
    outcomes = law_of(law, directions, orthogonal)
    mean, variances = moments(outcomes, differences(loss(0), sigma, one_sided))
    bias = theory.difference_bias(HESSIAN, sigma=sigma, law=law, one_sided=one_sided)
    assert mean - GRADIENT == pytest.approx(bias, abs=1e-11)
    assert bias.any() == (one_sided and law == "coordinate")
    found = theory.directional_variances(
        GRADIENT, law, directions, orthogonal, sigma if one_sided else 0.0, HESSIAN if one_sided else None
    )
    assert found == pytest.approx(variances, rel=1e-10, abs=1e-10)
    if one_sided:  # the power of this comparison: the term with the Hessian is seen
        assert np.abs(found - theory.directional_variances(GRADIENT, law, directions, orthogonal)).max() > 0.01


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize(("law", "directions", "orthogonal"), CASES)
def test_bias_of_differences_of_a_cubic_loss(law, directions, orthogonal, one_sided):
    sigma = 0.7
    mean, _ = moments(law_of(law, directions, orthogonal), differences(loss(1), sigma, one_sided))
    bias = theory.difference_bias(HESSIAN, THIRD, sigma=sigma, law=law, one_sided=one_sided)
    assert np.abs(bias).max() > 0.1
    assert mean - GRADIENT == pytest.approx(bias, abs=1e-11)


def test_as_many_orthogonal_directions_as_entries_are_exact():
    for d in (1, 2, 5):
        g = np.arange(1.0, d + 1)
        for law in ("sphere", "coordinate"):
            assert theory.directional_variances(g, law, d, orthogonal=True) == pytest.approx(np.zeros(d), abs=1e-12)


@pytest.mark.parametrize("law", ["rademacher", "sphere", "coordinate"])
def test_of_a_single_entry_every_direction_of_fixed_length_is_exact(law):
    assert theory.directional_variances([3.0], law).tolist() == [0.0]


def test_shapes_stay():
    assert theory.directional_variances(np.ones((2, 3, 4))).shape == (2, 3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.directional_variances([1.0], "normal"), "no law 'normal'"),
        (lambda: theory.directional_variances([1.0, 2.0], "gaussian", 2, True), "orthogonal"),
        (lambda: theory.directional_variances([1.0, 2.0], "sphere", 3, True), "d at most"),
        (lambda: theory.directional_variances([1.0, 2.0], sigma=0.1), "hessian="),
        (lambda: theory.directional_variances([1.0, 2.0], sigma=0.1, hessian=np.eye(3)), r"\(3, 3\)"),
        (lambda: theory.difference_bias(np.eye(2), sigma=0.1, law="normal"), "no law 'normal'"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
