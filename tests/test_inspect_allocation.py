"""Sharing a cost among layers: the noise as measured, and that the best choice by measurement is returned."""

from __future__ import annotations

import json

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import datasets, inspect, nn, optim, training
from minigrad.estimators import DiagonalSketch, Mask, Priced, TopK
from minigrad.inspect.measured import SMALLEST, MeasuredBatches
from minigrad.inspect.noise_pilot import _probe
from minigrad.inspect.recorded_batches import RecordedBatches

X, Y = normal(1, 60, 8, dtype=np.float32), normal(2, 60, 3, dtype=np.float32)


def mean_square(out, y):
    return (out - y).square().sum() / len(y)


def two_layers(vjp="mask", scale=1.0):
    vjp = Mask(0.5) if vjp == "mask" else vjp
    net = nn.Sequential(nn.Linear(8, 12, rng=0, vjp=vjp), nn.Tanh(), nn.Linear(12, 3, rng=1, vjp=vjp))
    net[2].weight.data *= scale
    return net


def allocate(net, budget=0.25, **options):
    options = {"batch_size": 12, "batches": 10, "loss": mean_square, "rng": 0, **options}
    return inspect.allocate(net, (X, Y), budget=budget, **options)


def test_the_budgets_cost_what_was_asked_for():
    for budget in (0.1, 0.25, 0.6):
        found = allocate(two_layers(scale=3.0), budget)
        p, c = (np.array(list(field.values())) for field in (found.budgets, found.costs))
        assert list(found.budgets) == ["0", "2"] and (p <= 1).all() and (p >= SMALLEST).all()
        assert c @ p == pytest.approx(budget * c.sum(), rel=1e-6)
        assert sum(found.parts.values()) == pytest.approx(1.0)


def test_the_noise_as_measured_is_that_of_enumeration():
    """Two column masks: three coefficients, and V at other budgets, against all outcomes on the same batches.

    Over 200 batches and draws the standard errors are 5 to 8 %, of a and of V: 35 % is more than four of them.
    """
    net = nn.Sequential(
        nn.Linear(8, 5, rng=0, vjp=Mask(0.5)), nn.Tanh(), nn.Linear(5, 3, rng=1, vjp=Mask(0.5))
    )  # 2⁸ outcomes
    measured = MeasuredBatches(RecordedBatches(net, (X, Y), 12, mean_square, 0), 200)
    noise = measured.noise({"0": 0.5, "2": 0.5})
    assert noise.growth[1, 0] == 0 and noise.growth[0, 0] == 0 and noise.growth[0, 1] > 0  # layer 2 is met first

    def exact(budgets):
        found = []
        for target in measured.targets[:30]:
            for node in target.tape.nodes:
                if node.vjp is not None:
                    node.vjp = Mask(budgets[node.layer])
            found.append(inspect.exact_moments(target.tape, target.loss, target.tensors).total_variance)
        return np.mean(found)

    for budgets in ((0.5, 1.0), (1.0, 0.5), (0.5, 0.5), (0.3, 0.6)):
        truth = exact(dict(zip(("0", "2"), budgets, strict=True)))
        assert noise.variance(budgets) == pytest.approx(truth, rel=0.35)


def test_the_best_by_measurement_is_returned():
    """Chosen on batches of its own, the common budget among the candidates."""
    seen = set()
    for seed in range(6):
        for budget, scale in ((0.3, 1.0), (0.1, 10.0)):
            net = two_layers(scale=scale)
            found = allocate(net, budget, batches=3, rng=seed)
            common = dict.fromkeys(found.budgets, budget)
            choosing = MeasuredBatches(RecordedBatches(net, (X, Y), 12, mean_square, seed), 3, 3)
            assert choosing.variance(found.budgets) <= choosing.variance(common)
            assert (found.chosen == "common") == (found.budgets == common)
            seen.add(found.chosen)
    assert "shared" in seen


@pytest.mark.slow
def test_what_is_reported_was_not_measured_by_the_draws_of_the_choice():
    """By hand, from the batches behind those of the choice; and it scatters as it says.

    The RMS of (value − mean)/s.e. over 60 seeds is within 0.7 and 1.5: were it 1, it would be but for about 1e-3.
    """
    net = two_layers()
    found = allocate(net, batches=6, rng=5)
    fresh = MeasuredBatches(RecordedBatches(net, (X, Y), 12, mean_square, 5), 6, 12)
    shared, common = (fresh.squares(budgets) for budgets in (found.budgets, {"0": 0.25, "2": 0.25}))
    assert found.variance == shared.mean() and found.common_variance == common.mean()
    assert found.error == pytest.approx(shared.std(ddof=1) / np.sqrt(6), rel=1e-12)
    assert found.common_error == pytest.approx(common.std(ddof=1) / np.sqrt(6), rel=1e-12)
    assert found.difference_error == pytest.approx((shared - common).std(ddof=1) / np.sqrt(6), rel=1e-12)
    assert f"± {found.common_error:.2g}" in str(found)
    assert "too few: the variance rests on" in allocate(net, 0.1, batches=3).caution
    assert allocate(net, 0.5, batches=100).caution is None
    many = [allocate(net, batches=20, rng=seed) for seed in range(60)]
    value, error = np.array([[one.common_variance, one.common_error] for one in many]).T
    assert 0.7 < np.sqrt(np.mean(((value - value.mean()) / error) ** 2)) < 1.5


def test_a_layer_that_matters_little_gives_up_its_budget():
    """The last layer's weights are small, so that the first layer's noise is small too: it can do with less."""
    found = allocate(two_layers(scale=0.01), 0.25, batches=20)
    assert found.budgets["2"] > 5 * found.budgets["0"]
    assert found.chosen == "shared" and found.variance < 0.7 * found.common_variance


def descent(measured, p, rounds=4, step=1.5):
    """Coordinate descent on the measured variance at one cost, by the draws of ``measured``."""
    costs = measured.costs
    total = costs @ p

    def variance(q):
        return measured.variance(dict(zip(measured.names, q.tolist(), strict=True)))

    least = variance(p)
    for _ in range(rounds):
        for layer in range(len(p)):
            for factor in (step, 1 / step):
                q = p.copy()
                q[layer] = min(1.0, q[layer] * factor)
                for _ in range(40):  # onto the cost, with all that can give or take
                    q = np.clip(q * total / (costs @ q), SMALLEST, 1.0)
                if abs(costs @ q / total - 1) < 1e-6 and (found := variance(q)) < least:
                    p, least = q, found
                    break
        step = 1 + (step - 1) * 0.6
    return p


@pytest.mark.slow
@pytest.mark.parametrize("vjp", [Mask(0.5), DiagonalSketch(0.5)], ids=["mask", "diagonal"])
def test_a_deep_network_against_coordinate_descent(vjp):
    """Six layers. Both are measured on 200 batches that neither has seen, with the same draws.

    The quotient is at most 1.1 up to twice its standard error; over runs with other seeds it was 0.93 to 1.03. The
    common budget has three to four times as much, which shows that there is something to find.
    """
    data = datasets.digits().flat()
    net = nn.mlp((64, 48, 48, 32, 32, 24, 10), rng=0)
    training.fit(net, data, optimizer=optim.Adam(net, lr=1e-3), epochs=3, batch_size=32, rng=0, progress=False)
    nn.set_vjp(net, vjp)
    found = inspect.allocate(net, data, budget=0.3, batch_size=32, batches=40, rng=1)
    recorded = RecordedBatches(net, data, 32, rng=1)
    start = np.array(list(found.budgets.values()))
    by_descent = descent(MeasuredBatches(recorded, 60, 120), start)
    fresh = MeasuredBatches(recorded, 200, 180)
    squares = [
        fresh.squares(dict(zip(fresh.names, np.broadcast_to(p, start.shape).tolist(), strict=True)))
        for p in (start, by_descent, 0.3)
    ]
    ours, theirs, common = [s.mean() for s in squares]
    off = (squares[0] / ours - squares[1] / theirs).std(ddof=1) / np.sqrt(200) * ours / theirs
    assert ours / theirs < 1.1 + 2 * off < 1.5
    assert common > 1.7 * ours


def test_nodes_that_leave_out_what_is_left_out_already():
    """Rows that a sketch above has left out cost nothing to leave out: at the pilot the lower layer adds nothing.

    The variance that it makes is measured with less then, so that its budget is not taken for free.
    """
    net = two_layers(DiagonalSketch(0.5, axis="row", design="systematic"))
    measured = MeasuredBatches(RecordedBatches(net, (X, Y), 12, mean_square, 0), 10)
    noise = measured.noise({"0": 0.5, "2": 0.5})
    assert noise.gains[0] > 0 and noise.curves[0](0.5) < 0.3 < noise.curves[0](0.05)


def test_what_has_no_budget_to_share():
    for vjp in (Priced(0.5), {"x": Mask(0.5), "w": Priced(0.5, target="weight")}):
        with pytest.raises(TypeError, match=r"Priced\(0\.5.* has no budget to change.*such as DiagonalSketch"):
            allocate(two_layers(vjp))


def test_budget_one_is_exact():
    found = allocate(two_layers(), 1.0)
    assert found.budgets == {"0": 1.0, "2": 1.0}
    assert found.variance == found.common_variance == 0 and found.chosen == "common"


def test_budgets_can_be_put_in_place():
    net = two_layers()
    found = allocate(net)
    nn.set_budgets(net, found.budgets)
    assert [net[0].vjp, net[2].vjp] == [Mask(p) for p in found.budgets.values()]


def test_errors_teach():
    for budget in (0, -0.1, 1.1):
        with pytest.raises(ValueError, match="must lie in"):
            allocate(two_layers(), budget)
    with pytest.raises(ValueError, match="at least 2"):
        allocate(two_layers(), batches=1)
    with pytest.raises(ValueError, match=r"nn\.set_vjp"):
        allocate(two_layers(None))
    with pytest.raises(ValueError, match=r"TopK\(0\.5\).* is biased"):
        allocate(two_layers(TopK(0.5)))

    class Fixed(mg.Estimator):
        def sample(self, g, node, rng):
            return g

    with pytest.raises(TypeError, match="has no field `budget`"):
        allocate(two_layers(Fixed()))


def test_the_report_shows_itself():
    found = allocate(two_layers())
    assert found.to_dict() == allocate(two_layers()).to_dict()
    assert "budgets by layer" in str(found) and "chosen: " in str(found) and "<table>" in found._repr_html_()
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_budget_is_probed_that_adds_something():
    """A sketch at p adds a tenth of (1/p − 1) times the size, or it is taken to have left out nothing."""
    levels, size = (0.5, 0.25, 0.125), 10.0  # it must add 1, 3 and 7
    assert _probe(levels, np.array([1.01, 9.0, 9.0]), 0.5, size) == (0.5, 1.01)
    assert _probe(levels, np.array([0.99, 3.01, 9.0]), 0.5, size) == (0.25, 3.01)
    assert _probe(levels, np.array([0.99, 2.99, 7.01]), 0.5, size) == (0.125, 7.01)
    assert _probe(levels, np.array([0.0, 0.0, 0.0]), 0.5, size) == (0.125, 0.0)
    assert _probe(levels, np.array([1.0, 9.0, 9.0]), 0.25, size) == (0.25, 9.0)
