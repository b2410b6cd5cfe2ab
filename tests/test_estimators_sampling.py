"""What `sample` draws: the law that `outcomes` lists, the moments of continuous projections, sizes, seeds, dtypes.

False alarms. Each test below bounds the chance that it fails although the code is right, by an inequality that holds
for every sample size (no normal approximation); seeds are fixed, so a pass stays a pass. Over this file the bounds sum
to less than 1e-6.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from estimator_cases import AXES, closed, every, finite, network, normal, unbiased
from scipy import stats

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection
from minigrad.estimators.systematic import _cumulative
from minigrad.structure import dense

G = normal(1, 2, 3) * [[1.0, 0.3, 2.0], [0.7, 1.5, 0.1]]


def node_of(x_seed=2):
    leaves = [
        mg.Tensor(normal(x_seed, 2, 2), requires_grad=True),
        mg.Tensor(normal(x_seed + 1, 3, 2), requires_grad=True),
    ]
    with mg.Tape() as tape:
        ops.linear(*leaves)
    return tape.nodes[0]


def law(estimator, g, node):
    """The distinct outcomes, as rounded bytes, with their probabilities."""
    found: dict[bytes, float] = {}
    for probability, cotangent in estimator.outcomes(g, node):
        key = key_of(cotangent)
        found[key] = found.get(key, 0.0) + probability
    return found


def key_of(cotangent):
    return (np.round(dense(cotangent), 9) + 0.0).tobytes()


DRAWS, ALARM = 1500, 1e-9


def assert_drawn_from(estimator, g, node, seed=0):
    """The observed frequencies are within a distance ε of the listed probabilities, and nothing unlisted is seen.

    For k outcomes and N draws P(Σ|p̂ − p| ≥ ε) ≤ (2^k − 2) exp(−N ε²/2) (Weissman et al. 2003). With ε set for a false
    alarm of 1e-9, a sampler at distance 2ε or more passes with a chance of at most 1e-9: 2ε is 0.39 for a law of
    8 outcomes, 0.59 for the largest here, of 64 (3/8 of the mass misplaced there would be enough).
    """
    expected = law(estimator, g, node)
    rng = np.random.default_rng(seed)
    seen = dict.fromkeys(expected, 0)
    for _ in range(DRAWS):
        key = key_of(estimator.sample(g, node, rng))
        assert key in seen, f"{estimator!r} drew what its outcomes do not list"
        seen[key] += 1
    distance = sum(abs(seen[key] / DRAWS - p) for key, p in expected.items())
    bound = math.sqrt(2 * (len(expected) * math.log(2) - math.log(ALARM)) / DRAWS)
    assert distance < bound, f"{estimator!r}: frequencies are {distance:.3f} from the listed law, allowed {bound:.3f}"


@pytest.mark.parametrize("estimator", finite(0.4), ids=repr)
def test_draws_follow_the_listed_outcomes(estimator):
    # 76 estimators: 7.6e-8 in all.
    assert_drawn_from(estimator, G, node_of())


def test_the_frequency_test_can_fail():
    class Liar(Mask):
        def outcomes(self, g, node=None):
            return Mask(0.75, self.axis).outcomes(g, node)

        def _gather(self, g, p, kept):
            return super()._gather(g, np.full(p.size, 0.75), kept)

    assert_drawn_from(Mask(0.75), G, None)
    with pytest.raises(AssertionError, match="from the listed law"):
        assert_drawn_from(Liar(0.4), G, None)


# Projections onto continuous laws. A projection is linear in G: Ĝ = G M with M = ΩΩᵀ, so E M = I is all there is.


@pytest.mark.parametrize("kind", ["gaussian", "orthogonal", "rademacher", "countsketch"])
def test_a_projection_multiplies_by_one_matrix_whatever_g_is(kind):
    sketch, g = RandomProjection(0.5, kind), normal(3, 2, 3, 6)
    for seed in range(5):
        m = dense(sketch.sample(np.eye(6), None, np.random.default_rng(seed)))
        drawn = sketch.sample(g, None, np.random.default_rng(seed))
        assert drawn.rank == 3
        np.testing.assert_allclose(drawn.dense(), g @ m, rtol=0, atol=1e-12)
        np.testing.assert_allclose(m, m.T, rtol=0, atol=1e-12)
        if kind == "orthogonal":  # M² = (m/r) M: so E M = I gives its distortion, (m/r − 1)‖G‖², too
            np.testing.assert_allclose(m @ m, 2 * m, rtol=0, atol=1e-12)
            assert np.trace(m) == pytest.approx(6)


def mean_of_projection(sketch, m, draws, seed):
    rng, eye = np.random.default_rng(seed), np.eye(m)
    return sum(dense(sketch.sample(eye, None, rng)) for _ in range(draws)) / draws


def assert_gaussian(mean, m, r, draws, alarm):
    """Exact laws: N·r·(mean of M_jj) is χ² of N·r degrees; M_jk is half a difference of two such independent ones.

    Power: the diagonal of 20,000 draws of width 2 has sd 0.007, so a factor 0.94 or 1.06 fails with a chance > 0.95.
    """
    k = draws * r
    alpha = alarm / (2 * m * m)
    low, high = stats.chi2.ppf(alpha, k) / k, stats.chi2.isf(alpha, k) / k
    diagonal, rest = np.diag(mean), mean[~np.eye(m, dtype=bool)]
    assert (low < diagonal).all(), (low, diagonal)
    assert (diagonal < high).all(), (high, diagonal)
    assert (np.abs(rest) < (high - low) / 2).all()


def assert_orthogonal(mean, m, r, draws, alarm):
    """Hoeffding: 0 ≤ M_jj ≤ m/r and |M_jk| ≤ m/2r.

    Power: with 20,000 draws of m/r = 2 the tolerance is 0.05: an entry that is off by 0.1 passes with a chance < 1e-9.
    """
    tolerance = m / r * math.sqrt(math.log(2 * m * m / alarm) / (2 * draws))
    assert (np.abs(mean - np.eye(m)) < tolerance).all(), (tolerance, mean)


def test_gaussian_and_orthogonal_projections_are_unbiased():
    assert_gaussian(mean_of_projection(RandomProjection(0.5), 4, 20_000, 5), 4, 2, 20_000, 1e-9)
    assert_orthogonal(mean_of_projection(RandomProjection(0.5, "orthogonal"), 4, 20_000, 6), 4, 2, 20_000, 1e-9)


def test_the_tests_of_projections_can_fail():
    class Short(RandomProjection):
        """Scaled as if orthonormal columns needed no m/r, or 6 % short."""

        factor = 0.94

        def _project(self, g, omega):
            return super()._project(g, omega * math.sqrt(self.factor))

    with pytest.raises(AssertionError):
        assert_gaussian(mean_of_projection(Short(0.5), 4, 20_000, 5), 4, 2, 20_000, 1e-9)
    with pytest.raises(AssertionError):
        assert_orthogonal(mean_of_projection(Short(0.5, "orthogonal"), 4, 20_000, 6), 4, 2, 20_000, 1e-9)


class Nodes(np.random.Generator):
    """A generator that hands out given normal numbers."""

    def __init__(self, values):
        super().__init__(np.random.PCG64(0))
        self.values = np.asarray(values)

    def standard_normal(self, shape):
        return self.values.reshape(shape)


def stub_moments(sketch, g, outcomes):
    mean = distortion = total = 0.0
    for weight, values in outcomes:
        drawn = dense(sketch.sample(g, None, Nodes(values)))
        total += weight
        mean = mean + weight * drawn
        distortion += weight * np.sum((drawn - g) ** 2)
    assert total == pytest.approx(1, abs=1e-12)
    return mean, distortion


@pytest.mark.parametrize(("m", "budget"), [(2, 0.5), (3, 0.34), (3, 0.67), (4, 0.25)])
def test_the_gaussian_projection_with_three_point_normals(m, budget):
    """Mean and distortion are polynomials of degree 2 and 4 in Ω: 3-point Gauss–Hermite nodes give them exactly."""
    sketch, g = RandomProjection(budget), normal(4, 2, m)
    r = sketch.width(g.shape)
    points, weights = [-math.sqrt(3), 0.0, math.sqrt(3)], [1 / 6, 2 / 3, 1 / 6]
    choices = itertools.product(range(3), repeat=m * r)
    outcomes = [(math.prod(weights[k] for k in ks), [points[k] for k in ks]) for ks in choices]
    mean, distortion = stub_moments(sketch, g, outcomes)
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
    assert distortion == pytest.approx(sketch.distortion(g), rel=1e-12)


def test_the_orthogonal_projection_with_few_directions():
    """Eight directions of the plane, or the corners of an icosahedron, have the moments of all to degree 4."""
    plane = [(1 / 8, [math.cos(t), math.sin(t)]) for t in 2 * math.pi * np.arange(8) / 8 + 0.1]
    golden = (1 + math.sqrt(5)) / 2
    corners = [np.roll([0.0, a, b * golden], k) for k in range(3) for a in (-1, 1) for b in (-1, 1)]
    for m, outcomes in ((2, plane), (3, [(1 / 12, corner) for corner in corners])):
        sketch, g = RandomProjection(1.1 / 3 if m == 3 else 0.5, "orthogonal"), normal(4, 2, m)
        mean, distortion = stub_moments(sketch, g, outcomes)
        np.testing.assert_allclose(mean, g, rtol=0, atol=1e-12)
        assert distortion == pytest.approx(sketch.distortion(g), rel=1e-12)


# Fixed size.


@pytest.mark.parametrize("budget", [0.1, 0.25, 0.3, 0.5, 0.7])
def test_systematic_draws_have_a_fixed_size(budget):
    rng = np.random.default_rng(0)
    g = normal(7, 20, 40)
    for axis in AXES:
        units = {"column": 40, "row": 20, "sample": 20, "element": 800}[axis]
        for estimator in (Mask(budget, axis, "systematic"), DiagonalSketch(budget, axis, design="systematic")):
            assert {len(estimator.sample(g, None, rng).indices) for _ in range(30)} == {round(budget * units)}
            if units <= 40:
                assert {len(c.indices) for _, c in estimator.outcomes(g)} == {round(budget * units)}
    assert {LowRankSketch(budget, "systematic").sample(g, None, rng).rank for _ in range(30)} == {round(budget * 20)}


def test_a_total_that_rounding_alone_keeps_from_an_integer_is_one():
    """A thousand times .3 is 300 but for the rounding of the sums."""
    p = np.full(1000, 0.3)
    assert np.cumsum(p)[-1] != 300 and _cumulative(p)[1][-1] == 300


def test_a_total_next_to_an_integer_is_not_rounded_to_it():
    """Only rounding errors are forgiven: a budget 1e-10 above one half has the probabilities that it says."""
    estimator, g = Mask(0.5 + 1e-10, design="systematic"), np.ones((1, 4))
    mean = sum(probability * cotangent.dense() for probability, cotangent in estimator.outcomes(g))
    np.testing.assert_allclose(mean, g, rtol=0, atol=1e-14)


@pytest.mark.parametrize("total", [1.5, 2.3])
def test_systematic_draws_of_a_broken_total_differ_by_one_at_most(total):
    estimator = Mask(total / 5, design="systematic")
    sizes = {len(c.indices) for p, c in estimator.outcomes(np.ones((1, 5))) if p > 1e-12}
    assert sizes == {math.floor(total), math.ceil(total)}


# Seeds, dtypes, and what may not be touched.


@pytest.mark.parametrize("estimator", every(0.4), ids=repr)
def test_a_seed_gives_the_same_bits(estimator):
    g, node = normal(8, 2, 3), node_of()
    first, second = (dense(estimator.sample(g, node, np.random.default_rng(3))) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("estimator", every(0.4), ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays_and_the_cotangent_is_left_alone(estimator, dtype):
    g, node = normal(8, 2, 3, dtype=dtype), node_of()
    before = g.copy()
    drawn = estimator.sample(g, node, np.random.default_rng(3))
    assert drawn.dtype == dtype
    assert dense(drawn).dtype == dtype
    if estimator in finite(0.4):
        assert {cotangent.dtype for _, cotangent in estimator.outcomes(g, node)} == {np.dtype(dtype)}
    if estimator in closed(0.4):
        assert isinstance(estimator.distortion(g, node), float)
    assert g.tobytes() == before.tobytes()
    tape, loss, leaves = network(estimator, dtype=dtype)
    assert {gradient.dtype for gradient in tape.gradients(loss, leaves, rng=1)} == {np.dtype(dtype)}


def test_the_global_state_of_numpy_is_neither_read_nor_moved():
    g, node = normal(8, 2, 3), node_of()
    drawn = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        before = np.random.get_state()[1].tobytes()  # noqa: NPY002
        drawn.append([dense(e.sample(g, node, np.random.default_rng(0))).tobytes() for e in every(0.4)])
        for estimator in finite(0.4):
            list(estimator.outcomes(g, node))
            estimator.distortion(g, node)
        assert np.random.get_state()[1].tobytes() == before  # noqa: NPY002
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("estimator", unbiased(0.4), ids=repr)
def test_making_one_node_exact_shifts_the_draws_of_no_other(estimator):
    """The last layer is met first: its cotangent is the same whatever the others do, and so must its draw be."""
    tape, loss, leaves = network(estimator, rows=4, widths=(3, 4, 4, 3))
    layers = [node for node in tape.nodes if node.name == "linear"]
    before = tape.gradients(loss, leaves, rng=7)
    layers[0].vjp = None
    after = tape.gradients(loss, leaves, rng=7)
    for k in range(2, 6):  # w and b of the second and third layers
        assert before[k].tobytes() == after[k].tobytes()
    # And the other way round: the draw of the first layer (uniform, so that it does not depend on what arrives).
    kept = []

    class Watched(mg.Estimator):
        def sample(self, g, node, rng):
            drawn = Mask(0.5).sample(np.ones_like(g), node, rng)
            kept.append(drawn.indices.tolist())
            return drawn

    layers[0].vjp, layers[2].vjp = Watched(), Mask(0.5)
    for seed in range(8):
        tape.gradients(loss, leaves, rng=seed)
    layers[2].vjp = layers[1].vjp = None
    for seed in range(8):
        tape.gradients(loss, leaves, rng=seed)
    assert len(kept) == 16 and kept[:8] == kept[8:]


def test_nodes_edges_and_passes_draw_independently():
    """With one mask of 64 columns for all, equal sets by chance are out of the question (2⁻⁶⁴)."""
    x = mg.Tensor(np.eye(64), requires_grad=True)
    masks = {"x": Mask(0.5), "w": Mask(0.5)}
    with mg.Tape() as tape:
        y = ops.linear(x, np.eye(64), vjp=Mask(0.5))
        z = ops.linear(x, np.eye(64), vjp=Mask(0.5))
        w = mg.Tensor(np.eye(64), requires_grad=True)
        both = ops.linear(x, w, vjp=masks)
    ones = np.ones((64, 64))

    def kept(output, seed, which=x):
        return (tape.gradients(output, [which], ones, rng=seed)[0] != 0).any(axis=0).tobytes()

    rows = (tape.gradients(both, [w], ones, rng=1)[0] != 0).any(axis=1).tobytes()
    found = [kept(y, 1), kept(z, 1), kept(y, 2), kept(both, 1), rows]
    assert len(set(found)) == len(found)
    assert kept(y, 1) == kept(y, 1)
