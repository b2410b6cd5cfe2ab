"""Cotangents that are not finite, very small or very large: nothing crashes, nothing is hidden, the law is right."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import AXES, DESIGNS, TARGETS, bilinear, closed, every, exact, finite, moments, network, normal

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, StratifiedMask, TopK
from minigrad.estimators.budgeted import all_finite
from minigrad.structure import dense

NOT_FINITE = {
    "nan": [np.nan],
    "inf": [np.inf],
    "-inf": [-np.inf],
    "both infinities": [np.inf, -np.inf],
    "nan and inf": [np.nan, np.inf],
}


def spoiled(name, *shape, dtype=np.float64):
    g = normal(1, *shape, dtype=dtype)
    g.reshape(-1)[: len(NOT_FINITE[name])] = NOT_FINITE[name]
    return g


def node_of(dtype=np.float64):
    leaves = [mg.Tensor(normal(k, n, 2, dtype=dtype), requires_grad=True) for k, n in enumerate((4, 3))]
    with mg.Tape() as tape:
        ops.linear(*leaves)
    return tape.nodes[0]


def passed_as_it_is(estimator, g, node, rng):
    """Whether a cotangent that is not finite was handed on untouched; if not, what was drawn of it must be finite."""
    drawn = dense(estimator.sample(g, node, rng))
    if drawn.tobytes() == g.tobytes():
        return True
    assert isinstance(estimator, Mask) and np.isfinite(drawn).all()
    return False


@pytest.mark.parametrize("name", NOT_FINITE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("estimator", every(0.3), ids=repr)
def test_what_is_not_finite_passes_as_it_is(estimator, dtype, name):
    g, node = spoiled(name, 4, 3, dtype=dtype), node_of(dtype)
    handed_on = [seed for seed in range(40) if passed_as_it_is(estimator, g, node, np.random.default_rng(seed))]
    # A mask looks at what it keeps alone: it misses each unit with probability 0.7, 40 times running with 7e-7.
    assert len(handed_on) == 40 or (isinstance(estimator, Mask) and 0 < len(handed_on) < 40)
    ((probability, only),) = estimator.outcomes(g, node)
    assert probability == 1.0
    assert dense(only).tobytes() == g.tobytes()
    assert estimator.distortion(g, node) == 0.0  # nothing was changed


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("estimator", every(0.3), ids=repr)
def test_what_is_not_finite_passes_in_every_shape(estimator, shape):
    g = spoiled("nan", *shape)
    assert any(passed_as_it_is(estimator, g, None, np.random.default_rng(seed)) for seed in range(40))
    ((probability, only),) = estimator.outcomes(g)
    assert (probability, dense(only).tobytes()) == (1.0, g.tobytes())


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", NOT_FINITE)
@pytest.mark.parametrize("estimator", every(0.3), ids=repr)
def test_what_is_not_finite_reaches_the_leaves_as_through_exact_vjps(estimator, name):
    for vjp in (estimator, {"x": estimator, "w": estimator, "b": estimator}):
        tape, y, leaves, _ = bilinear("linear", vjp)
        g = spoiled(name, *y.shape)
        with np.errstate(invalid="ignore"):
            wanted = exact(tape, y, leaves, g)
            draws = [tape.gradients(y, leaves, g, rng=seed) for seed in range(40 if isinstance(estimator, Mask) else 1)]
        parts = np.split(wanted, np.cumsum([leaf.size for leaf in leaves])[:-1])
        for k, part in enumerate(parts):  # each input may have a draw of its own
            assert any(np.array_equal(got[k].ravel(), part, equal_nan=True) for got in draws)
        assert not np.isfinite(wanted).all()


@pytest.mark.parametrize("estimator", every(0.3), ids=repr)
def test_a_nan_in_the_middle_of_a_network_is_seen_at_every_leaf_below(estimator):
    tape, loss, leaves = network(estimator, rows=3, widths=(2, 3, 3, 2))
    last = [node for node in tape.nodes if node.name == "linear"][-1]
    last.saved["w"] = np.full_like(last.saved["w"], np.nan)  # NaN enters here, whatever the draw keeps
    last.vjp = None
    draws = [tape.gradients(loss, leaves, rng=seed) for seed in range(60 if isinstance(estimator, Mask) else 1)]
    assert any(all(np.isnan(g).any() for g in gradients[:4]) for gradients in draws)
    assert all(np.isfinite(g).all() for gradients in draws for g in gradients[4:])


def test_sums_that_overflow_are_not_mistaken_for_infinities():
    g = np.full((2, 3), 3e38, np.float32)
    assert all_finite(g)
    assert not all_finite(np.where(np.eye(2, 3) == 1, np.float32(np.inf), g))
    with np.errstate(over="ignore"):
        assert len(Mask(0.5, design="systematic").sample(g[:, :2], None, np.random.default_rng(0)).indices) == 1


# Scale. Inclusion probabilities depend on ratios only, so those of s·G are those of G.


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("axis", AXES)
def test_probabilities_do_not_depend_on_the_scale(axis, target):
    for dtype, scales, rtol in (
        (np.float32, (1e-30, 1e-20, 1e20, 1e30, 1e37), 1e-5),
        (np.float64, (1e-300, 1e-160, 1e-158, 1e-155, 1e-100, 1e100, 1e155, 1e160, 1e300), 1e-12),
    ):
        g, node = normal(5, 4, 3, dtype=dtype), node_of(dtype)
        sketch = DiagonalSketch(0.3, axis, target)
        wanted = sketch.probabilities(g, node)
        assert wanted.std() > 0.03  # not uniform
        for scale in scales:
            np.testing.assert_allclose(sketch.probabilities(g * dtype(scale), node), wanted, rtol=rtol)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("axis", AXES)
def test_operands_of_any_size_give_probabilities(axis, target):
    """Scores are products of squares; where they leave float64 the cotangent's own serve, never a crash or a 0."""
    g = normal(5, 4, 3)
    for size in (1e-300, 1e-160, 1e160, 1e300, np.inf, np.nan):
        leaves = [mg.Tensor(np.full((n, 2), size), requires_grad=True) for n in (4, 3)]
        with mg.Tape() as tape, np.errstate(all="ignore"):
            ops.linear(*leaves)
        p = DiagonalSketch(0.3, axis, target).probabilities(g, tape.nodes[0])
        assert (p >= 0.03 * (1 - 1e-12)).all()
        np.testing.assert_allclose(p.sum(), 0.3 * p.size, rtol=1e-9)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.float32, 1e-30), (np.float32, 1e30), (np.float64, 1e-300), (np.float64, 1e300)]
)
@pytest.mark.parametrize("estimator", finite(0.4), ids=repr)
def test_outcomes_scale_with_the_cotangent(estimator, dtype, scale):
    """The same probabilities, the same sets, and values that are those of G times the scale."""
    g, node = normal(5, 2, 3, dtype=dtype), node_of(dtype)
    node = None if "target" not in repr(estimator) else node
    leaves = [mg.Tensor(normal(k, n, 2, dtype=dtype), requires_grad=True) for k, n in enumerate((2, 3))]
    with mg.Tape() as tape:
        ops.linear(*leaves)
    node = tape.nodes[0]
    small = list(estimator.outcomes(g, node))
    scaled = list(estimator.outcomes(g * dtype(scale), node))
    loose = 1e-4 if dtype == np.float32 else 1e-10
    # Eigenvectors are known up to sign only, and the mean is what the sketch is about.
    np.testing.assert_allclose([p for p, _ in scaled], [p for p, _ in small], rtol=loose, atol=loose)
    total, mean, _ = moments((p, dense(c).astype(np.float64) / scale) for p, c in scaled)
    assert total == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-12)
    if not isinstance(estimator, LowRankSketch):
        for (_, a), (_, b) in zip(scaled, small, strict=True):
            np.testing.assert_allclose(dense(a).astype(np.float64) / scale, dense(b), rtol=loose, atol=1e-7)


@pytest.mark.parametrize("estimator", closed(0.4), ids=repr)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_float32_distortions_scale_with_the_square(estimator, scale):
    g = normal(5, 2, 3, dtype=np.float32)
    wanted = estimator.distortion(g)
    got = estimator.distortion(g * np.float32(scale))
    assert got / scale**2 == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("estimator", closed(0.4), ids=repr)
def test_distortions_beyond_float64_are_infinite_and_silent(estimator):
    distortion = estimator.distortion(normal(5, 2, 3) * 1e300)
    assert distortion == np.inf
    assert estimator.distortion(np.full((2, 3), 1e-300)) == pytest.approx(0.0, abs=1e-300)


@pytest.mark.parametrize("estimator", finite(0.7), ids=repr)
def test_distortions_beyond_float64_beside_units_that_are_certain(estimator):
    """A certain unit adds 0 to the distortion, even where its square is infinite."""
    g = np.full((2, 3), 1e160)
    g[0, 0] = 1e250
    if isinstance(estimator, StratifiedMask) and estimator.adapts and estimator.axis in ("row", "sample"):
        assert estimator.strata(g)[1].tolist() == [1, 1]  # one of two would be too few: there is no distortion
        return
    assert estimator.distortion(g) == np.inf


@pytest.mark.parametrize("estimator", every(0.4), ids=repr)
@pytest.mark.parametrize("smallest", [np.float32(1e-45), np.float64(5e-324)])
def test_the_smallest_numbers_there_are(estimator, smallest):
    g = np.full((2, 3), smallest)
    drawn = dense(estimator.sample(g, None, np.random.default_rng(0)))
    assert np.isfinite(drawn).all()
    if isinstance(estimator, (Mask, DiagonalSketch)):
        assert np.count_nonzero(estimator.probabilities(g)) == estimator.probabilities(g).size


@pytest.mark.parametrize("design", DESIGNS)
def test_one_unit_that_dwarfs_the_rest_is_certain_and_the_rest_is_still_seen(design):
    g = np.ones((2, 5), np.float32)
    g[:, 2] = 1e30
    for estimator in (DiagonalSketch(0.4, design=design), DiagonalSketch(0.4, "element", design=design)):
        p = estimator.probabilities(g).reshape(-1, 5)
        assert (p[:, 2] == 1).all()
        np.testing.assert_allclose(p[:, [0, 1, 3, 4]], (2 - 1) / 4, rtol=1e-12)
    # Rank 2 of 2: what is left of the budget goes to the small direction, and nothing overflows.
    for _, cotangent in LowRankSketch(0.5, design).outcomes(g):
        assert np.isfinite(dense(cotangent)).all()


def test_top_k_ranks_very_large_and_very_small_columns():
    for scale in (1e-300, 1e-200, 1e200, 1e300):
        g = scale * np.array([[3.0, 1.0, -2.0, 0.5]])
        assert TopK(0.5).sample(g, None, np.random.default_rng(0)).indices.tolist() == [0, 2]


def test_projections_of_large_float32_cotangents():
    g = normal(5, 3, 4, dtype=np.float32)
    for kind in ("gaussian", "rademacher", "countsketch", "orthogonal"):
        sketch = RandomProjection(0.5, kind)
        plain = dense(sketch.sample(g, None, np.random.default_rng(1)))
        for scale in (np.float32(2.0**-100), np.float32(2.0**100)):
            drawn = dense(sketch.sample(g * scale, None, np.random.default_rng(1)))
            np.testing.assert_allclose(drawn / scale, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "estimator", [Mask(0.3), LowRankSketch(0.5), RandomProjection(0.5), TopK(0.5), DiagonalSketch(0.5)]
)
def test_called_by_hand_with_whole_numbers_lists_tensors_and_seeds(estimator):
    """Whole numbers would be divided by p and cut off: a bias that a student would look for in vain."""
    real = np.arange(1.0, 9.0).reshape(2, 4)
    expected = dense(estimator.sample(real, None, 3))
    for g in (real.astype(int), real.tolist(), mg.Tensor(real)):
        np.testing.assert_array_equal(dense(estimator.sample(g, None, 3)), expected)
        assert estimator.distortion(g) == estimator.distortion(real)
    with pytest.raises(TypeError, match="real numbers"):
        estimator.sample(real * 1j, None, 0)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_low_rank_sketches_of_dtypes_that_lapack_does_not_know(dtype):
    g = np.arange(12).reshape(3, 4).astype(dtype)
    mean = sum(p * dense(outcome) for p, outcome in LowRankSketch(0.5).outcomes(g))
    np.testing.assert_allclose(mean.astype(float), g.astype(float), atol=0.05 if dtype is np.float16 else 1e-12)
