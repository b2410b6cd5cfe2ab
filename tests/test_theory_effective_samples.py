"""Importance sampling: effective samples, the mixture and its bound, and what it leaves of the second moment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigrad import theory

SCORES = hnp.arrays(np.float64, st.integers(1, 20), elements=st.one_of(st.just(0.0), st.floats(1e-6, 1e6)))


@given(SCORES, st.floats(0.01, 1))
def test_probabilities_add_up_and_weights_are_bounded(scores, mixture):
    p = theory.defensive_mixture(scores, mixture)
    assert p.sum() == pytest.approx(1)
    assert (1 / (p.size * p)).max() <= 1 / mixture * (1 + 1e-12)
    assert (np.diff(p[np.argsort(scores, kind="stable")]) >= 0).all()


@given(SCORES)
def test_the_share_is_what_is_left_at_best(scores):
    """(E s)²/E s² by its definition; no probabilities leave less than it, and those in proportion to s just that."""
    share = theory.effective_share(scores)
    if not scores.any():
        assert share == 1 and theory.left_second_moment(scores, np.full(scores.size, 1 / scores.size)) == 1
        return
    assert share == pytest.approx(scores.mean() ** 2 / (scores**2).mean())
    assert 1 / scores.size * (1 - 1e-12) <= share <= 1
    for mixture in (1e-9, 0.2, 1.0):
        left = theory.left_second_moment(scores, theory.defensive_mixture(scores, mixture))
        assert left >= share * (1 - 1e-9)
        assert left <= 1 / mixture * (1 + 1e-9)
    assert theory.left_second_moment(scores, theory.defensive_mixture(scores, 1e-9)) == pytest.approx(share, rel=1e-4)
    assert theory.left_second_moment(scores, theory.defensive_mixture(scores, 1.0)) == pytest.approx(1)


def test_left_second_moment_by_enumeration():
    """E‖s_i/(Nπ_i)‖² over one draw, over that of a uniform draw."""
    s, p = np.array([3.0, 1.0, 0.5]), np.array([0.5, 0.25, 0.25])
    expected = sum(p[i] * (s[i] / (3 * p[i])) ** 2 for i in range(3)) / (sum(s**2) / 3)
    assert theory.left_second_moment(s, p) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_scale_of_scores_does_not_matter(scale):
    s = np.array([1.0, 2.0, 3.0])
    p = theory.defensive_mixture(s, 0.5)
    np.testing.assert_allclose(theory.defensive_mixture(s * scale, 0.5), p, rtol=1e-14)
    assert theory.effective_share(s * scale) == pytest.approx(theory.effective_share(s))
    assert theory.left_second_moment(s * scale, p) == pytest.approx(theory.left_second_moment(s, p))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: theory.effective_share([]), r"effective_share: scores of shape \(0,\)"),
        (lambda: theory.effective_share([[1.0]]), r"shape \(1, 1\)"),
        (lambda: theory.effective_share([1.0, -1.0]), "score -1 of sample 1 must be a norm"),
        (lambda: theory.defensive_mixture([np.nan, 1.0], 0.5), "defensive_mixture: score nan of sample 0"),
        (lambda: theory.defensive_mixture([1.0], 0.0), r"mixture=0.0 must lie in \(0, 1\]: .*biased"),
        (lambda: theory.defensive_mixture([1.0], 1.5), "mixture=1.5"),
        (lambda: theory.left_second_moment([1.0, np.inf], [0.5, 0.5]), "left_second_moment: score inf of sample 1"),
        (lambda: theory.left_second_moment([1.0, 1.0], [1.0, 0.0]), "one probability > 0"),
        (lambda: theory.left_second_moment([1.0, 1.0], [1.0]), "one probability > 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
