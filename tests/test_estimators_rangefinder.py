"""The range finder: unbiased for every range, near the optimum where singular values fall, never without its residual.

Given its random range a sketch has finitely many outcomes, so that most tests list them: no chance is involved. The
tests by draws state their false-alarm rate.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from estimator_cases import DESIGNS, moments, normal
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import inspect, ops, testing
from minigrad.estimators import LowRankSketch, RangeFinderSketch
from minigrad.structure import Factors, dense

SHAPES = [(6, 9), (9, 6), (2, 3, 7), (5, 5)]
"""Small enough that the independent draws of all terms can be listed: at budget 0.3, 2 directions and 5 or 6 rows."""


def falling(seed, rows, columns, power):
    """A matrix whose singular values fall as k^-power."""
    k = min(rows, columns)
    u, v = np.linalg.qr(normal(seed, rows, k))[0], np.linalg.qr(normal(seed + 1, columns, k))[0]
    return (u * np.arange(1.0, k + 1) ** -power) @ v.T


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("power", [1, 2])
def test_given_any_range_the_mean_is_exact_and_the_distortion_is_known(shape, design, power):
    g, sketch = normal(1, *shape), RangeFinderSketch(0.3, 0, power, design)
    assert sketch.width(shape) == 2
    for seed in range(8):
        total, mean, variance = moments(sketch.outcomes_given(g, seed))
        assert abs(total - 1) < 1e-12
        np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
        assert sketch.distortion_given(g, seed) == pytest.approx(variance, rel=1e-10)


def with_range(sketch, q):
    """The same sketch, with a range that is given in place of a random one."""

    class Given(type(sketch)):
        def _split(self, g, rng):
            class Stub:
                def standard_normal(self, shape, dtype):
                    return q

            return super()._split(g, Stub())

    return Given(sketch.budget, sketch.oversampling, sketch.power, sketch.design)


@pytest.mark.parametrize("design", DESIGNS)
def test_ranges_that_miss_everything_cost_variance_and_no_bias(design):
    """Starting vectors at right angles to all of G, zero, twice the same: the range is as good as nothing."""
    g = np.zeros((6, 8))
    g[:3] = normal(2, 3, 8)
    starts = [np.eye(6)[:, 3:5], np.zeros((6, 2)), np.ones((6, 2))]
    for start in starts:
        sketch = with_range(RangeFinderSketch(0.3, 0, 1, design), start)
        _, mean, variance = moments(sketch.outcomes_given(g, 0))
        np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
        assert variance >= LowRankSketch(0.3).distortion(g) * (1 - 1e-10)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(4, 12), st.integers(4, 12), st.sampled_from([0.1, 0.3, 0.6]), st.booleans())
def test_never_below_the_optimum_and_the_expected_rank_is_the_budget(seed, rows, columns, budget, steep):
    g = falling(seed, rows, columns, 2.0) if steep else normal(seed, rows, columns)
    sketch = RangeFinderSketch(budget, 1)
    if sketch.width(g.shape) >= min(g.shape):
        return
    assert sketch.distortion_given(g, seed) >= LowRankSketch(budget).distortion(g) * (1 - 1e-7)
    split = sketch._split(g, np.random.default_rng(seed))
    assert split.p.sum() <= budget * min(g.shape) * (1 + 1e-9)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40)], ids=str)
def test_near_the_optimum_where_singular_values_fall(shape):
    """The ratios of a small case, over 20 ranges; a wider range and a power bring it down."""
    g = falling(3, *shape, 1.0)
    optimum = LowRankSketch(0.1).distortion(g)

    def ratio(**options):
        sketch = RangeFinderSketch(0.1, **options)
        return np.mean([sketch.distortion_given(g, seed) for seed in range(20)]) / optimum

    plain, wide, powerful = ratio(oversampling=2), ratio(oversampling=12), ratio(oversampling=2, power=2)
    assert 1 < wide < plain < 2
    assert powerful < plain


def test_a_cotangent_of_low_rank_is_kept_exactly():
    g = normal(4, 30, 3) @ normal(5, 3, 50)
    sketch = RangeFinderSketch(0.1)
    assert sketch.distortion_given(g, 0) < 1e-14 * np.sum(g**2)
    drawn = sketch.sample(g, None, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.dense(), g, rtol=0, atol=1e-12)


def test_a_fixed_rank():
    g, rng = normal(6, 40, 50), np.random.default_rng(0)
    assert {RangeFinderSketch(0.1, design="systematic").sample(g, None, rng).rank for _ in range(30)} == {4}
    assert len({RangeFinderSketch(0.1).sample(g, None, rng).rank for _ in range(30)}) > 1


@pytest.mark.parametrize("design", DESIGNS)
def test_where_the_range_would_be_everything_it_is_the_low_rank_sketch(design):
    for shape, sketch in [
        ((10, 30), RangeFinderSketch(0.2, design=design)),
        ((3, 4), RangeFinderSketch(0.7, 0, 1, design)),
    ]:
        g, whole = normal(7, *shape), LowRankSketch(sketch.budget, design)
        drawn = [dense(s.sample(g, None, np.random.default_rng(2))).tobytes() for s in (sketch, whole)]
        assert drawn[0] == drawn[1]
        assert sketch.distortion(g) == whole.distortion(g)
        assert sketch.overhead(shape) == whole.overhead(shape)
        assert len(list(sketch.outcomes(g[:, :3]))) == len(list(whole.outcomes(g[:, :3])))


# By draws. `assert_unbiased` has a family-wise false-alarm rate of 1e-6, and each test here a fixed seed.


class Truncated(RangeFinderSketch):
    """Leaves out what the range missed, as a randomised decomposition does."""

    def _keep(self, g, split, kept):
        return super()._keep(g, split, kept[kept < len(split.u)])


class NotDivided(RangeFinderSketch):
    """Keeps terms of the residual as they are."""

    def _keep(self, g, split, kept):
        residual = split.residual * split.p[len(split.u) :, None]
        return super()._keep(g, split._replace(residual=residual), kept)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(16, 20), (4, 5, 18)], ids=str)
def test_draws_are_unbiased_and_planted_faults_are_caught(shape):
    """Power: in the worst of these cases half of ‖G‖ lies outside of the range, and is lost or too small."""
    g = normal(8, *shape)
    for design in DESIGNS:
        testing.assert_unbiased(RangeFinderSketch(0.2, 2, design=design), g, draws=800)
    for fault in (Truncated, NotDivided):
        with pytest.raises(AssertionError, match="is biased"):
            testing.assert_unbiased(fault(0.2, 2), g, draws=800)


def test_the_gradient_of_a_network_is_unbiased():
    x = normal(9, 20, 18)
    leaves = [mg.Tensor(normal(10 + k, 18, 18) / 4, requires_grad=True) for k in range(2)]
    with mg.Tape() as tape:
        h = ops.linear(x, leaves[0], vjp=RangeFinderSketch(0.3, 2))
        loss = (ops.linear(ops.tanh(h), leaves[1], vjp=RangeFinderSketch(0.3, 2)) ** 2).mean()
    testing.assert_unbiased(tape, loss, leaves, draws=500)
    for node in tape.nodes:
        if node.vjp is not None:
            node.vjp = Truncated(0.3, 2)
    with pytest.raises(AssertionError, match="is biased"):
        testing.assert_unbiased(tape, loss, leaves, draws=500)
    assert inspect.cost(tape).backward < inspect.cost(tape).backward_exact * 10


# Extremes.


@pytest.mark.parametrize(
    ("dtype", "scales"), [(np.float32, (1e-37, 1e-20, 1e20, 1e37)), (np.float64, (1e-300, 1e-160, 1e160, 1e300))]
)
def test_the_probabilities_and_the_range_do_not_depend_on_the_scale(dtype, scales):
    g, sketch = normal(11, 12, 15, dtype=dtype), RangeFinderSketch(0.2, 1)
    plain = sketch.sample(g, None, np.random.default_rng(3))
    with np.errstate(over="ignore"):
        for scale in scales:
            drawn = sketch.sample(g * dtype(scale), None, np.random.default_rng(3))
            assert drawn.rank == plain.rank and drawn.dtype == dtype
            got = drawn.dense().astype(np.float64) / scale
            np.testing.assert_allclose(got, plain.dense(), rtol=0, atol=2e-4 if dtype == np.float32 else 1e-10)
    assert sketch.distortion_given(g.astype(float) * 1e300, 0) == np.inf


def test_zeros_one_row_one_column_and_the_smallest_numbers():
    rng = np.random.default_rng(4)
    zero = RangeFinderSketch(0.2, 1).sample(np.zeros((12, 15), np.float32), None, rng)
    assert isinstance(zero, Factors) and zero.rank == 0 and zero.dense().shape == (12, 15)
    for shape in [(), (1,), (7,), (1, 9), (9, 1)]:
        g = normal(12, *shape)
        _, mean, _ = moments(RangeFinderSketch(0.5).outcomes(g))
        np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
    for smallest in (np.float32(1e-45), 5e-324):
        g = np.full((12, 15), smallest)
        for sketch in (RangeFinderSketch(0.2, 1), LowRankSketch(0.2)):
            assert np.isfinite(sketch.sample(g, None, rng).dense()).all()


def test_one_entry_that_dwarfs_the_rest():
    """In float32 the rest is beyond the rounding of what is squared, and still comes back, from the residual."""
    g = normal(13, 6, 9, dtype=np.float32)
    g[3, 4] = 1e8
    for seed in range(5):
        _, mean, _ = moments(RangeFinderSketch(0.3, 0).outcomes_given(g, seed))
        np.testing.assert_allclose(np.delete(mean, 3, axis=0), np.delete(g, 3, axis=0), rtol=0, atol=2e-5)
        np.testing.assert_allclose(mean[3], g[3], rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_dtypes_that_lapack_does_not_know(dtype):
    g, sketch = normal(14, 6, 9).astype(dtype), RangeFinderSketch(0.3, 0)
    assert sketch.sample(g, None, np.random.default_rng(0)).dtype == dtype
    _, mean, _ = moments((p, dense(c).astype(np.float64)) for p, c in sketch.outcomes_given(g, 1))
    np.testing.assert_allclose(mean, g.astype(np.float64), rtol=0, atol=0.02 if dtype == np.float16 else 1e-12)


def test_what_is_refused_and_why():
    g = normal(15, 20, 30)
    for call, words in (
        (lambda: RangeFinderSketch(0.1).outcomes(g), r"infinitely many outcomes.*outcomes_given\(g, rng\)"),
        (lambda: RangeFinderSketch(0.1).distortion(g), r"depends on the random range.*distortion_given\(g, rng\)"),
    ):
        with pytest.raises(NotImplementedError, match=words):
            call()
    for option, value in itertools.product(("oversampling", "power"), (-1, 0.5, "2", None)):
        with pytest.raises((TypeError, ValueError), match=f"RangeFinderSketch: {option}="):
            RangeFinderSketch(0.1, **{option: value})
    with pytest.raises(ValueError, match="power=0 must be at least 1"):
        RangeFinderSketch(0.1, power=0)
    assert RangeFinderSketch(0.1, np.int64(3)) == RangeFinderSketch(0.1, 3)
