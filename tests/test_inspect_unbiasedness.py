"""The test of unbiasedness: sound estimators pass, every planted bias is caught, and its claims about itself hold.

Family-wise false-alarm rate of one call: 1e-6 where not said otherwise; seeds are fixed.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from estimator_cases import every, network, normal, unbiased

import minigrad as mg
from minigrad import inspect, ops, testing
from minigrad.cotangents import Columns, Rows, dense
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, TopK


class Unlisted(mg.Estimator):
    """Another estimator without its list of outcomes, so that only draws can tell."""

    def __init__(self, inner):
        self.inner, self.budget, self.unbiased = inner, inner.budget, inner.unbiased

    def sample(self, g, node, rng):
        return self.inner.sample(g, node, rng)

    def __repr__(self):
        return f"Unlisted({self.inner!r})"


def medium(vjp, dtype=np.float64):
    """A network of 12 → 16 → 16 → 4 with a tanh between, on 8 rows: too many outcomes to list."""
    return network(vjp, rows=8, widths=(12, 16, 16, 4), dtype=dtype)


def verdict(tape, loss, wrt=None, **options):
    options = {"draws": 1000, "rng": 5, **options}
    return inspect.unbiasedness(tape, loss, wrt, **options)


# Sound estimators pass.


@pytest.mark.parametrize("estimator", unbiased(0.5), ids=repr)
def test_sound_estimators_pass_on_a_small_network(estimator):
    tape, loss, leaves = network(estimator, widths=(2, 3, 2))
    report = verdict(tape, loss, leaves, draws=200)
    listed = not (isinstance(estimator, RandomProjection) and estimator.kind in ("gaussian", "orthogonal"))
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


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("estimator", SOUND, ids=repr)
def test_sound_estimators_pass_on_a_medium_network(estimator, dtype):
    report = verdict(*medium(Unlisted(estimator), dtype), draws=2000)
    assert report.verdict == "passed", str(report)
    assert report.enumerated == 0 and "asymptotic" in report.method
    assert 0 < report.detectable < 2


@pytest.mark.parametrize("estimator", [Mask(0.5), DiagonalSketch(0.5, "row"), LowRankSketch(0.5)], ids=repr)
def test_sound_estimators_pass_through_a_convolution(estimator):
    x = mg.Tensor(normal(1, 2, 5, 5, 2), requires_grad=True)
    w = mg.Tensor(normal(2, 3, 3, 2, 4), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.conv2d(x, w, padding=1, vjp=Unlisted(estimator)).square().sum()
    assert verdict(tape, loss, [x, w], draws=600).verdict == "passed"


# False alarms.


@pytest.mark.parametrize(
    "estimator", [Mask(0.3), Mask(0.1, "sample"), RandomProjection(0.4), DiagonalSketch(0.3)], ids=repr
)
def test_the_false_alarm_rate_is_below_alpha(estimator):
    """Of 60 sound runs at alpha = 0.05 at most 14 fail (more with probability below 1e-6, were the rate 0.05)."""
    tape, loss, leaves = network(Unlisted(estimator), rows=3, widths=(3, 4, 2))
    failed = sum(
        inspect.unbiasedness(tape, loss, leaves, draws=140, rng=seed, alpha=0.05).verdict == "failed"
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


# Planted biases.


class ExactWhenEmpty(Mask):
    def _gather(self, g, p, kept):
        return super()._gather(g, p, kept) if kept.size else g


class ByNormNotRescaled(mg.Estimator):
    """A third of the columns, by norm, without replacement, left as they are."""

    def sample(self, g, node, rng):
        norms = np.linalg.norm(g.reshape(-1, g.shape[-1]), axis=0)
        if not norms.any():
            return g
        kept = rng.choice(norms.size, min(np.count_nonzero(norms), -(-norms.size // 3)), False, norms / norms.sum())
        out = np.zeros_like(g)
        out[..., kept] = g[..., kept] / (norms.size / 3 * norms[kept] / norms.sum())
        return out


class ToExactNorm(mg.Estimator):
    def sample(self, g, node, rng):
        out = dense(Mask(0.5).sample(g, node, rng))
        norm = np.linalg.norm(out)
        return out * (np.linalg.norm(g) / norm) if norm else out


class OneMaskForAll(mg.Estimator):
    """Layers of one width share the mask that the first of them drew."""

    budget = 0.5

    def __init__(self):
        self.sweeps = {}

    def sample(self, g, node, rng):
        if node.index == max(self.sweeps, default=node.index):
            self.mask = None
        self.sweeps[node.index] = True
        if getattr(self, "mask", None) is None or self.mask.size != g.shape[-1]:
            self.mask = (rng.random(g.shape[-1]) < 0.5) / 0.5
        return g * self.mask


class WrongProbability(Mask):
    """Says 0.5 and keeps with 0.525."""

    def sample(self, g, node, rng):
        return Columns(g[:, (kept := np.flatnonzero(rng.random(g.shape[-1]) < 0.525))] / 0.5, kept, g.shape)


class TopHalf(mg.Estimator):
    def sample(self, g, node, rng):
        return TopK(0.5).sample(g, node, rng)


FAULTS = [ExactWhenEmpty(0.1), ByNormNotRescaled(), ToExactNorm(), TopHalf()]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_planted_biases_are_caught_in_a_network(fault):
    """Power: the biases are 1.5 times the detectable size or more, found with probability above 0.99."""
    tape, loss, leaves = medium(None)
    faulty = tape.nodes[2]
    faulty.vjp = fault
    last = next(node for node in reversed(tape.nodes) if node.name == "linear")
    last.vjp = Mask(0.75)
    report = verdict(tape, loss, leaves, draws=6000)
    assert report.verdict == "failed" and report.p_value < 1e-6
    assert report.worst_node == faulty.index
    assert report.worst_node_label.startswith("linear, ")
    assert f"look at node {faulty.index}" in str(report)


def test_one_mask_shared_by_two_layers_is_caught():
    x = mg.Tensor(normal(8, 4, 5), requires_grad=True)
    shared = OneMaskForAll()
    with mg.Tape() as tape:
        h = ops.linear(x, np.eye(5) * 2, vjp=shared)
        loss = ops.linear(h, np.eye(5) * 3, vjp=shared).square().sum()
    report = verdict(tape, loss)
    assert report.verdict == "failed" and report.worst_node == 0  # the second to draw, on the way back
    assert report.parameters[0].bias == pytest.approx(1.0, abs=0.25)  # E[(m/p)²] = 1/p = 2
    for node in tape.nodes[:2]:
        node.vjp = Unlisted(Mask(0.5))
    assert verdict(tape, loss).passed


def test_a_relu_mask_recomputed_from_a_sampled_input_is_caught():
    """The rule for a sketch reads the slope off what was kept of x: E = P(sampled)·g, for E[x̂] = x is no help there."""

    class SampledInput(mg.Estimator):
        def sample(self, g, node, rng):
            sampled = dense(Mask(0.25, "element").sample(node.saved["x"], None, rng))
            return g * (sampled > 0)

    @mg.primitive(x=lambda g, saved: g * (saved["x"] > 0))
    def relu(x):
        return np.maximum(x, 0), {"x": x}

    x = mg.Tensor(normal(9, 6, 5), requires_grad=True)
    with mg.Tape() as tape:
        loss = (relu(x, vjp=SampledInput()) * normal(10, 6, 5)).sum()
    report = verdict(tape, loss)
    assert report.verdict == "failed" and report.worst_node == 0
    assert report.parameters[0].bias == pytest.approx(-0.75, abs=0.1)


def correlation(wraps):
    """A 1-D correlation with zero padding, whose rule for some kept rows may wrap round the end of the signal."""

    def of_x(g, saved):
        return np.stack([np.convolve(row, saved["k"])[: row.size] for row in g])

    def wrapped(g, saved):
        rows = g.dense()
        return sum(c * np.roll(rows, shift, axis=1) for shift, c in enumerate(saved["k"]))

    @mg.primitive(x=of_x)
    def correlate(x, *, k):
        padded = np.pad(x, ((0, 0), (0, k.size - 1)))
        return sum(c * padded[:, s : s + x.shape[1]] for s, c in enumerate(k)), {"k": k}

    if wraps:
        correlate.primitive.structured(Rows, x=wrapped)
    return correlate


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize("unlisted", [False, True])
def test_a_correlation_that_wraps_round_is_caught(wraps, unlisted):
    kernel = np.array([0.25, 1.0, 0.5])
    x = mg.Tensor(normal(11, 4, 8), requires_grad=True)
    testing.assert_gradients_close(lambda t: correlation(wraps)(t, k=kernel), x.data)  # the dense rule is right
    mask = Mask(0.5, "row")
    with mg.Tape() as tape:
        y = correlation(wraps)(x, k=kernel, vjp=Unlisted(mask) if unlisted else mask)
    assert verdict(tape, y, cotangent=normal(12, 4, 8)).verdict == ("failed" if wraps else "passed")


def test_a_rule_for_a_structure_that_is_off_by_five_percent_is_caught():
    """By enumeration, where the support is small; 5 % of the noise of a small mask would drown in draws."""

    @mg.primitive(x=lambda g, saved: 2 * g)
    def twice(x):
        return 2 * x, {}

    twice.primitive.structured(Columns, x=lambda g, saved: 2.1 * g.dense())
    x = mg.Tensor(normal(13, 3, 4), requires_grad=True)
    with mg.Tape() as tape:
        loss = twice(x, vjp=Mask(0.5)).square().sum()
    report = verdict(tape, loss, draws=100)
    assert report.verdict == "failed" and report.p_value == 0 and report.enumerated == 16
    assert report.parameters[0].bias == pytest.approx(0.05, rel=1e-9)
    tape.nodes[0].vjp = Unlisted(Mask(0.5))
    report = verdict(tape, loss, draws=12_000)  # 5 % is 1.3 times what is detectable here
    assert report.verdict == "failed" and report.parameters[0].detectable < 0.05


def test_draws_that_disagree_with_the_list_are_caught():
    """A factor of 1.05 in a probability: the list is right, the draws are not."""
    x = mg.Tensor(normal(14, 4, 9), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.linear(x, np.eye(9), vjp=WrongProbability(0.5)).square().sum()
    report = verdict(tape, loss, draws=8000)
    assert report.enumerated == 512 and report.verdict == "failed" and 0 < report.p_value < 1e-6
    tape.nodes[0].vjp = Unlisted(WrongProbability(0.5))
    assert verdict(tape, loss, draws=8000).verdict == "failed"


def test_a_fault_in_one_row_does_not_drown():
    """One row of 400 is lost: 0.25 % of ∂input, far below what the probe of the whole can see."""

    class LosesRow(mg.Estimator):
        def sample(self, g, node, rng):
            out = dense(Mask(0.5, "element").sample(g, node, rng))
            out[123] = 0
            return out

    x = mg.Tensor(normal(15, 400, 20), requires_grad=True, name="x")
    with mg.Tape() as tape:
        loss = ops.multiply(x, 2.0, vjp=LosesRow()).square().sum()
    report = verdict(tape, loss, draws=400)
    (of_x,) = report.parameters
    assert report.verdict == "failed" and of_x.worst_row == 123
    assert abs(of_x.bias) < of_x.detectable
    tape.nodes[0].vjp = Unlisted(Mask(0.5, "element"))
    assert verdict(tape, loss, draws=400).passed


def test_a_bias_across_g_is_caught():
    """Noise that is not centred, orthogonal to the gradient: the probe along g sees nothing, the pilot's does."""
    g = np.zeros((2, 6))
    g[:, :3] = 1

    class Crosswise(mg.Estimator):
        def sample(self, g, node, rng):
            out = g + rng.standard_normal(g.shape)
            out[:, 4] += 0.5
            return out

    x = mg.Tensor(np.zeros((2, 6)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.multiply(x, 1.0, vjp=Crosswise())
    report = verdict(tape, y, cotangent=g)
    assert report.verdict == "failed" and abs(report.parameters[0].bias) < 0.2


def test_a_constant_fraction_is_caught_though_it_never_varies():
    class Half(mg.Estimator):
        def sample(self, g, node, rng):
            return g / 2

    tape, loss, leaves = network(Half())
    report = verdict(tape, loss, leaves)
    assert report.verdict == "failed" and report.enumerated == 0


def test_draws_that_are_not_finite_fail_and_an_infinite_gradient_is_refused():
    class DividesByZero(mg.Estimator):
        def sample(self, g, node, rng):
            with np.errstate(divide="ignore", invalid="ignore"):
                return g / (rng.random(g.shape) < 0.5)

    tape, loss, leaves = network(DividesByZero(), widths=(2, 2))
    with np.errstate(invalid="ignore", over="ignore"):
        report = verdict(tape, loss, leaves, draws=100)
    assert report.verdict == "failed" and "not finite" in report.method and "NaN" in str(report)
    json.dumps(report.to_dict(), allow_nan=False)
    w = mg.Tensor(np.array([1.0, np.inf]), requires_grad=True, name="w")
    with mg.Tape() as tape:
        loss = ops.multiply(w, w, vjp=Mask(0.5)).sum()
    with pytest.raises(ValueError, match="exact gradient of w has 1 entries"):
        verdict(tape, loss)


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


def test_what_is_called_detectable_is_detected():
    """1.5 times the detectable bias is found in all of 20 runs (each with probability above 0.99: 5.3 + 2.6 standard
    errors); a tenth of it in none (false alarm below 1e-6 each, and the bias well within the noise)."""
    smallest = verdict(*scaled(1.0)).detectable
    assert 0 < smallest < 0.5
    assert all(verdict(*scaled(1 + 1.5 * smallest), rng=seed).verdict == "failed" for seed in range(10))
    assert all(verdict(*scaled(1 - 1.5 * smallest), rng=seed).verdict == "failed" for seed in range(10))
    assert all(verdict(*scaled(1 + 0.1 * smallest), rng=seed).verdict == "passed" for seed in range(10))


def test_more_draws_detect_less():
    few, many = (verdict(*scaled(1.0), draws=n).detectable for n in (400, 1600))
    assert many == pytest.approx(few / 2, rel=0.3)


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
