"""Residual sketches in layers, on the tape's bill, under inspection and in training."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from estimator_cases import normal

import minigrad as mg
from minigrad import inspect, nn, ops, optim, training
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK

ROW = Mask(0.1, axis="row")


def wide(save=None, vjp=None, width=256, batch=4096):
    """A wide perceptron and a recorded step: (model, tape, loss)."""
    model = nn.mlp((64, width, width, width, 10), vjp=vjp, rng=0)
    if save is not None:
        nn.set_save(model, save)
    x = normal(0, batch, 64, dtype=np.float32)
    with mg.Tape(rng=0) as tape:
        loss = ops.cross_entropy(model(x), np.arange(batch) % 10)
    return model, tape, loss


def activation_bytes(model, tape):
    """What the tape holds beside the parameters, which the model holds anyway."""
    own = {id(parameter.data) for parameter in model.parameters()}
    held = {k: a for node in tape.nodes for k, a in node.saved_arrays().items()}
    return sum(a.nbytes for k, a in held.items() if k not in own)


@pytest.mark.parametrize("save", [ROW, Mask(0.1), DiagonalSketch(0.1, axis="row"), RandomProjection(0.1)], ids=repr)
def test_a_wide_perceptron_stores_a_fifth_of_its_activations(save):
    exact, sketched = activation_bytes(*wide()[:2]), activation_bytes(*wide(save)[:2])
    assert exact > 12e6 and sketched <= 0.2 * exact


def test_an_entry_costs_its_index_as_well():
    # 8 bytes of index for each 4 of a value: 0.1 of the entries are 0.3 of the bytes.
    exact, sketched = activation_bytes(*wide()[:2]), activation_bytes(*wide(Mask(0.1, axis="element"))[:2])
    assert 0.2 * exact < sketched < 0.4 * exact


def test_measured_memory_falls():
    # tracemalloc counts what NumPy allocates, to the byte, and does not depend on time: what a step still holds after
    # the forward pass, and the peak of the whole step.
    def step(save):
        wide(save, batch=64)  # what is allocated once
        tracemalloc.start()
        try:
            model, tape, loss = wide(save)
            held = tracemalloc.get_traced_memory()[0]
            tape.gradients(loss, list(model.parameters()), rng=0)
            return held, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    (held, peak), (held_sketched, peak_sketched) = step(None), step(ROW)
    saved = 0.8 * activation_bytes(*wide()[:2])
    assert held - held_sketched > saved and held_sketched < 0.35 * held
    assert peak - peak_sketched > 0.4 * saved


def test_the_tape_and_the_cost_report_say_what_is_stored():
    _, tape, _ = wide(ROW, width=32, batch=200)
    node = tape.nodes[0]
    assert node.nbytes == node.saved["x"].nbytes and node.saved["x"].nbytes < 0.2 * 200 * 64 * 4
    assert "kB, x: Mask(0.1, axis='row')" in json.dumps(tape.summary().to_dict())
    report = inspect.cost(tape)
    assert report.nodes[0].save == ", x: Mask(0.1, axis='row')" and report.nodes[0].saved_bytes == node.nbytes
    assert "x: Mask(0.1," in json.dumps(report.to_dict()) and "axis='row')" in str(report)


def test_relu_keeps_bits_of_a_large_array_and_they_serve_kept_rows():
    x = normal(1, 4, 133, 37)
    for part in (x, x[:, :1]):  # packed, and not
        for vjp in (None, Mask(0.5, axis="row"), Mask(0.5, axis="sample")):
            leaf = mg.Tensor(part, requires_grad=True)
            with mg.Tape() as tape:
                y = ops.multiply(ops.relu(leaf), 2.0, vjp=vjp)
            g = normal(2, *y.shape)
            found = tape.gradients(y, [leaf], g, rng=3)[0]
            with mg.Tape() as other:
                z = ops.multiply(ops.multiply(leaf, 1.0), 2.0, vjp=vjp)
            np.testing.assert_array_equal(found, other.gradients(z, [leaf], g, rng=3)[0] * (part > 0))
            assert tape.nodes[0].nbytes == (4 * 133 * 5 if part is x else part.nbytes)


def test_relu_of_odd_shapes():
    for shape in ((), (0,), (20000,), (20000, 1), (2600, 9), (20000, 0)):
        x = np.random.default_rng(0).normal(size=shape)
        _, pullback = mg.vjp(ops.relu, x)
        np.testing.assert_array_equal(pullback(np.ones(shape))[0], x > 0)


def test_layers_take_save_and_show_it():
    layer = nn.Linear(3, 2, save=ROW, vjp=Mask(0.5), rng=0)
    assert repr(layer).startswith("Linear(3, 2, vjp=Mask(0.5), save=Mask(0.1, axis='row'))")
    layer.save = None
    assert layer.save is None and "save" not in repr(layer)
    conv = nn.Conv2d(3, 2, 3, save={"x": ROW}, rng=0)
    with mg.Tape(rng=0) as tape:
        conv(np.ones((2, 5, 5, 3), np.float32))
    assert tape.nodes[0].save == {"x": ROW}
    assert not any("save" in name for name in layer.state_dict())
    with pytest.raises(TypeError, match="save= takes an estimator"):
        layer.save = 0.1
    with pytest.raises(ValueError, match="sketched here is x"):
        nn.Conv2d(3, 2, 3, save={"w": ROW})


def test_set_save():
    model = nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4, rng=0))
    assert nn.set_save(model, ROW) == ["0", "3"]
    assert nn.set_save(model, None, where=nn.Conv2d) == ["0"] and model[0].save is None and model[3].save == ROW
    assert nn.set_save(model, LowRankSketch(0.5), where=lambda path, module: path == "3") == ["3"]
    with pytest.raises(TypeError, match="set_save: ReLU has no save to set.*linear or quadratic in what they save"):
        nn.set_save(model, ROW, where=nn.ReLU)
    with pytest.raises(ValueError, match=r"was chosen by where=with_a_weight; it has 1 that could be \(GELU\)"):
        nn.set_save(nn.Sequential(nn.GELU()), Mask(0.5))
    with pytest.raises(ValueError, match="set_save: no layer of this Sequential was chosen"):
        nn.set_save(model, ROW, where=lambda path, module: False)
    with pytest.raises(TypeError, match="set_save, layer '0': conv2d: save= takes an estimator"):
        nn.set_save(model, "mask(0.1)")
    assert model[0].save is None and model[3].save == LowRankSketch(0.5)
    attention = nn.MultiHeadSelfAttention(4, rng=0)
    assert nn.set_save(attention, ROW) == ["query", "key", "value", "out"]


def small(save, vjp=None):
    """``record(rng)`` of a network of two layers, and its leaves."""
    model = nn.Sequential(nn.Linear(3, 4, rng=0, dtype=np.float64), nn.Tanh(), nn.Linear(4, 2, rng=1, dtype=np.float64))
    if vjp is not None:
        nn.set_vjp(model, vjp)
    nn.set_save(model, save)
    x = normal(3, 6, 3)

    def record(rng):
        with mg.Tape(rng=rng) as tape:
            loss = ops.square(model(x)).sum()
        return tape, loss

    return record, list(model.parameters())


@pytest.mark.parametrize("look", [inspect.variance, inspect.unbiasedness, inspect.exact_moments, inspect.sparsity])
def test_inspection_of_a_sketched_tape_asks_for_record(look):
    record, _ = small(Mask(0.5, axis="row"))
    with pytest.raises(
        ValueError, match=r"0/linear, x: Mask\(0.5, axis='row'\).*record=.*record\(rng\).*saving\(False\)"
    ):
        look(*record(0))
    with mg.saving(False):
        look(*record(0))
    inspect.cost(record(0)[0])  # counts bytes; nothing to refuse


def test_unbiasedness_with_record():
    for vjp in (None, Mask(0.5)):
        record, leaves = small(Mask(0.5, axis="row"), vjp)
        report = inspect.unbiasedness(record=record, draws=600, rng=0)
        assert report.verdict == "passed" and report.enumerated == 0, report
        assert inspect.unbiasedness(*record(0), leaves, record=record, draws=600, rng=0).passed
    record, _ = small(TopK(0.5, axis="row"))
    report = inspect.unbiasedness(record=record, draws=600, rng=0)
    assert report.verdict == "failed" and report.p_value == 0 and report.worst_node is None, report


@pytest.mark.slow
def test_variance_with_record():
    # By hand: with x̂ of kept rows, ∂W = Gᵀx̂ has the variance κ Σ ‖G_i‖²‖X_i‖² (Theory §2), for each layer alone.
    record, leaves = small(Mask(0.5, axis="row"))
    with mg.saving(False):
        tape, loss = record(0)
    x0, x1 = tape.nodes[0].saved["x"], tape.nodes[2].saved["x"]
    y = x1 @ leaves[2].data.T + leaves[3].data
    g1 = 2 * y
    g0 = (g1 @ leaves[2].data) * (1 - x1**2)
    expected = sum(float((np.square(g).sum(1) * np.square(x).sum(1)).sum()) for g, x in ((g0, x0), (g1, x1)))
    report = inspect.variance(record=record, draws=1000, rng=1)
    # Six standard errors: false alarm about 1e-8, the seed is fixed; the relative error of the estimate is about 3 %.
    assert abs(report.total - expected) < 6 * report.standard_error < 0.4 * expected
    assert report.by_node == {} and report.residuals == report.total
    assert sum(report.by_parameter.values()) == pytest.approx(report.total)
    assert "residual sketches" in str(report) and json.dumps(report.to_dict())

    both, _ = small(Mask(0.5, axis="row"), Mask(0.5))
    split = inspect.variance(record=both, draws=1000, rng=1)
    assert set(split.by_node) == {0, 2} and split.residuals > 0
    assert sum(split.by_parameter.values()) == pytest.approx(split.total)
    drawn = []  # and the split adds up to the variance of independent draws
    for seed in range(2000):
        tape, loss = both(seed)
        drawn.append(np.concatenate([g.ravel() for g in tape.gradients(loss, tape.leaves, rng=10**6 + seed)]))
    squares = np.square(np.array(drawn) - np.mean(drawn, axis=0)).sum(axis=1)
    error = np.hypot(split.standard_error, squares.std() / np.sqrt(2000))
    assert abs(squares.mean() - split.total) < 6 * error < 0.5 * split.total


def test_record_is_checked():
    record, leaves = small(Mask(0.5, axis="row"))
    with pytest.raises(TypeError, match=r"record= must return \(tape, loss\)"):
        inspect.variance(record=lambda rng: record(rng)[1], draws=2)
    with pytest.raises(TypeError, match=r"or record="):
        inspect.unbiasedness()
    noisy = nn.Sequential(nn.Linear(3, 4, save=ROW, rng=0), nn.Dropout(0.5))

    def dropping(rng):
        with mg.Tape(rng=rng) as tape:
            loss = noisy(np.ones((8, 3), np.float32)).sum()
        return tape, loss

    with pytest.raises(ValueError, match="two different losses.*dropout off"):
        inspect.variance(record=dropping, draws=2)
    loss = record(0)[1]
    with pytest.raises(ValueError, match="wrt= takes leaves"):
        inspect.variance(record=record, wrt=[loss], draws=2)


X = normal(0, 30, 6, dtype=np.float32)
Y = np.arange(30) % 4


def fit(epochs, checkpoint=None, save=ROW, rng=5):
    model = nn.Sequential(
        nn.Linear(6, 8, rng=0), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 8, vjp=Mask(0.5), rng=1),
        nn.Linear(8, 4, rng=2),
    )  # fmt: skip
    nn.set_save(model, save)
    opt = optim.SGD(model, lr=0.05, momentum=0.9)
    history = training.fit(
        model, (X, Y), optimizer=opt, epochs=epochs, batch_size=7, rng=rng, checkpoint=checkpoint, progress=False,
        checkpoint_seconds=0,
    )  # fmt: skip
    return {k: v.tobytes() for k, v in model.state_dict().items()}, [e.loss for e in history.epochs]


@pytest.mark.parametrize("save", [Mask(0.3, axis="row"), LowRankSketch(0.5)], ids=repr)
def test_a_resumed_run_draws_the_same_sketches(tmp_path, save):
    whole = fit(4, save=save)
    path = tmp_path / "run"
    fit(2, path, save)
    assert fit(4, path, save) == whole == fit(4, save=save)
    assert fit(4, save=None) != whole and fit(4, save=save, rng=6) != whole


def test_a_checkpoint_knows_what_was_saved(tmp_path):
    fit(1, tmp_path / "run")
    with pytest.raises(
        training.CheckpointError, match=r"model\.0\.save\.budget: the checkpoint has 0\.1, this run 0\.5"
    ):
        fit(2, tmp_path / "run", save=Mask(0.5, axis="row"))


def test_budgets_adapt_beside_residual_sketches():
    # Measurements record with the residual sketches off, and the training tapes with them.
    model = nn.mlp((6, 8, 4), vjp=Mask(0.5), rng=0)
    nn.set_save(model, Mask(0.5, axis="row"))
    noise = inspect.gradient_noise(model, (X, Y), batch_size=10, batches=4, rng=0)
    nn.set_save(model, None)
    again = inspect.gradient_noise(model, (X, Y), batch_size=10, batches=4, rng=0)
    assert noise.to_dict() == again.to_dict()
