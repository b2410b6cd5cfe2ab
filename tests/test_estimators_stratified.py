"""One unit of each stratum of like norms."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import AXES, moments, normal

from minigrad import testing
from minigrad.estimators import Mask, StratifiedMask
from minigrad.structure import dense


@pytest.mark.parametrize("budget", [1e-9, 0.2, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize("units", [1, 2, 5, 10])
def test_strata_are_nearly_equal_and_of_like_norms(units, budget):
    g = normal(1, 3, units)
    sketch = StratifiedMask(budget)
    order, sizes = sketch.strata(g)
    count = max(1, round(budget * units))
    assert sorted(order) == list(range(units)) and sizes.sum() == units and len(sizes) == count
    assert set(sizes) <= {units // count, -(-units // count)} and (np.diff(sizes) >= 0).all()
    assert (np.diff(np.linalg.norm(g, axis=0)[order]) <= 0).all()
    np.testing.assert_array_equal(sketch.probabilities(g)[order], np.repeat(1 / sizes, sizes))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("budget", [0.3, 0.5, 0.8])
def test_the_number_kept_is_always_the_same_and_one_of_each_stratum(axis, budget):
    g, sketch = normal(2, 4, 5), StratifiedMask(budget, axis)
    order, sizes = sketch.strata(g)
    rank = np.empty(len(order), int)
    rank[order] = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(20):
        kept = sketch.sample(g, None, seed)
        assert sorted(rank[kept.indices]) == list(range(len(sizes)))
    assert sketch.kept(g.shape).fraction == len(sizes) / len(order)
    if budget == 0.8:  # strata of one unit are kept as they are
        alone = order[np.repeat(sizes, sizes) == 1]
        assert alone.size and set(alone) <= set(kept.indices)
        np.testing.assert_array_equal(sketch.rare(g, 1e-9), 0)


def columns(norms):
    return np.diag(norms).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_the_distortion_is_that_of_a_mask_where_strata_are_equal_and_below_the_bound_elsewhere(seed):
    rng = np.random.default_rng(seed)
    for units in (4, 6, 7, 9):
        for count in range(1, units):
            g, sketch = columns(rng.exponential(size=units)), StratifiedMask(count / units)
            sizes = sketch.strata(g)[1]
            total = np.sum(g**2)
            bound = (np.sum(sizes**2) / units - 1) * total
            assert sketch.distortion(g) <= bound * (1 + 1e-12)
            if units % count == 0:
                assert sketch.distortion(g) == pytest.approx(Mask(count / units).distortion(g))
                assert sketch.distortion(g) == pytest.approx(bound)
            equal = columns(np.ones(units))
            assert sketch.distortion(equal) == pytest.approx(np.sum(sizes**2) - units)  # the bound is sharp


def test_only_differences_inside_a_stratum_make_a_sum_noisy():
    g = normal(3, 1, 7)
    sketch = StratifiedMask(0.4)
    order, sizes = sketch.strata(g)
    parts = np.split(g[0, order], np.cumsum(sizes)[:-1])
    _, mean, variance = moments((p, np.atleast_1d(dense(kept).sum())) for p, kept in sketch.outcomes(g))
    assert mean[0] == pytest.approx(g.sum())
    assert variance == pytest.approx(sum(len(a) * np.sum((a - a.mean()) ** 2) for a in parts))
    # Equal terms in each stratum: no noise at all, where independent draws with the same probabilities have some.
    steps = np.array([[5.0, 5.0, 1.0, 1.0]])
    _, _, none = moments((p, np.atleast_1d(dense(kept).sum())) for p, kept in StratifiedMask(0.5).outcomes(steps))
    _, _, some = moments((p, np.atleast_1d(dense(kept).sum())) for p, kept in Mask(0.5).outcomes(steps))
    assert none == pytest.approx(0, abs=1e-12) and some == pytest.approx(np.sum(steps**2))


def test_a_planted_fault_is_seen():
    class Rescaled(StratifiedMask):
        """Forgets that strata have different sizes."""

        def probabilities(self, g, node=None):
            return np.full(len(self.squared_norms(g)), self.budget)

    with pytest.raises(AssertionError, match="biased"):
        testing.assert_unbiased(Rescaled(0.4), normal(0, 1, 4))
