"""The cost of estimators that keep what a distortion asks for: a bound by itself, measured with a loss."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import inspect, nn, ops, optim, training
from minigrad.cli import main
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, StratifiedMask, parse
from minigrad.experiments.method import methods_from
from minigrad.inspect.backward_flops import BackwardFlops
from minigrad.structure import Columns, Entries, Factors, Rows, share

SKETCHES = ["diagonal(distortion=0.3, axis=sample)", "diagonal(distortion=0.3)", "lowrank(distortion=0.3)",
            "stratified(distortion=0.5, axis=row)"]  # fmt: skip


def recorded(vjp, steep=True, seed=0):
    rng = np.random.default_rng(seed)
    model = nn.mlp((6, 16, 12, 3), vjp=vjp, rng=seed)
    x = rng.normal(size=(20, 6)).astype(np.float32)
    scale = np.where(np.arange(20) < 2, 30.0, 1.0)[:, None] if steep else np.ones((20, 1))
    with mg.Tape() as tape:
        loss = (model(x) * scale.astype(np.float32)).square().sum()
    return tape, loss, model


@pytest.mark.parametrize("text", SKETCHES)
def test_without_a_loss_it_is_a_bound_and_says_so(text):
    tape, loss, _ = recorded(parse(text))
    most, measured = inspect.cost(tape), inspect.cost(tape, loss, draws=30, rng=0)
    assert most.bound and not measured.bound and most.to_dict()["bound"]
    assert "≤ " in str(most) and "≤" not in str(measured)
    assert measured.backward < most.backward
    assert sum(n.wire_bytes for n in measured.nodes) < sum(n.wire_bytes for n in most.nodes)
    assert most.backward_exact == measured.backward_exact


@pytest.mark.parametrize("text", SKETCHES)
def test_it_is_the_cost_of_a_budget_that_keeps_as_much(text):
    """The share that is charged is that which `inspect.sparsity` counts."""
    tape, loss, model = recorded(parse(text))
    kept = inspect.sparsity(tape, loss, draws=50, rng=3)
    measured = inspect.cost(tape, loss, draws=50, rng=3)
    shares = {(node.node, 0): node.fraction for node in kept.nodes}
    assert measured.backward == pytest.approx(inspect.cost(tape, shares=shares).backward, rel=1e-9)
    layers = [node for node in tape.nodes if node.vjp is not None]
    assert len(layers) == 3
    for node in layers:
        text_of = repr(node.vjp).replace(f"distortion={node.vjp.relative_distortion}", f"{shares[node.index, 0]!r}")
        node.vjp = parse(text_of)
    if "stratified" not in text:  # whose number of units is rounded
        assert inspect.cost(tape).backward == pytest.approx(measured.backward, rel=1e-9)
        assert not inspect.cost(tape).bound


@pytest.mark.parametrize("text", SKETCHES)
def test_the_last_backward_pass_is_counted_by_what_it_kept(text):
    tape, loss, model = recorded(parse(text))
    flops = BackwardFlops(tape)
    assert flops({}) == pytest.approx(inspect.cost(tape).backward)
    wanted = list(model.parameters())
    seen = set()
    for seed in range(15):
        tape.gradients(loss, wanted, rng=seed)
        assert set(tape.shares) == {(node.index, 0) for node in tape.nodes if node.vjp is not None}
        assert flops(tape.shares) == pytest.approx(inspect.cost(tape, shares=tape.shares).backward, rel=1e-12)
        seen.add(flops(tape.shares))
    assert len(seen) > 1 or "stratified" in text


def test_budgets_are_counted_as_ever():
    for vjp in (Mask(0.3), Mask(distortion=0.5), DiagonalSketch(0.3), DiagonalSketch(distortion=0.0)):
        tape, loss, model = recorded(vjp)
        assert not inspect.cost(tape).bound
        assert inspect.cost(tape, loss, rng=0).backward == inspect.cost(tape).backward == BackwardFlops(tape)({})
        tape.gradients(loss, list(model.parameters()), rng=0)
        assert tape.shares == {}


def test_a_mapping_by_input():
    x, w = mg.Tensor(np.ones((4, 3)), requires_grad=True), mg.Tensor(np.ones((2, 3)), requires_grad=True)
    vjp = {"x": DiagonalSketch(distortion=0.5), "w": Mask(0.5, axis="row")}
    with mg.Tape() as tape:
        y = ops.linear(x, w, vjp=vjp)
        loss = y.sum()
    tape.gradients(loss, [x, w], rng=0)
    assert set(tape.shares) == {(0, 0)}
    assert inspect.cost(tape).bound and not inspect.cost(tape, loss, rng=0).bound


def test_shares():
    g = np.ones((4, 6))
    one = np.ones(1)
    assert share(Columns.gather(g, np.array([2]), one)) == pytest.approx(1 / 6)
    assert share(Rows.gather(g, np.array([2]), one)) == 0.25
    assert share(Entries.gather(g, np.array([2]), one)) == pytest.approx(1 / 24)
    assert share(Factors(np.ones((4, 1)), np.ones((1, 6)), (4, 6))) == 0.25
    assert share(Rows.gather_samples(np.ones((4, 2, 3)), np.array([0, 1]), np.ones(2))) == 0.5
    assert share(np.zeros((0, 3))) == 1.0


def test_training_is_charged_for_what_was_kept():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(3, size=40)
    flops = {}
    for vjp in (None, DiagonalSketch(distortion=0.5, axis="sample"), Mask(distortion=0.5, axis="sample")):
        model = nn.mlp((6, 16, 3), rng=0)
        model[-1].vjp = vjp
        history = training.fit(
            model, (x, y), optimizer=optim.SGD(model.parameters(), 0.1), epochs=2, batch_size=20, rng=0
        )
        flops[repr(vjp)] = history.epochs[-1].backward_flops
    exact, kept, uniform = flops.values()
    assert kept < uniform < exact


def test_the_most_that_strata_need():
    assert StratifiedMask(distortion=0.5).kept((1, 12)).fraction >= 12 / 18 / 1.0 * (1 - 1e-9)
    assert LowRankSketch(distortion=1.0).kept((4, 4)).fraction == 0.5


def test_advice_and_allocation_measure_budgets_in_place_of_the_distortion():
    """With the same seeds they say of a sketch with a distortion what they say of one with a budget."""
    rng = np.random.default_rng(0)
    data = rng.normal(size=(64, 6)).astype(np.float32), rng.integers(3, size=64)
    found = []
    for vjp in (DiagonalSketch(0.5), DiagonalSketch(distortion=0.3)):
        model = nn.mlp((6, 16, 3), vjp=vjp, rng=0)
        advice = inspect.tradeoff(model, data, batch_size=16, batches=4, rng=0)
        allocation = inspect.allocate(model, data, budget=0.5, batch_size=16, batches=4, rng=0)
        assert model[0].vjp == vjp  # left as it was
        found.append((advice.budget, advice.ratio, allocation.budgets))
    assert found[0] == found[1]


@pytest.mark.slow
def test_the_command_line_takes_it(capsys, tmp_path):
    text = "diagonal(distortion=0.5, axis=row)"
    assert main(["inspect", "--train", "200", "--vjp", text, "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "distortion=0.5, axis='row'" in " ".join(shown.split()) or "distortion=0.5," in shown
    assert "≤" not in shown.partition("cost of the tape")[2]
    assert methods_from((text,), 0.1)[1].vjp == "DiagonalSketch(distortion=0.5, axis='row')"


def test_what_is_below_a_bound_is_a_bound():
    """Rows that a distortion keeps are fewer below, too: how many is not known there either."""
    x, w = mg.Tensor(np.ones((8, 6)), requires_grad=True), mg.Tensor(np.ones((5, 6)), requires_grad=True)
    with mg.Tape() as tape:
        ops.linear(ops.tanh(x), w, vjp={"x": DiagonalSketch(distortion=0.5, axis="row"), "w": Mask(0.5)})
    assert [node.bound for node in inspect.cost(tape).nodes] == [True, True]
    with mg.Tape() as tape:
        ops.linear(ops.tanh(x), w, vjp={"x": Mask(0.5, axis="row"), "w": DiagonalSketch(distortion=0.5)})
    assert [node.bound for node in inspect.cost(tape).nodes] == [False, True]
