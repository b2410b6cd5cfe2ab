"""Inspection of gradients without a backward pass: exact moments, verdicts and variances, as of any estimator.

Statistical tests state their false-alarm rate; seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, ops, testing
from minigrad.estimators import EvolutionStrategy, ForwardGradient, Mask, WeightPerturbation, WholeGradient

Z = 6.0
"""A normal variable is further out than this with probability 2e-9; there are some 20 comparisons."""

W = mg.Tensor([[0.5, -1.0], [2.0, 0.3]], requires_grad=True, name="w")
B = mg.Tensor([0.2, 0.7], requires_grad=True, name="b")
C = mg.Tensor(-0.4, requires_grad=True, name="c")
X = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 1.0]])


def record(rng=0, vjp=None, save=None):
    with mg.Tape(rng=rng) as tape:
        loss = (ops.tanh(ops.linear(X, W, B, vjp=vjp, save=save)) * C).sum()
    return tape, loss


def quadratic(rng=0):
    """A loss for which all differences have closed forms."""
    with mg.Tape(rng=rng) as tape:
        loss = ((ops.linear(X, W, B) + C) ** 2).sum() / 2
    return tape, loss


LEAVES = [W, B, C]


def hessian():
    def loss(theta):
        return ((X @ theta[:4].reshape(2, 2).T + theta[4:6] + theta[6]) ** 2).sum() / 2

    return mg.hessian(loss)(np.zeros(7))


FINITE = [
    ForwardGradient("rademacher"),
    ForwardGradient("coordinate"),
    ForwardGradient("coordinate", 2),
    ForwardGradient("coordinate", 3, orthogonal=True),
]


@pytest.mark.parametrize("estimator", FINITE, ids=repr)
def test_exact_moments(estimator):
    tape, loss = record()
    moments = inspect.exact_moments(tape, loss, LEAVES, estimator=estimator)
    assert moments.bias < 1e-12
    assert moments.total_variance == pytest.approx(estimator.variance(moments.exact), rel=1e-12)
    exact = tape.gradients(loss, LEAVES)
    for a, b in zip(moments.exact, exact, strict=True):
        assert np.array_equal(a, b)


QUOTIENTS = [
    WeightPerturbation(0.3),
    WeightPerturbation(0.3, difference="antithetic"),
    WeightPerturbation(0.3, "coordinate"),
    WeightPerturbation(0.3, "coordinate", 2, orthogonal=True),
]


@pytest.mark.parametrize("estimator", QUOTIENTS, ids=repr)
def test_exact_moments_of_differences(estimator):
    moments = inspect.exact_moments(None, None, LEAVES, record=quadratic, estimator=estimator)
    h = hessian()
    assert moments.bias == pytest.approx(np.linalg.norm(estimator.bias(h)), abs=1e-12)
    assert moments.total_variance == pytest.approx(estimator.variance(moments.exact, h), rel=1e-10)
    assert sum(moments.by_parameter.values()) == pytest.approx(moments.total_variance)


@pytest.mark.parametrize("law", ["gaussian", "sphere", "rademacher", "coordinate"])
@pytest.mark.parametrize("directions", [1, 3])
def test_variance_is_the_closed_form(law, directions):
    estimator = ForwardGradient(law, directions)
    tape, loss = record()
    report = inspect.variance(tape, loss, LEAVES, draws=1000, rng=0, estimator=estimator)
    expected = estimator.variance(tape.gradients(loss, LEAVES))
    assert abs(report.total - expected) <= Z * report.standard_error + 1e-9 * expected
    # Power: half of it more or less is out of reach.
    assert abs(report.total - 1.5 * expected) > Z * report.standard_error
    assert report.biased == () and list(report.by_node) == [0]
    assert sum(report.by_parameter.values()) == pytest.approx(report.total)
    assert repr(estimator).split("(")[0] in str(report)


@pytest.mark.parametrize("estimator", [*FINITE, ForwardGradient(directions=8), ForwardGradient("sphere", 8)], ids=repr)
def test_forward_gradients_pass(estimator):
    tape, loss = record()
    report = inspect.unbiasedness(tape, loss, LEAVES, draws=2000, rng=0, estimator=estimator)
    assert report.verdict == "passed", report
    assert (report.enumerated > 0) == (estimator in FINITE)


class Scaled(WholeGradient):
    """A forward gradient that is off by a factor."""

    def __init__(self, factor, law):
        self.factor, self.inner = factor, ForwardGradient(law, directions=8)

    def estimate(self, objective, rng):
        return [self.factor * part for part in self.inner.estimate(objective, rng)]


@pytest.mark.slow
@pytest.mark.parametrize("law", ["gaussian", "rademacher"])
def test_a_wrong_factor_fails(law):
    """And the right one does not: of an estimator that says nothing of itself but how it draws."""
    tape, loss = record()
    for factor, verdict in ((1.0, "passed"), (1.5, "failed")):
        report = inspect.unbiasedness(tape, loss, LEAVES, draws=2000, rng=0, estimator=Scaled(factor, law))
        assert report.verdict == verdict, report
    assert report.worst_node == 0


class Along(WholeGradient):
    """One direction, always the same."""

    def estimate(self, objective, rng):
        v = objective.split(np.ones(objective.size))
        return [objective.slope(v) * part for part in v]


def test_an_estimate_that_draws_nothing_is_judged_exactly():
    tape, loss = record()
    report = inspect.unbiasedness(tape, loss, LEAVES, rng=0, estimator=Along())
    assert report.verdict == "failed" and report.p_value == 0.0 and "exact" in report.method


def test_the_bias_of_a_large_step_is_found_and_one_along_coordinates_exactly():
    report = inspect.unbiasedness(wrt=LEAVES, record=quadratic, rng=0, estimator=WeightPerturbation(0.3, "coordinate"))
    assert report.verdict == "failed" and report.p_value == 0.0
    assert "biased" in str(
        inspect.variance(wrt=LEAVES, record=quadratic, draws=10, rng=0, estimator=EvolutionStrategy(0.3))
    )
    # Of a quadratic loss an antithetic difference is unbiased.
    moments = inspect.exact_moments(
        wrt=LEAVES, record=quadratic, estimator=WeightPerturbation(0.3, difference="antithetic")
    )
    assert moments.bias < 1e-12


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(dtype):
    """Forward and backward round differently; that is no bias."""
    w = mg.Tensor(np.linspace(-1, 1, 6, dtype=dtype).reshape(2, 3), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.tanh(ops.linear(np.ones((4, 3), dtype), w)).sum()
    assert inspect.unbiasedness(tape, loss, rng=0, estimator=ForwardGradient("rademacher")).verdict == "passed"


def test_of_some_leaves_only():
    tape, loss = record()
    estimator = ForwardGradient("rademacher")
    moments = inspect.exact_moments(tape, loss, [B], estimator=estimator)
    assert moments.outcomes == 4 and moments.bias < 1e-12
    assert moments.total_variance == pytest.approx(estimator.variance(tape.gradients(loss, [B])))


def test_with_a_cotangent():
    with mg.Tape() as tape:
        y = ops.linear(X, W, B)
    g = np.arange(6.0).reshape(3, 2)
    moments = inspect.exact_moments(tape, y, [W], cotangent=g, estimator=ForwardGradient("rademacher"))
    assert moments.bias < 1e-12
    assert np.array_equal(moments.exact[0], tape.gradients(y, [W], cotangent=g)[0])


def test_estimators_on_the_tape_are_left_out():
    tape, loss = record(vjp=Mask(0.25))
    estimator = ForwardGradient("coordinate", 3, orthogonal=True)
    report = inspect.variance(tape, loss, LEAVES, draws=50, rng=0, estimator=estimator)
    plain, value = record()
    assert report.norm**2 == pytest.approx(sum((g**2).sum() for g in plain.gradients(value, LEAVES)))
    assert tape.nodes[0].vjp == Mask(0.25)


def test_residual_sketches_are_left_out_with_record():
    moments = inspect.exact_moments(
        wrt=LEAVES, record=lambda rng: record(rng, save=Mask(0.5, "row")), estimator=WeightPerturbation(1e-4)
    )
    assert moments.bias < 1e-3


def test_the_same_seed_gives_the_same_report():
    tape, loss = record()
    a, b, c = (inspect.variance(tape, loss, draws=20, rng=rng, estimator=ForwardGradient()).total for rng in (1, 1, 2))
    assert a == b != c


def test_as_a_map_of_the_gradient_it_is_a_projection_of_one_row():
    from minigrad.estimators import RandomProjection

    g = np.arange(1.0, 9.0)
    for law in ("gaussian", "rademacher"):
        for k in (1, 2, 4):
            projection = RandomProjection(k / 8, law)
            assert ForwardGradient(law, k).variance(g) == pytest.approx(projection.distortion(g[None]))
            orthogonal = RandomProjection(k / 8, "orthogonal")
            found = ForwardGradient("sphere", k, orthogonal=True).variance(g)
            assert found == pytest.approx(orthogonal.distortion(g[None]))


def test_inspection_within_the_block_records_nothing_there():
    with mg.Tape() as tape:
        loss = (ops.tanh(ops.linear(X, W, B)) * C).sum()
        before = len(tape.nodes)
        inside = inspect.variance(tape, loss, draws=10, rng=0, estimator=ForwardGradient()).total
        assert len(tape.nodes) == before
    assert inside == inspect.variance(*record(), draws=10, rng=0, estimator=ForwardGradient()).total


def on_the_way():
    with mg.Tape() as tape:
        y = W * 2
        loss = (y * y).sum()
    inspect.variance(tape, loss, [y], estimator=ForwardGradient())


class Short(WholeGradient):
    def estimate(self, objective, rng):
        return [np.zeros(3)]


MISTAKES = [
    (lambda: inspect.variance(*record(), estimator=EvolutionStrategy(0.1)), ValueError, "Pass record="),
    (lambda: inspect.variance(*record(), estimator=Mask(0.5)), TypeError, "give it to a node"),
    (lambda: inspect.variance(*record(), estimator=ForwardGradient), TypeError, "such as"),
    (lambda: inspect.variance(*record(), [W, W], estimator=ForwardGradient()), ValueError, "each once"),
    (on_the_way, ValueError, "takes leaves"),
    (lambda: inspect.variance(*record(), estimator=Short()), ValueError, r"shapes \[\(3,\)\]"),
    (lambda: inspect.variance(*record(), estimator=WholeGradient()), NotImplementedError, "def estimate"),
    (lambda: inspect.exact_moments(*record(), estimator=ForwardGradient()), NotImplementedError, "infinitely many"),
    (lambda: inspect.exact_moments(record=record), ValueError, "not enumerated"),
    (lambda: inspect.exact_moments(), TypeError, "pass a tape"),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


class Holding(mg.Estimator):
    """An estimator of cotangents that holds what cannot be copied."""

    def __init__(self):
        self.tape, _ = record()

    def sample(self, g, node, rng):
        return 2 * g * rng.integers(2, size=g.shape)


def test_an_estimator_may_hold_a_tape():
    tape, loss = record(vjp=Holding())
    assert inspect.unbiasedness(tape, loss, [W, B], rng=0).verdict == "passed"
    testing.assert_unbiased(Holding())
