"""The variance by node: against the exact decomposition, and honest about its own errors.

Statistical tests state their false-alarm rate; seeds are fixed.
"""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from estimator_cases import network, normal

import minigrad as mg
from minigrad import inspect, ops
from minigrad.engine.drawing import draw
from minigrad.engine.sweep import Sweep
from minigrad.engine.wanted import arrived
from minigrad.estimators import DiagonalSketch, Exact, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.inspect import tangent_shares
from minigrad.inspect.increments import increments
from minigrad.inspect.leaves import InspectionTarget, as_vector
from minigrad.inspect.variance import _of_directions
from minigrad.structure import dense

Z = 5.6
"""A normal variable is further out than this with probability 2e-8; over the 20 or so comparisons here, under 1e-6."""


def listed(tape, loss, wrt):
    """Random nodes, the probability of every joint outcome, and in it ‖H_k − H_{k−1}‖² of every node."""
    random = [node.index for node in reversed(tape.nodes) if node.vjp is not None]

    def gradients(first):
        """{outcomes chosen at the first nodes: (probability, gradient)}; the nodes after them are exact."""

        def go_on(sweep, probability, choice):
            stop = sweep.advance()
            if stop is None:
                yield choice, probability, np.concatenate([dense(arrived(sweep, t, tape)).ravel() for t in wrt])
                return
            node, g = stop
            for k, (chance, cotangent) in enumerate(node.vjp.outcomes(g, node)):
                branch = sweep.copy()
                branch.apply(node, [cotangent] * len(node.parents))
                yield from go_on(branch, probability * chance, (*choice, k))

        sweep = tape.sweep(loss)
        sweep.random = frozenset(first)
        return {choice: (p, g) for choice, p, g in go_on(sweep, 1.0, ())}

    levels = [gradients(random[:k]) for k in range(len(random) + 1)]
    found = []
    for choice, (probability, _) in levels[-1].items():
        path = [levels[k][choice[:k]][1] for k in range(len(random) + 1)]
        found.append((probability, [np.sum((after - before) ** 2) for before, after in itertools.pairwise(path)]))
    return random, np.array([p for p, _ in found]), np.array([squares for _, squares in found])


def exact_by_node(tape, loss, wrt):
    """E‖H_k − H_{k−1}‖² for each node."""
    nodes, probabilities, squares = listed(tape, loss, wrt)
    return dict(zip(nodes, probabilities @ squares, strict=True))


CASES = [
    Mask(0.5),
    Mask(0.3, "row"),
    DiagonalSketch(0.5, target="both"),
    LowRankSketch(0.6),
    RandomProjection(0.5, "rademacher"),
]


@pytest.mark.parametrize("estimator", CASES, ids=repr)
def test_shares_are_those_of_the_exact_decomposition(estimator):
    tape, loss, leaves = network(estimator)
    expected = exact_by_node(tape, loss, leaves)
    moments = inspect.exact_moments(tape, loss, leaves)
    assert sum(expected.values()) == pytest.approx(moments.total_variance, rel=1e-10)  # orthogonal increments
    report = inspect.variance(tape, loss, leaves, draws=2000, rng=1)
    assert list(report.by_node) == list(expected)
    for node, value in expected.items():
        assert abs(report.by_node[node] - value) <= Z * report.standard_errors[node] + 1e-12, node
    assert abs(report.total - moments.total_variance) <= Z * report.standard_error + 1e-12


def test_a_wrong_share_would_be_seen():
    """Power of the comparison above: shares off by a factor of 1.5 are 5.6 standard errors away or more."""
    tape, loss, leaves = network(Mask(0.5))
    report = inspect.variance(tape, loss, leaves, draws=2000, rng=1)
    for node, value in exact_by_node(tape, loss, leaves).items():
        assert abs(report.by_node[node] - 1.5 * value) > Z * report.standard_errors[node]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shares_add_up(dtype):
    tape, loss, leaves = network(DiagonalSketch(0.4), rows=5, widths=(6, 8, 7, 3), dtype=dtype)
    report = inspect.variance(tape, loss, leaves, draws=30, rng=2)
    assert sum(report.by_node.values()) == pytest.approx(report.total, rel=1e-12)
    assert sum(report.by_parameter.values()) == pytest.approx(report.total, rel=1e-10)
    assert len(report.by_parameter) == len(leaves)
    exact = np.concatenate([g.ravel() for g in inspect_exact(tape, loss, leaves)])
    assert report.norm == pytest.approx(np.linalg.norm(exact.astype(float)), rel=1e-6)
    assert report.relative == pytest.approx(report.total / report.norm**2)
    assert report.signal_to_noise == pytest.approx(report.relative**-0.5)


def inspect_exact(tape, loss, leaves):
    chosen = [node.vjp for node in tape.nodes]
    for node in tape.nodes:
        node.vjp = None
    found = tape.gradients(loss, leaves)
    for node, vjp in zip(tape.nodes, chosen, strict=True):
        node.vjp = vjp
    return found


def test_increments_of_one_draw_sum_to_its_error():
    tape, loss, leaves = network(Mask(0.5), rows=3, widths=(4, 5, 6, 2))
    target = InspectionTarget(tape, loss, leaves)
    drawn = np.concatenate([g.ravel() for g in tape.gradients(loss, leaves, rng=77)])
    total = sum(as_vector(step.after) - as_vector(step.before) for step in increments(target, 77))
    np.testing.assert_allclose(target.exact() + total, drawn, rtol=1e-12, atol=1e-12)


def test_one_uniform_mask_has_the_variance_of_the_formula():
    """κ Σ_j ‖G_j‖²‖X‖² over rows of ∂W; the draw's square is a sum over columns, so its error is known too."""
    w = mg.Tensor(normal(1, 6, 3), requires_grad=True)
    x, g = normal(2, 4, 3), normal(3, 4, 6)
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=Mask(0.25))
    report = inspect.variance(tape, y, draws=1000, rng=0, cotangent=g)
    assert abs(report.total - 3 * np.sum((g.T @ x) ** 2)) <= Z * report.standard_error
    assert report.relative_noise == {0: 0.0}


def test_intermediate_tensors_see_only_the_noise_above_them():
    x = mg.Tensor(normal(4, 3, 4), requires_grad=True)
    with mg.Tape() as tape:
        h = ops.linear(x, normal(5, 4, 4), vjp=Mask(0.5))
        loss = ops.linear(h.tanh(), normal(6, 4, 4), vjp=Mask(0.5)).square().sum()
    report = inspect.variance(tape, loss, [h], draws=50, rng=0)
    first, last = (node.index for node in tape.nodes if node.vjp is not None)
    assert report.by_node[first] == 0 and report.by_node[last] > 0
    assert inspect.exact_moments(tape, loss, [h]).total_variance == pytest.approx(
        report.total, abs=Z * report.standard_error
    )


def test_nodes_that_the_loss_does_not_need_are_left_out():
    w = mg.Tensor(normal(7, 3, 3), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(np.ones((2, 3)), w, vjp=Mask(0.5)).sum()
        loss = ops.linear(np.ones((2, 3)), w, vjp=Mask(0.5)).sum()
    assert list(inspect.variance(tape, loss, draws=5, rng=0).by_node) == [2]


@pytest.mark.parametrize("vjp", [None, Exact(), Mask(1.0)])
def test_without_noise_everything_is_zero(vjp):
    tape, loss, leaves = network(vjp)
    report = inspect.variance(tape, loss, leaves, draws=5, rng=0)
    assert report.total == report.relative == report.standard_error == 0
    assert report.signal_to_noise == np.inf and report.cosine == pytest.approx(1)
    assert report.to_dict()["signal_to_noise"] is None  # JSON has no infinity
    json.dumps(report.to_dict(), allow_nan=False)
    assert "total 0" in str(report)
    close(report.plot())


def test_a_zero_gradient_has_no_relative_variance():
    w = mg.Tensor(np.ones((2, 2)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(np.array([[1.0, -1.0]]), w, vjp=Mask(0.5)).sum()
        loss = (y * 0.0).sum()
    report = inspect.variance(tape, loss, draws=5, rng=0)
    assert report.norm == report.total == report.relative == 0
    # The exact gradient cancels, the noise does not.
    w = mg.Tensor(np.zeros(()), requires_grad=True)
    with mg.Tape() as tape:
        loss = ops.multiply(w, np.array([1.0, -1.0]), vjp=Mask(0.5, "element")).sum()
    report = inspect.variance(tape, loss, draws=400, rng=0)
    assert report.relative == np.inf and abs(report.total - 2) <= Z * report.standard_error
    json.dumps(report.to_dict(), allow_nan=False)


def test_biased_estimators_are_flagged():
    tape, loss, leaves = network(TopK(0.5))
    report = inspect.variance(tape, loss, leaves, draws=3, rng=0)
    assert report.biased == tuple(report.by_node)
    assert "squared errors" in str(report)
    tape.nodes[0].vjp = {"x": Mask(0.5), "w": TopK(0.5)}
    assert 0 in inspect.variance(tape, loss, leaves, draws=3, rng=0).biased


@pytest.mark.slow
def test_standard_errors_are_honest():
    """Of 200 intervals of two standard errors nearly 95 % cover the truth.

    Their number is within 170 and 200 with probability 1 − 2e-7 if the coverage is between 0.93 and 0.97; half the
    honest standard error would cover about 68 %, 136 intervals (over 167 with probability below 1e-6).
    """
    tape, loss, leaves = network(Mask(0.5), rows=2, widths=(2, 3, 2))
    total = inspect.exact_moments(tape, loss, leaves).total_variance
    by_node = exact_by_node(tape, loss, leaves)
    covered, covered_first = 0, 0
    node = next(iter(by_node))
    for seed in range(200):
        report = inspect.variance(tape, loss, leaves, draws=50, rng=seed)
        covered += abs(report.total - total) <= 2 * report.standard_error
        covered_first += abs(report.by_node[node] - by_node[node]) <= 2 * report.standard_errors[node]
    assert 170 <= covered <= 200 and 170 <= covered_first <= 200


ERRORS = [
    ("one node", lambda: network(Mask(0.4), rows=3, widths=(3, 4))),
    ("two nodes", lambda: network(Mask(0.5), rows=2, widths=(2, 3, 2))),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make"), ERRORS, ids=[name for name, _ in ERRORS])
def test_standard_errors_are_those_of_the_listed_distribution(name, make):
    """All standard errors against the exact variance of one draw: E[s²] = Var x. False alarms: below 1e-7 in all.

    With n draws s² has the variance (m₄ − m₂²)/n, m the central moments, listed too, and terms of order 1/n. A standard
    error off by 5 % is 10 % off in its square, which is asserted to be outside.
    """
    tape, loss, leaves = make()
    nodes, probability, squares = listed(tape, loss, leaves)
    draws = 12_000
    report = inspect.variance(tape, loss, leaves, draws=draws, rng=11)
    sums = squares.sum(axis=1)
    share = probability @ squares / (probability @ sums)
    found = {
        "total": (report.standard_error, sums),
        **{node: (report.standard_errors[node], squares[:, k]) for k, node in enumerate(nodes)},
    }
    if len(nodes) > 1:
        total = probability @ sums
        shares = {
            ("share", node): (report.share_errors[node], (squares[:, k] - share[k] * sums) / total)
            for k, node in enumerate(nodes)
        }
        found.update(shares)
    else:
        assert report.share_errors == {nodes[0]: 0.0}  # all of it, whatever the total
    for what, (error, x) in found.items():
        second = probability @ (x - probability @ x) ** 2
        fourth = probability @ (x - probability @ x) ** 4
        allowed = Z * np.sqrt((fourth - second**2) / draws)
        assert abs(error**2 * draws - second) <= allowed + Z**2 / draws * second, what
        if what == "total":
            assert allowed < 0.95 * (1.05**2 - 1) * second  # power: 5 % would be seen
    if len(nodes) > 1:  # power against a total without the covariance of its parts
        apart = sum(report.standard_errors[node] ** 2 for node in nodes) * draws
        fourth = probability @ (sums - probability @ sums) ** 4
        second = probability @ (sums - probability @ sums) ** 2
        assert abs(apart - second) > Z * np.sqrt((fourth - second**2) / draws)
    kish = (probability @ sums) ** 2 / (probability @ sums**2)
    assert report.effective_draws == pytest.approx(kish * draws, rel=0.1)


def test_errors_of_shares_add_up_to_nothing():
    """Of two shares one goes up by as much as the other goes down."""
    tape, loss, leaves = network(Mask(0.5), rows=2, widths=(2, 3, 2))
    report = inspect.variance(tape, loss, leaves, draws=50, rng=0)
    first, second = report.share_errors.values()
    assert first == pytest.approx(second, rel=1e-9) and first > 0
    assert f"± {100 * first:.1f}" in str(report)


def test_the_shares_scatter_over_seeds_as_they_say():
    """RMS of (share − mean)/s.e. over 100 seeds; with errors of the numerator alone it would be about a half.

    Were it 1, it would be within 0.7 and 1.3 but for a probability of about 2e-5 (its s.d. is 0.07).
    """
    tape, loss, leaves = network(Mask(0.5), rows=3, widths=(3, 4, 3))
    found = [inspect.variance(tape, loss, leaves, draws=40, rng=seed) for seed in range(100)]
    node = next(iter(found[0].by_node))
    share = np.array([report.by_node[node] / report.total for report in found])
    error = np.array([report.share_errors[node] for report in found])
    z = (share - share.mean()) / error
    assert 0.7 < np.sqrt(np.mean(z**2)) < 1.3


def heavy(budget):
    """Five layers, all masked: a mean over the batch, of a network as it is initialised."""
    return network(Mask(budget), rows=16, widths=(16, 16, 16, 16, 16, 6))


def test_too_few_effective_draws_are_warned_of():
    """The issue's case: 200 draws of a small budget, whose intervals cover far less than 95 %."""
    for budget, warns in ((0.05, True), (0.9, False)):
        tape, loss, leaves = heavy(budget)
        report = inspect.variance(tape, loss, leaves, draws=200, rng=0)
        assert (report.effective_draws < 48) == warns == (report.warning is not None)
        assert ("too few" in str(report)) == warns
        assert report.to_dict()["warning"] == report.warning
        assert f"{report.effective_draws:.3g} effective" in str(report)
        assert report.to_dict()["effective_draws"] == report.effective_draws


@pytest.mark.slow
def test_intervals_that_are_not_warned_of_cover():
    """Of the intervals without a warning 88 % or more cover the exact variance, of those with one fewer.

    With a coverage of 0.94 less than 0.88 of more than 60 are seen with probability 0.04 at most; the seeds are fixed.
    """
    covered = {True: [], False: []}
    for budget in (0.1, 0.3, 0.7):
        tape, loss, leaves = network(Mask(budget), rows=2, widths=(2, 3, 2))
        total = inspect.exact_moments(tape, loss, leaves).total_variance
        for seed in range(60):
            report = inspect.variance(tape, loss, leaves, draws=60, rng=seed)
            covered[report.warning is not None].append(abs(report.total - total) <= 2 * report.standard_error)
    assert len(covered[False]) > 60 and np.mean(covered[False]) >= 0.88
    assert len(covered[True]) > 60 and np.mean(covered[True]) < np.mean(covered[False])


def test_same_seed_same_numbers_and_too_few_draws():
    tape, loss, leaves = network(Mask(0.5))
    one, two = (inspect.variance(tape, loss, leaves, draws=4, rng=3).to_dict() for _ in range(2))
    assert one == two
    with pytest.raises(ValueError, match="at least 2"):
        inspect.variance(tape, loss, leaves, draws=1)


def test_the_noise_met_grows_towards_the_input():
    tape, loss, leaves = network(Mask(0.5), rows=8, widths=(8, 8, 8, 8))
    growth = list(inspect.variance(tape, loss, leaves, draws=200, rng=0).relative_noise.values())
    assert growth[0] == 0 and growth[1] > 0.3 and growth[2] > growth[1]


def close(ax):
    import matplotlib.pyplot as plt

    plt.close(ax.figure)


def test_the_plot_shows_the_report():
    tape, loss, leaves = network(Mask(0.5))
    report = inspect.variance(tape, loss, leaves, draws=50, rng=0)
    ax = report.plot()
    widths = [bar.get_width() for bar in ax.patches]
    np.testing.assert_allclose(widths, [100 * v / report.total for v in report.by_node.values()])
    assert [t.get_text().split("\n")[0] for t in ax.get_yticklabels()] == list(report.labels.values())
    bottom, top = ax.get_ylim()
    assert bottom > top  # the loss, met first, is at the top
    (line,) = ax.figure.axes[1].get_lines()
    np.testing.assert_allclose(line.get_xdata(), list(report.relative_noise.values()))
    close(ax)


def deep(depth, estimator, width=5, rows=4):
    """A residual network, each layer of which has the estimator."""
    rng = np.random.default_rng(3)
    weights = [mg.Tensor(rng.standard_normal((width, width)) * 0.4, requires_grad=True) for _ in range(depth)]
    with mg.Tape() as tape:
        x = mg.Tensor(rng.standard_normal((rows, width)))
        for w in weights:
            x = x + ops.linear(x, w, vjp=estimator).tanh()
        loss = (x * x).sum()
    return tape, loss, weights


@pytest.mark.parametrize("estimator", [Mask(0.5), LowRankSketch(0.5), {"x": Mask(0.5), "w": Mask(0.3, axis="row")}])
def test_shares_along_directions_are_those_of_the_increments(estimator):
    """Both are unbiased: within 5 standard errors, of draws and of directions. False alarms: below 1e-5 in all."""
    tape, loss, weights = deep(4, estimator)
    apart = inspect.variance(tape, loss, weights, draws=700, rng=1)
    along = inspect.variance(tape, loss, weights, draws=700, rng=2, directions=300)
    assert list(apart.by_node) == list(along.by_node) and along.directions == 300
    np.testing.assert_allclose(math.fsum(along.by_node.values()), along.total, rtol=1e-12)
    np.testing.assert_allclose(math.fsum(along.by_parameter.values()), along.total, rtol=1e-12)
    assert abs(along.total - apart.total) <= 5 * math.hypot(along.standard_error, apart.standard_error)
    for k in apart.by_node:
        errors = (apart.share_errors[k], along.share_errors[k], along.direction_errors[k])
        off = apart.by_node[k] / apart.total - along.by_node[k] / along.total
        assert abs(off) <= 5 * math.hypot(*errors) and math.hypot(*errors) < 0.06  # power: .3 off would be seen


def test_the_error_of_directions_is_that_of_other_directions():
    """Its square against the scatter of the shares over 40 sets of directions and draws, within a factor 2.5.

    The quotient is near χ²/39, beyond a factor 2.5 with a probability of 1e-5 a node; the seeds are fixed.
    """
    tape, loss, weights = deep(3, Mask(0.5))
    reports = [inspect.variance(tape, loss, weights, draws=60, rng=seed, directions=12) for seed in range(40)]
    for k in reports[0].by_node:
        shares = np.array([report.by_node[k] / report.total for report in reports])
        stated = np.mean([report.direction_errors[k] ** 2 + report.share_errors[k] ** 2 for report in reports])
        assert 0.4 < shares.var(ddof=1) / stated < 2.5


def test_a_draw_takes_one_backward_pass_along_directions(monkeypatch):
    tape, loss, weights = deep(12, Mask(0.5))
    pulls = []
    pull = Sweep.pull
    monkeypatch.setattr(Sweep, "pull", lambda self, node, *a: pulls.append(node.index) or pull(self, node, *a))
    inspect.variance(tape, loss, weights, draws=40, rng=0, directions=4)
    assert len(pulls) <= 41.5 * 2 * len(tape.nodes)  # a sweep visits a node once for each input at most
    few = len(pulls)
    pulls.clear()
    inspect.variance(tape, loss, weights, draws=40, rng=0)
    assert len(pulls) > 4 * few


def test_directions_are_refused_where_they_cannot_be_had():
    tape, loss, weights = deep(2, Mask(0.5))
    for bad in (1, 0, 2.5):
        with pytest.raises((ValueError, TypeError), match="directions"):
            inspect.variance(tape, loss, weights, directions=bad)
    inner = mg.Tensor(np.ones((2, 2)), requires_grad=True)
    with mg.Tape() as tape:
        h = inner * 2
        loss = ops.linear(h, inner, vjp=Mask(0.5)).sum()
    with pytest.raises(ValueError, match="takes leaves in wrt="):
        inspect.variance(tape, loss, [h], directions=4)
    with pytest.raises(ValueError, match="goes with neither record="):
        inspect.variance(record=lambda rng: (tape, loss), directions=4)
    assert "along 4 directions" in str(inspect.variance(tape, loss, draws=5, rng=0, directions=4))


@pytest.mark.parametrize("estimator", [Mask(0.5), {"x": Mask(0.5), "w": Mask(0.3, axis="row")}])
def test_the_mean_over_all_directions_is_the_square_of_the_increment(estimator, monkeypatch):
    """All 2⁸ signs of the parameters, one draw: exact, for every node and with estimators by input."""
    tape, loss, weights = deep(2, estimator, width=2, rows=3)
    bits = iter(itertools.product([0, 1], repeat=8))

    class Signs:
        def __init__(self):
            self.left = list(next(bits))

        def integers(self, low, high, shape):
            assert (low, high) == (0, 2)
            size = math.prod(shape)
            taken, self.left = self.left[:size], self.left[size:]
            return np.array(taken).reshape(shape)

    monkeypatch.setattr(tangent_shares, "generator", lambda *place: Signs())
    target = InspectionTarget(tape, loss, weights)
    tangents = tangent_shares.Tangents(target, 2**8, key=0)
    steps = {step.index: math.fsum(step.squares()) for step in increments(target, 5)}
    sweep = target.sweep()
    while (stop := sweep.advance()) is not None:
        node, g = stop
        cotangents = draw(node, g, 5)
        np.testing.assert_allclose(tangents.squares(node, g, cotangents).mean(), steps.pop(node.index), rtol=1e-12)
        sweep.apply(node, cotangents)
    assert not steps


def test_the_error_of_shares_that_is_due_to_few_directions():
    """By hand: shares 1/4 and 3/4, off by ±1/2 from each in two directions whose sums are 4."""
    nodes = {3: [np.array([1.5, 0.5])] * 2, 5: [np.array([2.5, 3.5]), np.array([2.5, 3.5])]}
    error = np.sqrt(2 * 0.5**2 / 1) / (np.sqrt(2) * 4)
    assert _of_directions(nodes) == pytest.approx({3: error, 5: error}, rel=1e-12)
