"""The test of unbiasedness: sound estimators pass, every planted bias is caught, and its claims about itself hold.

Family-wise false-alarm rate of one call: 1e-6 where not said otherwise; seeds are fixed.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from estimator_cases import every, finite, network, normal, unbiased
from inspection_cases import TopHalf, Unlisted, medium, verdict

import minigrad as mg
from minigrad import inspect, ops
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection
from minigrad.structure import dense

# Sound estimators pass.


@pytest.mark.parametrize("estimator", unbiased(0.5), ids=repr)
def test_sound_estimators_pass_on_a_small_network(estimator):
    tape, loss, leaves = network(estimator, widths=(2, 3, 2))
    report = verdict(tape, loss, leaves, draws=100)
    listed = estimator in finite(0.5)
    assert (report.enumerated > 0) == listed
    assert report.verdict == "passed" if listed else report.verdict != "failed"


SOUND = [
    Mask(0.4),
    Mask(0.4, "row", "systematic"),
    Mask(0.4, "element"),
    DiagonalSketch(0.4, target="both"),
    LowRankSketch(0.5),
]
SOUND += [DiagonalSketch(0.4, "sample", "weight"), *(RandomProjection(0.5, k) for k in ("gaussian", "orthogonal"))]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("estimator", SOUND, ids=repr)
def test_sound_estimators_pass_on_a_medium_network(estimator, dtype):
    draws = 2000 if isinstance(estimator, RandomProjection) else 1000
    if getattr(estimator, "target", None) == "both":
        draws = 4000  # a few units are kept once in 40 draws: 1000 draws end "inconclusive" for half of the seeds
    report = verdict(*medium(Unlisted(estimator), dtype), draws=draws)
    assert report.verdict == "passed", str(report)
    assert report.enumerated == 0 and "asymptotic" in report.method
    assert all(0 < of.of_all <= of.detectable for of in report.parameters)
    assert report.parameters[-1].of_all < 1 and report.detectable == max(of.detectable for of in report.parameters)


@pytest.mark.parametrize("estimator", [Mask(0.5), DiagonalSketch(0.5, "row"), LowRankSketch(0.5)], ids=repr)
def test_sound_estimators_pass_through_a_convolution(estimator):
    x = mg.Tensor(normal(1, 2, 5, 5, 2), requires_grad=True)
    w = mg.Tensor(normal(2, 3, 3, 2, 4), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.conv2d(x, w, padding=1, vjp=Unlisted(estimator)).square().sum()
    assert verdict(tape, loss, [x, w], draws=600).verdict == "passed"


# False alarms.


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator", [Mask(0.3), Mask(0.1, "sample"), RandomProjection(0.4), DiagonalSketch(0.3)], ids=repr
)
def test_the_false_alarm_rate_is_below_alpha(estimator):
    """Of 60 sound runs at alpha = 0.05 at most 14 fail (more with probability below 1e-6, were the rate 0.05)."""
    tape, loss, leaves = network(Unlisted(estimator), rows=3, widths=(3, 4, 2))
    failed = sum(
        inspect.unbiasedness(tape, loss, leaves, draws=120, rng=seed, alpha=0.05).verdict == "failed"
        for seed in range(60)
    )
    assert failed <= 14


@pytest.mark.parametrize("probability", [0.001, 0.003])
def test_rare_events_are_no_bias_and_no_proof(probability):
    """Unseen columns look lost, but may only be rare: no verdict, for any seed."""
    w = mg.Tensor(normal(3, 30, 4), requires_grad=True)
    for seed in range(10):
        with mg.Tape() as tape:
            loss = ops.linear(np.ones((3, 4)), w, vjp=Mask(probability)).square().sum()
        report = inspect.unbiasedness(tape, loss, draws=400, rng=seed)
        assert report.verdict == "inconclusive" and not report.passed
        assert "too few events" in str(report) and report.p_value == 1


def test_a_rare_column_among_many_events_is_no_bias():
    """One column carries nearly all, and is seen once in 300 draws; the events of the others must not vouch for it."""
    x = mg.Tensor(normal(3, 4, 5), requires_grad=True)
    w = normal(4, 80, 5)
    g = np.ones((4, 80)) * 0.3
    g[:, 0] = 10
    verdicts = set()
    for seed in range(6):
        with mg.Tape() as tape:
            y = ops.linear(x, w, vjp=Mask(1 / 300))
        verdicts.add(verdict(tape, y, draws=300, rng=seed, cotangent=g).verdict)
    assert verdicts == {"inconclusive"}


def test_rare_events_of_a_student_s_estimator_are_inconclusive_too():
    class Rare(mg.Estimator):  # says nothing of a budget
        def sample(self, g, node, rng):
            return g * (rng.random() < 0.0005) / 0.0005

    w = mg.Tensor(np.ones(3), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, 2.0, vjp=Rare()).sum()
    assert {verdict(tape, loss, rng=seed).verdict for seed in range(5)} == {"inconclusive"}


def test_samples_that_must_survive_every_layer_are_rare():
    """Four layers at 1/4: a sample's gradient is seen once in 256 draws, which no single budget shows."""
    x = mg.Tensor(normal(4, 40, 3), requires_grad=True, name="x")
    with mg.Tape() as tape:
        h = x
        for k in range(4):
            h = ops.linear(h, normal(5 + k, 3, 3), vjp=Mask(0.25, "sample"))
        loss = h.sum()
    assert {verdict(tape, loss, rng=seed, draws=400).verdict for seed in range(4)} == {"inconclusive"}


@pytest.mark.parametrize("vjp", [Mask(1.0), DiagonalSketch(0.999), LowRankSketch(1.0), Exact(), None], ids=repr)
def test_rounding_in_float32_is_no_bias(vjp):
    """A sketch that keeps everything goes other ways through the arithmetic; sums that cancel make it show."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((512, 6)).astype(np.float32) + 100
    w = mg.Tensor(rng.standard_normal((1, 6)).astype(np.float32), requires_grad=True, name="w")
    b = mg.Tensor(np.zeros(1, np.float32), requires_grad=True, name="b")
    with mg.Tape() as tape:
        y = ops.linear(x, w, b, vjp=vjp)
        loss = (y - y.mean()).square().mean()  # ∂b is 0 on paper
    assert verdict(tape, loss, draws=200).verdict == "passed"


def test_rounding_beside_random_nodes_is_no_bias():
    """What a softmax does not see has gradient 0 on paper; rounding puts something there in every draw."""
    w = mg.Tensor(normal(6, 5, 4, dtype=np.float32), requires_grad=True)
    shift = mg.Tensor(np.zeros((7, 1), np.float32), requires_grad=True, name="shift")
    with mg.Tape() as tape:
        scores = ops.linear(normal(7, 7, 4, dtype=np.float32), w, vjp=Unlisted(Mask(0.5))) + shift
        loss = ops.cross_entropy(scores, np.arange(7) % 5)
    assert verdict(tape, loss, [w, shift]).verdict == "passed"


def test_a_tape_without_randomness_passes_and_says_so():
    tape, loss, leaves = network(None)
    report = verdict(tape, loss, leaves, draws=100)
    assert report.passed and report.enumerated == 1 and report.p_value == 1 and report.worst_parameter is None
    assert report.detectable < 1e-9


def test_a_gradient_that_is_zero_passes():
    w = mg.Tensor(np.ones((3, 2)), requires_grad=True)
    with mg.Tape() as tape:
        loss = (ops.linear(np.ones((2, 2)), w, vjp=Unlisted(Mask(0.5))) * 0.0).sum()
    report = verdict(tape, loss)
    assert report.passed and report.parameters[0].detectable == np.inf
    json.dumps(report.to_dict(), allow_nan=False)


# What it says of itself.


class Scaled(mg.Estimator):
    def __init__(self, factor):
        self.factor = factor

    def sample(self, g, node, rng):
        return dense(Mask(0.5).sample(g, node, rng)) * self.factor


def scaled(factor):
    w = mg.Tensor(normal(16, 24, 3), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.linear(normal(17, 5, 3), w, vjp=Scaled(factor)).square().sum()
    return tape, loss


@pytest.mark.slow
def test_what_is_called_detectable_is_detected():
    """1.5 times the detectable bias is found in all of 10 runs (each with probability above 0.99: 5.3 + 2.6 standard
    errors); a tenth of it in none (false alarm below 1e-6 each, and the bias well within the noise)."""
    smallest = verdict(*scaled(1.0)).detectable
    assert 0 < smallest < 0.5
    assert all(verdict(*scaled(1 + 1.5 * smallest), rng=seed).verdict == "failed" for seed in range(5))
    assert all(verdict(*scaled(1 - 1.5 * smallest), rng=seed).verdict == "failed" for seed in range(5))
    assert all(verdict(*scaled(1 + 0.1 * smallest), rng=seed).verdict == "passed" for seed in range(5))


def test_more_draws_detect_less():
    """Four times the draws see half of it or less: a factor inflates the noise as well."""
    few, many = (verdict(*scaled(1.0), draws=n).detectable for n in (1000, 4000))
    assert 0.3 * few < many < 0.55 * few


def test_the_worst_parameter_is_the_faulty_one():
    a = mg.Tensor(normal(18, 4, 3), requires_grad=True, name="a")
    b = mg.Tensor(normal(19, 4, 3), requires_grad=True, name="b")
    with mg.Tape() as tape:
        sound = ops.linear(np.ones((2, 3)), a, vjp=Unlisted(Mask(0.5))).square().sum()
        loss = sound + ops.linear(np.ones((2, 3)), b, vjp=TopHalf()).square().sum()
    report = verdict(tape, loss, [a, b])
    faulty = next(node.index for node in tape.nodes if isinstance(node.vjp, TopHalf))
    assert (report.verdict, report.worst_parameter, report.worst_node) == ("failed", "b", faulty)
    of_a, of_b = report.parameters
    assert of_a.p_value > 1e-6 > of_b.p_value and of_b.worst_row is not None


@pytest.mark.slow
def test_the_worst_node_is_not_one_that_only_rounds():
    tape, loss, leaves = medium(None, np.float32)
    linear = [node for node in tape.nodes if node.name == "linear"]
    linear[0].vjp, linear[2].vjp = Scaled(1.2), Unlisted(LowRankSketch(1.0))
    linear[1].vjp = Unlisted(DiagonalSketch(0.9999))
    assert verdict(tape, loss, leaves, draws=2000).worst_node == linear[0].index


@pytest.mark.parametrize("estimator", [e for e in every(0.5) if not e.unbiased], ids=repr)
def test_biased_estimators_fail_by_enumeration(estimator):
    report = verdict(*network(estimator), draws=100)
    assert report.verdict == "failed" and report.p_value == 0 and report.worst_node is not None


def test_arguments_are_checked():
    tape, loss, leaves = network(Mask(0.5))
    with pytest.raises(ValueError, match="at least 100"):
        inspect.unbiasedness(tape, loss, leaves, draws=99)
    for alpha in (0, 1, -1, 2):
        with pytest.raises(ValueError, match="alpha"):
            inspect.unbiasedness(tape, loss, leaves, alpha=alpha)
    with pytest.raises(ValueError, match="nothing to inspect"):
        inspect.unbiasedness(mg.Tape(), loss)
    with pytest.raises(mg.TapeError):
        inspect.unbiasedness(tape, mg.Tensor(1.0), leaves)


def test_the_report_shows_itself():
    tape, loss, leaves = network(Mask(0.5), widths=(2, 2))
    report = verdict(tape, loss, leaves, draws=100)
    assert report == verdict(tape, loss, leaves, draws=100)  # the same seed
    assert "unbiasedness: passed" in str(report) and "false-alarm rate 1e-06" in str(report)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["verdict"] == "passed"
    assert "<table>" in report._repr_html_()


def test_biases_that_cancel_in_the_list_of_all_outcomes_are_none():
    """Twice as much at one node and half as much at the next: the gradient of what lies before both is right."""

    class Times(mg.Estimator):
        def __init__(self, factor):
            self.factor = factor

        def sample(self, g, node, rng):
            return self.factor * dense(Mask(0.5).sample(g, node, rng))

        def outcomes(self, g, node=None):
            return ((p, self.factor * dense(each)) for p, each in Mask(0.5).outcomes(g, node))

    w = mg.Tensor(normal(1, 2, 3), requires_grad=True)
    with mg.Tape() as tape:
        h = ops.linear(normal(2, 2, 3), w, vjp=Times(2.0))
        loss = (ops.linear(h, normal(3, 2, 2), vjp=Times(0.5)) * normal(4, 2, 2)).sum()
    report = verdict(tape, loss, [w], draws=200)
    assert report.enumerated and report.verdict == "passed" and "listed: exact" in report.method
